//! Supervision and exit.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::Duration as Span;
use serde_json::json;
use shuyu_enclave::JobStatus;
use shuyu_kernel::SessionId;
use shuyu_oversight::{AlertFinding, Severity, Source, Task};
use shuyu_store::Filter;

use super::{Errand, Failed, Made, Stage, data::Supplied, job::quoted, trade::Sold};

/// A cut must be felt within this.
const CUT_WITHIN: Duration = Duration::from_secs(1);
/// So often the clock is looked at as time goes on.
const LOOKS: i64 = 60;
/// The step between two looks.
const STEP_DAYS: i64 = 7;

impl Stage {
    pub(super) async fn supervise(
        &mut self,
        made: &Made,
        session: SessionId,
        sold: &Sold,
        chosen: &Supplied,
    ) -> Result<String, Failed> {
        let analyst = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        let table = quoted(&chosen.spec.name);
        let raw = format!("SELECT * FROM {table}");
        let refused = self.app.ask(&analyst.actor, session, &raw).await.map(drop);
        self.expect_refusal(&analyst.name, &raw, refused)?;
        let officer = self.cast.holder("authority")?.clone();
        let finding = AlertFinding {
            ground: "out_of_scope_attempts".to_owned(),
            detail: "raw rows were asked for again after a refusal".to_owned(),
            severity: Severity::Critical,
            subject: made.agreement.to_string(),
            organisation: Some(self.cast.operator),
            agreement: Some(made.agreement),
            source: Source::Person { id: officer.actor.person },
        };
        self.app.raise_alert(&officer.actor, finding).await?;
        self.show.did(&officer.name, "raises an alert about the operator", &[], None);

        // A job is under way when the suspension comes.
        let by = quoted(chosen.dimension());
        let long = format!(
            "SELECT a.{by}, COUNT(*) AS n FROM {table} AS a GROUP BY a.{by} ORDER BY a.{by}"
        );
        let job = self.app.submit_job(&analyst.actor, made.grant, &long, "under way").await?;
        let operator = self.cast.operator;
        let parties = [operator];
        let errand = || {
            let mut errand = Errand::new("rectification", "raw data asked for");
            errand.agreement = Some(made.agreement);
            errand.parties = parties.to_vec();
            errand.prefer = &["suspended", "suspend"];
            errand.give("finding", "raw rows were asked for, against the scenario")
        };
        let before = errand();
        let first = Errand { until: Some(correcting(&self.app, before.procedure)), ..before };
        let case = self.run(first).await?.ok_or("the city knows no rectification")?;
        let cut = Instant::now();
        let asked = self.app.ask(&analyst.actor, session, &raw).await.map(drop);
        self.expect_refusal(&analyst.name, "asks in the session that was open", asked)?;
        let run = self.app.run_job(&analyst.actor, job).await.map(drop);
        self.expect_refusal(&analyst.name, "runs the job that was submitted", run)?;
        let arguments = BTreeMap::from([(sold.argument.0.clone(), json!(sold.argument.1.clone()))]);
        match self.app.call(sold.api, &sold.key, &arguments).await {
            Err(shuyu_server::app::TradeError::Act(error)) => {
                self.expect_refusal("product_user-1", "calls the API with its key", Err(error))?;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("the key still works after the suspension".into()),
        }
        let took = cut.elapsed();
        if took > CUT_WITHIN {
            return Err(format!("the cut took {} ms", took.as_millis()).into());
        }
        let took = format!("{} ms: session, job and key", took.as_millis());
        self.show.note(&format!("all cut within {took}"));
        self.go_on(case, &errand()).await?;
        self.app.call(sold.api, &sold.key, &arguments).await?;
        let done = self.app.run_job(&analyst.actor, job).await?;
        if !matches!(done.status, JobStatus::Succeeded { .. }) {
            return Err("the job does not run after the suspension was lifted".into());
        }
        self.show.note("restored: the key answers and the job runs");
        self.evaluate(made).await?;
        self.report(made).await?;
        Ok(took)
    }

    async fn evaluate(&mut self, made: &Made) -> Result<(), Failed> {
        let errand = Errand {
            agreement: Some(made.agreement),
            ..Errand::new("evaluation", "evaluation of the operator")
        }
        .give("period", "first year")
        .give("score", 88)
        .give("grade", "pass")
        .give("finding", "in order");
        self.run(errand).await?;
        Ok(())
    }

    /// Time goes on: what the city lets fall due falls due, with reminders; a report is handed in.
    async fn report(&mut self, made: &Made) -> Result<(), Failed> {
        let mut reminded = 0;
        for _ in 0..LOOKS {
            self.clock.advance(Span::days(STEP_DAYS));
            reminded += self.app.tick().await?.tasks.len();
        }
        let tasks = self.app.desk().list::<Task>(&Filter::parent(made.agreement)).await?;
        let due: Vec<_> = tasks.iter().filter(|(_, task)| task.due_at <= self.app.now()).collect();
        self.show.note(&format!(
            "{} tasks fall due in the term; {} by now, with {reminded} reminders and lapses",
            tasks.len(),
            due.len()
        ));
        let report = due.iter().find(|(_, task)| task.kind.name() == "report");
        let Some((id, task)) = report else {
            self.show.note("the city has no report due by now");
            return Ok(());
        };
        let operator = self.cast.operator;
        let parties = [operator];
        let (id, kind) = (*id, task.subject.clone());
        let errand = Errand {
            agreement: Some(made.agreement),
            parties: parties.to_vec(),
            ..Errand::new("report", "report of the operator")
        }
        .give("task", id.to_string())
        .give("kind", kind);
        self.run(errand).await?;
        Ok(())
    }

    pub(super) async fn exit(&mut self, made: &Made, sold: &Sold) -> Result<(), Failed> {
        let operator = self.cast.operator;
        let parties = [operator];
        let errand = Errand {
            agreement: Some(made.agreement),
            parties: parties.to_vec(),
            ..Errand::new("exit", "the operator leaves")
        }
        .give("ground", "early_termination")
        .give("reason", "the operator asks to end early");
        self.run(errand).await?;
        let consumer = self.cast.holder("product_user")?.clone();
        match self.app.download(&consumer.actor, sold.package).await {
            Err(shuyu_server::app::TradeError::Act(error)) => {
                self.expect_refusal(&consumer.name, "downloads the package again", Err(error))?;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("a package is delivered after exit".into()),
        }
        let held = self.app.destroyed_for(made.agreement).await?;
        for (dataset, certificate) in &held {
            self.show.note(&format!(
                "{dataset}: {} keys destroyed; reading fails: {}",
                certificate.keys.len(),
                certificate.attempts.first().map_or("", String::as_str)
            ));
        }
        if held.is_empty() {
            return Err("nothing was destroyed at exit".into());
        }
        let agreement = self.app.agreement(made.agreement).await?;
        self.show.note(&format!("the agreement: {}", agreement.status.name()));
        Ok(())
    }
}

/// The stage in which the operator corrects: the one after the measure is in force.
fn correcting(app: &shuyu_server::app::App, procedure: &str) -> &'static str {
    let stages = app.law().procedure(procedure).map(|it| it.stages.as_slice()).unwrap_or_default();
    let of = |name: &str| stages.iter().any(|stage| stage.id == name);
    ["plan", "correction", "correct"].into_iter().find(|name| of(name)).unwrap_or("correction")
}
