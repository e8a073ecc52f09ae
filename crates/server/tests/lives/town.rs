//! A deployment of a city with an agreement, and what is sold under it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Map, Value, json};
use shuyu_casework::{Agreement, Organisation, agreement, organisation, simulate, view::View};
use shuyu_enclave::{
    Begin, Finding, Grant, GrantCommand, Item, Job, JobCommand, Label, Operation, Priority,
    Program, Proposal, Record, Release, ReleaseCommand, Specification, Terms, Verdict,
};
use shuyu_kernel::{
    Actor, AgreementId, CaseId, Clock, ContentHash, DatasetId, Fen, GrantId, Id, JobId,
    OrganisationId, ProductId, ReleaseId, Role, SeededEntropy, Share, SubscriptionId, VirtualClock,
};
use shuyu_law::{Packs, Stage};
use shuyu_market::{
    Amount, ChargeUnit, Comparison, Parameter, Price, PriceCommand, Product, ProductCommand,
    ProductDraft, QueryTemplate, Registration, ReleaseFacts, Review, ScenarioFacts,
    SubscriptionOrder, Substance, ValueType,
};
use shuyu_server::app::{Access, Act, App, Deployment};
use shuyu_store::{ActError, Unit};
use shuyu_vault::{Dataset, DatasetCommand};
use tempfile::TempDir;

/// The released table that everything sold rests on.
pub(crate) const TABLE: &[u8] =
    b"district,year,claims\nnorth,2023,412\nnorth,2024,1020\nsouth,2024,77\n";
/// What a use costs.
pub(crate) const FEN: i64 = 7;

/// A deployment that was just founded, with a clock that stands still.
pub(crate) struct Town {
    pub(crate) app: App,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) operator: OrganisationId,
    pub(crate) authority: OrganisationId,
    pub(crate) consumer: OrganisationId,
    pub(crate) folder: TempDir,
}

impl Town {
    pub(crate) async fn new(city: &str) -> Self {
        Self::at(city, "2026-03-02T02:00:00Z").await
    }

    pub(crate) async fn at(city: &str, now: &str) -> Self {
        let folder = TempDir::new().expect("a directory");
        let now: DateTime<Utc> = now.parse().expect("an instant");
        let clock = Arc::new(VirtualClock::new(now));
        let entropy = Arc::new(SeededEntropy::new(3));
        let packs = Packs::embedded();
        let dir = folder.path().join("d");
        let deployment = Deployment::found(&dir, city, &packs, None, &*entropy).expect("founded");
        let app = App::open(deployment, Arc::clone(&clock) as _, entropy).await.expect("opens");
        let first = ("admin", "Correct-horse-7"); // pragma: allowlist secret
        let second = ("auditor", "Correct-horse-8"); // pragma: allowlist secret
        app.found(first, second).await.expect("founded");
        let mut town = Self {
            operator: Id::from_u128(0),
            authority: Id::from_u128(0),
            consumer: Id::from_u128(0),
            app,
            clock,
            folder,
        };
        town.operator = town.organisation("operator").await;
        town.authority = town.organisation("authority").await;
        town.consumer = town.organisation("product_user").await;
        town
    }

    /// The same deployment, after its process ended and began again.
    pub(crate) async fn restarted(self) -> Self {
        let Self { app, clock, operator, authority, consumer, folder } = self;
        drop(app);
        let dir = folder.path().join("d");
        let deployment = Deployment::open(&dir, Access::Act).expect("opens");
        let entropy = Arc::new(SeededEntropy::new(4));
        let app = App::open(deployment, Arc::clone(&clock) as _, entropy).await.expect("opens");
        Self { app, clock, operator, authority, consumer, folder }
    }

    async fn organisation(&self, role: &str) -> OrganisationId {
        let id = self.app.fresh();
        // What the register says of an operator whom the city's conditions let in.
        let forms = self.app.law().parameter("operator_legal_forms");
        let form = forms.and_then(|forms| forms.ids().first().map(|id| (*id).to_owned()));
        let register = organisation::Command::Register {
            name: format!("the {role}"),
            roles: [role.to_owned()].into(),
            record: organisation::Record {
                legal_form: form.unwrap_or_else(|| "legal_person".to_owned()),
                ownership: "state_owned".to_owned(),
                ..organisation::Record::default()
            },
        };
        let unit = self.app.desk().unit(&Actor::system());
        unit.follow::<Organisation>(id, register, &[]).await.expect("registered");
        unit.commit().await.expect("committed");
        id
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn today(&self) -> NaiveDate {
        self.app.law().local_date(self.now())
    }

    /// Person `number` of an organisation, in these roles and those that come with them.
    pub(crate) fn person(
        &self,
        organisation: OrganisationId,
        number: u128,
        roles: &[&str],
    ) -> Actor {
        let all = roles.iter().flat_map(|role| self.app.law().roles_of(role));
        Actor {
            person: Id::from_u128(organisation.to_u128() ^ number),
            organisation,
            roles: all.map(Role::new).collect(),
        }
    }

    pub(crate) fn analyst(&self) -> Actor {
        self.person(self.operator, 1, &["operator"])
    }

    pub(crate) fn officer(&self) -> Actor {
        self.person(self.authority, 1, &["authority"])
    }

    pub(crate) fn buyer(&self) -> Actor {
        self.person(self.consumer, 1, &["product_user"])
    }

    /// Does some acts together, as consequences of what was permitted elsewhere.
    pub(crate) async fn follow<F, Fut, T>(&self, actor: &Actor, work: F) -> T
    where
        F: Fn(Unit) -> Fut,
        Fut: Future<Output = Result<T, ActError>>,
    {
        self.app.desk().run(actor, work).await.expect("follows")
    }

    /// An agreement of two years from today, begun, on a trial of so many months before.
    pub(crate) async fn agreement(&self, trial_months: u32) -> AgreementId {
        let id: AgreementId = self.app.fresh();
        let from = self.today();
        let to = from.checked_add_months(chrono::Months::new(24 + trial_months));
        let share = |party: &str, weight| Share { party: party.to_owned(), weight };
        let terms = agreement::Terms {
            case: self.app.fresh(),
            operator: self.operator,
            signatories: vec![self.authority],
            from,
            to: to.and_then(|day| day.pred_opt()).expect("a day"),
            trial_months,
            shares: vec![share("operator", 3), share("authority", 1)],
            scope: "health".to_owned(),
            text: ContentHash::of(b"text"),
        };
        self.follow(&Actor::system(), |unit| {
            let sign = agreement::Command::Sign(Box::new(terms.clone()));
            async move {
                unit.follow::<Agreement>(id, sign, &[]).await?;
                unit.follow::<Agreement>(id, agreement::Command::Activate, &[]).await
            }
        })
        .await;
        id
    }

    pub(crate) async fn status(&self, id: AgreementId) -> String {
        let found = self.app.desk().find::<Agreement>(id).await.expect("reads");
        found.expect("it is there").1.status.name().to_owned()
    }

    /// A grant under the agreement, until the end of its term.
    pub(crate) async fn grant(&self, agreement: AgreementId) -> GrantId {
        let id: GrantId = self.app.fresh();
        let item = Item {
            resource: self.app.fresh(),
            dataset: self.app.fresh(),
            table: "claims".to_owned(),
            columns: [("district".to_owned(), Label::Join)].into(),
            subject_key: None,
            subject_kind: None,
            facts: std::collections::BTreeMap::new(),
            barrier: shuyu_enclave::Barrier::default(),
        };
        let terms = Terms {
            agreement,
            scenario: self.app.fresh(),
            operator: self.operator,
            items: vec![item],
            operations: [Operation::Produce].into(),
            people: [self.analyst().person].into(),
            from: self.now(),
            to: self.now() + Duration::days(900),
        };
        self.follow(&Actor::system(), |unit| {
            let issue = GrantCommand::Issue {
                id,
                terms: Box::new(terms.clone()),
                agreement_is_active: true,
            };
            async move { unit.follow::<Grant>(id, issue, &[]).await.map(drop) }
        })
        .await;
        id
    }

    /// The table, as the output of a job that was released.
    async fn release(&self, grant: GrantId) -> ReleaseId {
        let (job, release): (JobId, ReleaseId) = (self.app.fresh(), self.app.fresh());
        // The gate looks for a job's output under the job's own number.
        let dataset: DatasetId = Id::from_u128(job.to_u128());
        let sealed = self.app.vault().put_sealed(dataset, 1, TABLE.to_vec()).await;
        let manifest = sealed.expect("sealed");
        let issued = self.app.desk().find::<Grant>(grant).await.expect("reads").expect("a grant").1;
        let specification = Box::new(Specification {
            grant,
            program: Program::sql("SELECT 1"),
            purpose: "industrial_development".to_owned(),
            versions: Vec::new(),
            pack: issued.pack.clone(),
        });
        let package = ContentHash::of(TABLE);
        let found = Finding {
            check: "direct-identifiers".to_owned(),
            verdict: Verdict::Pass,
            reason: "none found".to_owned(),
        };
        let proposal = Box::new(Proposal {
            package,
            purpose: "industrial_development".to_owned(),
            form: "data_package".to_owned(),
            record: Record { package, rows: 3, findings: vec![found] },
            salt: "00".to_owned(),
        });
        let (operator, agreement) = (self.operator, issued.terms.agreement);
        self.follow(&self.analyst(), |unit| {
            let (specification, proposal) = (specification.clone(), proposal.clone());
            let (issued, manifest) = (Box::new(issued.clone()), manifest.clone());
            let reviewers = [2, 3].map(|n| self.person(self.authority, n, &["authority"]));
            async move {
                let create = DatasetCommand::Create {
                    id: dataset,
                    resource: Id::from_u128(1),
                    owner: operator,
                    agreement: Some(agreement),
                    name: format!("output of {job}"),
                };
                unit.follow::<Dataset>(dataset, create, &[]).await?;
                let commit = DatasetCommand::CommitVersion { manifest };
                unit.follow::<Dataset>(dataset, commit, &[]).await?;
                let start =
                    JobCommand::Start { specification: specification.clone(), most_attempts: 1 };
                let submit = JobCommand::Submit {
                    id: job,
                    specification,
                    grant: issued,
                    priority: Priority::Normal,
                    begin: Begin::ByHand,
                };
                unit.follow::<Job>(job, submit, &[]).await?;
                unit.follow::<Job>(job, start, &[]).await?;
                let done = JobCommand::Succeed { package, rows: 3 };
                let done = unit.follow::<Job>(job, done, &[]).await?.state;
                let content = proposal.hash();
                let (job, providers) = (Box::new(done), BTreeSet::new());
                let submit = ReleaseCommand::Submit { id: release, job, providers, proposal };
                unit.follow::<Release>(release, submit, &[]).await?;
                for reviewer in reviewers {
                    let unit = unit.on_behalf_of(reviewer);
                    let approve = ReleaseCommand::Approve { content };
                    unit.follow::<Release>(release, approve, &[]).await?;
                }
                Ok(())
            }
        })
        .await;
        release
    }

    /// A product of the released table, on offer at [`FEN`] a use.
    pub(crate) async fn product(&self, agreement: AgreementId, substance: Substance) -> ProductId {
        let grant = self.grant(agreement).await;
        let release = self.release(grant).await;
        let id: ProductId = self.app.fresh();
        let scenario = self.app.fresh();
        let unit_of_charge = match &substance {
            Substance::Package => ChargeUnit::Package,
            Substance::Api { .. } => ChargeUnit::Call,
        };
        let draft = ProductDraft {
            title: "Claims by district".to_owned(),
            form: "api".to_owned(),
            substance,
            use_kind: "industry".to_owned(),
            purposes: BTreeSet::new(),
            content: ContentHash::of(TABLE),
            agreement: shuyu_market::AgreementFacts {
                id: agreement,
                operator: self.operator,
                is_active: true,
            },
            scenario: ScenarioFacts { id: scenario, agreement, is_approved: true },
            release: ReleaseFacts {
                id: release,
                agreement,
                scenario,
                content: Some(ContentHash::of(TABLE)),
                providers: BTreeSet::new(),
                is_from_free_data: true,
            },
        };
        let authority = self.authority;
        let propose = PriceCommand::Propose {
            product: id,
            operator: self.operator,
            amount: Amount { unit: unit_of_charge, fen: Fen(FEN) },
            basis: "cost".to_owned(),
            method: None,
        };
        self.follow(&self.analyst(), |unit| {
            let (draft, propose, officer) = (draft.clone(), propose.clone(), self.officer());
            async move {
                let mut steps = vec![ProductCommand::Draft(Box::new(draft))];
                steps.extend(steps_to_offer(authority));
                for step in steps {
                    unit.follow::<Product>(id, step, &[]).await?;
                }
                unit.follow::<Price>(id, propose, &[]).await?;
                let file = PriceCommand::File { receipt: "B-1".to_owned() };
                unit.follow::<Price>(id, file, &[]).await?;
                let agree = PriceCommand::Agree { decision: "D-1".to_owned() };
                unit.on_behalf_of(officer).follow::<Price>(id, agree, &[]).await?;
                unit.follow::<Price>(id, PriceCommand::Set, &[]).await
            }
        })
        .await;
        id
    }

    /// Subscribes the consumer, and gives the key.
    pub(crate) async fn subscription(
        &self,
        product: ProductId,
        quota: Option<u64>,
    ) -> (SubscriptionId, String) {
        let subscribed = self.app.subscribe(&self.buyer(), product, order(quota)).await;
        let (id, key) = subscribed.expect("subscribed");
        (id, key.unwrap_or_default())
    }

    /// Takes the case on by the first outcome of each stage, until it is at `until`.
    pub(crate) async fn walk(&self, id: CaseId, until: &str, given: &Map<String, Value>) -> View {
        loop {
            let view = self.app.case(&Actor::system(), id).await.expect("a case");
            match &view.stage {
                Some(stage) if stage.id != until => self.pass(&view, given).await,
                _ => return view,
            }
        }
    }

    /// Everyone acts who must, so that the stage closes with its first good outcome.
    async fn pass(&self, view: &View, given: &Map<String, Value>) {
        let (stage, has_form) = self.stage(view);
        if let Some(not_before) = view.stage.as_ref().and_then(|stage| stage.not_before) {
            self.clock.advance_to(not_before + Duration::seconds(1));
        }
        for (number, (role, actor)) in self.voices(view, &stage).into_iter().enumerate() {
            let now = self.app.case(&actor, view.id).await.expect("a case");
            if now.stage.as_ref().is_none_or(|current| current.id != stage.id) {
                break;
            }
            let form = has_form.then(|| self.form(view, given)).flatten().filter(|_| number == 0);
            let mut act = Self::act(&now, &stage, role, form);
            if number == 0 {
                for name in now.stage.iter().flat_map(|stage| &stage.documents) {
                    let text = format!("{name} of {}", view.id).into_bytes();
                    let hash = self.app.keep_document(&actor, text).await.expect("kept");
                    act.documents.insert(name.clone(), hash);
                }
            }
            let acted = self.app.act_in_case(&actor, view.id, act).await;
            acted.unwrap_or_else(|why| panic!("{}/{}: {why:?}", view.procedure, stage.id));
            self.clock.advance(Duration::minutes(1));
        }
    }

    /// The act that leads on from a stage.
    pub(crate) fn act(view: &View, stage: &Stage, role: String, form: Option<Value>) -> Act {
        Act {
            stage: stage.id.clone(),
            outcome: simulate::onward(stage).expect("an outcome").id.clone(),
            role: Some(role),
            form,
            documents: BTreeMap::new(),
            reason: None,
            read: view.content,
        }
    }

    /// The stage that a case is in, and whether it has a form.
    pub(crate) fn stage(&self, view: &View) -> (Stage, bool) {
        let current = view.stage.as_ref().expect("a stage");
        let procedure = self.app.law().procedure(&view.procedure).expect("a procedure");
        let stage = procedure.stage(&current.id).expect("a stage").clone();
        (stage, current.form.is_some())
    }

    /// What is filled in at the stage that a case is in.
    pub(crate) fn form(&self, view: &View, given: &Map<String, Value>) -> Option<Value> {
        let stage = view.stage.as_ref()?;
        let schema = self.app.law().form(&view.procedure, &stage.id)?;
        let mut earlier = Map::new();
        for act in view.acts.iter().filter(|act| !act.negative) {
            if let Some(Value::Object(form)) = &act.form {
                earlier.extend(form.clone());
            }
        }
        let today = self.today();
        let mut all = simulate::given(self.app.law(), today, earlier);
        all.remove("agreement");
        all.insert("operator".to_owned(), json!(self.operator));
        all.extend(given.clone());
        Some(simulate::example(schema, &all, &today.to_string()))
    }

    /// Who takes a stage to its outcome: for each role that must act, and as many as must agree.
    pub(crate) fn voices(&self, view: &View, stage: &Stage) -> Vec<(String, Actor)> {
        let kept_out: BTreeSet<_> = view
            .acts
            .iter()
            .filter(|act| stage.unlike.contains(&act.stage))
            .map(|act| act.person)
            .collect();
        let persons = view.stage.as_ref().map_or(1, |stage| stage.persons);
        let roles =
            if stage.every { &stage.actors[..] } else { stage.actors.get(..1).unwrap_or_default() };
        let wanted = persons.max(roles.len());
        let mut voices: Vec<(String, Actor)> = Vec::new();
        for number in 1_u32.. {
            for role in roles {
                let actor = self.holder(role, number);
                if voices.len() < wanted && !kept_out.contains(&actor.person) {
                    voices.push((role.clone(), actor));
                }
            }
            if voices.len() >= wanted {
                break;
            }
        }
        voices
    }

    /// Person `number` of whoever holds a role: the town's own organisations, or a made-up one.
    fn holder(&self, role: &str, number: u32) -> Actor {
        let own = [("operator", self.operator), ("authority", self.authority)];
        let made_up = simulate::actor(self.app.law(), role, number);
        let found = own.iter().find(|(own, _)| {
            simulate::actor(self.app.law(), own, 1).organisation == made_up.organisation
        });
        match found {
            Some((own, organisation)) => self.person(*organisation, number.into(), &[*own]),
            None => made_up,
        }
    }
}

/// What the consumer orders.
pub(crate) fn order(quota: Option<u64>) -> SubscriptionOrder {
    SubscriptionOrder {
        purpose: "industrial_development".to_owned(),
        statement: "to plan clinics".to_owned(),
        quota,
        until: None,
        no_resale: true,
    }
}

/// An API on the table.
pub(crate) fn api() -> Substance {
    Substance::Api {
        template: QueryTemplate {
            parameters: vec![Parameter {
                name: "district".to_owned(),
                column: "district".to_owned(),
                value_type: ValueType::Text,
                comparison: Comparison::Equal,
                required: true,
            }],
            columns: vec!["year".to_owned(), "claims".to_owned()],
            row_limit: 10,
        },
    }
}

/// What is asked of the API.
pub(crate) fn north() -> BTreeMap<String, Value> {
    [("district".to_owned(), json!("north"))].into()
}

/// The steps that bring a draft on offer in any of the cities.
fn steps_to_offer(authority: OrganisationId) -> Vec<ProductCommand> {
    let review = |role: &str, person| ProductCommand::Review {
        review: Review {
            role: role.to_owned(),
            reviewer: Id::from_u128(person),
            organisation: authority,
            content: ContentHash::of(TABLE),
            passed: true,
            opinion: "lawful".to_owned(),
        },
        by_case: true,
    };
    let fields = ["price", "price_basis", "scenario", "use_scope", "use_mode"];
    vec![
        ProductCommand::Register(Registration {
            venue: Some("exchange".to_owned()),
            number: "R-1".to_owned(),
            exemption: None,
        }),
        ProductCommand::File {
            fields: fields.map(|field| (field.to_owned(), "as agreed".to_owned())).into(),
        },
        review("authority", 21),
        review("expert_panel", 22),
        review("platform_operator", 23),
        ProductCommand::List { agreement_is_active: true },
    ]
}

/// The rule that refuses, or what else it came to.
pub(crate) fn refused<T>(outcome: Result<T, ActError>) -> String {
    match outcome {
        Ok(_) => "nothing".to_owned(),
        Err(ActError::Refused(refusal)) => {
            assert!(!refusal.clauses.is_empty(), "{} cites no clause", refusal.rule);
            refusal.rule
        }
        Err(other) => panic!("{other}"),
    }
}
