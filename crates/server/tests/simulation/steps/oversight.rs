//! Supervision: alerts, cuts, tasks, evaluations, destructions, notices, filings.

use std::collections::{BTreeMap, BTreeSet};

use shuyu_casework::{Agreement, agreement};
use shuyu_kernel::ContentHash;
use shuyu_oversight::{
    Alert, AlertCommand, AlertFinding, AlertStatus, Cut, CutCommand, CutStatus, Destruction,
    DestructionCommand, Evaluation, EvaluationCommand, EvaluationStatus, Filing, FilingCommand,
    FilingId, FilingStatus, Notice, NoticeCommand, NoticeStatus, Severity, Source, Submission,
    Task, TaskCommand, TaskStatus,
};

use crate::{
    step::Step,
    world::{World, name},
};

const SUPERVISORS: [&str; 3] = ["authority", "implementer", "zone_supervisor"];

impl World {
    pub(super) async fn alert(&mut self) -> Option<Step> {
        if self.dice.chance(45) {
            let (id, agreement) = self.seek::<Agreement>(|_| true).await?;
            let actor = self.who(&SUPERVISORS).await;
            let ground = self.dice.pick(&["out_of_scope_attempts", "leak", " "])?;
            let finding = AlertFinding {
                ground: ground.to_owned(),
                detail: "observed".to_owned(),
                severity: Severity::Warning,
                subject: id.to_string(),
                organisation: Some(agreement.terms.operator),
                agreement: Some(id),
                source: Source::Person { id: actor.person },
            };
            let done = self.app.raise_alert(&actor, finding).await;
            return Some(Step::new("alert.raise", format!("{id} by {}", name(&actor)), done));
        }
        let (id, _) = self.seek::<Alert>(|it| it.status != AlertStatus::Closed).await?;
        let (verb, command) = if self.dice.chance(50) {
            ("acknowledge", AlertCommand::Acknowledge)
        } else {
            ("close", AlertCommand::Close { outcome: "seen to".to_owned() })
        };
        let actor = self.who(&SUPERVISORS).await;
        let done = self.raw::<Alert>(&actor, id, command).await;
        Some(Step::new(format!("alert.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    /// Access is cut at once, or what was cut is looked at again.
    pub(super) async fn cut(&mut self) -> Option<Step> {
        let now = self.app.now();
        if self.dice.chance(60) {
            let (id, _) = self.seek::<Agreement>(|it| it.is_in_operation(now)).await?;
            let actor = self.who(&SUPERVISORS).await;
            let trigger = self.trigger();
            let what = format!("{id} for {trigger} by {}", name(&actor));
            let done = self.app.cut(&actor, id, &trigger, "there is danger").await;
            return Some(Step::new("cut.pull", what, done));
        }
        let (id, _) = self.seek::<Cut>(|it| it.status == CutStatus::Closed).await?;
        let (verb, command) = match self.dice.below(5) {
            0 | 1 => ("effect", CutCommand::Effect { at: now }),
            2 | 3 => (
                "restore",
                CutCommand::Restore { finding: "over".to_owned(), cause_is_closed: true },
            ),
            _ => ("end", CutCommand::End { reason: "for good".to_owned() }),
        };
        let actor = self.who(&SUPERVISORS).await;
        let done = self.raw::<Cut>(&actor, id, command).await;
        Some(Step::new(format!("cut.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    fn trigger(&mut self) -> String {
        let known: Vec<String> = ["killswitch_triggers", "platform_killswitch_triggers"]
            .iter()
            .filter_map(|name| self.law().parameter(name))
            .flat_map(|list| list.ids().into_iter().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        match self.dice.pick(&known) {
            Some(trigger) if self.dice.chance(85) => trigger,
            _ => "no_such_trigger".to_owned(),
        }
    }

    /// Commands on an agreement that only cases and time give.
    pub(super) async fn agreement(&mut self) -> Option<Step> {
        let (id, _) = self.seek::<Agreement>(|_| true).await?;
        let ground = || "on one's own".to_owned();
        let (verb, command) = match self.dice.below(6) {
            0 => ("activate", agreement::Command::Activate),
            1 => ("suspend", agreement::Command::Suspend { ground: ground() }),
            2 => ("restore", agreement::Command::Restore),
            3 => ("expire", agreement::Command::Expire),
            4 => ("end", agreement::Command::End { ground: ground() }),
            _ => {
                let certificate = ContentHash::of(b"none");
                ("close", agreement::Command::Close { certificate })
            }
        };
        let actor = self.who(&["authority", "operator"]).await;
        let done = self.raw::<Agreement>(&actor, id, command).await;
        Some(Step::new(format!("agreement.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    pub(super) async fn task(&mut self) -> Option<Step> {
        let live = |it: &Task| {
            matches!(it.status, TaskStatus::Open | TaskStatus::Overdue | TaskStatus::Submitted)
        };
        let (id, task) = self.seek::<Task>(live).await?;
        let whole = self.dice.chance(85);
        let sections = match self.law().parameter("annual_report_sections") {
            Some(asked) if whole => {
                asked.ids().iter().map(|id| ((*id).to_owned(), "as it is".to_owned())).collect()
            }
            _ => BTreeMap::new(),
        };
        let submit =
            || TaskCommand::Submit(Submission { evidence: ContentHash::of(b"report"), sections });
        let reason = || "not whole".to_owned();
        let (verb, command) = match (self.dice.below(10), task.status) {
            (0, _) => ("cancel", TaskCommand::Cancel { reason: reason() }),
            (1, _) => ("return", TaskCommand::Return { reason: reason() }),
            (2, _) | (_, TaskStatus::Submitted) => ("accept", TaskCommand::Accept),
            (3, _) => ("remind", TaskCommand::Remind),
            _ => ("submit", submit()),
        };
        let owner_role = task.owner_role.clone();
        let actor = match (verb, task.owner) {
            ("submit", Some(owner)) => self.who_of(owner).await,
            ("submit", None) => self.who(&[owner_role.as_str()]).await,
            _ => self.who(&SUPERVISORS).await,
        };
        let done = self.raw::<Task>(&actor, id, command).await;
        Some(Step::new(format!("task.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    pub(super) async fn evaluation(&mut self) -> Option<Step> {
        let live = |it: &Evaluation| it.status != EvaluationStatus::Final;
        let (id, evaluation) = self.seek::<Evaluation>(live).await?;
        let (verb, command) = match (self.dice.below(4), evaluation.status) {
            (0, _) => ("finish", EvaluationCommand::Finish),
            (_, EvaluationStatus::Objected) => {
                let answer = "looked at again".to_owned();
                let scores: BTreeMap<String, u32> = evaluation.scores.clone();
                ("answer", EvaluationCommand::Answer { answer, scores })
            }
            _ => ("object", EvaluationCommand::Object { reason: "too low".to_owned() }),
        };
        let actor = match verb {
            "object" => self.who_of(evaluation.operator).await,
            _ => self.who(&["authority", "implementer", "zone_supervisor", "assessor"]).await,
        };
        let done = self.raw::<Evaluation>(&actor, id, command).await;
        Some(Step::new(format!("evaluation.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    /// A destruction is ordered, approved and refused, apart from an exit.
    pub(super) async fn destruction(&mut self) -> Option<Step> {
        if self.dice.chance(25) {
            let conditions = match self.law().parameter("destruction_conditions") {
                Some(asked) => asked
                    .field("all_of")
                    .and_then(serde_json::Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|it| it.as_str().map(str::to_owned))
                    .collect(),
                None => BTreeSet::new(),
            };
            let order = DestructionCommand::Order {
                agreement: None,
                objects: BTreeSet::from(["a copy".to_owned()]),
                ground: "no longer needed".to_owned(),
                conditions,
            };
            let actor = self.who(&["authority", "provider", "operator"]).await;
            let id = self.app.fresh();
            let done = self.raw::<Destruction>(&actor, id, order).await;
            return Some(Step::new("destruction.order", format!("{id} by {}", name(&actor)), done));
        }
        let (id, destruction) = self.seek::<Destruction>(|it| it.certificate.is_none()).await?;
        let witness = self.cast.members.first()?.person;
        let (verb, command) = match self.dice.below(10) {
            0..6 => ("approve", DestructionCommand::Approve),
            6 => ("refuse", DestructionCommand::Refuse { reason: "still needed".to_owned() }),
            7 | 8 => {
                ("destroy", DestructionCommand::Destroy { method: "erased".to_owned(), witness })
            }
            _ => ("verify", DestructionCommand::Verify { shown: Vec::new() }),
        };
        let actor = if self.dice.chance(15) {
            self.known_actor(destruction.ordered_by).await
        } else {
            self.who(&["authority", "provider", "implementer"]).await
        };
        let done = self.raw::<Destruction>(&actor, id, command).await;
        Some(Step::new(format!("destruction.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    pub(super) async fn notice(&mut self) -> Option<Step> {
        let (id, notice) = self.seek::<Notice>(|it| it.status == NoticeStatus::Published).await?;
        let open = notice.objections.iter().position(|objection| objection.answer.is_none());
        let (verb, command) = match (self.dice.below(8), open) {
            (0 | 1, _) => ("close", NoticeCommand::Close),
            (2, _) => ("withdraw", NoticeCommand::Withdraw { reason: "mistaken".to_owned() }),
            (3..6, Some(objection)) => {
                let answer = "considered".to_owned();
                ("answer", NoticeCommand::Answer { objection, answer })
            }
            _ => ("object", NoticeCommand::Object { reason: "not so".to_owned() }),
        };
        let actor = match verb {
            "object" => self.anybody().await,
            _ => self.who(&["authority", "implementer", "coordination_body"]).await,
        };
        let done = self.raw::<Notice>(&actor, id, command).await;
        Some(Step::new(format!("notice.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    pub(super) async fn filing(&mut self) -> Option<Step> {
        let actor = self.who(&["authority", "implementer", "operator", "zone_supervisor"]).await;
        if self.dice.chance(40) {
            let (subject, recipient) = self.filed();
            let id: FilingId = self.app.fresh();
            let on = self.today();
            let open = FilingCommand::Open { subject, agreement: None, recipient, on };
            let done = self.raw::<Filing>(&actor, id, open).await;
            return Some(Step::new("filing.open", format!("{id} by {}", name(&actor)), done));
        }
        let (id, _) = self.seek::<Filing>(|it| it.status != FilingStatus::Received).await?;
        let (verb, command) = if self.dice.chance(50) {
            ("send", FilingCommand::Send { content: ContentHash::of(b"filed") })
        } else {
            ("receive", FilingCommand::Receive { receipt: "number 7".to_owned() })
        };
        let done = self.raw::<Filing>(&actor, id, command).await;
        Some(Step::new(format!("filing.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    /// What is filed here, with whom; or what is not.
    fn filed(&mut self) -> (String, String) {
        let filings = self.law().parameter("filings").and_then(|it| it.value.as_array()).cloned();
        let entry = self.dice.pick(&filings.unwrap_or_default());
        let text = |value: Option<&serde_json::Value>| {
            value.and_then(serde_json::Value::as_str).map(str::to_owned)
        };
        let nothing = ("nothing".to_owned(), "nobody".to_owned());
        match entry {
            Some(entry) => {
                let recipients = entry.get("recipients").and_then(serde_json::Value::as_array);
                let first = recipients.and_then(|list| list.first());
                (text(entry.get("subject")).unwrap_or_default(), text(first).unwrap_or_default())
            }
            None => nothing,
        }
    }
}
