//! What the demonstration prints: steps, who did what under which clauses, and a summary.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shuyu_kernel::Actor;
use shuyu_law::ClauseId;
use shuyu_server::app::App;
use shuyu_store::{Recorded, StoreError, Trail};

use super::{Failed, Stage};
use crate::output;

/// Where the demonstration's lines go, and what they add up to.
pub(super) struct Show {
    as_json: bool,
    step: u32,
    title: String,
    begun: Instant,
    all: Instant,
    /// The last entry of the log that a line was shown of.
    told: Option<u64>,
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
            told: None,
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

    /// Somebody did something: on which clauses, and as which entry, the log says.
    pub(super) async fn told(&mut self, app: &App, who: &str, what: &str) -> Result<(), Failed> {
        let news = self.news(app).await?;
        let seq = news.last().map(|entry| entry.seq);
        let mut clauses: Vec<ClauseId> = Vec::new();
        for clause in news.iter().filter(|it| is_of_an_act(it)).flat_map(|it| &it.clauses) {
            if !clauses.contains(clause) {
                clauses.push(clause.clone());
            }
        }
        self.did(who, what, &clauses, seq);
        Ok(())
    }

    /// What the log recorded since the last line.
    async fn news(&mut self, app: &App) -> Result<Vec<Recorded>, StoreError> {
        let trail = Trail { after: self.told, ..Trail::default() };
        let news = app.desk().entries(&trail).await?;
        self.told = news.last().map(|entry| entry.seq).or(self.told);
        Ok(news)
    }

    /// Somebody did something, on these clauses, at this place of the log.
    fn did(&mut self, who: &str, what: &str, clauses: &[ClauseId], seq: Option<u64>) {
        self.clauses_of_step.extend(clauses.iter().cloned());
        if self.as_json {
            println!("{}", json!({ "who": who, "did": what, "clauses": clauses, "entry": seq }));
        } else {
            println!("    + {who}: {what}{}", named(clauses, seq));
        }
    }

    /// Somebody was refused something, or an answer was withheld: `how` says which.
    pub(super) async fn denied(
        &mut self,
        app: &App,
        (how, who, what): (&str, &str, &str),
        why: &str,
        clauses: &[ClauseId],
    ) -> Result<(), Failed> {
        let seq = self.news(app).await?.last().map(|entry| entry.seq);
        self.clauses_of_step.extend(clauses.iter().cloned());
        if self.as_json {
            let line = json!({
                "who": who, how: what, "why": why, "clauses": clauses, "entry": seq,
            });
            println!("{line}");
        } else {
            println!("    - {who}: {what}\n      {how}: {why}{}", named(clauses, seq));
        }
        Ok(())
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

impl Stage {
    /// Somebody did something: on which clauses, and as which entry, the log says.
    pub(super) async fn told(&mut self, who: &str, what: &str) -> Result<(), Failed> {
        self.show.told(&self.app, who, what).await
    }
}

/// Whether an entry is of what somebody did: a refusal has a line of its own, and what the system
/// reads, to know where a case stands, is nobody's act.
fn is_of_an_act(entry: &Recorded) -> bool {
    let is_refusal = entry.body.get("refused").is_some_and(Value::is_string);
    entry.event.is_some() || !(is_refusal || entry.person == Actor::system().person)
}

/// The clauses of a line, and the place of its entry in the log.
fn named(clauses: &[ClauseId], seq: Option<u64>) -> String {
    let mut text = String::new();
    if !clauses.is_empty() {
        let first: Vec<&str> = clauses.iter().take(NAMED).map(ClauseId::as_str).collect();
        let more = clauses.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        text = format!("  [{}{more}]", first.join(" "));
    }
    if let Some(seq) = seq {
        text = format!("{text}  #{seq}");
    }
    text
}
