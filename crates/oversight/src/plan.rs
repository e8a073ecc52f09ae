//! What falls due under an agreement: computed from the pack, nothing where it is silent.

use chrono::{Datelike, NaiveDate};
use serde_json::Value;
use shuyu_kernel::{AgreementId, ContentHash, Id, OrganisationId, TaskId, add_months};
use shuyu_law::Law;

use crate::{Task, TaskKind, TaskStatus, pack, task::reminders};

/// What is known of the agreement for which tasks are planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementTerm {
    /// The agreement.
    pub id: AgreementId,
    /// Who operates under it.
    pub operator: OrganisationId,
    /// Its first day.
    pub starts_on: NaiveDate,
    /// Its last day.
    pub ends_on: NaiveDate,
}

/// A task that falls due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTask {
    /// What sort of thing.
    pub kind: TaskKind,
    /// Which, as the pack names it.
    pub subject: String,
    /// The agreement that it concerns.
    pub agreement: AgreementId,
    /// Whose it is, where it is one organisation's.
    pub owner: Option<OrganisationId>,
    /// In which role it is done.
    pub owner_role: String,
    /// To which role it goes.
    pub recipient: Option<String>,
    /// The period that it covers.
    pub period: (NaiveDate, NaiveDate),
    /// The last day to do it.
    pub due_on: NaiveDate,
    /// How many days before to remind of it; `None`: as of all tasks.
    pub remind_days: Option<Vec<i64>>,
}

impl PlannedTask {
    /// The id of the task: the same whenever it is planned, so that it is planned once.
    pub fn id(&self) -> TaskId {
        let text = format!(
            "{}/{}/{}/{}/{}/{}",
            self.agreement,
            self.kind.name(),
            self.subject,
            self.owner_role,
            self.recipient.as_deref().unwrap_or_default(),
            self.due_on
        );
        let mut number = [0_u8; 16];
        let digest = ContentHash::of(text.as_bytes());
        for (to, from) in number.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        TaskId::from_u128(u128::from_be_bytes(number))
    }

    /// The task as it stands when it is planned.
    pub fn task(&self, law: &Law) -> Task {
        let due_at = pack::end_of(law, self.due_on);
        let days = self
            .remind_days
            .clone()
            .or_else(|| pack::numbers(law, "task_reminder_days"))
            .unwrap_or_default();
        Task {
            kind: self.kind,
            subject: self.subject.clone(),
            agreement: self.agreement,
            owner: self.owner,
            owner_role: self.owner_role.clone(),
            recipient: self.recipient.clone(),
            period: self.period,
            due_at,
            reminders: reminders(due_at, &days),
            reminded: 0,
            submission: None,
            was_overdue: false,
            status: TaskStatus::Open,
        }
    }
}

/// The tasks that fall due under `agreement` from its first day to its last, in the order of their due days.
///
/// A report on the last period may be due after the last day. What the pack does not speak of
/// does not fall due.
pub fn plan_tasks(law: &Law, agreement: &AgreementTerm) -> Vec<PlannedTask> {
    let plan = Plan { law, agreement };
    let mut tasks = plan.reports();
    tasks.extend(plan.disclosures());
    tasks.extend(plan.recurring());
    tasks.extend(plan.inspections());
    tasks.extend(plan.endings());
    tasks.sort_by(|a, b| (a.due_on, a.kind, &a.subject).cmp(&(b.due_on, b.kind, &b.subject)));
    tasks
}

/// The filings that the pack asks for of `subject`, from the day on which it came about.
pub fn plan_filings(
    law: &Law,
    agreement: &AgreementTerm,
    subject: &str,
    on: NaiveDate,
) -> Vec<PlannedTask> {
    let due_on = crate::filing_due(law, subject, on);
    crate::filing::recipients(law, subject)
        .into_iter()
        .map(|recipient| PlannedTask {
            kind: TaskKind::Filing,
            subject: subject.to_owned(),
            agreement: agreement.id,
            owner: None,
            owner_role: "implementer".to_owned(),
            recipient: Some(recipient),
            period: (on, on),
            due_on,
            remind_days: None,
        })
        .collect()
}

/// What recurs every so many months: the parameter, the kind, the subject, and who does it.
const RECURRING: &[(&str, TaskKind, &str, &str)] = &[
    ("performance_report_months", TaskKind::Report, "performance", "operator"),
    ("operator_evaluation_months", TaskKind::Evaluation, "operator", "implementer"),
    ("implementer_evaluation_months", TaskKind::Evaluation, "implementer", "authority"),
    ("drill_interval_months", TaskKind::Drill, "emergency_plan", "authority"),
    ("third_party_assessment_months", TaskKind::Assessment, "third_party", "authority"),
    (
        "operator_conditions_recheck_months",
        TaskKind::Assessment,
        "operator_conditions",
        "authority",
    ),
    ("secrecy_self_check_months", TaskKind::Assessment, "secrecy_self_check", "operator"),
];

struct Plan<'a> {
    law: &'a Law,
    agreement: &'a AgreementTerm,
}

/// A period, and the day on which something about it is due.
type Occurrence = ((NaiveDate, NaiveDate), NaiveDate);

impl Plan<'_> {
    fn task(
        &self,
        kind: TaskKind,
        subject: &str,
        role: &str,
        (period, due_on): Occurrence,
    ) -> PlannedTask {
        PlannedTask {
            kind,
            subject: subject.to_owned(),
            agreement: self.agreement.id,
            owner: (role == "operator").then_some(self.agreement.operator),
            owner_role: role.to_owned(),
            recipient: None,
            period,
            due_on,
            remind_days: None,
        }
    }

    /// The reports that the pack lists.
    fn reports(&self) -> Vec<PlannedTask> {
        let mut tasks = Vec::new();
        for report in pack::entries(self.law, "reports") {
            let Some(kind) = report.get("kind").and_then(Value::as_str) else {
                continue;
            };
            let recipient = report.get("recipient").and_then(Value::as_str);
            let months = report.get("cycle_months").and_then(Value::as_i64).unwrap_or(0);
            let occurrences = match kind {
                "annual_operation" => self.yearly("annual_report_due", months),
                "half_year_security" => {
                    let months = self.law.integer("security_report_months").unwrap_or(months);
                    let days = pack::count(self.law, "security_report_due_days").unwrap_or(0);
                    self.by_calendar(months, |end| pack::after_days(end, days))
                }
                _ => self.by_term(months),
            };
            let first = match kind {
                "annual_operation" => self.first_report_on(),
                _ => self.agreement.starts_on,
            };
            for occurrence in occurrences.into_iter().filter(|(_, due_on)| *due_on >= first) {
                let mut task = self.task(TaskKind::Report, kind, "operator", occurrence);
                task.recipient = recipient.map(str::to_owned);
                tasks.push(task);
            }
        }
        tasks
    }

    /// The day before which no yearly report is due.
    fn first_report_on(&self) -> NaiveDate {
        let years = self.law.integer("annual_report_first_after_years").unwrap_or(0);
        let months = i32::try_from(years.saturating_mul(12)).unwrap_or(i32::MAX);
        add_months(self.agreement.starts_on, months).unwrap_or(NaiveDate::MAX)
    }

    /// What is disclosed to the public, by each of the bodies that disclose.
    fn disclosures(&self) -> Vec<PlannedTask> {
        let Some(months) = self.law.integer("disclosure_period_months") else {
            return Vec::new();
        };
        let bodies = pack::ids(self.law, "disclosure_bodies").unwrap_or_default();
        let occurrences = self.yearly("disclosure_due", months);
        bodies
            .into_iter()
            .flat_map(|body| {
                occurrences.iter().map(move |occurrence| {
                    self.task(TaskKind::Disclosure, "operation", body, *occurrence)
                })
            })
            .collect()
    }

    /// What recurs from the first day on.
    fn recurring(&self) -> Vec<PlannedTask> {
        let organiser = self
            .law
            .parameter("evaluation_organisers")
            .and_then(|organisers| organisers.field("organises"))
            .and_then(Value::as_str);
        RECURRING
            .iter()
            .flat_map(|(parameter, kind, subject, role)| {
                let months = self.law.integer(parameter).unwrap_or(0);
                let role = match (*kind, organiser) {
                    (TaskKind::Evaluation, Some(organiser)) => organiser,
                    _ => *role,
                };
                self.by_term(months)
                    .into_iter()
                    .map(move |occurrence| self.task(*kind, subject, role, occurrence))
            })
            .collect()
    }

    /// So many inspections a year.
    fn inspections(&self) -> Vec<PlannedTask> {
        let Some(a_year @ 1..=12) = self.law.integer("inspections_per_year") else {
            return Vec::new();
        };
        self.by_calendar(12 / a_year, |end| end)
            .into_iter()
            .map(|(period, due_on)| {
                // There is nobody to inspect once the agreement has ended.
                let occurrence = (period, due_on.min(self.agreement.ends_on));
                self.task(TaskKind::Inspection, "operator", "authority", occurrence)
            })
            .collect()
    }

    /// The last day to apply for renewal, and the end of the term, where the pack minds them.
    fn endings(&self) -> Vec<PlannedTask> {
        let AgreementTerm { starts_on, ends_on, .. } = *self.agreement;
        let mut tasks = Vec::new();
        let lead =
            self.law.integer("renewal_lead_months").and_then(|months| i32::try_from(months).ok());
        if let Some(due_on) = lead.and_then(|months| add_months(ends_on, -months).ok())
            && due_on >= starts_on
        {
            let mut task = self.task(
                TaskKind::Renewal,
                "agreement",
                "operator",
                ((starts_on, ends_on), due_on),
            );
            task.remind_days = pack::numbers(self.law, "renewal_reminder_days");
            tasks.push(task);
        }
        if let Some(days) = pack::numbers(self.law, "agreement_expiry_notice_days") {
            let mut task = self.task(
                TaskKind::Expiry,
                "agreement",
                "operator",
                ((starts_on, ends_on), ends_on),
            );
            task.remind_days = Some(days);
            tasks.push(task);
        }
        tasks
    }

    /// By the due date `parameter`: a day of the year after each calendar year, or some days
    /// after each full year of the agreement; without one, the last day of each period.
    fn yearly(&self, parameter: &str, months: i64) -> Vec<Occurrence> {
        let due = self.law.parameter(parameter).map(|parameter| &parameter.value);
        let text = |name: &str| due.and_then(|due| due.get(name)).and_then(Value::as_str);
        match (text("basis"), text("month_day")) {
            (Some("calendar_year"), Some(month_day)) => self.by_calendar(12, |end| {
                format!("{}-{month_day}", end.year() + 1).parse().unwrap_or(end)
            }),
            (Some("agreement_year"), _) => {
                let days = due
                    .and_then(|due| due.get("days_after"))
                    .and_then(Value::as_u64)
                    .and_then(|days| u32::try_from(days).ok())
                    .unwrap_or(0);
                self.by_term(12)
                    .into_iter()
                    .map(|((from, to), _)| ((from, to), pack::after_days(to, days)))
                    .collect()
            }
            _ => self.by_term(months),
        }
    }

    /// The full periods of so many months from the first day on, each due on its last day.
    fn by_term(&self, months: i64) -> Vec<Occurrence> {
        let mut occurrences = Vec::new();
        let Some(months) = i32::try_from(months).ok().filter(|months| *months > 0) else {
            return occurrences;
        };
        let start = self.agreement.starts_on;
        let mut from = start;
        for count in 1.. {
            let next = add_months(start, months.saturating_mul(count)).ok();
            let Some((next, to)) = next.and_then(|next| Some((next, next.pred_opt()?))) else {
                break;
            };
            if to > self.agreement.ends_on {
                break;
            }
            occurrences.push(((from, to), to));
            from = next;
        }
        occurrences
    }

    /// The parts of the term in calendar periods of so many months, counted from January. The
    /// first and the last may be shorter than the others.
    fn by_calendar(&self, months: i64, due: impl Fn(NaiveDate) -> NaiveDate) -> Vec<Occurrence> {
        let mut occurrences = Vec::new();
        let Some(months) = u32::try_from(months).ok().filter(|months| (1..=12).contains(months))
        else {
            return occurrences;
        };
        let AgreementTerm { starts_on, ends_on, .. } = *self.agreement;
        let mut from = starts_on;
        while from <= ends_on {
            let first_month = from.month0() / months * months + 1;
            let begin = NaiveDate::from_ymd_opt(from.year(), first_month, 1);
            let step = i32::try_from(months).unwrap_or(12);
            let next = begin.and_then(|begin| add_months(begin, step).ok());
            let Some((next, end)) = next.and_then(|next| Some((next, next.pred_opt()?))) else {
                break;
            };
            occurrences.push(((from, end.min(ends_on)), due(end)));
            from = next;
        }
        occurrences
    }
}
