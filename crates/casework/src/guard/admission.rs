//! Guards of the call, of applications and of what authorisation rests on.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::Value;
use shuyu_kernel::add_months;
use shuyu_law::Refusal;

use super::Guard;
use crate::{dossier::texts, rules};

impl Guard<'_> {
    /// The call lists, or has fields for, everything in `call_required_contents`.
    pub(super) fn call_contents(&self) -> Result<(), Refusal> {
        let given = self.contents(&["contents", "conditions"]);
        self.check_covers("call_required_contents", &given, rules::CALL_CONTENTS)
    }

    /// An application comes between the days that the call sets, or, where it sets none, within
    /// `application_window_working_days` of the call.
    pub(super) fn call_window(&self) -> Result<(), Refusal> {
        let today = self.ctx.today();
        let day = |field| self.case.text(field).and_then(|day| day.parse::<NaiveDate>().ok());
        if let Some(opens) = day("opens").filter(|opens| today < *opens) {
            return Err(self.refuse(rules::CALL_WINDOW, format!("applications begin on {opens}")));
        }
        let closes = day("closes").or_else(|| {
            let window = self.parameter("application_window_working_days")?.integer()?;
            let called_at = self.case.dossier.acts.last()?.at;
            let called_on = self.ctx.law.local_date(called_at);
            self.ctx.law.calendar.add_working_days(called_on, u32::try_from(window).ok()?).ok()
        });
        match closes {
            Some(closes) if today > closes => {
                Err(self.refuse(rules::CALL_WINDOW, format!("applications closed on {closes}")))
            }
            _ => Ok(()),
        }
    }

    /// Legal form, ownership, exclusion lists and the look-back on incidents.
    pub(super) fn operator_eligible(&self) -> Result<(), Refusal> {
        let needs_record = [
            "operator_legal_forms",
            "operator_ownership",
            "exclusion_lists",
            "incident_lookback_years",
        ]
        .iter()
        .any(|name| self.parameter(name).is_some());
        if !needs_record {
            return Ok(());
        }
        let record = self.fact("operator", rules::REGISTERED)?;
        let known = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default();
        let claimed = |field: &str| self.case.text(field);

        if let Some(forms) = self.parameter("operator_legal_forms") {
            let form = known("legal_form");
            if !forms.ids().contains(&form) || claimed("legal_form").is_some_and(|c| c != form) {
                return Err(self.refuse(
                    rules::OPERATOR_FORM,
                    format!("registered as `{form}`; allowed: {}", forms.ids().join(", ")),
                ));
            }
        }
        if let Some(ownership) = self.parameter("operator_ownership").and_then(|p| p.text()) {
            let owned = known("ownership");
            if owned != ownership || claimed("ownership").is_some_and(|claim| claim != owned) {
                return Err(self.refuse(
                    rules::OPERATOR_OWNERSHIP,
                    format!("registered as `{owned}`; asked for: `{ownership}`"),
                ));
            }
        }
        if let Some(lists) = self.parameter("exclusion_lists") {
            let mut standing: BTreeSet<&str> = record.get("lists").map(texts).unwrap_or_default();
            standing.extend(self.case.texts("on_lists"));
            let excluding: Vec<&str> =
                lists.ids().into_iter().filter(|list| standing.contains(list)).collect();
            if !excluding.is_empty() {
                return Err(self.refuse(
                    rules::OPERATOR_LISTED,
                    format!("listed in: {}", excluding.join(", ")),
                ));
            }
        }
        self.check_incidents(record)
    }

    fn check_incidents(&self, record: &Value) -> Result<(), Refusal> {
        let Some(years) = self.ctx.law.integer("incident_lookback_years") else { return Ok(()) };
        let months = i32::try_from(years.saturating_mul(12)).unwrap_or(i32::MAX);
        let claimed = self.case.text("last_incident");
        let latest = [record.get("last_incident").and_then(Value::as_str), claimed]
            .into_iter()
            .flatten()
            .filter_map(|day| day.parse::<NaiveDate>().ok())
            .max();
        let Some(latest) = latest else { return Ok(()) };
        match add_months(latest, months) {
            Ok(clear_on) if self.ctx.today() >= clear_on => Ok(()),
            _ => Err(self.refuse(
                rules::OPERATOR_INCIDENT,
                format!("the last incident was on {latest}; {years} years must have passed"),
            )),
        }
    }

    /// Every condition of `operator_conditions` is declared met. A condition that another guard
    /// proves needs no declaration there, but it does no harm.
    pub(super) fn conditions_met(&self) -> Result<(), Refusal> {
        let given = self.contents(&["conditions", "operator_conditions", "conditions_met"]);
        self.check_covers("operator_conditions", &given, rules::CONDITIONS_MET)
    }

    /// The plan, the rules or the zone is in force.
    pub(super) fn plan_in_force(&self) -> Result<(), Refusal> {
        let plan = self.fact("plan", rules::PLAN_IN_FORCE)?;
        match plan.get("status").and_then(Value::as_str) {
            Some("in_force") => Ok(()),
            other => Err(self.refuse(
                rules::PLAN_IN_FORCE,
                format!("it is {}", other.unwrap_or("not on record")),
            )),
        }
    }

    /// The plan holds what `implementation_plan_required_contents` asks for.
    pub(super) fn plan_contents(&self) -> Result<(), Refusal> {
        let given = self.contents(&["contents"]);
        self.check_covers("implementation_plan_required_contents", &given, rules::PLAN_CONTENTS)
    }

    /// The emergency plan of the agreement is in force, where the city has an owner for one.
    pub(super) fn emergency_plan_in_force(&self) -> Result<(), Refusal> {
        if self.parameter("emergency_plan_owner").is_none()
            && self.parameter("plan_per_authorisation").is_none()
        {
            return Ok(());
        }
        let plan = self.fact("emergency_plan", rules::EMERGENCY_PLAN)?;
        match plan.get("status").and_then(Value::as_str) {
            Some("in_force") => Ok(()),
            other => Err(self.refuse(
                rules::EMERGENCY_PLAN,
                format!("it is {}", other.unwrap_or("not on record")),
            )),
        }
    }

    /// What a review rests on was passed less than `review_validity_years` ago, and is of a
    /// kind that `review_kinds` lists as reusable. A review that was made for this case states no
    /// earlier day.
    pub(super) fn review_validity(&self) -> Result<(), Refusal> {
        let Some(years) = self.ctx.law.integer("review_validity_years") else { return Ok(()) };
        let months = i32::try_from(years.saturating_mul(12)).unwrap_or(i32::MAX);
        let kinds = self.parameter("review_kinds").and_then(|kinds| kinds.value.as_array());
        let reusable = |kind: &str| {
            kinds.into_iter().flatten().any(|entry| {
                entry.get("id").and_then(Value::as_str) == Some(kind)
                    && entry.get("reusable").and_then(Value::as_bool) == Some(true)
            })
        };
        let rule = rules::REVIEW_VALID;
        let today = self.ctx.today();
        for review in self.case.field("reviews").and_then(Value::as_array).into_iter().flatten() {
            let part = |name| review.get(name).and_then(Value::as_str);
            let Some(passed) = part("passed_on") else { continue };
            let kind = part("kind").unwrap_or_default();
            if !reusable(kind) {
                return Err(self.refuse(rule, format!("`{kind}` is reviewed for each case")));
            }
            let day = passed.parse::<NaiveDate>().ok().filter(|day| *day <= today);
            match day.and_then(|day| add_months(day, months).ok()) {
                Some(over) if today < over => {}
                _ => {
                    return Err(self.refuse(
                        rule,
                        format!("`{kind}` was passed on {passed}; it holds for {years} years"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Who reviews an application that renews an agreement says how earlier evaluations weighed.
    pub(super) fn evaluation_weighed(&self) -> Result<(), Refusal> {
        let given = |field: &str| self.case.text(field).is_some_and(|text| !text.trim().is_empty());
        if !given("renews") || given("evaluation_weighed") {
            return Ok(());
        }
        Err(self
            .refuse(rules::EVALUATION_WEIGHED, "how earlier evaluations were weighed is not said"))
    }

    /// Every recipient that `filings` names for the subject of this filing gave a receipt.
    ///
    /// The subject is the form's `subject`; without it, the one filing of the city, or all of
    /// those whose subject is an authorisation, an agreement or a decision on an operator.
    pub(super) fn filing_receipts(&self) -> Result<(), Refusal> {
        let Some(filings) = self.parameter("filings").and_then(|p| p.value.as_array()) else {
            return Ok(());
        };
        let subject = self.case.text("filing_subject").or_else(|| self.case.text("subject"));
        let concerns = |filing: &Value| {
            let filed = filing.get("subject").and_then(Value::as_str).unwrap_or_default();
            match subject {
                Some(subject) => filed == subject,
                None => self.filing_concerns_case(filed),
            }
        };
        let mut received: BTreeSet<&str> = self.case.texts("receipts");
        if let Some(receipts) = self.case.field("receipts").and_then(Value::as_array) {
            received
                .extend(receipts.iter().filter_map(|receipt| receipt.get("recipient")?.as_str()));
        }
        let missing: Vec<&str> = filings
            .iter()
            .filter(|filing| concerns(filing))
            .filter_map(|filing| filing.get("recipients"))
            .flat_map(texts)
            .filter(|recipient| !received.contains(recipient))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(self.refuse(rules::FILING_RECEIPTS, format!("no receipt of: {}", missing.join(", "))))
    }

    fn filing_concerns_case(&self, filed: &str) -> bool {
        let has = |field: &str| self.case.field(field).is_some();
        match filed {
            "authorisation" | "agreement" | "operator_decision" => has("operator"),
            "product" => has("product") && !has("operator"),
            "plan" => !has("operator") && !has("product") && has("contents"),
            _ => false,
        }
    }
}
