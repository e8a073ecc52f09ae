//! Guards of agreements: what they hold, how long they run, when they are renewed.

use chrono::NaiveDate;
use serde_json::Value;
use shuyu_kernel::add_months;
use shuyu_law::Refusal;

use super::Guard;
use crate::rules;

impl Guard<'_> {
    /// The agreement holds what `agreement_required_contents` asks for.
    pub(super) fn agreement_contents(&self) -> Result<(), Refusal> {
        let given = self.contents(&["contents"]);
        self.check_covers("agreement_required_contents", &given, rules::AGREEMENT_CONTENTS)
    }

    /// The term is the city's: fixed, at most, in general (with a reason for another), or what
    /// the parties agree. A term of whole years ends the day before its anniversary. A trial
    /// comes on top of it.
    pub(super) fn agreement_term(&self) -> Result<(), Refusal> {
        let from = self.date("from", rules::AGREEMENT_TERM)?;
        let to = self.date("to", rules::AGREEMENT_TERM)?;
        if to <= from {
            return Err(self.refuse(rules::AGREEMENT_TERM, "it ends before it begins"));
        }
        let trial = self.case.field("trial_months").and_then(Value::as_i64).unwrap_or(0);
        match self.ctx.law.integer("trial_max_months") {
            Some(longest) if trial > longest => {
                return Err(self.refuse(
                    rules::AGREEMENT_TRIAL,
                    format!("a trial of {trial} months; at most {longest}"),
                ));
            }
            None if trial > 0 => {
                return Err(self.refuse(rules::AGREEMENT_TRIAL, "the city has no trial period"));
            }
            _ => {}
        }
        let Some(term) = self.parameter("agreement_term") else { return Ok(()) };
        let Some(years) = term.field("years").and_then(Value::as_i64) else { return Ok(()) };
        let months = years.saturating_mul(12).saturating_add(trial);
        let Some(expected) = last_day(from, months) else {
            return Err(self.refuse(rules::AGREEMENT_TERM, "it begins too late to be counted"));
        };
        let reason = self.case.text("term_reason").is_some_and(|reason| !reason.trim().is_empty());
        let (fits, asked) = match term.field("kind").and_then(Value::as_str) {
            Some("fixed") => (to == expected, "exactly"),
            Some("max") => (to <= expected || reason, "at most (longer: `term_reason`)"),
            Some("general") => (to == expected || reason, "in general (else: `term_reason`)"),
            _ => (true, ""),
        };
        if fits {
            return Ok(());
        }
        Err(self.refuse(
            rules::AGREEMENT_TERM,
            format!("from {from} to {to}; {asked} {years} years, which end on {expected}"),
        ))
    }

    /// Renewal is asked for at least `renewal_lead_months` before the end. An application that
    /// renews nothing is free of this.
    pub(super) fn agreement_renewal(&self) -> Result<(), Refusal> {
        let Some(lead) = self.ctx.law.integer("renewal_lead_months") else { return Ok(()) };
        if self.case.text("renews").is_none() {
            return Ok(());
        }
        let expires = self
            .fact("renewed", rules::AGREEMENT_RENEWAL)?
            .get("expires")
            .and_then(Value::as_str)
            .and_then(|day| day.parse::<NaiveDate>().ok())
            .ok_or_else(|| self.refuse(rules::AGREEMENT_RENEWAL, "it has no known end"))?;
        let months = i32::try_from(lead).unwrap_or(i32::MAX).saturating_neg();
        match add_months(expires, months) {
            Ok(latest) if self.ctx.today() <= latest => Ok(()),
            Ok(latest) => Err(self.refuse(
                rules::AGREEMENT_RENEWAL,
                format!("it ends on {expires}; renewal had to be asked for by {latest}"),
            )),
            Err(_) => Err(self.refuse(rules::AGREEMENT_RENEWAL, "it has no known end")),
        }
    }

    /// The ground is one of `rectification_grounds`.
    pub(super) fn rectification_ground(&self) -> Result<(), Refusal> {
        let ground = self.case.text("ground").unwrap_or_default();
        if ground.trim().is_empty() {
            return Err(self.refuse(rules::RECTIFICATION_GROUND, "no ground is given"));
        }
        match self.parameter("rectification_grounds") {
            Some(grounds) if !grounds.ids().contains(&ground) => Err(self.refuse(
                rules::RECTIFICATION_GROUND,
                format!("`{ground}` is not among: {}", grounds.ids().join(", ")),
            )),
            _ => Ok(()),
        }
    }

    /// A yearly report has the sections of `annual_report_sections`.
    pub(super) fn report_sections(&self) -> Result<(), Refusal> {
        if !self.case.text("kind").is_some_and(|kind| kind.starts_with("annual")) {
            return Ok(());
        }
        let mut given = self.contents(&["contents", "sections"]);
        if let Some(Value::Object(sections)) = self.case.field("sections") {
            given.extend(sections.keys().map(String::as_str));
        }
        if let Some(Value::Array(sections)) = self.case.field("sections") {
            let ids = sections.iter().filter_map(|part| part.get("section")?.as_str());
            given.extend(ids);
        }
        self.check_covers("annual_report_sections", &given, rules::REPORT_SECTIONS)
    }
}

/// The last day of a term of so many months from `from`: the day before the anniversary.
pub(crate) fn last_day(from: NaiveDate, months: i64) -> Option<NaiveDate> {
    add_months(from, i32::try_from(months).ok()?).ok()?.pred_opt()
}
