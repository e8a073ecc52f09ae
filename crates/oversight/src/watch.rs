//! The watch over refusals: what an organisation was refused, and the alerts that it calls for.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use shuyu_kernel::{AgreementId, OrganisationId};
use shuyu_law::Law;
use shuyu_store::Recorded;

use crate::{AlertFinding, Severity, Source, pack};

/// An act of an operator that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedAct {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it was an attempt to take something out of the domain.
    pub is_export: bool,
}

/// The figures that raise an alert: the parameter, its window in minutes, whether it counts
/// exports only, the ground, and how much it matters.
const FIGURES: &[(&str, i64, bool, &str, Severity)] = &[
    ("out_of_scope_attempts_per_day", 24 * 60, false, "out_of_scope_attempts", Severity::Warning),
    ("refused_exports_per_hour", 60, true, "refused_exports", Severity::Critical),
];

/// The alerts that the refusals of one organisation call for at `now`: one for each figure of
/// the pack that they reach within its window.
pub fn alerts_of_refusals(
    law: &Law,
    organisation: OrganisationId,
    agreement: Option<AgreementId>,
    refusals: &[RefusedAct],
    now: DateTime<Utc>,
) -> Vec<AlertFinding> {
    FIGURES
        .iter()
        .filter_map(|(parameter, minutes, exports_only, ground, severity)| {
            let figure = pack::count(law, parameter).filter(|figure| *figure > 0)?;
            let since = now - Duration::minutes(*minutes);
            let count = refusals
                .iter()
                .filter(|act| act.at > since && act.at <= now)
                .filter(|act| act.is_export || !exports_only)
                .count();
            (count >= usize::try_from(figure).ok()?).then(|| AlertFinding {
                ground: (*ground).to_owned(),
                detail: format!(
                    "{count} refusals within {minutes} minutes; the figure is {figure}"
                ),
                severity: *severity,
                subject: organisation.to_string(),
                organisation: Some(organisation),
                agreement,
                source: Source::Figure { parameter: (*parameter).to_owned() },
            })
        })
        .collect()
}

/// What an organisation was refused, among `entries` of the log. `is_export` says of an act,
/// such as `release.submit`, whether it takes something out of the domain.
pub fn refused_acts(
    entries: &[Recorded],
    organisation: OrganisationId,
    is_export: impl Fn(&str) -> bool,
) -> Vec<RefusedAct> {
    entries
        .iter()
        .filter(|entry| entry.organisation == organisation && entry.event.is_none())
        .filter(|entry| entry.body.get("refused").is_some_and(Value::is_string))
        .map(|entry| RefusedAct { at: entry.at, is_export: is_export(&entry.act) })
        .collect()
}

/// The alerts that `entries` of the log call for at `now`, of one organisation under one
/// agreement. Entries from the last [`watched_since`] on suffice.
pub fn watch_refusals(
    law: &Law,
    organisation: OrganisationId,
    agreement: Option<AgreementId>,
    entries: &[Recorded],
    is_export: impl Fn(&str) -> bool,
    now: DateTime<Utc>,
) -> Vec<AlertFinding> {
    let refusals = refused_acts(entries, organisation, is_export);
    alerts_of_refusals(law, organisation, agreement, &refusals, now)
}

/// From when on entries matter to the watch at `now`: the longest window of a figure.
pub fn watched_since(now: DateTime<Utc>) -> DateTime<Utc> {
    let longest = FIGURES.iter().map(|(_, minutes, ..)| *minutes).max().unwrap_or(0);
    now - Duration::minutes(longest)
}
