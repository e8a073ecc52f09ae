//! Cases: opened, carried on and led astray.

use std::collections::BTreeMap;

use chrono::Duration;
use serde_json::{Map, Value, json};
use shuyu_casework::{Case, simulate};
use shuyu_kernel::{Actor, CaseId, ContentHash, PersonId};
use shuyu_law::Stage;
use shuyu_server::app::Act;

use super::Errand;
use crate::{
    cast::Member,
    step::Step,
    world::{World, agreement_of, name},
};

/// The procedures of the main job, by how often a case of them is opened.
const MAIN: &[(usize, &str)] = &[
    (3, "plan"),
    (16, "admission"),
    (4, "emergency_plan"),
    (16, "access"),
    (12, "resource"),
    (14, "scenario"),
    (24, "data_request"),
    (12, "price"),
    (14, "product"),
    (8, "rectification"),
    (5, "evaluation"),
    (5, "report"),
    (3, "exit"),
];

/// So many cases are under way at once; when there are more, they are seen to first.
const UNDER_WAY: usize = 18;
/// After so many acts a case is given up.
const GIVEN_UP: usize = 45;

impl World {
    pub(super) async fn open_case(&mut self) -> Option<Step> {
        if self.under_way.len() >= UNDER_WAY && !self.dice.chance(4) {
            return None;
        }
        let procedure = if self.dice.chance(85) {
            self.dice.weighed(MAIN)?.to_owned()
        } else {
            let all: Vec<String> = self.law().procedures.keys().cloned().collect();
            self.dice.pick(&all)?
        };
        let errand = self.errand(&procedure).await;
        if errand.is_about_something(&procedure) || self.dice.chance(6) {
            self.open(&procedure, errand).await
        } else {
            None
        }
    }

    /// A product that is drafted is priced, or brought to the market.
    pub(super) async fn open_market_case(&mut self) -> Option<Step> {
        let procedure = if self.dice.chance(40) { "price" } else { "product" };
        let errand = self.errand(procedure).await;
        if errand.is_about_something(procedure) { self.open(procedure, errand).await } else { None }
    }

    /// Opens a case of a procedure, which the city may not have.
    async fn open(&mut self, procedure: &str, errand: Errand) -> Option<Step> {
        let first = self.law().procedure(procedure).and_then(|it| it.stages.first()).cloned();
        let actor = match first {
            Some(stage) => self.opener(&stage, &errand).await,
            // The city has no such procedure: asked for seldom.
            None if self.dice.chance(10) => self.anybody().await,
            None => return None,
        };
        let (subject, agreement) = (errand.subject.clone(), errand.agreement);
        let opened = self.app.open_case(&actor, procedure, "walked", subject, agreement).await;
        if let Ok(view) = &opened {
            self.errands.insert(view.id, errand);
        }
        Some(Step::new("case.open", format!("{procedure} by {}", name(&actor)), opened))
    }

    async fn opener(&mut self, stage: &Stage, errand: &Errand) -> Actor {
        let holders: Vec<Member> =
            stage.actors.iter().flat_map(|role| self.cast.holders(role)).collect();
        let parties: Vec<Member> = holders
            .iter()
            .filter(|it| errand.parties.contains(&it.organisation))
            .cloned()
            .collect();
        let from = if parties.is_empty() { holders } else { parties };
        match self.dice.pick(&from) {
            Some(member) if self.dice.chance(94) => self.actor(&member).await,
            _ => self.anybody().await,
        }
    }

    /// Somebody acts in a case: mostly one who may, as the stage asks.
    pub(super) async fn act_in_case(&mut self) -> Option<Step> {
        let (id, case) = match self.dice.pick(&self.under_way) {
            Some(id) if self.dice.chance(96) => (id, self.find::<Case>(id).await?),
            _ => self.seek::<Case>(|case| case.current().is_none()).await?,
        };
        let procedure = self.law().procedure(&case.procedure)?.clone();
        let current = match case.current() {
            Some(current) => current.clone(),
            None => return self.act_too_late(id, &case).await,
        };
        let stage = procedure.stage(&current.stage)?.clone();
        let needs_plan = stage.guards.iter().any(|guard| guard == "emergency_plan.in_force");
        let errand = self.errands.entry(id).or_default();
        errand.acts += 1;
        if errand.acts > GIVEN_UP {
            return Some(self.give_up(id, &case).await);
        }
        if needs_plan && !errand.is_planned {
            errand.is_planned = true;
            return self.open("emergency_plan", Errand::of_plan(agreement_of(id))).await;
        }
        let errand = errand.clone();
        if let Some(not_before) = current.not_before.filter(|it| *it >= self.app.now())
            && self.dice.chance(35)
        {
            self.clock.advance_to(not_before + Duration::seconds(1));
        }
        let (role, actor) = self.acting(&case, &stage, current.entry, &errand).await?;
        let act = self.fitting(id, &case, &stage, role, &errand).await?;
        let (actor, act, how) = if self.dice.chance(25) {
            self.astray(&case, &stage, actor, act).await
        } else {
            (actor, act, "duly")
        };
        if act.form.is_some() || !act.documents.is_empty() {
            self.stale.push(case.dossier.content);
        }
        let what = format!(
            "{id} {}/{} -> {} by {}, {how}",
            case.procedure,
            stage.id,
            act.outcome,
            name(&actor)
        );
        let has_handed_in = self.hand_in(&actor, &act).await;
        let done = self.app.act_in_case(&actor, id, act).await;
        let step = Step::new(format!("case.act {}", case.procedure), what, done);
        Some(if has_handed_in { step.composite() } else { step })
    }

    /// Somebody mostly hands in what they attach, before. Tells whether anything was new.
    async fn hand_in(&mut self, actor: &Actor, act: &Act) -> bool {
        let mut is_new = false;
        for document in act.documents.keys() {
            let known = (actor.organisation, document.clone());
            if !self.handed_in.contains(&known) && self.dice.chance(97) {
                let bytes = document.clone().into_bytes();
                self.app.keep_document(actor, bytes).await.expect("it is kept");
                self.handed_in.insert(known);
                is_new = true;
            }
        }
        is_new
    }

    /// Who may take the stage on, in which role.
    async fn acting(
        &mut self,
        case: &Case,
        stage: &Stage,
        entry: u32,
        errand: &Errand,
    ) -> Option<(String, Actor)> {
        let here: Vec<_> = case.dossier.acts_in(&stage.id, entry).collect();
        let acted: Vec<PersonId> = here.iter().map(|act| act.person).collect();
        let kept_out = case.dossier.persons_of(&stage.unlike);
        let due = stage.actors.iter().find(|role| here.iter().all(|act| act.role != **role));
        let role = match due {
            Some(role) if stage.every => role.clone(),
            _ => self.dice.pick(&stage.actors)?,
        };
        let free: Vec<Member> = self
            .cast
            .holders(&role)
            .into_iter()
            .filter(|it| !acted.contains(&it.person) && !kept_out.contains(&it.person))
            .collect();
        let parties: Vec<Member> =
            free.iter().filter(|it| errand.parties.contains(&it.organisation)).cloned().collect();
        let from = if parties.is_empty() { free } else { parties };
        let member = self.dice.pick(&from)?;
        Some((role, self.actor(&member).await))
    }

    /// The act that the stage asks for.
    async fn fitting(
        &mut self,
        id: CaseId,
        case: &Case,
        stage: &Stage,
        role: String,
        errand: &Errand,
    ) -> Option<Act> {
        let positive: Vec<_> = stage.outcomes.iter().filter(|it| !it.negative).collect();
        let negative: Vec<_> = stage.outcomes.iter().filter(|it| it.negative).collect();
        // Those who act together come to the same outcome.
        let together = case.current().and_then(|current| {
            let mut acts = case.dossier.acts_in(&stage.id, current.entry);
            acts.find_map(|act| stage.outcome(&act.outcome)).filter(|it| !it.negative)
        });
        let outcome = match together {
            Some(outcome) if self.dice.chance(90) => outcome,
            _ if self.dice.chance(6) && !negative.is_empty() => self.dice.pick(&negative)?,
            _ if self.dice.chance(25) => self.dice.pick(&positive)?,
            _ => simulate::onward(stage)?,
        };
        let view = self.app.case(&Actor::system(), id).await.ok()?;
        let documents = view.stage.iter().flat_map(|stage| &stage.documents);
        let documents = documents
            .map(|document| (document.clone(), ContentHash::of(document.as_bytes())))
            .collect();
        Some(Act {
            stage: stage.id.clone(),
            outcome: outcome.id.clone(),
            role: Some(role),
            form: self.form(case, stage, errand),
            documents,
            reason: outcome.negative.then(|| "so it was decided".to_owned()),
            read: case.dossier.content,
        })
    }

    fn form(&self, case: &Case, stage: &Stage, errand: &Errand) -> Option<Value> {
        let law = self.law();
        let schema = law.form(&case.procedure, &stage.id)?;
        let today = self.today();
        let mut given: Map<String, Value> = simulate::given(law, today, case.dossier.fields());
        given.remove("agreement");
        given.extend(errand.given.clone());
        Some(simulate::example(schema, &given, &today.to_string()))
    }

    /// The same act, gone wrong in one way.
    async fn astray(
        &mut self,
        case: &Case,
        stage: &Stage,
        actor: Actor,
        mut act: Act,
    ) -> (Actor, Act, &'static str) {
        match self.dice.below(12) {
            0 | 1 => return (self.anybody().await, act, "by anybody"),
            2 | 3 => {
                // Who has acted before, where that keeps them from acting here.
                let persons: Vec<PersonId> =
                    case.dossier.persons_of(&stage.unlike).into_iter().collect();
                if let Some(person) = self.dice.pick(&persons) {
                    act.role = None;
                    return (self.known_actor(person).await, act, "by who submitted");
                }
                return (self.anybody().await, act, "by anybody");
            }
            4 => {
                // Who has a voice here already.
                let persons: Vec<PersonId> =
                    case.dossier.acts_of(&stage.id).map(|act| act.person).collect();
                if let Some(person) = self.dice.pick(&persons) {
                    return (self.known_actor(person).await, act, "by who has acted here");
                }
            }
            5 => {
                let earlier = self.dice.late(&self.stale);
                act.read = earlier.unwrap_or_else(|| ContentHash::of(b"never read"));
                return (actor, act, "on another content");
            }
            6 => act.read = ContentHash::of(&self.dice.number().to_be_bytes()),
            7 => act.form = None,
            8 => act.form = Some(json!({ "nonsense": { "deep": [1, null, "x"] } })),
            9 => act.documents = BTreeMap::new(),
            10 => act.stage = "no_such_stage".to_owned(),
            _ => {
                act.outcome = "no_such_outcome".to_owned();
                act.reason = None;
            }
        }
        (actor, act, "wrongly")
    }

    /// An act in a case that has ended.
    async fn act_too_late(&mut self, id: CaseId, case: &Case) -> Option<Step> {
        let last = case.dossier.acts.last()?.clone();
        let actor = self.known_actor(last.person).await;
        let act = Act {
            stage: last.stage,
            outcome: last.outcome,
            role: None,
            form: last.form,
            documents: last.documents,
            reason: last.reason,
            read: case.dossier.content,
        };
        let what = format!("{id}, which has ended, by {}", name(&actor));
        let done = self.app.act_in_case(&actor, id, act).await;
        Some(Step::new("case.act ended", what, done))
    }

    pub(super) async fn object(&mut self) -> Option<Step> {
        let objectable = |case: &Case| case.current().is_some_and(|stage| stage.objections);
        let (id, _) = self.seek::<Case>(objectable).await?;
        let actor = self.who(&["public", "data_subject", "product_user"]).await;
        let text = self.dice.pick(&["this is not right", "too wide", " "])?;
        let done = self.app.object(&actor, id, text).await;
        Some(Step::new("case.object", format!("{id} by {}", name(&actor)), done))
    }

    pub(super) async fn answer(&mut self) -> Option<Step> {
        let open = |case: &Case| case.dossier.unanswered().next().is_some();
        let (id, case) = self.seek::<Case>(open).await?;
        let number = match case.dossier.unanswered().next() {
            Some(objection) => objection.number,
            None => 1,
        };
        let roles: Vec<String> =
            case.current().iter().flat_map(|stage| stage.actors.iter().cloned()).collect();
        let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
        let actor = self.who(&roles).await;
        let done = self.app.answer(&actor, id, number, "considered, and kept").await;
        Some(Step::new("case.answer", format!("{id}/{number} by {}", name(&actor)), done))
    }

    /// Takes a case back, whatever might have come of it.
    pub(super) async fn withdraw(&mut self) -> Option<Step> {
        let (id, case) = self.seek::<Case>(|case| case.current().is_some()).await?;
        Some(self.give_up(id, &case).await)
    }

    /// Takes back a case, of which nothing comes; whether or not that is permitted, nobody cares
    /// for it any more.
    async fn give_up(&mut self, id: CaseId, case: &Case) -> Step {
        self.under_way.retain(|open| *open != id);
        let actor = self.who_of(case.organisation).await;
        let done = self.app.withdraw(&actor, id, "nothing comes of it").await;
        Step::new("case.withdraw", format!("{id} by {}", name(&actor)), done)
    }

    /// Lets fall due what has.
    pub(super) async fn tick(&mut self) -> Step {
        let fallen = self.app.tick().await;
        let what = match &fallen {
            Ok(fallen) => format!("{fallen:?}"),
            Err(_) => String::new(),
        };
        // What falls due falls due one by one, and often there is nothing.
        Step::new("tick", what, fallen).composite()
    }
}
