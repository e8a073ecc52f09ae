//! Whole lives: what every command comes to in every state, for each subject of the room.

mod alerts;
mod cuts;
mod destructions;
mod evaluations;
mod filings;
mod notices;

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use shuyu_kernel::Actor;
use shuyu_law::Law;
use shuyu_store::{Command as _, Entity};

use super::act_at;

/// A column of a table: what is wanted, and by whom.
type Wanted<'a, E> = (&'a Actor, <E as Entity>::Command);

/// What each of `wanted` comes to in each state: a line for a state, with the state that follows
/// or `!` and the rule that refuses, in the order of the columns.
fn table<E: Entity>(
    law: &Law,
    now: DateTime<Utc>,
    states: &[(&str, Option<&E>)],
    wanted: &[Wanted<'_, E>],
) -> String {
    let mut table = String::new();
    for (name, state) in states {
        let _ = write!(table, "{name}:");
        for (who, command) in wanted {
            let verb = command.name();
            match act_at(law, who, now, *state, command.clone()) {
                Ok(after) => {
                    let _ = write!(table, " {verb}={}", after.keys().status);
                }
                Err(rule) => {
                    let _ = write!(table, " {verb}=!{rule}");
                }
            }
        }
        table.push('\n');
    }
    table
}

/// A table as it is written down in a test: without the margin, one blank between words.
fn expected(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}
