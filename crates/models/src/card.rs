//! The card of a model: what it was trained on, how well it does, what it may be used for, what was
//! checked. It is made from counts and averages; no row stands in it.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::{
    Check, Importance, Kind, Metrics, Rules, Series, Specification, Target, Verdict,
    design::Design, gravest,
};

/// Of how many a model comes from. Counts are rounded to multiples of k, so that two models of
/// neighbouring data do not give away whether one person was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// To multiples of this.
    pub rounded_to: usize,
    /// Subjects trained on.
    pub subjects_trained: usize,
    /// Their rows.
    pub rows_trained: usize,
    /// Subjects held out for validation.
    pub subjects_held_out: usize,
    /// Their rows.
    pub rows_held_out: usize,
    /// Rows left out, because a value was missing or a code was not declared.
    pub rows_left_out: usize,
    /// Declared codes that have no input of their own, because too few subjects have them.
    pub codes_collapsed: usize,
}

/// The card of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The kind of model, with its parameters.
    pub kind: Kind,
    /// The columns that it looks at. Their code lists stand in the model, without codes of too few.
    pub features: Vec<String>,
    /// What it tells, as declared.
    pub target: Option<Target>,
    /// What it is to be used for, as declared.
    pub intended_use: String,
    /// What it must not be used for.
    pub limits_of_use: Vec<String>,
    /// Of how many it comes.
    pub trained_on: Counts,
    /// Numbers to which the target was limited before training, with k subjects at or beyond each.
    pub target_limits: Option<(f64, f64)>,
    /// How many figures were fitted, and to how many digits they are told.
    pub parameters: usize,
    /// Significant digits of those.
    pub digits: usize,
    /// On those trained on.
    pub training: Metrics,
    /// On those held out.
    pub validation: Metrics,
    /// Plots on those held out.
    pub plots: Vec<Series>,
    /// What matters.
    pub importances: Vec<Importance>,
    /// What was checked.
    pub checks: Vec<Check>,
    /// The gravest of the verdicts.
    pub verdict: Verdict,
}

impl Counts {
    pub(crate) fn of(design: &Design, rules: &Rules) -> Self {
        let k = rules.k();
        let round = |count: usize| (count + k / 2) / k * k;
        Self {
            rounded_to: k,
            subjects_trained: round(design.training.people().len()),
            rows_trained: round(design.training.len()),
            subjects_held_out: round(design.validation.people().len()),
            rows_held_out: round(design.validation.len()),
            rows_left_out: round(design.left_out),
            codes_collapsed: design.collapsed,
        }
    }
}

/// What holds of every model from here.
pub(crate) fn limits_of_use(specification: &Specification) -> Vec<String> {
    let mut limits = vec![
        "It was validated on subjects drawn from the same data; elsewhere and later it may do worse."
            .to_owned(),
        "Numbers beyond the limits of an input count as the limit.".to_owned(),
    ];
    if specification.target.is_some() {
        limits.push("It tells what usually goes together, not what causes what.".to_owned());
    }
    limits
}

impl Card {
    pub(crate) fn add_checks(&mut self, checks: Vec<Check>) {
        self.checks.extend(checks);
        self.verdict = gravest(&self.checks);
    }

    /// The card as plain text in Markdown. It has no drawings and no links.
    pub fn render(&self) -> String {
        let mut text = String::from("# Model card\n");
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let plain = |value: &str| value.replace(['\n', '\r', '|'], " ");
        writeln!(text, "\n- kind: {}", kind(&self.kind))?;
        writeln!(text, "- intended use: {}", plain(&self.intended_use))?;
        if let Some(target) = &self.target {
            writeln!(text, "- tells: {}", plain(target.column()))?;
        }
        let features: Vec<String> = self.features.iter().map(|column| plain(column)).collect();
        writeln!(text, "- looks at: {}", features.join(", "))?;
        writeln!(text, "- parameters: {}, to {} digits", self.parameters, self.digits)?;
        if let Some((low, high)) = self.target_limits {
            writeln!(text, "- the target was limited to {low} to {high}")?;
        }
        for limit in &self.limits_of_use {
            writeln!(text, "- {limit}")?;
        }
        let counts = &self.trained_on;
        writeln!(text, "\n## Data (counts to multiples of {})\n", counts.rounded_to)?;
        writeln!(text, "| | subjects | rows |\n|---|---|---|")?;
        writeln!(text, "| trained on | {} | {} |", counts.subjects_trained, counts.rows_trained)?;
        writeln!(text, "| held out | {} | {} |", counts.subjects_held_out, counts.rows_held_out)?;
        writeln!(text, "| left out | | {} |", counts.rows_left_out)?;
        writeln!(text, "\nDeclared codes of too few subjects: {}", counts.codes_collapsed)?;
        writeln!(text, "\n## How well it does\n\n| | trained on | held out |\n|---|---|---|")?;
        let held_out = self.validation.named();
        for ((name, trained), (_, held_out)) in self.training.named().into_iter().zip(held_out) {
            writeln!(text, "| {name} | {trained} | {held_out} |")?;
        }
        for series in &self.plots {
            writeln!(text, "\n## {}\n\n| {} |", series.title, series.columns.join(" | "))?;
            writeln!(text, "|{}", "---|".repeat(series.columns.len()))?;
            for line in &series.lines {
                let cells: Vec<String> = line.iter().map(f64::to_string).collect();
                writeln!(text, "| {} |", cells.join(" | "))?;
            }
        }
        writeln!(text, "\n## What matters\n\n| feature | loss grows by |\n|---|---|")?;
        for importance in &self.importances {
            writeln!(text, "| {} | {} |", plain(&importance.column), importance.loss_growth)?;
        }
        writeln!(
            text,
            "\n## Checks: {}\n\n| check | verdict | why |\n|---|---|---|",
            word(self.verdict)
        )?;
        for check in &self.checks {
            let (name, reason) = (plain(&check.name), plain(&check.reason));
            writeln!(text, "| {name} | {} | {reason} |", word(check.verdict))?;
        }
        Ok(())
    }
}

impl Metrics {
    /// Each figure with its name.
    fn named(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Number { r2, rmse, mae } => vec![("R²", *r2), ("RMSE", *rmse), ("MAE", *mae)],
            Self::Code { auc, log_loss, accuracy, accuracy_of_guessing } => vec![
                ("AUC", *auc),
                ("log loss", *log_loss),
                ("accuracy", *accuracy),
                ("accuracy of guessing", *accuracy_of_guessing),
            ],
            Self::Clusters { inertia, silhouette } => {
                vec![("inertia", *inertia), ("silhouette", *silhouette)]
            }
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Review => "review",
        Verdict::Fail => "fail",
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Linear => "linear regression by least squares".into(),
        Kind::Logistic { penalty_thousandths } => {
            format!("logistic regression, penalty {penalty_thousandths}/1000")
        }
        Kind::Trees { rounds, depth, rate_percent, .. } => {
            format!(
                "gradient-boosted trees, at most {rounds} of depth {depth}, rate {rate_percent}%"
            )
        }
        Kind::Clusters { clusters } => format!("k-means, {clusters} clusters"),
    }
}
