//! Papers: plans and calls, notices, filings, evaluations, reports.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shuyu_casework::{Agreement, Instrument, instrument};
use shuyu_kernel::{AgreementId, TaskId};
use shuyu_oversight::{
    Evaluation, EvaluationCommand, EvaluationId, Filing, FilingCommand, FilingId, Notice,
    NoticeCommand, NoticeId, NoticeKind, Submission, Task, TaskCommand,
};
use shuyu_store::{ActError, Filter, Unit};

use super::{Cause, number, text, texts};
use crate::app::{App, content_of, facts::id_in, same_number};

impl App {
    pub(super) async fn approve(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        kind: instrument::InstrumentKind,
        agreement: Option<AgreementId>,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let command = instrument::Command::Approve {
            kind,
            title: text(&fields, "title").unwrap_or_else(|| cause.case.title.clone()),
            contents: texts(&fields, "contents"),
            text: content_of(cause.case),
            case: cause.id,
            agreement,
        };
        unit.follow::<Instrument>(same_number(cause.id), command, cause.clauses).await?;
        Ok(())
    }

    pub(super) async fn publish(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        kind: NoticeKind,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let command = NoticeCommand::Publish {
            kind,
            title: cause.case.title.clone(),
            body: text(&fields, "public_notice").unwrap_or_else(|| cause.case.title.clone()),
            subject: cause.id.to_string(),
        };
        unit.follow::<Notice>(self.fresh::<NoticeId>(), command, cause.clauses).await?;
        Ok(())
    }

    pub(super) async fn record_filing(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let Some(filings) = self.law().parameter("filings").and_then(|it| it.value.as_array())
        else {
            return Ok(());
        };
        let declared = text(&fields, "filing_subject");
        for (recipient, receipt) in receipts(&fields) {
            // What is filed is what the dossier says, or else what the recipient is sent at all.
            let subject = filings.iter().find_map(|filing| {
                let subject = filing.get("subject")?.as_str()?;
                let known = filing.get("recipients")?.as_array()?;
                let named = known.iter().any(|known| known.as_str() == Some(&recipient));
                let meant = declared.as_ref().is_none_or(|declared| declared == subject);
                (named && meant).then_some(subject)
            });
            let Some(subject) = subject else { continue };
            let id: FilingId = self.fresh();
            let on = self.law().local_date(self.now());
            let open = FilingCommand::Open {
                subject: subject.to_owned(),
                agreement: cause.case.agreement,
                recipient,
                on,
            };
            unit.follow::<Filing>(id, open, cause.clauses).await?;
            let send = FilingCommand::Send { content: content_of(cause.case) };
            unit.follow::<Filing>(id, send, cause.clauses).await?;
            unit.follow::<Filing>(id, FilingCommand::Receive { receipt }, cause.clauses).await?;
        }
        Ok(())
    }

    pub(super) async fn record_evaluation(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let agreement = cause.agreement();
        let operator = unit.load::<Agreement>(agreement).await?.terms.operator;
        let scores: BTreeMap<String, u32> = match fields.get("scores") {
            Some(Value::Object(scores)) => scores
                .iter()
                .filter_map(|(name, score)| {
                    Some((name.clone(), u32::try_from(score.as_u64()?).ok()?))
                })
                .collect(),
            Some(Value::Array(scores)) => scores
                .iter()
                .filter_map(|entry| {
                    let name = ["subject", "id", "indicator", "item"]
                        .iter()
                        .find_map(|key| entry.get(*key)?.as_str())?;
                    Some((name.to_owned(), u32::try_from(entry.get("score")?.as_u64()?).ok()?))
                })
                .collect(),
            _ if fields.contains_key("score") => {
                [("total".to_owned(), number(&fields, "score"))].into()
            }
            _ => return Err(self.incomplete(unit, cause, "score").await),
        };
        let earlier = self.desk().list::<Evaluation>(&Filter::parent(agreement)).await?;
        let last = earlier.iter().map(|(_, it)| it).max_by_key(|it| it.period);
        let poor_before = last.map_or(0, |it| it.poor_in_a_row);
        let today = self.law().local_date(self.now());
        let from = earlier.iter().map(|(_, it)| it.period.1).max();
        let starts = unit.load::<Agreement>(agreement).await?.terms.from;
        let command = EvaluationCommand::Record {
            agreement,
            operator,
            period: (from.unwrap_or(starts), today),
            scores,
            poor_before,
        };
        let id: EvaluationId = same_number(cause.id);
        unit.follow::<Evaluation>(id, command, cause.clauses).await?;
        Ok(())
    }

    pub(super) async fn accept_report(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let Some(id) = id_in::<TaskId>(&fields, "task") else { return Ok(()) };
        let sections = match fields.get("sections") {
            Some(Value::Object(sections)) => sections
                .iter()
                .map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned()))
                .collect(),
            Some(Value::Array(sections)) => sections.iter().filter_map(section).collect(),
            _ => BTreeMap::new(),
        };
        let submitter = cause.case.dossier.acts.first().map(|act| act.person);
        let submission = Submission { evidence: content_of(cause.case), sections };
        if let Some(person) = submitter {
            let unit = unit.on_behalf_of(self.actor(person).await?);
            unit.follow::<Task>(id, TaskCommand::Submit(submission), cause.clauses).await?;
        }
        unit.follow::<Task>(id, TaskCommand::Accept, cause.clauses).await?;
        Ok(())
    }
}

fn section(entry: &Value) -> Option<(String, String)> {
    match entry {
        Value::String(name) => Some((name.clone(), name.clone())),
        Value::Object(entry) => {
            let name = entry.get("section").or_else(|| entry.get("id"))?.as_str()?;
            let text = entry.get("text").and_then(Value::as_str).unwrap_or(name);
            Some((name.to_owned(), text.to_owned()))
        }
        _ => None,
    }
}

/// The receipts in a form: recipient and number.
pub(super) fn receipts(fields: &Map<String, Value>) -> Vec<(String, String)> {
    let list = fields.get("receipts").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|receipt| {
            let part = |name: &str| receipt.get(name)?.as_str().map(str::to_owned);
            Some((part("recipient")?, part("number")?))
        })
        .collect()
}
