//! Figures, and how they are shown: a table for people, JSON for later comparison.

use std::{path::Path, time::Duration};

use serde::Serialize;

use crate::Failure;

/// What one benchmark has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    target: &'static str,
    /// Processors, and the load of the last minute before and after: figures of a busy machine
    /// say little.
    processors: usize,
    load_before: f64,
    load_after: f64,
    figures: Vec<Figure>,
    /// Findings that are no figures.
    notes: Vec<String>,
}

/// One measure of one contestant, a value for each of its turns.
#[derive(Debug, Serialize)]
struct Figure {
    contestant: String,
    measure: &'static str,
    turns: Vec<f64>,
}

impl Figure {
    /// The least, the middle and the greatest.
    fn spread(&self) -> (f64, f64, f64) {
        let mut sorted = self.turns.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        // Of an even number the lower middle, which was measured.
        (at(0), at(last / 2), at(last))
    }
}

impl Report {
    pub(crate) fn new(bench: &'static str, target: &'static str) -> Self {
        Self {
            bench,
            target,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            load_before: load(),
            load_after: 0.0,
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds what a turn of a contestant has given. The first contestant is ours.
    pub(crate) fn add(&mut self, contestant: &str, measure: &'static str, value: f64) {
        let kept = self
            .figures
            .iter_mut()
            .find(|figure| figure.contestant == contestant && figure.measure == measure);
        match kept {
            Some(figure) => figure.turns.push(value),
            None => self.figures.push(Figure {
                contestant: contestant.to_owned(),
                measure,
                turns: vec![value],
            }),
        }
    }

    /// Adds a finding that is no figure.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table, and writes `<out>/<bench>.json`.
    pub(crate) fn publish(mut self, out: &Path) -> Result<(), Failure> {
        self.load_after = load();
        println!("\n{} - target: {}", self.bench, self.target);
        println!(
            "{} processors, load {:.2} before and {:.2} after",
            self.processors, self.load_before, self.load_after
        );
        let width = self.figures.iter().map(|figure| figure.contestant.chars().count()).max();
        let width = width.unwrap_or(0);
        for figure in &self.figures {
            let (least, middle, greatest) = figure.spread();
            let ratio = self.ratio(figure).map_or(String::new(), |ratio| format!("{ratio:8.2} x"));
            println!(
                "  {:width$}  {:16} {:>12} {:>12} {:>12}{ratio}",
                figure.contestant,
                figure.measure,
                shown(least),
                shown(middle),
                shown(greatest),
            );
        }
        println!("  (least, middle, greatest of the turns; x: ours, middle, over this one's)");
        for note in &self.notes {
            println!("  {note}");
        }
        std::fs::create_dir_all(out)?;
        let file = out.join(format!("{}.json", self.bench));
        std::fs::write(&file, serde_json::to_string_pretty(&self)?)?;
        Ok(())
    }

    /// Ours over a peer's, middle over middle.
    fn ratio(&self, figure: &Figure) -> Option<f64> {
        let ours = self.figures.iter().find(|ours| ours.measure == figure.measure)?;
        (ours.contestant != figure.contestant).then(|| ours.spread().1 / figure.spread().1)
    }
}

/// Of sorted times the one that `permille` of them do not exceed, in milliseconds.
pub(crate) fn millis_at(sorted: &[Duration], permille: usize) -> f64 {
    let place = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn shown(value: f64) -> String {
    if value.abs() >= 100.0 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    } else {
        format!("{value:.2}")
    }
}

/// The load of the last minute, where the system tells.
fn load() -> f64 {
    std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(-1.0)
}
