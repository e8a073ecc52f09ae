//! What an answer tells together with all that were given before, to anybody: the release ledger.
//!
//! For each protected dataset of a question, all answers about it are taken together, whatever the
//! version, the tables that they join it to and the operator whom they were given to. Its subjects
//! are divided by everything that those answers look at: the columns, through bands, of their
//! filters and groups, whether each joined table keeps a row, whether measures are present, and
//! how rows and values differ between versions. Over these atoms every figure is a sum, and
//! `shuyu_disclosure` says what all sums determine.
//!
//! **Guaranteed:** of all answers that were given, no sum of counts or of one measure with whatever
//! factors is about fewer subjects than the threshold, or is mostly one subject's; so neither are
//! two answers, nor several that overlap, nor the same question with another table joined, nor
//! before and after a delivery, where who came, left or changed are too few.
//!
//! **Not guaranteed:**
//! - what groups tell by being empty;
//! - that the largest contributor to a difference of sums is not known closely, where subjects have
//!   rows in several cells: each cell by itself is judged by subject, a difference by cell;
//! - rows and sums, not subjects, of two different joins that both multiply a dataset's rows: they
//!   are compared by the dataset whose rows they keep, if that is protected;
//! - outputs of jobs, which reviewers compare.
//!
//! What cannot be laid beside an earlier answer is refused: a version that is gone, too many
//! atoms, or no proof within the effort. The ledger is built anew for each question, with a new
//! secret, and never leaves memory.

mod population;
mod rows;
mod shape;

use std::collections::BTreeMap;

use shuyu_disclosure::{AnswerId, Empty, Ledger, Order, Rules, Verdict};
use shuyu_kernel::{DatasetId, Entropy as _, SystemEntropy};

use self::{population::Population, rows::Read, shape::Shape};
use crate::{
    Answer, ColumnOf, Domain, Figure, Objection, Question, Relation, SubjectKind, Thresholds,
    answer::Facts, checker::ask::Checked, domain::not_comparable,
};

type Checks<T> = Result<T, Objection>;

/// A protected dataset of a question.
struct Protected {
    dataset: DatasetId,
    kind: SubjectKind,
    key: ColumnOf,
}

fn protected(domain: &Domain, question: &Question) -> Vec<Protected> {
    let tables = domain.tables.values();
    tables
        .filter(|table| question.relation.sources.contains(&table.version))
        .filter_map(|table| {
            let (kind, key) = table.item.subject_kind.zip(table.item.subject_key.clone())?;
            let key = ColumnOf { source: table.version, column: key };
            Some(Protected { dataset: table.version.dataset, kind, key })
        })
        .collect()
}

/// The rules of a ledger. Every cell that is shown by itself keeps them.
fn rules(thresholds: &Thresholds, kind: SubjectKind) -> Rules {
    Rules {
        least_subjects: thresholds.of(kind).into(),
        // Which groups are empty follows from the data alone, and is told by gaps already.
        empty: Empty::IsKnown,
        dominance_percent: thresholds.dominance_percent,
        ..Rules::default()
    }
}

fn ledger(thresholds: &Thresholds, kind: SubjectKind) -> Ledger {
    let mut secret = [[0_u8; 8]; 3];
    for part in &mut secret {
        SystemEntropy.fill(part);
    }
    Ledger::new(rules(thresholds, kind), secret.map(u64::from_be_bytes))
}

/// Takes in the terms of some questions.
async fn shape(
    domain: &Domain,
    facts: &Facts,
    dataset: DatasetId,
    questions: impl Iterator<Item = &Question>,
) -> Checks<Shape> {
    let mut shape = Shape::new(dataset);
    let mut known: BTreeMap<&Relation, bool> = BTreeMap::new();
    for question in questions {
        let relation = &question.relation;
        let keeps = match known.get(relation) {
            Some(keeps) => *keeps,
            None => rows::keeps(domain, facts, &shape, relation).await?,
        };
        known.insert(relation, keeps);
        shape.include(question, keeps);
    }
    Ok(shape)
}

/// Leaves out of an answer the cells that would tell too much with one another. Cells of subjects
/// with one row each lie apart, and tell nothing more together.
pub(crate) async fn settle(
    domain: &Domain,
    facts: &Facts,
    checked: &Checked,
    mut answer: Answer,
    thresholds: &Thresholds,
) -> Checks<Answer> {
    let question = &checked.question;
    let counts_subjects = question.figures.iter().any(|it| matches!(it, Figure::Subjects(_)));
    if !counts_subjects || answer.cells.is_empty() {
        return Ok(answer);
    }
    for Protected { dataset, kind, key } in protected(domain, question) {
        let shape = shape(domain, facts, dataset, std::iter::once(question)).await?;
        if rows::keeps(domain, facts, &shape, &question.relation).await?
            && rows::is_unique(domain, facts, &key).await?
        {
            continue;
        }
        let mut read = rows::read(domain, &shape, &key.column).await?;
        read.restrict(&shape, std::iter::once(question));
        let mut ledger = ledger(thresholds, kind);
        let population = Population::new(&shape, &read, &mut ledger, thresholds.of(kind).into())?;
        if !population.has_several_rows() {
            continue;
        }
        let figures = population.answer(question, &answer.cells).ok_or_else(not_comparable)?;
        let suppression =
            ledger.suppress(&figures, &Order::Declared).map_err(|_| not_comparable())?;
        let before = answer.cells.len();
        let cells = std::mem::take(&mut answer.cells).into_iter().enumerate();
        answer.cells = cells
            .filter(|(place, _)| suppression.shown.binary_search(place).is_ok())
            .map(|(_, cell)| cell)
            .collect();
        let more = (before - answer.cells.len()) as u64;
        answer.withheld = answer.withheld.map(|withheld| withheld + more);
    }
    Ok(answer)
}

/// Refuses an answer that, with all given earlier, would single somebody out. `earlier` holds
/// every answer about any of its datasets, at any version, to any operator.
pub(crate) async fn check(
    domain: &Domain,
    facts: &Facts,
    checked: &Checked,
    answer: &Answer,
    earlier: &[Answer],
    thresholds: &Thresholds,
) -> Checks<()> {
    if answer.cells.is_empty() {
        return Ok(());
    }
    for Protected { dataset, kind, key } in protected(domain, &checked.question) {
        let standing: Vec<&Answer> =
            earlier.iter().filter(|other| is_about(other, dataset)).collect();
        if standing.is_empty() {
            continue;
        }
        let questions = standing.iter().map(|other| &other.question);
        let questions = questions.chain(std::iter::once(&checked.question));
        let shape = shape(domain, facts, dataset, questions.clone()).await?;
        let mut read = rows::read(domain, &shape, &key.column).await?;
        read.restrict(&shape, questions);
        if !permits(&shape, &read, &standing, answer, (thresholds, kind)).await? {
            return Err(Objection::new(
                crate::rules::NO_DIFFERENCING,
                "with answers given before, this answer would single out too few subjects",
            ));
        }
    }
    Ok(())
}

fn is_about(answer: &Answer, dataset: DatasetId) -> bool {
    answer.question.relation.sources.iter().any(|source| source.dataset == dataset)
}

async fn permits(
    shape: &Shape,
    read: &Read,
    standing: &[&Answer],
    answer: &Answer,
    (thresholds, kind): (&Thresholds, SubjectKind),
) -> Checks<bool> {
    let mut ledger = ledger(thresholds, kind);
    let population = Population::new(shape, read, &mut ledger, thresholds.of(kind).into())?;
    let figures = |answer: &Answer| {
        population.answer(&answer.question, &answer.cells).ok_or_else(not_comparable)
    };
    for (number, other) in (0_u128..).zip(standing) {
        ledger.stand(AnswerId(number), &figures(other)?).map_err(|_| not_comparable())?;
        // What is no longer wanted ends here.
        tokio::task::yield_now().await;
    }
    let verdict = ledger.judge(&figures(answer)?).map_err(|_| not_comparable())?;
    if let Verdict::Refused(refusal) = &verdict {
        tracing::debug!(target: "shuyu_enclave::comparison", reason = ?refusal.reason, "an answer is refused");
    }
    Ok(verdict == Verdict::Permitted)
}
