//! Questions at once: what would single somebody out by subtraction is given to nobody, in
//! whatever order it is asked, and by however many processes it is answered.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::{collections::BTreeSet, sync::Arc};

use shuyu_enclave::{Enclave, Given, Limits, Operation, Sheet, Tally};
use shuyu_store::{ActError, Filter};
use support::world::{World, analyst, open};

const ALL: &str = "SELECT count(*) AS n, sum(income) AS s FROM persons WHERE gender = 'F'";
/// All but one person.
const BUT_ONE: &str = "SELECT count(*) AS n, sum(income) AS s FROM persons \
                       WHERE gender = 'F' AND birth_year IN (1980, 1981, 1982)";

/// Asks at once, each question in turn in each domain.
async fn at_once(
    world: &World,
    domains: &[Arc<Enclave>],
    questions: &[&'static str],
    times: usize,
) -> Vec<(&'static str, Result<Sheet, ActError>)> {
    let session = world.session(Operation::Ask).await;
    let mut tasks = Vec::new();
    for round in 0..times {
        for (n, sql) in questions.iter().copied().enumerate() {
            let domain = Arc::clone(&domains[(round + n) % domains.len()]);
            tasks.push(tokio::spawn(
                async move { (sql, domain.ask(&analyst(), session, sql).await) },
            ));
        }
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

async fn check_one_is_given(world: &World, domains: &[Arc<Enclave>]) {
    let answers = at_once(world, domains, &[ALL, BUT_ONE], 4).await;
    let mut given = BTreeSet::new();
    for (sql, answer) in &answers {
        match answer {
            Ok(sheet) => {
                assert_eq!(sheet.rows.len(), 1, "{sql}");
                given.insert(*sql);
            }
            Err(ActError::Refused(refusal)) => {
                assert_eq!(refusal.rule, "no-differencing", "{refusal:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(given.len(), 1, "one of the two is given, and to everybody who asks for it");
    let shown = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    assert_eq!(shown, 4, "who asks for what was given gets it");
    let noted = world.desk().list::<Given>(&Filter::default()).await.unwrap();
    assert_eq!(noted.len(), 1);
    let tallies = world.desk().list::<Tally>(&Filter::default()).await.unwrap();
    assert_eq!(tallies.iter().map(|(_, tally)| tally.answers).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_answers_that_leave_one_person_only_one_is_given() {
    for _ in 0..4 {
        let world = World::new("hangzhou").await;
        let domain = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
        check_one_is_given(&world, &[Arc::new(domain)]).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_on_one_database_give_no_more_than_one() {
    for _ in 0..4 {
        let world = World::new("hangzhou").await;
        let second = world.test.second().await;
        let domains = [world.desk().clone(), second]
            .map(|desk| Arc::new(open(&world.test, desk, &world.vault, Limits::default())));
        check_one_is_given(&world, &domains).await;
        drop(domains);
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_questions_at_once_are_noted_once_and_all_answered_alike() {
    let world = World::new("hangzhou").await;
    let domain = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let answers = at_once(&world, &[Arc::new(domain)], &[ALL], 16).await;
    let sheets: Vec<Sheet> = answers.into_iter().map(|(_, answer)| answer.unwrap()).collect();
    assert!(sheets.iter().all(|sheet| *sheet == sheets[0]));
    assert_eq!(world.desk().list::<Given>(&Filter::default()).await.unwrap().len(), 1);
    world.finish().await;
}
