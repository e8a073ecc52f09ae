//! A domain on a real desk and a real vault, under the law of a city.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{Int64Array, StringArray},
    record_batch::RecordBatch,
};
use chrono::Duration;
use shuyu_enclave::{
    Barrier, Consent, Consents, Enclave, Given, Grant, GrantCommand, Item, Job, Label, Limits,
    Operation, Release, Schedule, Session, SubjectKind, Submission, Tally, Terms, Usage,
};
use shuyu_kernel::{
    Actor, AgreementId, Clock as _, DatasetId, GrantId, Id, ResourceId, ScenarioId, SessionId,
};
use shuyu_law::{Law, Text};
use shuyu_store::{ActError, Desk, Registry, StreamId, Trail};
use shuyu_testkit::{Backend, TestDesk, actor, organisation};
use shuyu_vault::{
    Dataset, DatasetCommand, DatasetSpec, FieldRole, FieldSpec, FieldType, Manifest, Vault,
};

pub const CITIES: [&str; 5] = ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"];
pub const OPERATOR: u128 = 7;
pub const GRANT: u128 = 11;
pub const PERSONS: u128 = 1;
pub const STOPS: u128 = 2;
/// A dataset of the same city that is not granted.
pub const CLINIC: u128 = 3;
/// Another operator, with a grant and an analyst of its own.
pub const OTHER: u128 = 12;
pub const VICTIM: &str = "330106199003070011";
pub const VICTIMS_INCOME: &str = "876543";

/// The analyst who is named in the grant.
pub fn analyst() -> Actor {
    actor(1, OPERATOR, &["operator"])
}

/// A colleague who is not.
pub fn colleague() -> Actor {
    actor(2, OPERATOR, &["operator"])
}

/// A reviewer of the authority.
pub fn reviewer(number: u128) -> Actor {
    actor(number, 8, &["authority"])
}

pub fn registry() -> Registry {
    Registry::new()
        .with::<Dataset>()
        .with::<Grant>()
        .with::<Session>()
        .with::<Job>()
        .with::<Release>()
        .with::<Given>()
        .with::<Tally>()
        .with::<Usage>()
        .with::<Schedule>()
        .with::<Consent>()
        .with::<Consents>()
}

/// A domain with persons, who are protected, and stops, which are about nobody.
pub struct World {
    pub test: TestDesk,
    pub enclave: Enclave,
    pub vault: Vault,
    pub grant: GrantId,
}

pub fn field(name: &str, kind: FieldType, role: FieldRole) -> FieldSpec {
    FieldSpec { name: name.into(), title: String::new(), kind, role, required: false, scale: None }
}

pub fn spec(name: &str, fields: Vec<FieldSpec>, key: Option<&str>) -> DatasetSpec {
    DatasetSpec {
        file: String::new(),
        name: name.into(),
        title: Text::default(),
        provider: String::new(),
        subject_key: key.map(str::to_owned),
        subject_kind: key
            .map_or(shuyu_vault::SubjectKind::None, |_| shuyu_vault::SubjectKind::Person),
        level: 2,
        sharing: String::new(),
        opening: String::new(),
        update_cycle: String::new(),
        fields,
    }
}

/// What is known of a person.
pub struct Row {
    pub id_no: String,
    pub gender: &'static str,
    pub district: &'static str,
    pub street: String,
    pub birth_year: i64,
    pub income: i64,
    pub phone: String,
}

/// So many people and, last, the victim, who is alone in a year of birth.
pub fn rows(people: i64) -> Vec<Row> {
    let street = |district: &str| format!("street of {district}");
    let mut rows: Vec<Row> = (0..people)
        .map(|n| {
            let district = super::DISTRICTS[usize::try_from(n % 7 % 3).unwrap()];
            Row {
                id_no: format!("3301061980{n:08}"),
                gender: if n % 2 == 0 { "F" } else { "M" },
                district,
                street: street(district),
                birth_year: 1980 + n % 3,
                income: 50_001 + n * 137,
                phone: format!("138{n:08}"),
            }
        })
        .collect();
    rows.push(Row {
        id_no: VICTIM.to_owned(),
        gender: "F",
        district: "XIHU",
        street: street("XIHU"),
        birth_year: 1990,
        income: 876_543,
        phone: "13800138000".to_owned(),
    });
    rows
}

pub fn persons(people: i64) -> (DatasetSpec, RecordBatch) {
    let text = |name: &str, role| field(name, FieldType::Text, role);
    let number = |name: &str, role| field(name, FieldType::Integer, role);
    let spec = spec(
        "persons",
        vec![
            text("id_no", FieldRole::Identifier),
            text("gender", FieldRole::Dimension),
            text("district", FieldRole::Dimension),
            text("street", FieldRole::Dimension),
            number("birth_year", FieldRole::Dimension),
            number("income", FieldRole::Measure),
            text("phone", FieldRole::Identifier),
        ],
        Some("id_no"),
    );
    let rows = rows(people);
    let texts = |of: fn(&Row) -> &str| {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>()) as _
    };
    let numbers =
        |of: fn(&Row) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as _;
    let batch = RecordBatch::try_new(
        spec.schema(),
        vec![
            texts(|row| &row.id_no),
            texts(|row| row.gender),
            texts(|row| row.district),
            texts(|row| &row.street),
            numbers(|row| row.birth_year),
            numbers(|row| row.income),
            texts(|row| &row.phone),
        ],
    )
    .unwrap();
    (spec, batch)
}

/// Stops of a bus: about nobody, and one district has a single one.
fn stops() -> (DatasetSpec, RecordBatch) {
    let spec = spec(
        "stops",
        vec![
            field("district", FieldType::Text, FieldRole::Dimension),
            field("lines", FieldType::Integer, FieldRole::Measure),
        ],
        None,
    );
    let districts: Vec<&str> =
        (0..40).map(|n| if n == 39 { "CHUNAN" } else { super::DISTRICTS[n % 2] }).collect();
    let batch = RecordBatch::try_new(
        spec.schema(),
        vec![
            Arc::new(StringArray::from(districts)),
            Arc::new(Int64Array::from_iter_values((0..40).map(|n| n % 5 + 1))),
        ],
    )
    .unwrap();
    (spec, batch)
}

pub fn item(table: &str, dataset: u128, columns: &[(&str, Label)], key: Option<&str>) -> Item {
    Item {
        resource: ResourceId::from_u128(dataset),
        dataset: DatasetId::from_u128(dataset),
        table: table.to_owned(),
        columns: columns.iter().map(|(name, label)| ((*name).to_owned(), label.clone())).collect(),
        subject_key: key.map(str::to_owned),
        subject_kind: key.map(|_| SubjectKind::Person),
        facts: BTreeMap::new(),
        barrier: Barrier::default(),
    }
}

/// What is granted: of persons all but the telephone, and the stops.
pub fn items() -> Vec<Item> {
    vec![
        item(
            "persons",
            PERSONS,
            &[
                ("id_no", Label::Join),
                ("gender", Label::dimension()),
                ("district", Label::dimension()),
                ("street", Label::dimension()),
                ("birth_year", Label::dimension()),
                ("income", Label::measure()),
            ],
            Some("id_no"),
        ),
        item(
            "stops",
            STOPS,
            &[("district", Label::dimension()), ("lines", Label::measure())],
            None,
        ),
    ]
}

impl World {
    /// The domain of a city, with 300 persons.
    pub async fn new(city: &str) -> Self {
        Self::with(city, Limits::default()).await
    }

    pub async fn with(city: &str, limits: Limits) -> Self {
        Self::on(&Backend::Sqlite, city, limits).await
    }

    /// The same on a database of this kind.
    pub async fn on(backend: &Backend, city: &str, limits: Limits) -> Self {
        let law = Law::load(city).expect("an embedded pack");
        let test = TestDesk::on(backend, registry(), law).await;
        let vault = Vault::local(
            &test.folder().join("vault"),
            Arc::clone(&test.clock) as _,
            Arc::clone(&test.entropy) as _,
        )
        .unwrap();
        let enclave = open(&test, test.desk.clone(), &vault, limits);
        let grant = GrantId::from_u128(GRANT);
        let world = Self { test, enclave, vault, grant };
        world.supply(PERSONS, 1, persons(300)).await;
        world.supply(STOPS, 1, stops()).await;
        world.supply(CLINIC, 1, persons(50)).await;
        world.issue(grant).await;
        world
    }

    pub fn desk(&self) -> &Desk {
        &self.test.desk
    }

    /// Stores a version of a dataset.
    pub async fn supply(
        &self,
        dataset: u128,
        version: u32,
        (spec, batch): (DatasetSpec, RecordBatch),
    ) {
        let id = DatasetId::from_u128(dataset);
        let manifest = self.vault.write(id, version, &spec, vec![batch]).await.unwrap();
        let unit = self.desk().unit(&Actor::system());
        if version == 1 {
            let create = DatasetCommand::Create {
                id,
                resource: ResourceId::from_u128(dataset),
                owner: organisation(9),
                agreement: None,
                name: spec.name.clone(),
            };
            unit.follow::<Dataset>(id, create, &[]).await.unwrap();
        }
        let commit = DatasetCommand::CommitVersion { manifest };
        unit.follow::<Dataset>(id, commit, &[]).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// A new delivery of the persons, with one more.
    pub async fn supply_persons_again(&self) {
        self.supply(PERSONS, 2, persons(301)).await;
    }

    /// Issues a grant on everything for everything.
    pub async fn issue(&self, id: GrantId) {
        self.issue_to(id, &analyst(), items()).await;
    }

    /// Issues a grant on some tables for everything.
    pub async fn issue_to(&self, id: GrantId, to: &Actor, items: Vec<Item>) {
        let all = [Operation::Develop, Operation::Ask, Operation::Produce];
        self.issue_for(id, to, items, all.into()).await;
    }

    /// Issues a grant on some tables for some operations.
    pub async fn issue_for(
        &self,
        id: GrantId,
        to: &Actor,
        items: Vec<Item>,
        operations: BTreeSet<Operation>,
    ) {
        let now = self.test.clock.now();
        let terms = Terms {
            agreement: AgreementId::from_u128(21),
            scenario: ScenarioId::from_u128(31),
            operator: to.organisation,
            items,
            operations,
            people: BTreeSet::from([to.person]),
            from: now - Duration::days(1),
            to: now + Duration::days(30),
        };
        self.of_grant(
            id,
            GrantCommand::Issue { id, terms: Box::new(terms), agreement_is_active: true },
        )
        .await;
    }

    pub async fn of_grant(&self, id: GrantId, command: GrantCommand) {
        Self::of_grant_at(self.desk(), id, command).await;
    }

    async fn of_grant_at(desk: &Desk, id: GrantId, command: GrantCommand) {
        let unit = desk.unit(&Actor::system());
        unit.follow::<Grant>(id, command, &[]).await.unwrap();
        unit.commit().await.unwrap();
    }

    pub async fn suspend(&self) {
        self.suspend_at(self.desk()).await;
    }

    /// The same, by another process.
    pub async fn suspend_at(&self, desk: &Desk) {
        let suspend = GrantCommand::Suspend { reason: "an alert".to_owned() };
        Self::of_grant_at(desk, self.grant, suspend).await;
    }

    pub async fn restore(&self) {
        self.of_grant(self.grant, GrantCommand::Restore { agreement_is_active: true }).await;
    }

    pub async fn session(&self, operation: Operation) -> SessionId {
        self.enclave.open_session(&analyst(), self.grant, operation).await.unwrap()
    }

    /// A job that has run, and its output.
    pub async fn produced(&self, sql: &str) -> Job {
        let id = self
            .enclave
            .submit_job(&analyst(), self.grant, &Submission::sql(sql, "statistics"))
            .await
            .unwrap();
        self.enclave.run_job(&analyst(), id).await.unwrap()
    }

    /// The acts that the log holds of something, refusals with their rule.
    pub async fn log_of(&self, stream: StreamId) -> Vec<String> {
        let entries = self.desk().entries(&Trail::of(stream)).await.unwrap();
        entries
            .into_iter()
            .map(|entry| match (entry.event, entry.body.get("refused")) {
                (Some(event), _) => event,
                (None, Some(rule)) => format!("{} refused: {}", entry.act, rule.as_str().unwrap()),
                (None, None) => entry.act,
            })
            .collect()
    }

    /// Ends the desk, and opens the domain again as the next start does.
    pub async fn restart(self) -> Self {
        let Self { mut test, enclave, vault, grant } = self;
        drop(enclave);
        test.reopen().await;
        let enclave = open(&test, test.desk.clone(), &vault, Limits::default());
        Self { test, enclave, vault, grant }
    }

    pub async fn finish(self) {
        self.test.finish().await;
    }
}

/// A domain on a desk of this database.
pub fn open(test: &TestDesk, desk: Desk, vault: &Vault, limits: Limits) -> Enclave {
    Enclave::open(desk, vault.clone(), test.ids.clone(), [5; 32], limits).unwrap()
}

/// The rule by which something was refused, which must name a clause.
pub fn rule<T: std::fmt::Debug>(outcome: Result<T, ActError>) -> String {
    match outcome {
        Err(ActError::Refused(refusal)) => {
            assert!(!refusal.clauses.is_empty(), "{}: a refusal names its clauses", refusal.rule);
            refusal.rule
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// The manifests of what the desk knows, for a sweep.
pub async fn manifests(desk: &Desk) -> Vec<Manifest> {
    let datasets = desk.list::<Dataset>(&shuyu_store::Filter::default()).await.unwrap();
    datasets.iter().flat_map(|(_, dataset)| dataset.manifests()).collect()
}
