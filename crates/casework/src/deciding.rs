//! What may be done to a case: the rules of the engine that runs procedures.
//!
//! Everything that differs between cities is read from the procedure of the case's own pack.

use std::collections::BTreeSet;

use shuyu_law::{ClauseId, Law, Next, Procedure, Refusal, Rule, Stage};
use shuyu_store::Context;

use crate::{
    Facts,
    case::{Acting, Case, Command, CurrentStage, Event, Standing},
    dossier::{Act, Dossier, Objection, Reading},
    guard, rules,
};

/// The fact that tells whom a case concerns: for a role that several organisations hold, those
/// of them that may act in it.
pub const PARTIES: &str = "parties";

pub(crate) fn decide(
    state: Option<&Case>,
    command: Command,
    ctx: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (None, Command::Open { procedure, title, subject, agreement }) => {
            let procedure = known_procedure(&procedure, ctx)?;
            let first = first_stage(procedure, ctx)?;
            if !ctx.actor.is_system() {
                check_role(first, None, ctx)?;
            }
            let mut events = vec![Event::Opened {
                procedure: procedure.id.clone(),
                pack: ctx.law.version.clone(),
                title,
                subject,
                agreement,
                by: ctx.actor.person,
                organisation: ctx.actor.organisation,
                at: ctx.now,
                clauses: procedure.clauses.clone(),
            }];
            let case = events.iter().fold(None, <Case as shuyu_store::Entity>::evolve);
            if let Some(case) = case {
                let next = Next::Stage(first.id.clone());
                go_on(&case, &case.dossier, procedure, &next, ctx, &mut events)?;
            }
            Ok(events)
        }
        (None, _) => Err(ctx.refuse(rules::EXISTS)),
        (Some(_), Command::Open { .. }) => Err(ctx.refuse(rules::NEW)),
        (Some(case), command) => {
            let Standing::Open(current) = &case.standing else {
                return Err(ctx.refuse(rules::CASE_OPEN).because(format!(
                    "it ended as `{}`; a new case can be opened",
                    case.end().unwrap_or_default()
                )));
            };
            decide_open(case, current, command, ctx)
        }
    }
}

fn decide_open(
    case: &Case,
    current: &CurrentStage,
    command: Command,
    ctx: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Open { .. } => Err(ctx.refuse(rules::NEW)),
        Command::Act(acting) => act(case, current, *acting, ctx),
        Command::Object { text } => {
            if !current.objections {
                return Err(ctx.refuse(rules::OBJECTION_TIME).because(format!(
                    "the stage `{}` gives no time for objections",
                    current.stage
                )));
            }
            check_given(&text, rules::REASON_GIVEN, ctx)?;
            let number = u32::try_from(case.dossier.objections.len()).unwrap_or(u32::MAX);
            Ok(vec![Event::Objected {
                objection: Objection {
                    number: number.saturating_add(1),
                    stage: current.stage.clone(),
                    person: ctx.actor.person,
                    organisation: ctx.actor.organisation,
                    text,
                    at: ctx.now,
                    answer: None,
                },
            }])
        }
        Command::Answer { number, answer } => {
            let stage = current_stage(case, current, ctx)?;
            check_role(stage, None, ctx)?;
            let Some(objection) = case.dossier.unanswered().find(|open| open.number == number)
            else {
                return Err(ctx.refuse(rules::OBJECTION_KNOWN));
            };
            if objection.person == ctx.actor.person {
                return Err(ctx.refuse(rules::SUBMITTER).because("who objects does not answer"));
            }
            check_given(&answer, rules::REASON_GIVEN, ctx)?;
            Ok(vec![Event::Answered { number, answer, by: ctx.actor.person, at: ctx.now }])
        }
        Command::Withdraw { reason } => {
            if case.organisation != ctx.actor.organisation {
                return Err(ctx.refuse(rules::WITHDRAWN_BY_OPENER));
            }
            check_given(&reason, rules::REASON_GIVEN, ctx)?;
            Ok(vec![Event::Withdrawn { reason, by: ctx.actor.person, at: ctx.now }])
        }
        Command::NoteOverdue => {
            let stage = current_stage(case, current, ctx)?;
            match current.due_at {
                Some(due_at) if due_at < ctx.now && !current.overdue => {
                    Ok(vec![Event::OverdueNoted {
                        stage: current.stage.clone(),
                        due_at,
                        effect: stage.deadline.as_ref().and_then(|d| d.on_overdue.clone()),
                        at: ctx.now,
                    }])
                }
                _ => Err(ctx.refuse(rules::DUE)),
            }
        }
    }
}

fn act(
    case: &Case,
    current: &CurrentStage,
    acting: Acting,
    ctx: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let procedure = known_procedure(&case.procedure, ctx)?;
    let stage = current_stage(case, current, ctx)?;
    if acting.stage != stage.id {
        return Err(ctx
            .refuse(rules::STAGE_CURRENT)
            .because(format!("the case is in the stage `{}`, not `{}`", stage.id, acting.stage))
            .on(&stage.clauses));
    }
    let Some(outcome) = stage.outcome(&acting.outcome) else {
        let known: Vec<&str> = stage.outcomes.iter().map(|outcome| outcome.id.as_str()).collect();
        return Err(ctx
            .refuse(rules::OUTCOME_KNOWN)
            .because(format!("the outcomes of this stage are {}", known.join(", "))));
    };
    let earlier: Vec<&Act> = case.dossier.acts_in(&stage.id, current.entry).collect();
    let role = check_voice(stage, &earlier, acting.role.as_deref(), ctx)?;
    check_separation(case, stage, &role, ctx)?;
    check_party(stage, &role, &acting.facts, ctx)?;
    if acting.read != case.dossier.content {
        return Err(ctx.refuse(rules::CONTENT_BOUND).because(format!(
            "the dossier now reads {}, what was read is {}",
            case.dossier.content.short(),
            acting.read.short()
        )));
    }
    check_form(procedure, stage, &acting, outcome.negative, &earlier, ctx)?;
    if outcome.negative {
        check_given(acting.reason.as_deref().unwrap_or_default(), rules::REASON_GIVEN, ctx)?;
    } else {
        check_documents(stage, &acting, &earlier, ctx)?;
        check_time(case, current, stage, ctx)?;
        let reading = Reading {
            dossier: &case.dossier,
            form: acting.form.as_ref(),
            documents: &acting.documents,
            actor: ctx.actor,
        };
        for name in &stage.guards {
            guard::check(name, &reading, &acting.facts, ctx)?;
        }
    }

    let act = Act {
        stage: stage.id.clone(),
        entry: current.entry,
        outcome: outcome.id.clone(),
        negative: outcome.negative,
        person: ctx.actor.person,
        organisation: ctx.actor.organisation,
        role,
        form: acting.form,
        documents: acting.documents,
        reason: acting.reason,
        read: acting.read,
        at: ctx.now,
    };
    let mut voices: Vec<&Act> =
        earlier.into_iter().filter(|earlier| earlier.outcome == outcome.id).collect();
    voices.push(&act);
    let stands = outcome.negative || is_agreed(stage, &voices, &acting.facts, ctx.law);
    let clauses = joined(&stage.clauses, &outcome.clauses);
    let mut dossier = case.dossier.clone();
    dossier.add(act.clone());
    let mut events = vec![Event::Acted { act, clauses: clauses.clone() }];
    if stands {
        events.push(Event::StageClosed {
            stage: stage.id.clone(),
            outcome: outcome.id.clone(),
            effects: outcome.effects.clone(),
            next: outcome.next.clone(),
            clauses,
        });
        go_on(case, &dossier, procedure, &outcome.next, ctx, &mut events)?;
    }
    Ok(events)
}

/// Whether enough of the right people agree. One who says no is enough for a no.
///
/// Where a case concerns several organisations in a role, none of them agrees for another: all
/// must, once one of them has been asked in that role.
fn is_agreed(stage: &Stage, voices: &[&Act], facts: &Facts, law: &Law) -> bool {
    let persons: BTreeSet<_> = voices.iter().map(|act| act.person).collect();
    let roles: BTreeSet<&str> = voices.iter().map(|act| act.role.as_str()).collect();
    let every = !stage.every || stage.actors.iter().all(|role| roles.contains(role.as_str()));
    let agrees = |holder: &str, party: &str| {
        voices
            .iter()
            .any(|act| law.holder_of(&act.role) == holder && act.organisation.to_string() == party)
    };
    let all = roles.iter().map(|role| law.holder_of(role)).all(|holder| {
        parties(facts, holder).is_none_or(|parties| {
            parties.iter().filter_map(serde_json::Value::as_str).all(|party| agrees(holder, party))
        })
    });
    every && all && persons.len() >= persons_needed(stage, law)
}

/// Whom a case concerns in a role, where that is known.
fn parties<'a>(facts: &'a Facts, holder: &str) -> Option<&'a Vec<serde_json::Value>> {
    facts.get(PARTIES)?.get(holder)?.as_array()
}

/// How many different persons must agree.
pub(crate) fn persons_needed(stage: &Stage, law: &Law) -> usize {
    let figure = stage
        .persons_from
        .as_ref()
        .and_then(|name| law.integer(name))
        .and_then(|figure| usize::try_from(figure).ok());
    figure.unwrap_or(0).max(usize::try_from(stage.persons).unwrap_or(usize::MAX))
}

/// Follows the case from an outcome into its next stage, over those whose condition does not
/// hold, or to its end.
fn go_on(
    case: &Case,
    dossier: &Dossier,
    procedure: &Procedure,
    next: &Next,
    ctx: &Context<'_>,
    events: &mut Vec<Event>,
) -> Result<(), Refusal> {
    let nothing = std::collections::BTreeMap::new();
    let reading = Reading { dossier, form: None, documents: &nothing, actor: ctx.actor };
    let mut next = next;
    // One round at most: stages that are all passed over may lead in a circle.
    for _ in 0..=procedure.stages.len() {
        let stage = match next {
            Next::End(end) => {
                events.push(Event::Closed { end: end.clone(), at: ctx.now });
                return Ok(());
            }
            Next::Stage(id) => procedure.stage(id).ok_or_else(|| no_way_on(id, ctx))?,
        };
        let passed = stage.when.as_ref().is_some_and(|condition| !reading.holds(condition));
        let Some(first) = stage.outcomes.first().filter(|_| passed) else {
            events.push(Event::StageEntered(enter(case, stage, ctx)?));
            return Ok(());
        };
        events.push(Event::StagePassed {
            stage: stage.id.clone(),
            outcome: first.id.clone(),
            effects: first.effects.clone(),
        });
        next = &first.next;
    }
    Err(no_way_on("a circle of stages that are passed over", ctx))
}

fn no_way_on(whither: &str, ctx: &Context<'_>) -> Refusal {
    ctx.refuse(rules::PACK_SOUND).because(format!("the procedure leads to {whither}"))
}

fn enter(case: &Case, stage: &Stage, ctx: &Context<'_>) -> Result<CurrentStage, Refusal> {
    let unsound =
        |error: shuyu_law::PeriodError| ctx.refuse(rules::PACK_SOUND).because(error.to_string());
    Ok(CurrentStage {
        stage: stage.id.clone(),
        entry: case.entries.get(&stage.id).copied().unwrap_or(0).saturating_add(1),
        actors: stage.actors.iter().cloned().collect(),
        entered_at: ctx.now,
        due_at: ctx.law.deadline(stage, ctx.now).map_err(unsound)?,
        not_before: ctx.law.open_until(stage, ctx.now).map_err(unsound)?,
        objections: stage.objections,
        overdue: false,
    })
}

fn known_procedure<'a>(id: &str, ctx: &Context<'a>) -> Result<&'a Procedure, Refusal> {
    ctx.law.procedure(id).ok_or_else(|| {
        ctx.refuse(rules::PROCEDURE_KNOWN).because(format!("the city has no procedure `{id}`"))
    })
}

fn first_stage<'a>(procedure: &'a Procedure, ctx: &Context<'_>) -> Result<&'a Stage, Refusal> {
    procedure.stages.first().ok_or_else(|| ctx.refuse(rules::PROCEDURE_KNOWN))
}

fn current_stage<'a>(
    case: &Case,
    current: &CurrentStage,
    ctx: &Context<'a>,
) -> Result<&'a Stage, Refusal> {
    known_procedure(&case.procedure, ctx)?
        .stage(&current.stage)
        .ok_or_else(|| ctx.refuse(rules::PROCEDURE_KNOWN))
}

/// The role of the stage that the actor acts in.
fn check_role(stage: &Stage, wanted: Option<&str>, ctx: &Context<'_>) -> Result<String, Refusal> {
    let held = stage
        .actors
        .iter()
        .find(|role| ctx.actor.has_role(role) && wanted.is_none_or(|wanted| wanted == *role));
    held.cloned().ok_or_else(|| {
        ctx.refuse(rules::STAGE_ROLE)
            .because(format!("here acts {}", stage.actors.join(" or ")))
            .on(&stage.clauses)
    })
}

/// A person has one voice in a stage; where each of several roles must act, one in each role
/// that they hold.
fn check_voice(
    stage: &Stage,
    earlier: &[&Act],
    wanted: Option<&str>,
    ctx: &Context<'_>,
) -> Result<String, Refusal> {
    let fallback = check_role(stage, wanted, ctx)?;
    let person = ctx.actor.person;
    let spoken = |role: &str| {
        earlier.iter().any(|act| act.person == person && (!stage.every || act.role == role))
    };
    let unspoken = stage
        .actors
        .iter()
        .filter(|role| ctx.actor.has_role(role) && wanted.is_none_or(|wanted| wanted == *role))
        .filter(|role| !spoken(role))
        // A role that nobody has acted in yet comes first: it is the one that is waited for.
        .min_by_key(|role| earlier.iter().any(|act| act.role == **role));
    match unspoken {
        Some(role) => Ok(role.clone()),
        None => Err(ctx.refuse(rules::ONE_VOICE).because(format!(
            "this person has already acted here as {fallback}; another is waited for"
        ))),
    }
}

/// Who submits does not approve: the person never, the organisation not in another role.
///
/// Two officers of one body may act for it one after the other (drafting, then signing); a body
/// may not approve in one role what it submitted in another.
fn check_separation(
    case: &Case,
    stage: &Stage,
    role: &str,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    for act in case.dossier.acts.iter().filter(|act| stage.unlike.contains(&act.stage)) {
        if act.person == ctx.actor.person {
            return Err(ctx
                .refuse(rules::SUBMITTER)
                .because(format!("this person acted in the stage `{}`", act.stage))
                .on(&stage.clauses));
        }
        let same_body = ctx.law.holder_of(&act.role) == ctx.law.holder_of(role);
        if act.organisation == ctx.actor.organisation && !same_body {
            return Err(ctx
                .refuse(rules::SUBMITTER_ORGANISATION)
                .because(format!("this organisation acted in the stage `{}`", act.stage))
                .on(&stage.clauses));
        }
    }
    Ok(())
}

/// Refuses who holds a role, but is not the one whom the case concerns in it: another operator
/// than the agreement's, another provider than the data's.
fn check_party(stage: &Stage, role: &str, facts: &Facts, ctx: &Context<'_>) -> Result<(), Refusal> {
    let Some(parties) = parties(facts, ctx.law.holder_of(role)) else { return Ok(()) };
    let own = ctx.actor.organisation.to_string();
    if parties.iter().any(|party| party.as_str() == Some(&own)) {
        return Ok(());
    }
    Err(ctx.refuse(rules::PARTY).on(&stage.clauses))
}

fn check_form(
    procedure: &Procedure,
    stage: &Stage,
    acting: &Acting,
    negative: bool,
    earlier: &[&Act],
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let filled_before = earlier.iter().any(|act| !act.negative && act.form.is_some());
    let faults = match (&stage.form, &acting.form) {
        (Some(_), Some(form)) => form_faults(ctx, procedure, stage, form)?,
        (Some(_), None) if negative || filled_before => Vec::new(),
        (Some(_), None) => vec!["the form is not filled in".to_owned()],
        (None, Some(form)) if form.as_object().is_none_or(|fields| !fields.is_empty()) => {
            vec!["there is nothing to fill in here".to_owned()]
        }
        (None, _) => Vec::new(),
    };
    if faults.is_empty() {
        return Ok(());
    }
    Err(ctx.refuse(rules::FORM_VALID).because(faults.join("; ")).on(&stage.clauses))
}

fn form_faults(
    ctx: &Context<'_>,
    procedure: &Procedure,
    stage: &Stage,
    form: &serde_json::Value,
) -> Result<Vec<String>, Refusal> {
    let faults = ctx
        .law
        .form_faults(&procedure.id, &stage.id, form)
        .map_err(|error| ctx.refuse(rules::PACK_SOUND).because(error.to_string()))?;
    Ok(faults
        .into_iter()
        .map(|fault| match fault.path.as_str() {
            "" => fault.message,
            path => format!("{path}: {}", fault.message),
        })
        .collect())
}

/// The documents that a stage asks for, by id.
pub(crate) fn documents_asked(stage: &Stage, law: &Law) -> Vec<String> {
    let listed = stage.documents_from.as_ref().and_then(|name| law.parameter(name));
    let listed = listed.map(shuyu_law::Parameter::ids).unwrap_or_default();
    stage
        .documents
        .iter()
        .map(|document| document.id.clone())
        .chain(listed.into_iter().map(str::to_owned))
        .collect()
}

fn check_documents(
    stage: &Stage,
    acting: &Acting,
    earlier: &[&Act],
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let missing: Vec<String> = documents_asked(stage, ctx.law)
        .into_iter()
        .filter(|document| {
            !acting.documents.contains_key(document)
                && !earlier.iter().any(|act| act.documents.contains_key(document))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let asked_by: Vec<ClauseId> = stage
        .documents
        .iter()
        .filter(|document| missing.contains(&document.id))
        .flat_map(|document| document.clauses.clone())
        .collect();
    let refusal = ctx.law.refuse(rules::DOCUMENTS_COMPLETE, &[("documents", &missing.join(", "))]);
    Err(refusal
        .because(format!("missing: {}", missing.join(", ")))
        .on(&joined(&stage.clauses, &asked_by)))
}

fn check_time(
    case: &Case,
    current: &CurrentStage,
    stage: &Stage,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    if let Some(not_before) = current.not_before.filter(|not_before| ctx.now <= *not_before) {
        return Err(ctx
            .refuse(rules::NOT_BEFORE)
            .because(format!("this stage stays open until {}", ctx.law.local_date(not_before)))
            .on(&stage.clauses));
    }
    let open = case.dossier.unanswered().count();
    if open > 0 {
        return Err(ctx
            .refuse(rules::OBJECTIONS_ANSWERED)
            .because(format!("{open} objections have no answer yet"))
            .on(&stage.clauses));
    }
    Ok(())
}

fn check_given(text: &str, rule: Rule, ctx: &Context<'_>) -> Result<(), Refusal> {
    if text.trim().is_empty() { Err(ctx.refuse(rule)) } else { Ok(()) }
}

fn joined(first: &[ClauseId], second: &[ClauseId]) -> Vec<ClauseId> {
    let mut clauses = first.to_vec();
    clauses.extend(second.iter().filter(|clause| !first.contains(clause)).cloned());
    clauses
}

/// Adds to a refusal the clauses of the stage that it concerns.
trait On {
    fn on(self, clauses: &[ClauseId]) -> Self;
}

impl On for Refusal {
    fn on(mut self, clauses: &[ClauseId]) -> Self {
        self.clauses = joined(&self.clauses, clauses);
        self
    }
}
