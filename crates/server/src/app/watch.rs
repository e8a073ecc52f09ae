//! The watch over refusals: who is refused again and again is made known to whoever supervises.
//!
//! **Invariant:** what the watch knows it has from the log, refusal by refusal, so that a restart,
//! a second look or a late one raises the same alerts and none of them twice.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use shuyu_casework::Agreement;
use shuyu_kernel::{Actor, AgreementId, AlertId, OrganisationId};
use shuyu_oversight::{
    Alert, AlertCommand, AlertFinding, refused_acts, watch_refusals, watched_since,
};
use shuyu_store::{ActError, Filter, Recorded, Trail};

use super::App;

/// How many entries of the log are looked at together.
const PAGE: u32 = 1000;

/// How many refusals of one organisation are kept in mind: more than any figure of a pack.
const KEPT: usize = 1024;

/// Whose refusals are watched.
const WATCHED: &str = "operator";

/// The acts by which something is to leave the domain.
const EXPORTS: [&str; 4] = ["job.check", "release.submit", "release.amend", "release.read"];

/// How far the log was watched, and the refusals that still matter.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The last entry that was looked at; `None`: none yet.
    seen: Option<u64>,
    refused: HashMap<OrganisationId, VecDeque<Recorded>>,
}

impl App {
    /// Looks at what was refused since the last look, and raises the alerts that it calls for.
    pub(super) async fn watch(&self) -> Result<Vec<AlertId>, ActError> {
        let mut watch = self.0.watch.lock().await;
        let outcome = self.look(&mut watch).await;
        if outcome.is_err() {
            // Nothing is missed: the next look begins with the log.
            *watch = Watch::default();
        }
        outcome
    }

    async fn look(&self, watch: &mut Watch) -> Result<Vec<AlertId>, ActError> {
        if watch.seen.is_none() {
            let first = self.first_since(watched_since(self.now())).await?;
            watch.seen = first.checked_sub(1);
        }
        let mut raised = Vec::new();
        loop {
            let trail = Trail { after: watch.seen, limit: Some(PAGE), ..Trail::default() };
            let entries = self.desk().entries(&trail).await?;
            let is_last = entries.len() < PAGE as usize;
            for entry in entries {
                watch.seen = Some(entry.seq);
                raised.extend(self.consider(&mut watch.refused, entry).await?);
            }
            if is_last {
                return Ok(raised);
            }
        }
    }

    /// The alerts that an entry of the log calls for, with those before it.
    async fn consider(
        &self,
        refused: &mut HashMap<OrganisationId, VecDeque<Recorded>>,
        entry: Recorded,
    ) -> Result<Vec<AlertId>, ActError> {
        let (organisation, at) = (entry.organisation, entry.at);
        let is_refusal =
            !refused_acts(std::slice::from_ref(&entry), organisation, is_export).is_empty();
        if !is_refusal || !entry.roles.iter().any(|role| role.as_str() == WATCHED) {
            return Ok(Vec::new());
        }
        let known = refused.entry(organisation).or_default();
        known.retain(|earlier| earlier.at > watched_since(at));
        if known.len() >= KEPT {
            known.pop_front();
        }
        known.push_back(entry);
        let findings =
            watch_refusals(self.law(), organisation, None, known.make_contiguous(), is_export, at);
        let mut raised = Vec::new();
        for finding in findings {
            let id = finding.id_on(self.law().local_date(at));
            if self.desk().find::<Alert>(id).await?.is_none() {
                let agreement = self.agreement_of(organisation).await?;
                let finding = AlertFinding { agreement, ..finding };
                raised.extend(self.raise_once(id, finding).await?.then_some(id));
            }
        }
        Ok(raised)
    }

    async fn raise_once(&self, id: AlertId, finding: AlertFinding) -> Result<bool, ActError> {
        self.desk()
            .run(&Actor::system(), |unit| {
                let raise = AlertCommand::Raise(finding.clone());
                async move {
                    if unit.find::<Alert>(id).await?.is_some() {
                        return Ok(false);
                    }
                    unit.act::<Alert>(id, raise).await?;
                    Ok(true)
                }
            })
            .await
    }

    /// The agreement under which an organisation operates, where there is just one.
    async fn agreement_of(
        &self,
        organisation: OrganisationId,
    ) -> Result<Option<AgreementId>, ActError> {
        let mut own = self.desk().list::<Agreement>(&Filter::owner(organisation)).await?;
        own.retain(|(_, agreement)| agreement.is_in_operation(self.now()));
        Ok(match own.as_slice() {
            [(id, _)] => Some(*id),
            _ => None,
        })
    }

    /// The place of the first entry from `instant` on, or that of the next one to come. Entries
    /// stand in the order of their instants.
    async fn first_since(&self, instant: DateTime<Utc>) -> Result<u64, ActError> {
        let (mut from, mut until) = (0, self.desk().size().await?);
        while from < until {
            let middle = u64::midpoint(from, until);
            let trail = Trail { after: middle.checked_sub(1), limit: Some(1), ..Trail::default() };
            match self.desk().entries(&trail).await?.first() {
                Some(entry) if entry.at < instant => from = middle + 1,
                _ => until = middle,
            }
        }
        Ok(from)
    }
}

fn is_export(act: &str) -> bool {
    EXPORTS.contains(&act)
}
