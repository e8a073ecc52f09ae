//! Cases: each goes the way of its procedure, by those who may, on the content that stands, and
//! not before its time.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};
use shuyu_casework::{
    Act,
    case::{CurrentStage, Event},
};
use shuyu_kernel::{ContentHash, PersonId};
use shuyu_law::{Law, Next, Stage};
use shuyu_store::Recorded;

use super::{Check, Found, event, must};

/// A case as it stands.
struct Case {
    procedure: String,
    content: ContentHash,
    acts: Vec<Act>,
    unanswered: HashSet<u32>,
    current: Option<CurrentStage>,
    /// Where the procedure leads now, until the case is there.
    next: Option<Next>,
}

/// The cases.
#[derive(Default)]
pub struct Cases {
    cases: HashMap<String, Case>,
}

impl Check for Cases {
    fn entry(&mut self, entry: &Recorded, law: &Law) -> Found {
        if entry.stream.kind() != "case" || entry.version.is_none() {
            return Ok(());
        }
        let id = entry.stream.id().to_owned();
        let event: Event = event(entry)?;
        if let Event::Opened { procedure, pack, title, subject, agreement, .. } = event {
            let first = law.procedure(&procedure).and_then(|it| it.stages.first());
            let first = first.ok_or("a case of a procedure that the pack has not")?;
            let head = json!({
                "procedure": procedure, "pack": pack, "title": title, "subject": subject,
                "agreement": agreement,
            });
            let case = Case {
                procedure,
                content: ContentHash::of_json(&head),
                acts: Vec::new(),
                unanswered: HashSet::new(),
                current: None,
                next: Some(Next::Stage(first.id.clone())),
            };
            let fresh = self.cases.insert(id, case).is_none();
            return must(fresh, || "it was opened before".to_owned());
        }
        let case = self.cases.get_mut(&id).ok_or("a case that was never opened")?;
        case.take(event, entry, law)
    }

    fn rest(&self) -> Found {
        let lost = self.cases.iter().find(|(_, case)| case.next.is_some());
        must(lost.is_none(), || match lost {
            Some((id, case)) => format!("{id} stands nowhere: it should be at {:?}", case.next),
            None => String::new(),
        })
    }
}

impl Case {
    fn take(&mut self, event: Event, entry: &Recorded, law: &Law) -> Found {
        match event {
            Event::Opened { .. } => Ok(()),
            Event::StageEntered(stage) => self.enter(stage),
            Event::StagePassed { stage, outcome, .. } => {
                self.must_lead_to(&Next::Stage(stage.clone()))?;
                let passed = self.stage(&stage, law)?;
                must(passed.when.is_some(), || format!("{stage} has no condition"))?;
                let first = passed.outcomes.first();
                must(first.is_some_and(|it| it.id == outcome), || "not its first".to_owned())?;
                self.next = first.map(|it| it.next.clone());
                Ok(())
            }
            Event::Acted { act, .. } => self.act(act, entry, law),
            Event::Objected { objection } => {
                let open = self.current.as_ref().is_some_and(|stage| stage.objections);
                must(open, || "there is no time for objections".to_owned())?;
                self.unanswered.insert(objection.number);
                self.chain(&json!({ "objection": objection.number, "stage": objection.stage }));
                Ok(())
            }
            Event::Answered { number, answer, .. } => {
                must(self.unanswered.remove(&number), || "nobody objected so".to_owned())?;
                self.chain(&json!({ "objection": number, "answer": answer }));
                Ok(())
            }
            Event::StageClosed { stage, outcome, effects, next, .. } => {
                self.close(&stage, &outcome, &effects, next, entry, law)
            }
            Event::OverdueNoted { due_at, .. } => {
                must(self.current.is_some(), || "it has ended".to_owned())?;
                must(due_at < entry.at, || "it is not overdue".to_owned())
            }
            Event::Closed { end, .. } => {
                self.must_lead_to(&Next::End(end))?;
                self.next = None;
                Ok(())
            }
            Event::Withdrawn { .. } => {
                must(self.current.take().is_some(), || "it has ended".to_owned())
            }
        }
    }

    fn must_lead_to(&self, whither: &Next) -> Found {
        must(self.next.as_ref() == Some(whither), || {
            format!("it goes to {whither:?}, where the procedure leads to {:?}", self.next)
        })
    }

    fn enter(&mut self, stage: CurrentStage) -> Found {
        self.must_lead_to(&Next::Stage(stage.stage.clone()))?;
        self.next = None;
        self.current = Some(stage);
        Ok(())
    }

    fn stage<'a>(&self, id: &str, law: &'a Law) -> Result<&'a Stage, String> {
        law.procedure(&self.procedure)
            .and_then(|procedure| procedure.stage(id))
            .ok_or_else(|| format!("{} has no stage {id}", self.procedure))
    }

    fn act(&mut self, act: Act, entry: &Recorded, law: &Law) -> Found {
        let current = self.current.as_ref().ok_or("somebody acts, and it has ended")?;
        must(current.stage == act.stage && current.entry == act.entry, || {
            format!("somebody acts in {}, and it is in {}", act.stage, current.stage)
        })?;
        let stage = self.stage(&act.stage, law)?;
        must(act.person == entry.person, || "somebody acts in another's name".to_owned())?;
        let holds = entry.roles.iter().any(|role| role.as_str() == act.role);
        must(holds && stage.actors.contains(&act.role), || {
            format!("somebody acts as {} who may not", act.role)
        })?;
        let before = self
            .acts
            .iter()
            .find(|earlier| stage.unlike.contains(&earlier.stage) && earlier.person == act.person);
        must(before.is_none(), || {
            format!("who acted in {} acts in {}", before.map_or("", |it| &it.stage), act.stage)
        })?;
        must(act.read == self.content, || {
            format!("what was read is {}, what stands is {}", act.read, self.content)
        })?;
        if act.form.is_some() || !act.documents.is_empty() {
            self.chain(&json!({
                "stage": act.stage, "form": act.form, "documents": act.documents,
            }));
        }
        self.acts.push(act);
        Ok(())
    }

    fn close(
        &mut self,
        stage: &str,
        outcome: &str,
        effects: &[String],
        next: Next,
        entry: &Recorded,
        law: &Law,
    ) -> Found {
        let current = self.current.take().ok_or("a stage closes, and it has ended")?;
        must(current.stage == stage, || format!("{stage} closes, and it is in {}", current.stage))?;
        let known = self.stage(stage, law)?;
        let found = known.outcome(outcome).ok_or("an outcome that the stage has not")?;
        must(found.effects == effects && found.next == next, || {
            format!("{outcome} does not lead to {next:?} with {effects:?}")
        })?;
        self.next = Some(next);
        let voices: Vec<&Act> = self
            .acts
            .iter()
            .filter(|act| act.stage == stage && act.entry == current.entry)
            .filter(|act| act.outcome == outcome)
            .collect();
        if found.negative {
            return must(!voices.is_empty(), || "nobody said no".to_owned());
        }
        let persons: BTreeSet<PersonId> = voices.iter().map(|act| act.person).collect();
        let roles: BTreeSet<&str> = voices.iter().map(|act| act.role.as_str()).collect();
        let needed = known.persons_from.as_ref().and_then(|name| law.integer(name)).unwrap_or(0);
        let needed = needed.max(i64::from(known.persons));
        must(i64::try_from(persons.len()).is_ok_and(|persons| persons >= needed), || {
            format!("{} persons agree where {needed} must", persons.len())
        })?;
        let all = known.actors.iter().all(|role| roles.contains(role.as_str()));
        must(!known.every || all, || "not every role that must has agreed".to_owned())?;
        must(self.unanswered.is_empty(), || "objections have no answer".to_owned())?;
        must(current.not_before.is_none_or(|not_before| entry.at > not_before), || {
            format!("{stage} is left before {:?}", current.not_before)
        })
    }

    fn chain(&mut self, part: &Value) {
        let part = ContentHash::of_json(part);
        self.content = ContentHash::of_parts(&[self.content.as_bytes(), part.as_bytes()]);
    }
}
