//! Supervision and exit.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::Duration as Span;
use serde_json::json;
use shuyu_enclave::{Job, JobStatus, Submission};
use shuyu_kernel::{AlertId, JobId, SessionId};
use shuyu_law::{Law, Next};
use shuyu_oversight::{Alert, AlertCommand, AlertFinding, Severity, Source, Task};
use shuyu_store::{ActError, Filter};
use tokio::task::JoinHandle;

use super::{
    Errand, Failed, Made, Stage,
    cast::Member,
    data::Supplied,
    job::{counting, quoted},
    trade::Sold,
};

/// The procedure that suspends, and has what was found corrected.
const RECTIFICATION: &str = "rectification";
/// What an outcome does that suspends.
const SUSPENDS: &str = "agreement.suspend";
/// The number of refusals in a day that raises an alert.
const REFUSALS: &str = "out_of_scope_attempts_per_day";
/// No more attempts are shown than this.
const MOST_ATTEMPTS: i64 = 20;
/// How many numbers the long job pairs with, and how often.
const NUMBERS: usize = 50;
const LEVELS: u32 = 6;
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
        let officer = self.cast.holder("authority")?.clone();
        let alerts = self.alert(&analyst, &officer, made, session, chosen).await?;

        // A job is under way when the suspension comes.
        let sql = endless(chosen);
        let job = self
            .app
            .submit_job(
                &analyst.actor,
                made.grant,
                &Submission::sql(sql, "every figure with every other"),
            )
            .await?;
        let (app, actor) = (self.app.clone(), analyst.actor.clone());
        let running = tokio::spawn(async move { app.run_job(&actor, job).await.map(drop) });
        self.until_running(job, &running).await?;
        let what = format!("runs a job that pairs every figure with {NUMBERS}^{LEVELS} numbers");
        self.told(&analyst.name, &what).await?;

        let Suspension { at, outcome, after } = suspension(self.app.law(), RECTIFICATION)
            .ok_or("the city's rectification suspends nothing")?;
        let parties = [self.cast.operator];
        let prefer = [outcome.as_str()];
        let errand = |until| {
            let mut errand = Errand::new(RECTIFICATION, "raw data asked for");
            errand.agreement = Some(made.agreement);
            errand.parties = parties.to_vec();
            errand.prefer = &prefer;
            errand.until = until;
            errand.give("finding", "raw rows were asked for, against the scenario")
        };
        let case =
            self.run(errand(Some(at.as_str()))).await?.ok_or("the city knows no rectification")?;
        if !matches!(self.status(job).await?, JobStatus::Running { .. }) || running.is_finished() {
            return Err("the job has ended before the suspension".into());
        }
        let cut = Instant::now();
        self.go_on(case, &errand(Some(after.as_str()))).await?;
        let ended = tokio::time::timeout(CUT_WITHIN, running).await;
        let ended = ended.map_err(|_| "the job still runs a second after the suspension")??;
        self.expect_refusal(&analyst.name, "runs the job that was under way", ended).await?;
        let asked = self.app.ask(&analyst.actor, session, &counting(chosen)).await.map(drop);
        self.expect_refusal(&analyst.name, "asks in the session that was open", asked).await?;
        let arguments = BTreeMap::from([(sold.argument.0.clone(), json!(sold.argument.1.clone()))]);
        match self.app.call(sold.api, &sold.key, &arguments).await {
            Err(shuyu_server::app::TradeError::Act(error)) => {
                self.expect_refusal("product_user-1", "calls the API with its key", Err(error))
                    .await?;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("the key still works after the suspension".into()),
        }
        let took = cut.elapsed();
        if took > CUT_WITHIN {
            return Err(format!("the cut took {} ms", took.as_millis()).into());
        }
        let JobStatus::Cancelled { reason } = self.status(job).await? else {
            return Err("the job was not cut".into());
        };
        let took = format!("{} ms: session, job and key", took.as_millis());
        self.show.note(&format!("all cut within {took}; the job is cancelled ({reason})"));
        self.go_on(case, &errand(None)).await?;

        self.app.call(sold.api, &sold.key, &arguments).await?;
        self.told("product_user-1", "calls the API with its key, as before").await?;
        let short = counting(chosen);
        let job = self
            .app
            .submit_job(&analyst.actor, made.grant, &Submission::sql(short, "after the correction"))
            .await?;
        let done = self.app.run_job(&analyst.actor, job).await?;
        if !matches!(done.status, JobStatus::Succeeded { .. }) {
            return Err("no job runs after the suspension was lifted".into());
        }
        self.told(&analyst.name, "runs a job again").await?;
        self.show.note("restored: the key answers and jobs run");
        for alert in alerts {
            let outcome = "the operator has corrected it".to_owned();
            self.app.change_alert(&officer.actor, alert, AlertCommand::Close { outcome }).await?;
            self.told(&officer.name, "closes the alert: the operator has corrected it").await?;
        }
        self.evaluate(made).await?;
        self.report(made).await?;
        Ok(took)
    }

    /// The analyst tries what was refused again and again, until the platform raises an alert;
    /// where the city sets no figure for that, an officer raises it. The officer looks into it.
    async fn alert(
        &mut self,
        analyst: &Member,
        officer: &Member,
        made: &Made,
        session: SessionId,
        chosen: &Supplied,
    ) -> Result<Vec<AlertId>, Failed> {
        let figure = self.app.law().integer(REFUSALS).filter(|figure| *figure > 0);
        let raw = format!("SELECT * FROM {}", quoted(&chosen.spec.name));
        for _ in 0..figure.unwrap_or(1).min(MOST_ATTEMPTS) {
            let refused = self.app.ask(&analyst.actor, session, &raw).await.map(drop);
            self.expect_refusal(&analyst.name, &raw, refused).await?;
        }
        let mut alerts = self.app.tick().await?.alerts;
        let mut found = Vec::new();
        for id in &alerts {
            let (_, alert) =
                self.app.desk().find::<Alert>(*id).await?.ok_or("there is no alert")?;
            let AlertFinding { ground, severity, detail, .. } = alert.finding;
            found.push(format!("{ground}, {}: {detail}", severity.name()));
        }
        if let Some((first, more)) = found.split_first() {
            self.told("the platform", &format!("raises an alert of {first}")).await?;
            for alert in more {
                self.show.note(&format!("and one of {alert}"));
            }
        } else if figure.is_some() {
            return Err("the platform raised no alert of the refusals".into());
        } else {
            self.show.note("the city sets no number of refusals that raises an alert by itself");
            let finding = AlertFinding {
                ground: "out_of_scope_attempts".to_owned(),
                detail: "raw rows were asked for again after a refusal".to_owned(),
                severity: Severity::Critical,
                subject: made.agreement.to_string(),
                organisation: Some(self.cast.operator),
                agreement: Some(made.agreement),
                source: Source::Person { id: officer.actor.person },
            };
            alerts.push(self.app.raise_alert(&officer.actor, finding).await?);
            self.told(&officer.name, "raises an alert about the operator").await?;
        }
        for alert in &alerts {
            self.app.change_alert(&officer.actor, *alert, AlertCommand::Acknowledge).await?;
            self.told(&officer.name, "looks into the alert").await?;
        }
        Ok(alerts)
    }

    async fn status(&self, job: JobId) -> Result<JobStatus, Failed> {
        let found = self.app.desk().find::<Job>(job).await?;
        Ok(found.ok_or("there is no such job")?.1.status)
    }

    /// Waits until a job runs.
    async fn until_running(
        &self,
        job: JobId,
        running: &JoinHandle<Result<(), ActError>>,
    ) -> Result<(), Failed> {
        while !matches!(self.status(job).await?, JobStatus::Running { .. }) {
            if running.is_finished() {
                return Err("the job did not begin".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
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
                self.expect_refusal(&consumer.name, "downloads the package again", Err(error))
                    .await?;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("a package is delivered after exit".into()),
        }
        let certificates = self.app.destroyed_for(made.agreement).await?;
        for (dataset, certificate) in &certificates {
            self.show.note(&format!(
                "certificate for {dataset}: {} keys destroyed; reading fails: {}",
                certificate.keys.len(),
                certificate.attempts.first().map_or("", String::as_str)
            ));
        }
        if certificates.is_empty() {
            return Err("nothing is certified as destroyed at exit".into());
        }
        let agreement = self.app.agreement(made.agreement).await?;
        self.show.note(&format!("the agreement: {}", agreement.status.name()));
        Ok(())
    }
}

/// Where a procedure suspends an agreement.
struct Suspension {
    /// The stage.
    at: String,
    /// Its outcome.
    outcome: String,
    /// The stage that follows.
    after: String,
}

fn suspension(law: &Law, procedure: &str) -> Option<Suspension> {
    let stages = &law.procedure(procedure)?.stages;
    stages.iter().flat_map(|at| at.outcomes.iter().map(move |outcome| (at, outcome))).find_map(
        |(at, outcome)| match &outcome.next {
            Next::Stage(after) if outcome.effects.iter().any(|it| it == SUSPENDS) => {
                Some(Suspension {
                    at: at.id.clone(),
                    outcome: outcome.id.clone(),
                    after: after.clone(),
                })
            }
            Next::Stage(_) | Next::End(_) => None,
        },
    )
}

/// A job that does not come to an end by itself: it pairs figures with numbers, and those with
/// numbers, and so on.
fn endless(chosen: &Supplied) -> String {
    let (table, by) = (quoted(&chosen.spec.name), quoted(chosen.dimension()));
    let numbers = vec!["(1)"; NUMBERS].join(", ");
    let mut from = format!("(SELECT {by}, COUNT(*) AS n, 1 AS n0 FROM {table} GROUP BY {by}) AS f");
    let mut last = "f.n0".to_owned();
    for level in 1..=LEVELS {
        from = format!("numbers AS n{level} JOIN ({from}) ON n{level}.n = {last}");
        last = format!("n{level}.n");
    }
    format!(
        "WITH numbers AS (SELECT * FROM (VALUES {numbers}) AS v (n)) \
         SELECT f.{by}, COUNT(*) AS n FROM {from} GROUP BY f.{by}"
    )
}
