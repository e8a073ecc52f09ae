//! Evaluations of operators: scores, grades, and what follows.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_kernel::{AgreementId, OrganisationId};
use shuyu_law::{Attribute, Attributes, Law, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::pack;

pub(crate) const SCORES_VALID: Rule = Rule::new("evaluation-scores-valid");
pub(crate) const EVALUATED_DOES_NOT_SCORE: Rule = Rule::new("evaluated-does-not-score");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("evaluation-step-in-order");

shuyu_kernel::id!(
    /// An evaluation.
    EvaluationId,
    "eva"
);

/// What a score amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grading {
    /// The mean of the scores, in hundredths.
    pub score_hundredths: u32,
    /// The grade, where the pack has grades.
    pub grade: Option<String>,
    /// Whether it is the worst grade.
    pub is_poor: bool,
    /// Whether the pass mark is reached, where the pack has one.
    pub passed: Option<bool>,
    /// What follows: measures on the worst grade, benefits of the best, and `propose_termination`.
    pub consequences: Vec<String>,
}

/// Where an evaluation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationStatus {
    /// Recorded; the evaluated party may object.
    Recorded,
    /// An objection is to be answered.
    Objected,
    /// Final.
    Final,
}

impl EvaluationStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Objected => "objected",
            Self::Final => "final",
        }
    }
}

/// An evaluation of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The agreement.
    pub agreement: AgreementId,
    /// Who is evaluated.
    pub operator: OrganisationId,
    /// The period.
    pub period: (NaiveDate, NaiveDate),
    /// The scores by item, each of 100.
    pub scores: BTreeMap<String, u32>,
    /// What they amount to.
    pub grading: Grading,
    /// How many worst grades in a row there are with this one.
    pub poor_in_a_row: u32,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// The objection, and the answer to it.
    pub objection: Option<(String, Option<String>)>,
    /// Where it stands.
    pub status: EvaluationStatus,
}

/// What can be wanted of an evaluation.
#[derive(Debug, Clone)]
pub enum EvaluationCommand {
    /// Record it.
    Record {
        /// The agreement.
        agreement: AgreementId,
        /// Who is evaluated.
        operator: OrganisationId,
        /// The period.
        period: (NaiveDate, NaiveDate),
        /// The scores by item.
        scores: BTreeMap<String, u32>,
        /// How many worst grades in a row there were before.
        poor_before: u32,
    },
    /// Object to it.
    Object {
        /// Why.
        reason: String,
    },
    /// Answer the objection, with other scores or the same.
    Answer {
        /// Why.
        answer: String,
        /// The scores that stand.
        scores: BTreeMap<String, u32>,
    },
    /// Make it final.
    Finish,
}

impl Command for EvaluationCommand {
    shuyu_store::names! {
        Self::Record { .. } => "record",
        Self::Object { .. } => "object",
        Self::Answer { .. } => "answer",
        Self::Finish => "finish",
    }
}

/// What can happen to an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum EvaluationEvent {
    /// It was recorded.
    Recorded {
        /// The evaluation.
        evaluation: Box<Evaluation>,
    },
    /// The evaluated party objected.
    Objected {
        /// Why.
        reason: String,
    },
    /// The objection was answered.
    Answered {
        /// Why.
        answer: String,
        /// The scores that stand.
        scores: BTreeMap<String, u32>,
        /// What they amount to.
        grading: Grading,
        /// How many worst grades in a row there are with this one.
        poor_in_a_row: u32,
    },
    /// It became final.
    Finished,
}

impl Entity for Evaluation {
    const KIND: &'static str = "evaluation";
    const ATTRIBUTES: &'static [&'static str] = &["status", "operator"];
    type Id = EvaluationId;
    type Command = EvaluationCommand;
    type Event = EvaluationEvent;

    fn decide(
        state: Option<&Self>,
        command: EvaluationCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<EvaluationEvent>, Refusal> {
        let event = match (state, command) {
            (
                None,
                EvaluationCommand::Record { agreement, operator, period, scores, poor_before },
            ) => {
                if ctx.actor.organisation == operator {
                    return Err(ctx.refuse(EVALUATED_DOES_NOT_SCORE));
                }
                if period.1 < period.0 || period.1 > ctx.today() {
                    return Err(ctx
                        .refuse(SCORES_VALID)
                        .because("the period has not ended, or ends before it begins"));
                }
                let (grading, poor_in_a_row) = check_scores(&scores, poor_before, ctx)?;
                EvaluationEvent::Recorded {
                    evaluation: Box::new(Self {
                        agreement,
                        operator,
                        period,
                        scores,
                        grading,
                        poor_in_a_row,
                        at: ctx.now,
                        objection: None,
                        status: EvaluationStatus::Recorded,
                    }),
                }
            }
            (None, _) => return Err(ctx.refuse(STEP_IN_ORDER).because("nothing was recorded")),
            (Some(evaluation), command) => evaluation.next(command, ctx)?,
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &EvaluationEvent) -> Option<Self> {
        if let EvaluationEvent::Recorded { evaluation } = event {
            return Some((**evaluation).clone());
        }
        let mut evaluation = state?;
        match event {
            EvaluationEvent::Recorded { .. } => {}
            EvaluationEvent::Objected { reason } => {
                evaluation.objection = Some((reason.clone(), None));
                evaluation.status = EvaluationStatus::Objected;
            }
            EvaluationEvent::Answered { answer, scores, grading, poor_in_a_row } => {
                if let Some((_, answered)) = &mut evaluation.objection {
                    *answered = Some(answer.clone());
                }
                evaluation.scores.clone_from(scores);
                evaluation.grading = grading.clone();
                evaluation.poor_in_a_row = *poor_in_a_row;
                evaluation.status = EvaluationStatus::Final;
            }
            EvaluationEvent::Finished => evaluation.status = EvaluationStatus::Final,
        }
        Some(evaluation)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.operator.to_string()),
            parent: Some(self.agreement.to_string()),
            name: Some(format!("{}/{}", self.agreement, self.period.1)),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
        ]
        .into()
    }
}

impl Evaluation {
    fn next(
        &self,
        command: EvaluationCommand,
        ctx: &Context<'_>,
    ) -> Result<EvaluationEvent, Refusal> {
        use EvaluationStatus::{Final, Objected, Recorded};
        let is_evaluated = ctx.actor.organisation == self.operator;
        match (command, self.status) {
            (EvaluationCommand::Object { reason }, Recorded) if !reason.trim().is_empty() => {
                Ok(EvaluationEvent::Objected { reason })
            }
            (EvaluationCommand::Answer { .. } | EvaluationCommand::Finish, _) if is_evaluated => {
                Err(ctx.refuse(EVALUATED_DOES_NOT_SCORE))
            }
            (EvaluationCommand::Answer { answer, scores }, Objected) => {
                let before = self.poor_in_a_row.saturating_sub(u32::from(self.grading.is_poor));
                let (grading, poor_in_a_row) = check_scores(&scores, before, ctx)?;
                Ok(EvaluationEvent::Answered { answer, scores, grading, poor_in_a_row })
            }
            (EvaluationCommand::Finish, Recorded) => Ok(EvaluationEvent::Finished),
            (
                EvaluationCommand::Record { .. }
                | EvaluationCommand::Object { .. }
                | EvaluationCommand::Answer { .. }
                | EvaluationCommand::Finish,
                Recorded | Objected | Final,
            ) => Err(ctx
                .refuse(STEP_IN_ORDER)
                .because(format!("the evaluation is {}", self.status.name()))),
        }
    }
}

/// What the scores amount to, or the refusal of scores that are none.
fn check_scores(
    scores: &BTreeMap<String, u32>,
    poor_before: u32,
    ctx: &Context<'_>,
) -> Result<(Grading, u32), Refusal> {
    if scores.is_empty() {
        return Err(ctx.refuse(SCORES_VALID).because("there is no score"));
    }
    if let Some((item, score)) = scores.iter().find(|(_, score)| **score > 100) {
        return Err(ctx.refuse(SCORES_VALID).because(format!("{item}: {score} is more than 100")));
    }
    let grading = grade(ctx.law, scores, poor_before);
    let poor_in_a_row = if grading.is_poor { poor_before + 1 } else { 0 };
    Ok((grading, poor_in_a_row))
}

/// How many of the latest evaluations in a row, by the ends of their periods, are of the worst
/// grade.
pub fn poor_in_a_row<'a>(evaluations: impl Iterator<Item = &'a Evaluation>) -> u32 {
    let mut evaluations: Vec<&Evaluation> = evaluations.collect();
    evaluations.sort_by_key(|evaluation| (evaluation.period.1, evaluation.at));
    let poor = evaluations.iter().rev().take_while(|evaluation| evaluation.grading.is_poor);
    u32::try_from(poor.count()).unwrap_or(u32::MAX)
}

/// What scores of at most 100 amount to under `law`, after `poor_before` worst grades in a row.
pub fn grade(law: &Law, scores: &BTreeMap<String, u32>, poor_before: u32) -> Grading {
    let count = u32::try_from(scores.len()).unwrap_or(u32::MAX).max(1);
    let score_hundredths = scores.values().sum::<u32>().saturating_mul(100) / count;
    let mut grades: Vec<(u64, &str)> = pack::entries(law, "evaluation_grades")
        .filter_map(|entry| {
            let least = entry.get("min_score").and_then(Value::as_u64)?;
            Some((least, entry.get("id").and_then(Value::as_str)?))
        })
        .collect();
    grades.sort_unstable();
    let reached = grades.iter().rposition(|(least, _)| u64::from(score_hundredths) >= least * 100);
    let is_poor = reached == Some(0) && grades.len() > 1;
    let is_best = reached.is_some_and(|reached| reached + 1 == grades.len()) && grades.len() > 1;
    let mut consequences = Vec::new();
    if is_poor {
        consequences.extend(pack::ids(law, "poor_measures").unwrap_or_default());
        if pack::count(law, "poor_evaluations_to_terminate")
            .is_some_and(|limit| poor_before + 1 >= limit)
        {
            consequences.push("propose_termination");
        }
    }
    if is_best {
        consequences.extend(pack::ids(law, "excellent_benefits").unwrap_or_default());
    }
    Grading {
        score_hundredths,
        grade: reached.and_then(|reached| grades.get(reached)).map(|(_, id)| (*id).to_owned()),
        is_poor,
        passed: pack::count(law, "operator_evaluation_pass_score")
            .map(|mark| score_hundredths >= mark.saturating_mul(100)),
        consequences: consequences.into_iter().map(str::to_owned).collect(),
    }
}
