//! Measures rulings: 600 policies over 60 actions, asked of resources taken at random from 10 to
//! 100,000 grants. Grants are entities, never policies, so the time must not grow with them.
//!
//! `cargo run --release -p shuyu-law --example authorise`

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use shuyu_kernel::{Actor, Id, OrganisationId, PersonId, Role};
use shuyu_law::{Attribute, Attributes, Law, PackError, PackFiles, Packs, Request};

const ACTIONS: usize = 60;
const POLICIES_PER_ACTION: usize = 10;
const RULINGS: usize = 20_000;

fn policies() -> String {
    let mut text = String::new();
    for action in 0..ACTIONS {
        for policy in 0..POLICIES_PER_ACTION {
            // Every tenth policy prohibits; of the others, one fits the actor that asks.
            let (effect, condition) = if policy == 0 {
                ("forbid", "resource has suspended && resource.suspended".to_owned())
            } else {
                (
                    "permit",
                    format!(
                        "principal.roles.contains(\"role_{policy}\") && resource has status && \
                         resource.status == \"active\" && resource has people && \
                         resource.people.contains(principal.person) && context has columns && \
                         resource has columns && resource.columns.containsAll(context.columns)"
                    ),
                )
            };
            let _ = write!(
                text,
                "@id(\"p-{action}-{policy}\")\n@clauses(\"baseline/{policy}\")\n{effect} \
                 (principal, action == Action::\"grant.act_{action}\", resource)\nwhen {{ \
                 {condition} }};\n"
            );
        }
    }
    text
}

fn law() -> Result<Law, PackError> {
    let head = "[pack]\nid = \"baseline\"\ntitle = { zh = \"\", en = \"\" }\nissuer = \"\"\nstatus = \"draft\"\n";
    let mut packs = Packs::default();
    let files: PackFiles = [("pack.toml", head.to_owned()), ("policies.cedar", policies())]
        .map(|(path, text)| (path.to_owned(), text))
        .into();
    packs.insert("baseline", files);
    packs.load("baseline")
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

fn measure(law: &Law, grants: usize) -> Option<Vec<Duration>> {
    let actor = Actor {
        person: PersonId::from_u128(7),
        organisation: OrganisationId::from_u128(8),
        roles: [Role::new("role_5"), Role::new("operator")].into(),
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
        let (id, attributes) = entities.get(index)?;
        let request =
            Request { actor: &actor, action: &action, resource: id, attributes, context: &context };
        let start = Instant::now();
        let permit = law.authorise(black_box(&request));
        times.push(start.elapsed());
        if permit.is_err() {
            return None;
        }
    }
    times.sort();
    Some(times)
}

fn main() -> ExitCode {
    let law = match law() {
        Ok(law) => law,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{} policies, {RULINGS} rulings each", ACTIONS * POLICIES_PER_ACTION);
    for grants in [10, 100, 1_000, 10_000, 100_000] {
        let Some(times) = measure(&law, grants) else {
            eprintln!("a ruling refused what it should permit");
            return ExitCode::FAILURE;
        };
        let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
        println!(
            "{grants:>7} grants: p50 {:>7.1} us, p99 {:>7.1} us, p99.9 {:>7.1} us",
            at(500).as_secs_f64() * 1e6,
            at(990).as_secs_f64() * 1e6,
            at(999).as_secs_f64() * 1e6,
        );
    }
    ExitCode::SUCCESS
}
