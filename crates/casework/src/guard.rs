//! Guards: named checks of a stage that need more than its form.
//!
//! A guard reads the dossier, the parameters of the pack and facts about other entities, which
//! the composition gathers and hands in with the act. A city that does not set the parameter of
//! a check has no such check. A fact that a guard needs and that was not handed in counts
//! against the act: nothing is taken on trust.
//!
//! | Guard | Fact it wants |
//! |---|---|
//! | `operator.eligible` | `operator` = `{legal_form, ownership, lists: [id], last_incident: day or null}`, as registered |
//! | `plan.in_force` | `plan` = `{status}` of the plan, rules or zone that the authorisation rests on |
//! | `emergency_plan.in_force` | `emergency_plan` = `{status}` of the agreement's plan |
//! | `agreement.renewal` | `renewed` = `{expires: day}` of the agreement named in the form's `renews` |
//! | `training.passed` | `training` = `{role: {trained, total}}`; where absent, the form's own `training` list |
//! | `scenario.necessity`, `request.level` | `resources` = `{id: {level, columns: [name], origin, published}}` |
//! | `request.necessity` | `scenario` = `{status, agreement, fields: [{resource, column}]}` |
//! | `request.upstream_consent` | `resources`, for `origin`; consents stand in the dossier or in `upstream_consents` |
//! | `product.released` | `release` = `{status, product}` |
//! | `price.method` | `guided` = `{ceiling_fen}` where a guided price was issued before |
//!
//! The others read the dossier alone.

mod admission;
mod agreement;
mod data;
mod market;

pub(crate) use agreement::last_day;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::Value;
use shuyu_law::{Parameter, Refusal, Rule};
use shuyu_store::Context;

use crate::{Facts, dossier::Reading, rules};

/// The guards that the platform has, for the check of packs.
pub const GUARDS: &[&str] = &[
    "agreement.contents",
    "agreement.renewal",
    "agreement.term",
    "call.contents",
    "call.window",
    "conditions.met",
    "emergency_plan.in_force",
    "evaluation.weighed",
    "filing.receipts",
    "operator.eligible",
    "plan.contents",
    "plan.in_force",
    "price.method",
    "product.released",
    "rectification.ground",
    "report.sections",
    "request.level",
    "request.necessity",
    "request.upstream_consent",
    "review.validity",
    "scenario.necessity",
    "training.passed",
];

/// The effects that procedures may call for, for the check of packs.
pub const EFFECTS: &[&str] = &[
    "access.open",
    "agreement.activate",
    "agreement.close",
    "agreement.end",
    "agreement.file",
    "agreement.restore",
    "agreement.sign",
    "agreement.suspend",
    "call.publish",
    "dataset.destroy",
    "emergency_plan.approve",
    "evaluation.record",
    "filing.record",
    "grant.issue",
    "operator.admit",
    "plan.approve",
    "price.set",
    "product.list",
    "product.register",
    "publicity.publish",
    "report.accept",
    "resource.publish",
    "scenario.approve",
    "trial.pass",
];

/// Checks the guard of this name.
pub fn check(
    name: &str,
    case: &Reading<'_>,
    facts: &Facts,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let guard = Guard { case, facts, ctx };
    match name {
        "agreement.contents" => guard.agreement_contents(),
        "agreement.renewal" => guard.agreement_renewal(),
        "agreement.term" => guard.agreement_term(),
        "call.contents" => guard.call_contents(),
        "call.window" => guard.call_window(),
        "conditions.met" => guard.conditions_met(),
        "emergency_plan.in_force" => guard.emergency_plan_in_force(),
        "evaluation.weighed" => guard.evaluation_weighed(),
        "filing.receipts" => guard.filing_receipts(),
        "operator.eligible" => guard.operator_eligible(),
        "plan.contents" => guard.plan_contents(),
        "plan.in_force" => guard.plan_in_force(),
        "price.method" => guard.price_method(),
        "product.released" => guard.product_released(),
        "rectification.ground" => guard.rectification_ground(),
        "report.sections" => guard.report_sections(),
        "request.level" => guard.request_level(),
        "request.necessity" => guard.request_necessity(),
        "request.upstream_consent" => guard.request_upstream_consent(),
        "review.validity" => guard.review_validity(),
        "scenario.necessity" => guard.scenario_necessity(),
        "training.passed" => guard.training_passed(),
        _ => Err(ctx.refuse(rules::GUARD_KNOWN).because(format!("there is no guard `{name}`"))),
    }
}

/// What a guard may see.
struct Guard<'a> {
    case: &'a Reading<'a>,
    facts: &'a Facts,
    ctx: &'a Context<'a>,
}

impl<'a> Guard<'a> {
    fn parameter(&self, name: &str) -> Option<&'a Parameter> {
        self.ctx.law.parameter(name)
    }

    fn refuse(&self, rule: Rule, why: impl Into<String>) -> Refusal {
        self.ctx.refuse(rule).because(why)
    }

    /// A fact, or the refusal that it is missing.
    fn fact(&self, name: &str, rule: Rule) -> Result<&'a Value, Refusal> {
        self.facts.get(name).filter(|fact| !fact.is_null()).ok_or_else(|| {
            self.refuse(rule, format!("there is no {} on record", name.replace('_', " ")))
        })
    }

    fn date(&self, field: &str, rule: Rule) -> Result<NaiveDate, Refusal> {
        self.case
            .text(field)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.refuse(rule, format!("`{field}` is not given as a day")))
    }

    /// Refuses where a list of the parameter has entries that `given` has not.
    fn check_covers(
        &self,
        parameter: &str,
        given: &BTreeSet<&str>,
        rule: Rule,
    ) -> Result<(), Refusal> {
        let Some(asked) = self.parameter(parameter) else { return Ok(()) };
        let missing: Vec<&str> =
            asked.ids().into_iter().filter(|item| !given.contains(item)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(self.refuse(rule, format!("missing: {}", missing.join(", "))))
    }

    /// The items that a form lists under any of these names, and the names of the form's own
    /// fields that are filled in: a field of the item's name is that item.
    fn contents(&self, lists: &[&str]) -> BTreeSet<&'a str> {
        let mut given: BTreeSet<&str> =
            lists.iter().flat_map(|list| self.case.texts(list)).collect();
        given.extend(self.case.filled());
        given
    }
}
