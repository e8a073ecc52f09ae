//! Taking a case through its procedure, each stage by somebody who may act there.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use serde_json::{Map, Value};
use shuyu_casework::{simulate, view::View};
use shuyu_kernel::{
    Actor, AgreementId, CaseId, Clock as _, ContentHash, OrganisationId, PersonId, SystemClock,
};
use shuyu_law::{ClauseId, Stage};
use shuyu_server::app::Act;

use super::{Failed, Stage as Theatre, cast::Member};

/// A case to be run.
pub(super) struct Errand<'a> {
    pub(super) procedure: &'a str,
    pub(super) title: &'a str,
    pub(super) subject: Option<String>,
    pub(super) agreement: Option<AgreementId>,
    /// Values of form fields, wherever a form asks for them.
    pub(super) given: Map<String, Value>,
    /// Outcomes to be taken where a stage has them, instead of its first.
    pub(super) prefer: &'a [&'a str],
    /// Organisations that act where a stage's role has several.
    pub(super) parties: Vec<OrganisationId>,
    /// Where to stop, before the end.
    pub(super) until: Option<&'a str>,
}

impl<'a> Errand<'a> {
    pub(super) fn new(procedure: &'a str, title: &'a str) -> Self {
        Self {
            procedure,
            title,
            subject: None,
            agreement: None,
            given: Map::new(),
            prefer: &[],
            parties: Vec::new(),
            until: None,
        }
    }

    pub(super) fn give(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }
}

impl Theatre {
    /// Runs a case to its end. `None`: the city has no such procedure, so there is no such step.
    pub(super) async fn run(&mut self, errand: Errand<'_>) -> Result<Option<CaseId>, Failed> {
        let Some(procedure) = self.app.law().procedure(errand.procedure).cloned() else {
            self.show.note(&format!("the city asks for no `{}`: no step", errand.procedure));
            return Ok(None);
        };
        let opener = self.opener(&procedure.stages, &errand)?;
        let case = self
            .app
            .open_case(
                &opener.actor,
                errand.procedure,
                errand.title,
                errand.subject.clone(),
                errand.agreement,
            )
            .await?;
        self.go_on(case.id, &errand).await?;
        Ok(Some(case.id))
    }

    /// Goes on with a case until it ends, or comes to the stage before which to stop.
    pub(super) async fn go_on(&mut self, id: CaseId, errand: &Errand<'_>) -> Result<View, Failed> {
        let system = Actor::system();
        loop {
            let view = self.app.case(&system, id).await?;
            let Some(current) = &view.stage else { return Ok(view) };
            if errand.until == Some(current.id.as_str()) {
                return Ok(view);
            }
            let law = self.app.law();
            let stage = law
                .procedure(errand.procedure)
                .and_then(|procedure| procedure.stage(&current.id))
                .cloned()
                .ok_or("the procedure has no such stage")?;
            self.prerequisites(id, &stage).await?;
            if let Some(not_before) = current.not_before {
                // What this run leaves is opened with the machine's clock, which it must not pass.
                if not_before + Duration::seconds(1) >= SystemClock.now() {
                    self.show.note(&format!("`{}` waits until {not_before}", stage.id));
                    return Ok(view);
                }
                self.clock.advance_to(not_before + Duration::seconds(1));
            }
            self.pass(id, &view, &stage, errand).await?;
        }
    }

    /// Everyone acts who must, so that the stage closes.
    async fn pass(
        &mut self,
        id: CaseId,
        view: &View,
        stage: &Stage,
        errand: &Errand<'_>,
    ) -> Result<(), Failed> {
        let outcome = errand
            .prefer
            .iter()
            .find_map(|wanted| stage.outcome(wanted))
            .or_else(|| simulate::onward(stage))
            .ok_or("the stage has no outcome that leads on")?;
        let actors = self.actors(view, stage, errand)?;
        for (number, (role, member)) in actors.into_iter().enumerate() {
            let system = Actor::system();
            let now = self.app.case(&system, id).await?;
            if now.stage.as_ref().is_none_or(|current| current.id != stage.id) {
                break;
            }
            let (form, documents) = match number {
                0 => (self.form(view, errand), self.documents(&member, view).await?),
                _ => (None, BTreeMap::new()),
            };
            let act = Act {
                stage: stage.id.clone(),
                outcome: outcome.id.clone(),
                role: Some(role),
                form,
                documents,
                reason: outcome.negative.then(|| "in the demonstration".to_owned()),
                read: now.content,
            };
            self.app.act_in_case(&member.actor, id, act).await?;
            let what = format!("{}: {}", stage.title.en, outcome.title.en);
            self.told(&member.name, &what).await?;
            self.clock.advance(Duration::minutes(30));
        }
        Ok(())
    }

    fn form(&self, view: &View, errand: &Errand<'_>) -> Option<Value> {
        let law = self.app.law();
        let stage = view.stage.as_ref()?;
        let schema = law.form(errand.procedure, &stage.id)?;
        let today = law.local_date(self.app.now());
        let mut earlier = Map::new();
        for act in view.acts.iter().filter(|act| !act.negative) {
            if let Some(Value::Object(form)) = &act.form {
                earlier.extend(form.clone());
            }
        }
        let mut given = simulate::given(law, today, earlier);
        given.remove("agreement");
        given.extend(self.given.clone());
        given.extend(errand.given.clone());
        Some(simulate::example(schema, &given, &today.to_string()))
    }

    async fn documents(
        &self,
        member: &Member,
        view: &View,
    ) -> Result<BTreeMap<String, ContentHash>, Failed> {
        let mut attached = BTreeMap::new();
        for id in view.stage.iter().flat_map(|stage| &stage.documents) {
            let text = format!("{id}\n{}\n{}\n", view.title, self.app.now());
            let hash = self.app.keep_document(&member.actor, text.into_bytes()).await?;
            attached.insert(id.clone(), hash);
        }
        Ok(attached)
    }

    /// Those who can take the stage to its outcome: one for each role where each must act, and
    /// as many persons as must agree; none who acted in a stage that keeps them from this one.
    fn actors(
        &self,
        view: &View,
        stage: &Stage,
        errand: &Errand<'_>,
    ) -> Result<Vec<(String, Member)>, Failed> {
        let kept_out: Vec<(PersonId, OrganisationId)> = view
            .acts
            .iter()
            .filter(|act| stage.unlike.contains(&act.stage))
            .map(|act| (act.person, act.organisation))
            .collect();
        let needed = view.stage.as_ref().map_or(1, |stage| stage.persons).max(1);
        let roles: &[String] = if stage.every {
            &stage.actors
        } else {
            let open =
                stage.actors.iter().position(|role| self.cast.holders(role).next().is_some());
            let first = open.unwrap_or(0);
            stage.actors.get(first..=first).unwrap_or_default()
        };
        let wanted = needed.max(roles.len());
        let mut chosen: Vec<(String, Member)> = Vec::new();
        let mut taken: BTreeSet<PersonId> = kept_out.iter().map(|(person, _)| *person).collect();
        let organisations: BTreeSet<OrganisationId> =
            kept_out.iter().map(|(_, organisation)| *organisation).collect();
        while chosen.len() < wanted {
            let before = chosen.len();
            for role in roles {
                if chosen.len() == wanted {
                    break;
                }
                let free: Vec<&Member> = self
                    .cast
                    .holders(role)
                    .filter(|member| !taken.contains(&member.actor.person))
                    .collect();
                let is_party =
                    |member: &&&Member| errand.parties.contains(&member.actor.organisation);
                let is_other =
                    |member: &&&Member| !organisations.contains(&member.actor.organisation);
                let member = free
                    .iter()
                    .find(is_party)
                    .or_else(|| free.iter().find(is_other))
                    .or_else(|| free.first());
                if let Some(member) = member {
                    taken.insert(member.actor.person);
                    chosen.push((role.clone(), (*member).clone()));
                }
            }
            if chosen.len() == before {
                return Err(format!(
                    "nobody is left to act in `{}` of `{}` ({})",
                    stage.id,
                    errand.procedure,
                    stage.actors.join(", ")
                )
                .into());
            }
        }
        Ok(chosen)
    }

    fn opener(&self, stages: &[Stage], errand: &Errand<'_>) -> Result<Member, Failed> {
        let first = stages.first().ok_or("the procedure has no stage")?;
        let holders = first.actors.iter().flat_map(|role| self.cast.holders(role));
        let all: Vec<&Member> = holders.collect();
        let party = all.iter().find(|it| errand.parties.contains(&it.actor.organisation));
        let opener = party.or_else(|| all.first()).ok_or("nobody may open it")?;
        Ok((*opener).clone())
    }

    /// What must be there before a stage can end: a plan that its guards ask for is made first.
    async fn prerequisites(&mut self, case: CaseId, stage: &Stage) -> Result<(), Failed> {
        let asks = stage.guards.iter().any(|guard| guard == "emergency_plan.in_force");
        if asks && !self.has_emergency_plan {
            self.has_emergency_plan = true;
            let agreement: AgreementId = super::same_number(case);
            let errand = Errand {
                agreement: Some(agreement),
                ..Errand::new("emergency_plan", "emergency plan of the authorisation")
            }
            .give("agreement", agreement.to_string());
            Box::pin(self.run(errand)).await?;
        }
        Ok(())
    }

    /// The clauses that a refusal cites, and its words.
    pub(super) fn why(error: &shuyu_store::ActError) -> (String, Vec<ClauseId>) {
        match error {
            shuyu_store::ActError::Refused(refusal) => {
                let detail = refusal.detail.as_deref().map(|it| format!(" ({it})"));
                let text = format!("{}{}", refusal.message.en, detail.unwrap_or_default());
                (text, refusal.clauses.clone())
            }
            other => (other.to_string(), Vec::new()),
        }
    }
}
