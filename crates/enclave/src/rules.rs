//! The rules that this room enforces, by name. Which clauses they rest on is the pack's.

use shuyu_law::Rule;

macro_rules! rules {
    ($($(#[$meta:meta])* $constant:ident = $name:literal;)*) => {
        $($(#[$meta])* pub const $constant: Rule = Rule::new($name);)*
        /// Every rule that this room enforces.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    /// A grant is used only while it is active.
    GRANT_ACTIVE = "grant-active";
    /// A grant is used only within its term.
    GRANT_TERM = "grant-term";
    /// A grant is used only by the people that it names, for the operator that holds it.
    GRANT_PERSON = "grant-person";
    /// A grant is used only for the operations that it names.
    GRANT_OPERATION = "grant-operation";
    /// A grant names its tables, columns and people without contradiction.
    GRANT_WELL_FORMED = "grant-well-formed";
    /// A grant moves between its states as the law foresees.
    GRANT_STATE = "grant-state";
    /// A consent is given where there is none, and withdrawn where there is one.
    CONSENT_STATE = "consent-state";
    /// What rests on consents ends when one is withdrawn.
    CONSENT_STANDS = "consent-stands";
    /// Work in the domain is done in an open session of one's own.
    SESSION_OPEN = "session-open";
    /// A request is one query and nothing else.
    ONE_QUERY = "one-query";
    /// A query speaks of granted tables and columns only; others do not exist for it.
    GRANTED_NAMES = "granted-names";
    /// What the checker does not understand is refused.
    UNDERSTOOD_ONLY = "understood-only";
    /// An immediate question stays within the closed class.
    ASK_CLOSED_CLASS = "ask-closed-class";
    /// An immediate question aggregates bare measures.
    ASK_MEASURES = "ask-measures";
    /// An immediate question groups by bare dimensions.
    ASK_DIMENSIONS = "ask-dimensions";
    /// An immediate question filters dimensions by equality with literals.
    ASK_FILTERS = "ask-filters";
    /// Tables are joined by equality of join columns, without multiplying rows.
    JOIN_COLUMNS = "join-columns";
    /// Every join of a job has an equality of columns: without one each row meets every other.
    JOIN_BY_EQUALITY = "join-by-equality";
    /// No answer may, with an earlier one, single out fewer subjects than the threshold.
    NO_DIFFERENCING = "no-differencing";
    /// Protected data leave only as aggregates over enough subjects.
    NO_RAW_OUTPUT = "no-raw-output";
    /// Identifiers join tables and count subjects; they are never shown, compared or computed with.
    IDENTIFIERS_JOIN_ONLY = "identifiers-join-only";
    /// The subject of every protected table stays countable below the aggregate.
    SUBJECT_COUNTABLE = "subject-countable";
    /// Functions that carry single values, or that are not known, are refused.
    KNOWN_FUNCTIONS = "known-functions";
    /// Functions that fail for some values are refused on protected data.
    TOTAL_FUNCTIONS = "total-functions";
    /// A query that cannot be completed says so, and nothing more.
    QUERY_COMPLETED = "query-completed";
    /// Development sees a sample within the limits of the law.
    SAMPLE_LIMIT = "sample-limit";
    /// A job runs exactly as it was frozen.
    JOB_FROZEN = "job-frozen";
    /// A job moves between its states as the law foresees.
    JOB_STATE = "job-state";
    /// A job keeps within its limits.
    JOB_LIMITS = "job-limits";
    /// Parameters of a job are typed values, put in where values stand.
    JOB_PARAMETERS = "job-parameters";
    /// Foreign code runs only where nothing can get out of it but what it declared.
    FOREIGN_CODE = "foreign-code";
    /// An operator waits, runs and computes within its quota.
    JOB_QUOTA = "job-quota";
    /// A schedule is well formed, and moves between its states as the law foresees.
    SCHEDULE_STATE = "schedule-state";
    /// Only the output of a finished job of the operator can be put forward for release.
    RELEASE_OF_JOB = "release-of-job";
    /// A release moves between its states as the law foresees.
    RELEASE_STATE = "release-state";
    /// A release is approved only when no automatic check has failed.
    RELEASE_CHECKS = "release-checks";
    /// A reviewer is neither the author nor of the author's organisation.
    REVIEWER_INDEPENDENT = "reviewer-independent";
    /// A reviewer counts once.
    REVIEWER_ONCE = "reviewer-once";
    /// A review binds to the content that was reviewed.
    REVIEW_BINDS_CONTENT = "review-binds-content";
    /// Only what has been released can be read out.
    RELEASED_ONLY = "released-only";
    /// What is read out is, to the byte, what was reviewed.
    QUARANTINE_INTACT = "quarantine-intact";
}
