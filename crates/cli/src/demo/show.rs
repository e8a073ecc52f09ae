//! What the demonstration prints: steps, who did what under which clauses, and a summary.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shuyu_law::ClauseId;

use crate::output;

/// Where the demonstration's lines go, and what they add up to.
pub(super) struct Show {
    as_json: bool,
    step: u32,
    title: String,
    begun: Instant,
    all: Instant,
    clauses_of_step: BTreeSet<ClauseId>,
    steps: Vec<Step>,
    clauses: BTreeSet<ClauseId>,
}

/// A step that is done.
struct Step {
    number: u32,
    title: String,
    took: Duration,
    clauses: usize,
}

/// How many clauses a line names before it counts the rest.
const NAMED: usize = 4;

impl Show {
    pub(super) fn new(as_json: bool) -> Self {
        Self {
            as_json,
            step: 0,
            title: String::new(),
            begun: Instant::now(),
            all: Instant::now(),
            clauses_of_step: BTreeSet::new(),
            steps: Vec::new(),
            clauses: BTreeSet::new(),
        }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.end_step();
        self.step += 1;
        title.clone_into(&mut self.title);
        self.begun = Instant::now();
        if self.as_json {
            println!("{}", json!({ "step": self.step, "title": title }));
        } else {
            println!("\n{:>2}  {title}", self.step);
        }
    }

    fn end_step(&mut self) {
        if self.step > 0 {
            self.steps.push(Step {
                number: self.step,
                title: std::mem::take(&mut self.title),
                took: self.begun.elapsed(),
                clauses: self.clauses_of_step.len(),
            });
            self.clauses.append(&mut self.clauses_of_step);
        }
    }

    /// Somebody did something, on these clauses, at this place of the log.
    pub(super) fn did(&mut self, who: &str, what: &str, clauses: &[ClauseId], seq: Option<u64>) {
        self.clauses_of_step.extend(clauses.iter().cloned());
        if self.as_json {
            println!("{}", json!({ "who": who, "did": what, "clauses": clauses, "entry": seq }));
        } else {
            println!("    + {who}: {what}{}", named(clauses));
        }
    }

    /// Somebody was refused something.
    pub(super) fn refused(&mut self, who: &str, what: &str, why: &str, clauses: &[ClauseId]) {
        self.clauses_of_step.extend(clauses.iter().cloned());
        if self.as_json {
            println!("{}", json!({ "who": who, "refused": what, "why": why, "clauses": clauses }));
        } else {
            println!("    - {who}: {what}\n      refused: {why}{}", named(clauses));
        }
    }

    /// Something to know.
    pub(super) fn note(&self, text: &str) {
        if self.as_json {
            println!("{}", json!({ "note": text }));
        } else {
            for line in text.lines() {
                println!("      {line}");
            }
        }
    }

    /// The table at the end.
    pub(super) fn summary(&mut self, figures: &[(&str, Value)]) {
        self.end_step();
        let took = self.all.elapsed();
        if self.as_json {
            let figures: serde_json::Map<String, Value> =
                figures.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            println!(
                "{}",
                json!({
                    "summary": figures,
                    "clauses": self.clauses,
                    "seconds": took.as_secs_f64(),
                })
            );
            return;
        }
        let mut table = output::table(["step", "", "clauses", "time"]);
        for step in &self.steps {
            table.add_row([
                step.number.to_string(),
                step.title.clone(),
                step.clauses.to_string(),
                format!("{:.2} s", step.took.as_secs_f64()),
            ]);
        }
        println!("\n{table}");
        let mut table = output::table(["", ""]);
        table.add_row(["time".to_owned(), format!("{:.2} s", took.as_secs_f64())]);
        table.add_row(["clauses exercised".to_owned(), self.clauses.len().to_string()]);
        for (name, value) in figures {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            table.add_row([(*name).to_owned(), text]);
        }
        println!("{table}");
    }
}

fn named(clauses: &[ClauseId]) -> String {
    if clauses.is_empty() {
        return String::new();
    }
    let first: Vec<&str> = clauses.iter().take(NAMED).map(ClauseId::as_str).collect();
    let more = clauses.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    format!("  [{}{more}]", first.join(" "))
}
