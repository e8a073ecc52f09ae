//! `shuyu demo`: the main job, by the actors who would do it, under a city's pack.

mod cast;
mod data;
mod job;
mod show;
mod supervision;
mod trade;
mod walk;

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use clap::Args;
use serde_json::{Map, Value, json};
use shuyu_kernel::{
    AgreementId, Clock, GrantId, Id, ProductId, ScenarioId, SubscriptionId, SystemEntropy,
    VirtualClock,
};
use shuyu_law::{Law, Packs};
use shuyu_server::app::{App, Deployment};

use crate::{Done, Outcome, progress};
use cast::Cast;
use data::Supplied;
use show::Show;
use walk::Errand;

/// Runs the main job from an agency's data to a paid, metered, supervised product and its
/// destruction, under a city's regulation pack, as the actors who would take each step. It
/// leaves a directory that `shuyu ledger verify --dir DIR` checks.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The city whose pack to run under.
    #[arg(long)]
    city: String,
    /// A folder of CSV files to run on, with an optional `datasets.toml`; absent: a synthetic
    /// city is generated.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the deployment is made; it must be new or empty. Absent: `demo-<city>`.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How many persons the synthetic city has.
    #[arg(long, default_value_t = 2_000)]
    persons: u64,
    /// What chance follows from in the synthetic city.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print a line of JSON for each act instead of text.
    #[arg(long)]
    json: bool,
}

/// Why the demonstration stopped.
type Failed = Box<dyn std::error::Error>;

/// The demonstration under way.
struct Stage {
    app: App,
    clock: Arc<VirtualClock>,
    cast: Cast,
    show: Show,
    /// Values that every form of this run is given where it asks for them.
    given: Map<String, Value>,
    has_emergency_plan: bool,
}

/// What the run has made so far.
struct Made {
    agreement: AgreementId,
    grant: GrantId,
}

impl Demo {
    pub(crate) async fn run(self) -> Outcome {
        let dir = self.dir.clone().unwrap_or_else(|| format!("demo-{}", self.city).into());
        let packs = Packs::embedded();
        let entropy = Arc::new(SystemEntropy);
        let mut show = Show::new(self.json);

        // What cannot be read is said before anything is made.
        let read = self.data.as_deref().map(data::Source::read).transpose()?;
        show.step("Found a deployment");
        let waiting = progress::waiting("keys, ledger, organisations, people");
        let deployment = Deployment::found(&dir, &self.city, &packs, None, &*entropy)?;
        let start = first_morning(&deployment.laws().current)?;
        let clock = Arc::new(VirtualClock::new(start));
        let app = App::open(deployment, Arc::clone(&clock) as Arc<dyn Clock>, entropy).await?;
        app.found(("admin", cast::PASSWORD), ("auditor", cast::PASSWORD)).await?;
        let admin = app.sign_in("admin", cast::PASSWORD).await?;
        let admin = app.actor_of(&admin).await?;
        let source = match read {
            Some(source) => source,
            None => data::Source::generate(&dir, self.persons, self.seed)?,
        };
        let cast = Cast::register(&app, &admin, &source.providers()).await?;
        waiting.finish_and_clear();
        show.note(&format!("{}\nin {}, on {}", app.law().regulation.title, dir.display(), start));
        let what = "registers the organisations and people of the pack's roles";
        show.told(&app, "admin", what).await?;

        let mut stage =
            Stage { app, clock, cast, show, given: Map::new(), has_emergency_plan: false };
        let figures = Box::pin(stage.play(&source)).await?;
        stage.show.summary(&figures);
        stage.app.close().await;
        if !self.json {
            println!("next: shuyu ledger verify --dir {}", dir.display());
        }
        Ok(Done::Well)
    }
}

impl Stage {
    /// The steps after the founding, and the figures that they come to.
    async fn play(&mut self, source: &data::Source) -> Result<Vec<(&'static str, Value)>, Failed> {
        self.show.step("Supply: register, upload, check, review");
        let supplied = self.supply(source).await?;
        let chosen = data::choose(&supplied)?;

        self.show.step("Admit an operator");
        let agreement = self.admit().await?;

        self.show.step("Open access");
        self.open_access(agreement).await?;

        self.show.step("Grant: scenario and data request");
        let made = self.grant(agreement, chosen).await?;

        self.show.step("Work in the domain");
        let session = self.work(&made, chosen).await?;
        let job = self.produce(&made, chosen).await?;

        self.show.step("Release at the one gate");
        let release = self.release(job).await?;

        self.show.step("Product: registered, reviewed, priced, listed");
        let products = self.products(release, chosen).await?;

        self.show.step("Deliver, meter, invoice, share");
        let sold = self.sell(&made, &products).await?;

        self.show.step("Supervise: alert, suspension, rectification, evaluation, reports");
        let cut = self.supervise(&made, session, &sold, chosen).await?;

        self.show.step("Exit: access closes, data are destroyed");
        self.exit(&made, &sold).await?;

        self.show.step("Prove");
        let checkpoint = self.prove().await?;
        Ok(vec![
            ("entries in the ledger", json!(self.app.desk().size().await?)),
            ("rows supplied", json!(supplied.iter().map(|it| it.rows).sum::<u64>())),
            ("rows in quarantine", json!(supplied.iter().map(|it| it.quarantined).sum::<u64>())),
            ("proceeds", json!(sold.proceeds)),
            ("split", json!(sold.split)),
            ("cut after suspension", json!(cut)),
            ("checkpoint", json!(checkpoint)),
        ])
    }

    async fn admit(&mut self) -> Result<AgreementId, Failed> {
        let plan = Errand::new("plan", "what the authorisation rests on");
        self.run(plan).await?;
        let operator = self.cast.operator;
        let errand = Errand {
            parties: vec![operator],
            ..Errand::new("admission", "authorised operation of public data")
        }
        .give("operator", operator.to_string());
        let errand = if self.app.law().parameter("agreement_term").is_none() {
            // The city leaves the term to the parties.
            let today = self.app.law().local_date(self.app.now());
            let to = today.checked_add_months(chrono::Months::new(36)).unwrap_or(today);
            errand.give("from", today.to_string()).give("to", to.to_string())
        } else {
            errand
        };
        let case = self.run(errand).await?.ok_or("the city has no way to admit an operator")?;
        let agreement: AgreementId = same_number(case);
        self.given.insert("agreement".to_owned(), json!(agreement));
        Ok(agreement)
    }

    async fn open_access(&mut self, agreement: AgreementId) -> Result<(), Failed> {
        let people: Vec<Value> =
            self.cast.operators().map(|member| json!(member.actor.person)).collect();
        let today = self.app.law().local_date(self.app.now());
        let roles: Vec<String> = self
            .app
            .law()
            .parameter("training_roles")
            .map(|it| it.ids().into_iter().map(str::to_owned).collect())
            .unwrap_or_default();
        let training: Vec<Value> = roles
            .iter()
            .zip(people.iter().cycle())
            .map(|(role, person)| {
                json!({
                    "person": person, "role": role, "course": "data security and the law",
                    "date": today, "passed": true,
                })
            })
            .collect();
        let operator = self.cast.operator;
        let errand = Errand {
            agreement: Some(agreement),
            parties: vec![operator],
            ..Errand::new("access", "staff of the operator")
        }
        .give("people", people)
        .give("training", training);
        self.run(errand).await?;
        Ok(())
    }

    async fn grant(&mut self, agreement: AgreementId, chosen: &Supplied) -> Result<Made, Failed> {
        let (operator, provider) = (self.cast.operator, chosen.provider);
        let parties = [operator, provider];
        let fields: Vec<Value> = chosen
            .columns()
            .iter()
            .map(|column| {
                json!({
                    "resource": chosen.resource, "column": column,
                    "necessity": "needed for the figures by area that the scenario is about",
                })
            })
            .collect();
        let errand = Errand {
            agreement: Some(agreement),
            parties: parties.to_vec(),
            ..Errand::new("scenario", "figures by area for planning")
        }
        .give("title", "figures by area for planning")
        .give("purpose", "publish figures on which services can be planned")
        .give("use_kind", "industry")
        .give("fields", fields);
        let case = self.run(errand).await?.ok_or("the city approves no scenarios")?;
        let scenario: ScenarioId = same_number(case);
        self.given.insert("scenario".to_owned(), json!(scenario));

        let people: Vec<Value> =
            self.cast.operators().map(|member| json!(member.actor.person)).collect();
        let today = self.app.law().local_date(self.app.now());
        let until = today.checked_add_months(chrono::Months::new(24)).unwrap_or(today);
        let errand = Errand {
            agreement: Some(agreement),
            parties: parties.to_vec(),
            ..Errand::new("data_request", "data for the scenario")
        }
        .give("items", json!([{ "resource": chosen.resource, "columns": chosen.columns() }]))
        .give("operations", json!(["develop", "ask", "produce"]))
        .give("form_of_use", "usable_not_visible")
        .give("returned_provincial", false)
        .give("shared_in", false)
        .give("people", people)
        .give("from", today.to_string())
        .give("to", until.to_string());
        let case = self.run(errand).await?.ok_or("the city grants no data")?;
        Ok(Made { agreement, grant: same_number(case) })
    }

    async fn prove(&mut self) -> Result<String, Failed> {
        let auditor = self.app.sign_in("auditor", cast::PASSWORD).await?;
        let auditor = self.app.actor_of(&auditor).await?;
        let faults = self.app.verify_for(&auditor).await?;
        if let Some(fault) = faults.first() {
            return Err(format!("the ledger does not verify: {fault}").into());
        }
        let size = self.app.desk().size().await?;
        self.app.prove_inclusion(0, size).await?;
        let faults = self.app.desk().rebuild().await?;
        if let Some(fault) = faults.first() {
            return Err(format!("rebuilding gives another state: {fault}").into());
        }
        let what = format!("verifies {size} entries and rebuilds every state from them: equal");
        self.told("auditor", &what).await?;
        self.app.export_ledger(&self.app.dir().join("ledger")).await?;
        let note = self.app.desk().checkpoint().await?.unwrap_or_default();
        Ok(note.lines().take(3).collect::<Vec<_>>().join(" "))
    }
}

/// Nine in the morning, where the law applies, of the first working day on which it is in force.
fn first_morning(law: &Law) -> Result<DateTime<Utc>, Failed> {
    let regulation = &law.regulation;
    let first = [regulation.effective, regulation.published].into_iter().flatten().next();
    let day = match first {
        Some(day) => day,
        // A draft that names no day runs from a day of ours.
        None => NaiveDate::from_ymd_opt(2024, 3, 1).ok_or("no such day")?,
    };
    let mut day = day.succ_opt().ok_or("no such day")?;
    while !law.calendar.is_working_day(day) {
        day = day.succ_opt().ok_or("no such day")?;
    }
    let morning = day.and_hms_opt(9, 0, 0).ok_or("no such hour")?;
    Ok(morning.and_utc() - Duration::hours(i64::from(law.utc_offset_hours)))
}

/// The id of another kind with the same number: what a case makes has the number of the case.
fn same_number<I: Id>(of: impl Id) -> I {
    I::from_u128(of.to_u128())
}
