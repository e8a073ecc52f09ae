//! Rulings asked of resources taken from ever more grants. Grants are entities, never policies,
//! so that the time must not grow with them.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use shuyu_kernel::{Actor, Id as _, OrganisationId, PersonId, Role};
use shuyu_law::{Attribute, Attributes, Law, Request};

use crate::{
    Failure,
    report::{Report, millis_at},
    trial_law::{ACTIONS, Condition, POLICIES_PER_ACTION, fitting_role, trial_law},
};

const RULINGS: usize = 20_000;
const GRANTS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
const CONDITION: Condition = Condition {
    kind: "grant",
    actions: &[],
    resource: "resource has status && resource.status == \"active\" && resource has people && \
               resource.people.contains(principal.person) && context has columns && \
               resource has columns && resource.columns.containsAll(context.columns)",
};

pub(crate) fn measure(rounds: usize) -> Result<Report, Failure> {
    let law = trial_law(&CONDITION)?;
    let mut report =
        Report::new("authorise", "p99 < 200 us under 600 policies, flat from 10 to 100,000 grants");
    report.note(format!(
        "{} policies, {RULINGS} rulings a turn; the peer of each number of grants is the first",
        ACTIONS * POLICIES_PER_ACTION
    ));
    for _ in 0..rounds {
        for grants in GRANTS {
            let times = turn(&law, grants)?;
            let contestant = format!("{grants} grants");
            report.add(&contestant, "p50 us", millis_at(&times, 500) * 1e3);
            report.add(&contestant, "p99 us", millis_at(&times, 990) * 1e3);
            report.add(&contestant, "p99.9 us", millis_at(&times, 999) * 1e3);
        }
    }
    Ok(report)
}

fn turn(law: &Law, grants: usize) -> Result<Vec<Duration>, Failure> {
    let actor = Actor {
        person: PersonId::from_u128(7),
        organisation: OrganisationId::from_u128(8),
        roles: [fitting_role(), Role::new("operator")].into(),
    };
    let entities: Vec<(String, Attributes)> =
        (0..grants).map(|index| (format!("gra-{index}"), grant(index, actor.person))).collect();
    let context = Attributes::from([("columns".to_owned(), texts("column_", 5))]);
    let mut times = Vec::with_capacity(RULINGS);
    // A walk in large steps, so that neighbours in memory do not follow one another.
    let mut index = 0_usize;
    for ruling in 0..RULINGS {
        index = (index + 7_919) % grants;
        let action = format!("grant.act_{}", ruling % ACTIONS);
        let (id, attributes) = entities.get(index).ok_or("no such grant")?;
        let request =
            Request { actor: &actor, action: &action, resource: id, attributes, context: &context };
        let start = Instant::now();
        let permit = law.authorise(black_box(&request));
        times.push(start.elapsed());
        permit.map_err(|refusal| format!("refused what should be permitted: {refusal:?}"))?;
    }
    times.sort_unstable();
    Ok(times)
}

fn texts(prefix: &str, count: usize) -> Attribute {
    Attribute::Set((0..count).map(|index| format!("{prefix}{index}")).collect())
}

fn grant(index: usize, person: PersonId) -> Attributes {
    let mut people = vec![person.to_string()];
    people.extend((0..9).map(|other| format!("per-{index}-{other}")));
    BTreeMap::from([
        ("status".to_owned(), Attribute::Text("active".to_owned())),
        ("suspended".to_owned(), Attribute::Flag(false)),
        ("agreement".to_owned(), Attribute::Text(format!("agr-{index}"))),
        ("people".to_owned(), Attribute::Set(people.into_iter().collect())),
        ("columns".to_owned(), texts("column_", 20)),
        ("level".to_owned(), Attribute::Number(3)),
    ])
}
