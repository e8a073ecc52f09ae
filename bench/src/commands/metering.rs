//! Metering: the uses of one subscription, each noted durably before it is answered, by callers
//! who all draw on one quota. Its peer is the same note without a quota.

use std::time::{Duration, Instant};

use serde_json::json;
use shuyu_kernel::{Actor, Clock as _, Id as _, OrganisationId, PersonId, SystemClock};
use shuyu_law::Rule;
use shuyu_store::{ActError, AtMost, Desk, Entry, StreamId};

use super::{CALLERS, Turn, add, open};
use crate::{Failure, report::Report};

const SPENT: Rule = Rule::new("use-within-quota");

pub(crate) async fn measure(rounds: usize, time: Duration) -> Result<Report, Failure> {
    let mut report = Report::new("metering", "thousands of calls/s from 64 callers on one quota");
    report.note(
        "durable commits (fsync); every log is verified, and its uses counted, after its turn",
    );
    for _ in 0..rounds {
        add(&mut report, "noted within a quota", turn(Some(u64::MAX), time).await?);
        add(&mut report, "noted without one", turn(None, time).await?);
    }
    Ok(report)
}

async fn turn(quota: Option<u64>, time: Duration) -> Result<Turn, Failure> {
    let folder = tempfile::TempDir::new()?;
    let desk = open(&folder.path().join("metering.db"), None).await?;
    let subject = StreamId::new("subscription", &"sub-1");
    let since = SystemClock.now();
    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (desk, subject) = (desk.clone(), subject.clone());
            let until = begin + time;
            tokio::spawn(async move {
                let who = Actor {
                    person: PersonId::from_u128(caller as u128),
                    organisation: OrganisationId::from_u128(1),
                    roles: std::iter::empty().collect(),
                };
                let mut times = Vec::new();
                while Instant::now() < until {
                    let begin = Instant::now();
                    note(&desk, &who, &subject, quota, since).await?;
                    times.push(begin.elapsed());
                }
                Ok::<_, ActError>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let elapsed = begin.elapsed();
    let noted = desk
        .count(&subject, "subscription.use", since, chrono::DateTime::<chrono::Utc>::MAX_UTC)
        .await?;
    let faults = desk.verify().await?;
    desk.close().await;
    if noted != times.len() as u64 || !faults.is_empty() {
        return Err(format!("{noted} of {} uses are noted: {faults:?}", times.len()).into());
    }
    Ok(Turn { times, elapsed })
}

async fn note(
    desk: &Desk,
    who: &Actor,
    subject: &StreamId,
    quota: Option<u64>,
    since: chrono::DateTime<chrono::Utc>,
) -> Result<(), ActError> {
    let unit = desk.unit(who);
    let entry = Entry::new(subject.clone(), "subscription.use", json!({ "rows": 10 }));
    match quota {
        None => unit.journal(&entry),
        Some(times) => {
            let refusal = desk.laws().current.refuse(SPENT, &[]);
            let refused_act = "subscription.refuse_use".to_owned();
            unit.journal_at_most(&entry, AtMost { times, since, refused_act, refusal });
        }
    }
    unit.commit().await.map(drop)
}
