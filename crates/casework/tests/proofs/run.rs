//! Runs a proof under the engine itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};
use shuyu_casework::{
    Case,
    case::{Acting, Command, Event},
    simulate::{Walk, actor},
};
use shuyu_kernel::{Actor, ContentHash};
use shuyu_law::{Law, Refusal, Request, Stage};
use shuyu_store::{Context, Entity};

use crate::format::{Absent, Ask, Attempt, Proof, Time};

pub(crate) type Answer<T = ()> = Result<T, String>;

/// What a proof has seen cited, by refusals and by acts.
#[derive(Default)]
struct Cited {
    by_refusals: BTreeSet<String>,
    by_acts: BTreeSet<String>,
    refusals: usize,
}

pub(crate) fn run(law: &Law, proof: &Proof) -> Answer {
    let mut cited = Cited::default();
    for clause in &proof.clauses {
        if !law.clauses.iter().any(|known| known.id.as_str() == clause) {
            return Err(format!("there is no clause {clause}"));
        }
    }
    if proof.shows.zh.trim().is_empty() || proof.shows.en.trim().is_empty() {
        return Err("it does not say what it shows".to_owned());
    }
    if let Some(procedure) = &proof.procedure {
        let run = Run { law, proof, procedure };
        run.at_the_stage(&mut cited)?;
        if let Some(time) = &proof.due {
            run.due(time, &mut cited)?;
        }
        if let Some(time) = &proof.open_until {
            run.open_until(time, &mut cited)?;
        }
    }
    for ask in &proof.may {
        let permit = authorise(law, ask).map_err(|no| format!("{}: {no}", ask.action))?;
        cited.by_acts.extend(permit.iter().cloned());
    }
    for ask in &proof.may_not {
        match authorise(law, ask) {
            Ok(_) => return Err(format!("{} may {}", ask.role, ask.action)),
            Err(refusal) => cited.refusal(proof, &refusal, &ask.action, None, None)?,
        }
    }
    check_absent(law, &proof.absent)?;
    cited.check(proof)
}

impl Cited {
    /// Takes note of a refusal: by the rule, with the code, on a clause of the proof.
    fn refusal(
        &mut self,
        proof: &Proof,
        refusal: &Refusal,
        what: &str,
        rule: Option<&str>,
        code: Option<&str>,
    ) -> Answer {
        if rule.is_some_and(|rule| rule != refusal.rule) {
            let rule = rule.unwrap_or_default();
            return Err(format!("{what}: refused by {}, not {rule}: {refusal}", refusal.rule));
        }
        if code.is_some() && code != refusal.code.as_deref() {
            return Err(format!("{what}: the code is {:?}", refusal.code));
        }
        let clauses: Vec<&str> = refusal.clauses.iter().map(shuyu_law::ClauseId::as_str).collect();
        if !proof.clauses.iter().any(|clause| clauses.contains(&clause.as_str())) {
            return Err(format!("{what}: refused on {}", clauses.join(", ")));
        }
        self.by_refusals.extend(clauses.into_iter().map(str::to_owned));
        self.refusals += 1;
        Ok(())
    }

    fn acts(&mut self, events: &[Event]) {
        let clauses = events.iter().flat_map(Case::clauses);
        self.by_acts.extend(clauses.map(|clause| clause.to_string()));
    }

    /// Every clause was cited by what was seen; nothing seen proves nothing.
    fn check(&self, proof: &Proof) -> Answer {
        let nothing = self.refusals == 0 && self.by_acts.is_empty() && proof.absent.is_empty();
        if nothing || proof.clauses.is_empty() {
            return Err("it shows nothing".to_owned());
        }
        if !proof.absent.is_empty() {
            return Ok(());
        }
        let seen = if self.refusals > 0 { &self.by_refusals } else { &self.by_acts };
        match proof.clauses.iter().find(|clause| !seen.contains(*clause)) {
            Some(clause) => Err(format!("nothing that was seen cites {clause}")),
            None => Ok(()),
        }
    }
}

struct Run<'a> {
    law: &'a Law,
    proof: &'a Proof,
    procedure: &'a str,
}

impl<'a> Run<'a> {
    fn open(&self, now: DateTime<Utc>) -> Answer<Walk<'a>> {
        Walk::open(self.law, self.procedure, now)
            .ok_or_else(|| format!("there is no procedure {}", self.procedure))?
            .map_err(|refusal| format!("not opened: {refusal}"))
    }

    /// The stage that the proof is about.
    fn target(&self) -> Answer<&'a Stage> {
        let procedure = self.law.procedure(self.procedure).ok_or("no such procedure")?;
        match &self.proof.stage {
            Some(stage) => procedure.stage(stage).ok_or_else(|| format!("no stage {stage}")),
            None => procedure.stages.first().ok_or_else(|| "no stage".to_owned()),
        }
    }

    /// A case that has come to the stage, and how many steps that took. With `entered`, it comes
    /// there at that instant.
    fn reach(
        &self,
        opened: DateTime<Utc>,
        last: Option<(usize, DateTime<Utc>)>,
    ) -> Answer<(Walk<'a>, usize)> {
        let target = self.target()?;
        let mut walk = self.open(opened)?;
        for step in 0..40 {
            let Some(stage) = walk.stage() else { break };
            if stage.id == target.id {
                return Ok((walk, step));
            }
            if let Some((steps, entered)) = last.filter(|(steps, _)| step + 1 == *steps) {
                let _ = steps;
                walk.now = entered;
            }
            self.step(&mut walk).map_err(|refusal| {
                format!("on the way, in {}: {} {refusal}", stage.id, refusal.rule)
            })?;
        }
        Err(format!("the way does not lead to {}", target.id))
    }

    /// A case that comes to the stage at this instant.
    fn reach_at(&self, entered: DateTime<Utc>) -> Answer<Walk<'a>> {
        let (_, steps) = self.reach(instant(self.law, &self.proof.on)?, None)?;
        // Whatever waits on the way has waited long before.
        let opened = if steps == 0 { entered } else { entered - Duration::days(900) };
        let first = self.reach(opened, Some((steps, entered)));
        // Where the call closes on the way, all goes on the same day.
        let (walk, _) = first.or_else(|_| self.reach(entered, Some((steps, entered))))?;
        match walk.case.current().map(|current| current.entered_at) {
            Some(at) if at == entered => Ok(walk),
            at => Err(format!("the stage is entered at {at:?}")),
        }
    }

    fn step(&self, walk: &mut Walk<'a>) -> Result<Vec<Event>, Refusal> {
        let Some(stage) = walk.stage() else { return Ok(Vec::new()) };
        walk.wait();
        let seen = walk.events.len();
        for (role, actor) in walk.actors(stage) {
            let mut acting = self.acting(walk, stage);
            acting.role = Some(role);
            walk.act(&actor, acting)?;
            if walk.stage().map(|now| &now.id) != Some(&stage.id) {
                break;
            }
        }
        Ok(walk.events.get(seen..).unwrap_or_default().to_vec())
    }

    /// The good act of the proof in a stage.
    fn acting(&self, walk: &Walk<'_>, stage: &Stage) -> Acting {
        let mut acting = walk.good_act(stage);
        let facts = self.proof.facts.iter();
        acting.facts.extend(facts.map(|(name, fact)| (name.clone(), fact.clone())));
        let schema = self.law.form(&walk.procedure.id, &stage.id);
        let fields = schema.and_then(|schema| schema.get("properties")?.as_object());
        for (name, value) in &self.proof.given {
            if fields.is_some_and(|fields| fields.contains_key(name)) {
                put(&mut acting, name, value);
            }
        }
        if let Some(outcome) = self.proof.way.get(&stage.id) {
            choose(&mut acting, stage, outcome);
        }
        acting
    }

    fn at_the_stage(&self, cited: &mut Cited) -> Answer {
        let target = self.target()?;
        let (mut walk, _) = self.reach(instant(self.law, &self.proof.on)?, None)?;
        walk.wait();
        let (role, right) = walk.actors(target).into_iter().next().ok_or("nobody can act")?;
        let mut good = self.acting(&walk, target);
        good.role = Some(role);
        self.refusals(&mut walk, target, &right, &good, cited)?;
        for attempt in &self.proof.accepted {
            let what = format!("accepted {:?}", attempt.with);
            let answer = self.attempt(&mut walk, target, &right, &good, attempt)?;
            let events = answer.map_err(|no| format!("{what}: refused by {}: {no}", no.rule))?;
            check_result(&what, &events, attempt.to.as_deref(), &attempt.effects)?;
            cited.acts(&events);
        }
        if self.proof.objection {
            self.objection(&mut walk, &right, &good, cited)?;
        }
        self.control(walk, target, cited)
    }

    fn refusals(
        &self,
        walk: &mut Walk<'_>,
        target: &Stage,
        right: &Actor,
        good: &Acting,
        cited: &mut Cited,
    ) -> Answer {
        let proof = self.proof;
        let mut expect =
            |what: &str, answer: Result<Vec<Event>, Refusal>, rule: &str, code: Option<&str>| {
                match answer {
                    Ok(_) => Err(format!("{what}: is not refused")),
                    // A reason is asked for of everybody, by the baseline alone.
                    Err(refusal) if rule == "reason-given" && refusal.rule == rule => Ok(()),
                    Err(refusal) => cited.refusal(proof, &refusal, what, Some(rule), code),
                }
            };
        for role in &proof.roles {
            let wrong = actor(self.law, role, 9);
            let acting = Acting { role: None, ..good.clone() };
            expect(&format!("by {role}"), walk.attempt(&wrong, acting), "stage-role", None)?;
        }
        for missing in &proof.lacks {
            let mut acting = good.clone();
            let rule = take(&mut acting, missing)?;
            expect(&format!("without {missing}"), walk.attempt(right, acting), rule, None)?;
        }
        for stage in &proof.ahead {
            let later = walk.procedure.stage(stage).ok_or_else(|| format!("no stage {stage}"))?;
            let (role, actor) = walk.actors(later).into_iter().next().ok_or("nobody can act")?;
            let acting = Acting { role: Some(role), ..walk.good_act(later) };
            let answer = walk.attempt(&actor, acting);
            expect(&format!("{stage} before its time"), answer, "stage-is-current", None)?;
        }
        for stage in &proof.unlike {
            let earlier = walk.case.dossier.acts_of(stage).next();
            let person = earlier.ok_or_else(|| format!("nobody acted in {stage}"))?.person;
            let same = Actor { person, ..right.clone() };
            let answer = walk.attempt(&same, good.clone());
            expect(
                &format!("by who acted in {stage}"),
                answer,
                "submitter-does-not-approve",
                None,
            )?;
        }
        for stage in &proof.early {
            walk.procedure.stage(stage).ok_or_else(|| format!("no stage {stage}"))?;
            let acting = Acting { stage: stage.clone(), ..good.clone() };
            let answer = walk.attempt(right, acting);
            expect(&format!("{stage} too early"), answer, "stage-is-current", None)?;
        }
        for outcome in &proof.silent {
            let mut acting = good.clone();
            choose(&mut acting, target, outcome);
            acting.reason = None;
            expect(
                &format!("{outcome} without a reason"),
                walk.attempt(right, acting),
                "reason-given",
                None,
            )?;
        }
        if proof.stale {
            let acting =
                Acting { read: ContentHash::of(b"what stood there before"), ..good.clone() };
            expect(
                "of other content",
                walk.attempt(right, acting),
                "approval-binds-content",
                None,
            )?;
        }
        for attempt in &proof.refused {
            let what = format!("refused {:?} {:?} {:?}", attempt.with, attempt.facts, attempt.on);
            let answer = self.attempt(walk, target, right, good, attempt)?;
            expect(&what, answer, &attempt.rule, attempt.code.as_deref())?;
        }
        Ok(())
    }

    fn attempt(
        &self,
        walk: &mut Walk<'_>,
        target: &Stage,
        right: &Actor,
        good: &Acting,
        attempt: &Attempt,
    ) -> Answer<Result<Vec<Event>, Refusal>> {
        let mut acting = good.clone();
        attempt.with.iter().for_each(|(name, value)| put(&mut acting, name, value));
        acting.facts.extend(attempt.facts.iter().map(|(name, fact)| (name.clone(), fact.clone())));
        for missing in &attempt.lacks {
            take(&mut acting, missing)?;
        }
        if let Some(outcome) = &attempt.outcome {
            choose(&mut acting, target, outcome);
        }
        let now = walk.now;
        if let Some(on) = &attempt.on {
            walk.now = instant(self.law, on)?;
        }
        let answer = walk.attempt(right, acting);
        walk.now = now;
        Ok(answer)
    }

    /// Somebody objects: the stage does not end before the answer.
    fn objection(
        &self,
        walk: &mut Walk<'_>,
        right: &Actor,
        good: &Acting,
        cited: &mut Cited,
    ) -> Answer {
        let law = self.law;
        let anyone = actor(law, "data_subject", 7);
        let command = |walk: &mut Walk<'_>, actor: &Actor, command: Command| {
            let ctx = Context { now: walk.now, actor, law };
            let events = Case::decide(Some(&walk.case), command, &ctx)?;
            if let Some(case) = events.iter().fold(Some(walk.case.clone()), Case::evolve) {
                walk.case = case;
            }
            Ok(events)
        };
        let failed = |refusal: Refusal| format!("an objection: {} {refusal}", refusal.rule);
        let text = "this concerns us".to_owned();
        command(walk, &anyone, Command::Object { text }).map_err(failed)?;
        let acting = Acting { read: walk.case.dossier.content, ..good.clone() };
        match walk.attempt(right, acting) {
            Ok(_) => return Err("an objection need not be answered".to_owned()),
            Err(refusal) => {
                cited.refusal(
                    self.proof,
                    &refusal,
                    "unanswered",
                    Some("objections-answered"),
                    None,
                )?;
            }
        }
        let answer = "heard, and this is why".to_owned();
        command(walk, right, Command::Answer { number: 1, answer }).map_err(failed)?;
        Ok(())
    }

    /// Without a fault the act is accepted, and leads where it should: by the last voice that is
    /// needed, not before.
    fn control(&self, mut walk: Walk<'a>, target: &Stage, cited: &mut Cited) -> Answer {
        let events = self
            .step(&mut walk)
            .map_err(|refusal| format!("the good act: {} {refusal}", refusal.rule))?;
        cited.acts(&events);
        let closed = events.iter().position(|event| matches!(event, Event::StageClosed { .. }));
        let acts = events.iter().filter(|event| matches!(event, Event::Acted { .. })).count();
        let before = closed.map(|closed| {
            let acts = events.get(..closed).into_iter().flatten();
            acts.filter(|event| matches!(event, Event::Acted { .. })).count()
        });
        if before != Some(acts) {
            return Err(format!("{} is closed after {before:?} of {acts} voices", target.id));
        }
        if self.proof.voices.is_some_and(|voices| voices != acts) {
            return Err(format!("{} needs {acts} voices", target.id));
        }
        check_result("the good act", &events, self.proof.to.as_deref(), &self.proof.effects)
    }

    fn due(&self, time: &Time, cited: &mut Cited) -> Answer {
        let walk = self.reach_at(instant(self.law, &time.entered)?)?;
        let expected = end(self.law, &time.last)?;
        let due_at = walk.case.current().and_then(|current| current.due_at);
        if due_at != Some(expected) {
            return Err(format!("it is due at {due_at:?}, not {expected}"));
        }
        let system = actor(self.law, "system", 1);
        let note = |now| {
            let ctx = Context { now, actor: &system, law: self.law };
            Case::decide(Some(&walk.case), Command::NoteOverdue, &ctx)
        };
        if !matches!(note(expected), Err(refusal) if refusal.rule == "time-has-come") {
            return Err("it is overdue before its time".to_owned());
        }
        let late = note(expected + Duration::seconds(1));
        let events = late.map_err(|refusal| format!("overdue is not noted: {refusal}"))?;
        let effects: Vec<&str> = events.iter().flat_map(Event::effects).collect();
        if effects != time.effect.as_deref().into_iter().collect::<Vec<_>>() {
            return Err(format!("when it is overdue: {effects:?}"));
        }
        let clauses = &self.target()?.clauses;
        cited.by_acts.extend(clauses.iter().map(ToString::to_string));
        Ok(())
    }

    fn open_until(&self, time: &Time, cited: &mut Cited) -> Answer {
        let mut walk = self.reach_at(instant(self.law, &time.entered)?)?;
        let target = self.target()?;
        let expected = end(self.law, &time.last)?;
        let not_before = walk.case.current().and_then(|current| current.not_before);
        if not_before != Some(expected) {
            return Err(format!("it stands open until {not_before:?}, not {expected}"));
        }
        let (_, right) = walk.actors(target).into_iter().next().ok_or("nobody can act")?;
        walk.now = expected;
        let acting = self.acting(&walk, target);
        match walk.attempt(&right, acting.clone()) {
            Ok(_) => return Err("it ends too early".to_owned()),
            Err(refusal) => {
                cited.refusal(
                    self.proof,
                    &refusal,
                    "too early",
                    Some("waiting-time-elapsed"),
                    None,
                )?;
            }
        }
        walk.now = expected + Duration::seconds(1);
        let events = walk.attempt(&right, acting).map_err(|no| format!("in time: {no}"))?;
        cited.acts(&events);
        Ok(())
    }
}

fn check_result(what: &str, events: &[Event], to: Option<&str>, effects: &[String]) -> Answer {
    let Some(expected) = to else {
        return if effects.is_empty() { Ok(()) } else { Err("effects need `to`".to_owned()) };
    };
    let reached = events.iter().rev().find_map(|event| match event {
        Event::StageEntered(stage) => Some(stage.stage.clone()),
        Event::Closed { end, .. } => Some(format!("end:{end}")),
        _ => None,
    });
    if reached.as_deref() != Some(expected) {
        return Err(format!("{what} leads to {reached:?}, not {expected}"));
    }
    let done: Vec<&str> = events.iter().flat_map(Event::effects).collect();
    if done != effects {
        return Err(format!("{what} does {done:?}"));
    }
    Ok(())
}

fn authorise(law: &Law, ask: &Ask) -> Result<Vec<String>, Refusal> {
    let who = actor(law, &ask.role, 1);
    let permit = law.authorise(&Request {
        actor: &who,
        action: &ask.action,
        resource: "x",
        attributes: &ask.attributes,
        context: &ask.context,
    })?;
    Ok(permit.clauses.iter().map(ToString::to_string).collect())
}

fn check_absent(law: &Law, absent: &Absent) -> Answer {
    let who = actor(law, "authority", 1);
    let now = DateTime::UNIX_EPOCH;
    for procedure in &absent.procedures {
        let command = Command::Open {
            procedure: procedure.clone(),
            title: "a case".to_owned(),
            subject: None,
            agreement: None,
        };
        let ctx = Context { now, actor: &who, law };
        match Case::decide(None, command, &ctx) {
            Err(refusal) if refusal.rule == "procedure-known" => {}
            _ => return Err(format!("there is a procedure {procedure}")),
        }
    }
    let parts = |name: &str| -> Answer<(shuyu_law::Procedure, String)> {
        let (procedure, stage) = name.split_once('/').ok_or("a stage is <procedure>/<stage>")?;
        let procedure = law.procedure(procedure).ok_or("no such procedure")?;
        Ok((procedure.clone(), stage.to_owned()))
    };
    for name in &absent.stages {
        let (procedure, stage) = parts(name)?;
        if procedure.stage(&stage).is_some() {
            return Err(format!("there is a stage {name}"));
        }
    }
    for name in &absent.deadlines {
        let (procedure, stage) = parts(name)?;
        let stage = procedure.stage(&stage).ok_or_else(|| format!("no stage {name}"))?;
        if law.deadline(stage, now).map_err(|error| error.to_string())?.is_some() {
            return Err(format!("{name} has a deadline"));
        }
    }
    match absent.parameters.iter().find(|name| law.parameter(name).is_some()) {
        Some(name) => Err(format!("there is a parameter {name}")),
        None => Ok(()),
    }
}

/// The instant of a local time, or ten in the morning of a day.
fn instant(law: &Law, text: &str) -> Answer<DateTime<Utc>> {
    let local = match text.parse::<NaiveDate>() {
        Ok(day) => day.and_hms_opt(10, 0, 0).ok_or("no such time")?,
        Err(_) => text.parse::<NaiveDateTime>().map_err(|error| format!("{text}: {error}"))?,
    };
    Ok((local - Duration::hours(law.utc_offset_hours.into())).and_utc())
}

/// The last second of a day, or the instant of a local time.
fn end(law: &Law, text: &str) -> Answer<DateTime<Utc>> {
    match text.parse::<NaiveDate>() {
        Ok(day) => law.end_of_day(day).ok_or_else(|| "no such day".to_owned()),
        Err(_) => instant(law, text),
    }
}

fn put(acting: &mut Acting, name: &str, value: &Value) {
    let form = acting.form.get_or_insert_with(|| Value::Object(Map::new()));
    if let Some(fields) = form.as_object_mut() {
        fields.insert(name.to_owned(), value.clone());
    }
}

/// Takes a document or a field away, and says which rule asks for it.
fn take(acting: &mut Acting, name: &str) -> Answer<&'static str> {
    if acting.documents.remove(name).is_some() {
        return Ok("documents-complete");
    }
    let (path, last) = name
        .rsplit_once('.')
        .map_or((Vec::new(), name), |(path, last)| (path.split('.').collect(), last));
    let mut at = acting.form.as_mut();
    for step in path {
        at = at.and_then(|value| match step.parse::<usize>() {
            Ok(index) => value.get_mut(index),
            Err(_) => value.get_mut(step),
        });
    }
    let taken = match at {
        Some(Value::Object(fields)) => fields.remove(last),
        Some(Value::Array(items)) => {
            let index = last.parse().ok().filter(|index: &usize| *index < items.len());
            index.map(|index| items.remove(index))
        }
        _ => None,
    };
    taken
        .map(|_| "form-valid")
        .ok_or_else(|| format!("there is neither a document nor a field {name}"))
}

/// Gives the voice to this outcome; a no with a reason.
fn choose(acting: &mut Acting, stage: &Stage, outcome: &str) {
    outcome.clone_into(&mut acting.outcome);
    if stage.outcome(outcome).is_some_and(|outcome| outcome.negative) {
        acting.reason = Some("for a reason".to_owned());
    }
}
