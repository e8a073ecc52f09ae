//! The rules that this room enforces, by name. Which clauses each rests on, and in which words
//! it refuses, is the pack's.

use shuyu_law::Rule;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Rule = Rule::new($text);)*

        /// Every rule that this room enforces.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    /// What is named must exist before it is acted on.
    EXISTS = "thing-exists";
    /// What exists is not made a second time.
    NEW = "thing-is-new";
    /// The city must have the procedure.
    PROCEDURE_KNOWN = "procedure-known";
    /// A case is acted on only while it is open.
    CASE_OPEN = "case-is-open";
    /// Only the stage that the case is in can be acted on.
    STAGE_CURRENT = "stage-is-current";
    /// Only the roles of a stage act in it.
    STAGE_ROLE = "stage-role";
    /// An outcome must be one of the stage.
    OUTCOME_KNOWN = "outcome-known";
    /// A person has one voice in a stage.
    ONE_VOICE = "one-voice-each";
    /// Who submits does not approve: not the same person.
    SUBMITTER = "submitter-does-not-approve";
    /// Who submits does not approve: not the same organisation.
    SUBMITTER_ORGANISATION = "submitting-organisation-does-not-approve";
    /// Who acts in a role that several hold is the one whom the case concerns.
    PARTY = "stage-is-for-the-party";
    /// A form must be filled as the law asks.
    FORM_VALID = "form-valid";
    /// The documents that the law asks for must be attached.
    DOCUMENTS_COMPLETE = "documents-complete";
    /// A stage stays open as long as the law gives others time.
    NOT_BEFORE = "waiting-time-elapsed";
    /// Objections are answered before the stage ends.
    OBJECTIONS_ANSWERED = "objections-answered";
    /// An approval is of the content that was read.
    CONTENT_BOUND = "approval-binds-content";
    /// Who says no gives a reason.
    REASON_GIVEN = "reason-given";
    /// Objections are made while the law gives time for them.
    OBJECTION_TIME = "objection-time";
    /// An answer is to an objection that was made and not yet answered.
    OBJECTION_KNOWN = "objection-known";
    /// Only who opened a case withdraws it.
    WITHDRAWN_BY_OPENER = "opener-withdraws";
    /// Something is overdue only when its time has passed.
    DUE = "time-has-come";
    /// What a procedure says must be possible to carry out.
    PACK_SOUND = "pack-is-sound";
    /// A guard of a stage must be one that the platform has.
    GUARD_KNOWN = "guard-known";

    /// The call covers what it must.
    CALL_CONTENTS = "call-contents";
    /// Applications come within the time of the call.
    CALL_WINDOW = "call-window";
    /// The operator has the legal form that the law asks for.
    OPERATOR_FORM = "operator-legal-form";
    /// The operator is owned as the law asks.
    OPERATOR_OWNERSHIP = "operator-ownership";
    /// The operator is on none of the lists that exclude it.
    OPERATOR_LISTED = "operator-not-excluded";
    /// The operator had no security incident in the time that the law looks back on.
    OPERATOR_INCIDENT = "operator-without-incident";
    /// The conditions of admission are met.
    CONDITIONS_MET = "conditions-met";
    /// The plan, the rules or the zone that authorisation rests on is in force.
    PLAN_IN_FORCE = "plan-in-force";
    /// A plan holds what it must.
    PLAN_CONTENTS = "plan-contents";
    /// The emergency plan is in force.
    EMERGENCY_PLAN = "emergency-plan-in-force";
    /// The agreement holds what it must.
    AGREEMENT_CONTENTS = "agreement-contents";
    /// The agreement runs as long as the law says.
    AGREEMENT_TERM = "agreement-term";
    /// The trial is no longer than the law says.
    AGREEMENT_TRIAL = "agreement-trial";
    /// Only a trial that was passed goes over into the term.
    TRIAL_PASSED = "trial-passed";
    /// Renewal is asked for in time.
    AGREEMENT_RENEWAL = "agreement-renewal-lead";
    /// The agreement is in a state in which this can be done.
    AGREEMENT_STATE = "agreement-state";
    /// The shares of the proceeds give somebody something.
    AGREEMENT_SHARES = "agreement-shares";
    /// An earlier review is rested on only while it is valid.
    REVIEW_VALID = "review-still-valid";
    /// A renewal weighs earlier evaluations.
    EVALUATION_WEIGHED = "evaluation-weighed";
    /// Every recipient of a filing has given a receipt.
    FILING_RECEIPTS = "filing-receipts";
    /// Whoever works on the data has been trained.
    TRAINING = "training-passed";
    /// Every field of a scenario is needed, and why is said.
    SCENARIO_NECESSITY = "scenario-necessity";
    /// A request asks for no more than its scenario needs.
    REQUEST_NECESSITY = "request-necessity";
    /// The level of the data allows the form of use.
    REQUEST_LEVEL = "request-level";
    /// Whoever the data came from consents.
    UPSTREAM_CONSENT = "upstream-consent";
    /// Only what has been released becomes a product.
    PRODUCT_RELEASED = "product-released";
    /// The price is set by the city's method.
    PRICE_METHOD = "price-method";
    /// A guided price stays below its ceiling.
    PRICE_CEILING = "price-ceiling";
    /// Correction is ordered on a ground that the law knows.
    RECTIFICATION_GROUND = "rectification-ground";
    /// A report has the sections that it must.
    REPORT_SECTIONS = "report-sections";

    /// A scenario is worked for, and ended, only while it stands.
    SCENARIO_STATE = "scenario-state";
    /// An instrument is ended only while it applies.
    INSTRUMENT_STATE = "instrument-state";
    /// Access is closed only where it was opened.
    ACCESS_OPEN = "access-is-open";
    /// A role must be one that the city has.
    ROLE_KNOWN = "role-known";
    /// A person holds no role that their organisation does not hold.
    ROLE_OF_ORGANISATION = "role-of-organisation";
    /// Who administers does not read data; who audits does not administer.
    ROLES_APART = "roles-apart";
    /// Whoever takes part is registered and not closed.
    REGISTERED = "registered-and-open";
    /// A name or a secret is not empty.
    NAMED = "name-given";
}
