//! Every procedure of every pack: walked to its end by the right actors, and refused at every
//! stage to the wrong ones.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use chrono::{DateTime, Utc};
use serde_json::json;
use shuyu_casework::simulate::{Walk, actor, onward};
use shuyu_kernel::{Actor, ContentHash, Role};
use shuyu_law::{Law, Packs, Refusal, Stage};

fn start() -> DateTime<Utc> {
    "2026-03-02T02:00:00Z".parse().expect("an instant")
}

/// Calls `each` with every procedure of every city, and gathers what is wrong.
fn for_every_procedure(mut each: impl FnMut(&Law, &str) -> Result<(), String>) {
    let packs = Packs::embedded();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for city in packs.cities() {
        let law = packs.load(city).expect("a pack");
        for procedure in law.procedures.keys() {
            seen += 1;
            if let Err(why) = each(&law, procedure) {
                wrong.push(format!("{city}/{procedure}: {why}"));
            }
        }
    }
    assert!(seen > 50, "only {seen} procedures");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refusal_of(
    name: &str,
    answer: Result<impl Sized, Refusal>,
    rules: &[&str],
) -> Result<(), String> {
    match answer {
        Ok(_) => Err(format!("{name} is not refused")),
        Err(refusal) if !rules.contains(&refusal.rule.as_str()) => {
            Err(format!("{name} is refused by {}: {refusal}", refusal.rule))
        }
        Err(refusal) if refusal.clauses.is_empty() => Err(format!("{name} cites no clause")),
        Err(_) => Ok(()),
    }
}

#[test]
fn every_procedure_walks_to_its_positive_end_by_the_right_actors() {
    for_every_procedure(|law, procedure| {
        let mut walk = Walk::open(law, procedure, start())
            .expect("a procedure")
            .map_err(|refusal| format!("not opened: {refusal}"))?;
        let end = walk.to_end().map_err(|refusal| {
            let stage = walk.stage().map_or("", |stage| &stage.id);
            format!("stuck in `{stage}`: {} {refusal}", refusal.rule)
        })?;
        end.map(|_| ()).ok_or_else(|| "goes round in a circle".to_owned())
    });
}

#[test]
fn every_stage_refuses_the_wrong_act() {
    for_every_procedure(|law, procedure| {
        let mut walk = Walk::open(law, procedure, start())
            .expect("a procedure")
            .map_err(|refusal| format!("not opened: {refusal}"))?;
        for _ in 0..walk.procedure.stages.len() {
            let Some(stage) = walk.stage() else { break };
            check_refusals(&mut walk, stage).map_err(|why| format!("{}: {why}", stage.id))?;
            walk.step().map_err(|refusal| format!("{}: {refusal}", stage.id))?;
        }
        let ended = walk.procedure.stages.first().map(|stage| walk.good_act(stage));
        let (first, anyone) = (ended.expect("a stage"), actor(law, "authority", 1));
        refusal_of("an act on an ended case", walk.attempt(&anyone, first), &["case-is-open"])
    });
}

fn check_refusals(walk: &mut Walk<'_>, stage: &Stage) -> Result<(), String> {
    let (_, right) = walk.actors(stage).into_iter().next().ok_or("nobody can act")?;
    if walk.case.current().is_some_and(|current| current.not_before.is_some()) {
        let early = walk.attempt(&right, walk.good_act(stage));
        refusal_of("an act too early", early, &["waiting-time-elapsed"])?;
    }
    walk.wait();
    let good = walk.good_act(stage);

    let outsider = Actor { roles: [Role::new("public-nobody")].into(), ..right.clone() };
    refusal_of("a wrong role", walk.attempt(&outsider, good.clone()), &["stage-role"])?;

    let mut outdated = good.clone();
    outdated.read = ContentHash::of(b"something else");
    refusal_of("a stale reading", walk.attempt(&right, outdated), &["approval-binds-content"])?;

    if let Some(schema) = walk.law.form(&walk.procedure.id, &stage.id) {
        let mut invalid = good.clone();
        invalid.form = Some(json!("not a form"));
        refusal_of("an invalid form", walk.attempt(&right, invalid), &["form-valid"])?;
        if schema.get("required").and_then(|r| r.as_array()).is_some_and(|r| !r.is_empty()) {
            let mut empty = good.clone();
            empty.form = Some(json!({}));
            refusal_of("an empty form", walk.attempt(&right, empty), &["form-valid"])?;
        }
    }
    for missing in good.documents.keys() {
        let mut incomplete = good.clone();
        incomplete.documents.remove(missing);
        let answer = walk.attempt(&right, incomplete);
        refusal_of("a missing document", answer, &["documents-complete"])?;
    }
    for earlier in walk.case.dossier.acts.iter().filter(|act| stage.unlike.contains(&act.stage)) {
        // Who submitted, now in the role of the stage.
        let submitter = Actor { person: earlier.person, ..right.clone() };
        let answer = walk.attempt(&submitter, good.clone());
        refusal_of("the submitter", answer, &["submitter-does-not-approve"])?;
        if earlier.organisation != right.organisation {
            let colleague = Actor { organisation: earlier.organisation, ..right.clone() };
            let answer = walk.attempt(&colleague, good.clone());
            let rule = "submitting-organisation-does-not-approve";
            refusal_of("the submitting organisation", answer, &[rule])?;
        }
    }
    if let Some(no) = stage.outcomes.iter().find(|outcome| outcome.negative) {
        let mut silent = good.clone();
        silent.outcome.clone_from(&no.id);
        let answer = walk.attempt(&right, silent);
        refusal_of("a no without a reason", answer, &["reason-given"])?;
    }
    assert!(onward(stage).is_some(), "a stage that can only say no");
    Ok(())
}
