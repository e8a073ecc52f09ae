//! The operation domain: what a grant holds, sessions, jobs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use shuyu_casework::{Agreement, Person, Scenario, scenario};
use shuyu_catalogue::{Resource, resource};
use shuyu_enclave::{
    Barrier, ColumnFacts, Explanation, Grant, GrantCommand, Item, Job, Mask, Operation, Recurrence,
    Sample, ScheduleId, Sheet, SubjectKind, Submission, Terms, default_label,
};
use shuyu_kernel::{
    Actor, AgreementId, GrantId, JobId, OrganisationId, PersonId, ResourceId, ScenarioId, SessionId,
};
use shuyu_law::Rule;
use shuyu_store::{ActError, StreamId, Unit};

use super::{App, effects::Cause};

pub(super) const RESOURCE_SUPPLIED: Rule = Rule::new("grant-of-supplied-resource");
pub(super) const PEOPLE_WITH_ACCESS: Rule = Rule::new("work-by-people-with-access");

/// An item of a data request, as forms write it.
#[derive(Debug, serde::Deserialize)]
struct Wanted {
    resource: ResourceId,
    columns: Vec<String>,
    /// Only rows whose value of each of these columns is one of these.
    #[serde(default)]
    scope: BTreeMap<String, BTreeSet<String>>,
    /// Columns that are seen through a mask.
    #[serde(default)]
    masks: BTreeMap<String, Mask>,
    /// Whether only rows of those who consent to the scenario are there.
    #[serde(default)]
    consent: bool,
}

impl App {
    /// Lets a grant be used again that was suspended by itself.
    pub async fn restore_grant(&self, actor: &Actor, id: GrantId) -> Result<Grant, ActError> {
        self.desk()
            .run(actor, |unit| async move {
                let grant = unit.load::<Grant>(id).await?;
                let agreement = unit.load::<Agreement>(grant.terms.agreement).await?;
                let agreement_is_active = agreement.is_in_operation(self.now());
                let restore = GrantCommand::Restore { agreement_is_active };
                Ok(unit.act::<Grant>(id, restore).await?.state)
            })
            .await
    }

    /// Opens a session of the actor under a grant.
    pub async fn open_session(
        &self,
        actor: &Actor,
        grant: GrantId,
        operation: Operation,
    ) -> Result<SessionId, ActError> {
        self.check_access(actor, grant, "session.open").await?;
        self.enclave().open_session(actor, grant, operation).await
    }

    /// Closes a session.
    pub async fn close_session(&self, actor: &Actor, session: SessionId) -> Result<(), ActError> {
        self.enclave().close_session(actor, session).await
    }

    /// A desensitised sample of a granted table, to develop against.
    pub async fn sample(
        &self,
        actor: &Actor,
        session: SessionId,
        table: &str,
    ) -> Result<Sample, ActError> {
        self.enclave().sample(actor, session, table).await
    }

    /// Answers an aggregate question of the closed class.
    pub async fn ask(
        &self,
        actor: &Actor,
        session: SessionId,
        sql: &str,
    ) -> Result<Sheet, ActError> {
        self.enclave().ask(actor, session, sql).await
    }

    /// Says what a question would come to, without touching data.
    pub async fn explain(
        &self,
        actor: &Actor,
        session: SessionId,
        sql: &str,
    ) -> Result<Explanation, ActError> {
        self.enclave().explain(actor, session, sql).await
    }

    /// Freezes a job by the hash of all that it depends on.
    pub async fn submit_job(
        &self,
        actor: &Actor,
        grant: GrantId,
        submission: &Submission,
    ) -> Result<JobId, ActError> {
        self.check_access(actor, grant, "job.submit").await?;
        self.enclave().submit_job(actor, grant, submission).await
    }

    /// Orders a job to be submitted again and again.
    pub async fn order_schedule(
        &self,
        actor: &Actor,
        grant: GrantId,
        recurrence: &Recurrence,
    ) -> Result<ScheduleId, ActError> {
        self.check_access(actor, grant, "schedule.order").await?;
        self.enclave().order_schedule(actor, grant, recurrence).await
    }

    /// Runs a frozen job on the full data; its output lies in quarantine.
    pub async fn run_job(&self, actor: &Actor, job: JobId) -> Result<Job, ActError> {
        self.enclave().run_job(actor, job).await
    }

    /// Refuses a person named in a grant who has no access under its agreement any more.
    async fn check_access(&self, actor: &Actor, grant: GrantId, act: &str) -> Result<(), ActError> {
        let Some((_, grant)) = self.desk().find::<Grant>(grant).await? else { return Ok(()) };
        if !grant.terms.people.contains(&actor.person) {
            // The grant itself refuses them.
            return Ok(());
        }
        let person = self.desk().find::<Person>(actor.person).await?;
        let (operator, agreement) = (grant.terms.operator, grant.terms.agreement);
        if person.is_some_and(|(_, person)| has_access(&person, operator, agreement)) {
            return Ok(());
        }
        let refusal = self.law().refuse(PEOPLE_WITH_ACCESS, &[]);
        let subject = StreamId::of::<Person>(actor.person);
        Err(self.desk().refuse(actor, &subject, act, refusal).await)
    }

    /// The terms of the grant that a data request comes to: granted columns with their labels,
    /// people, operations, and no longer than the agreement.
    pub(super) async fn grant_terms(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<Terms, ActError> {
        let agreement_id = cause.agreement();
        let agreement = unit.load::<Agreement>(agreement_id).await?;
        let scenario: ScenarioId = self.field_of(unit, cause, "scenario").await?;
        let is_approved = unit.find::<Scenario>(scenario).await?.is_some_and(|(_, it)| {
            it.agreement == agreement_id && matches!(it.status, scenario::Status::Approved { .. })
        });
        if !is_approved {
            return Err(self
                .incomplete(unit, cause, "an approved scenario of the agreement")
                .await);
        }
        let people: BTreeSet<PersonId> = self.field_of(unit, cause, "people").await?;
        for id in &people {
            let person = unit.find::<Person>(*id).await?.map(|(_, person)| person);
            let works = person
                .is_some_and(|person| has_access(&person, agreement.terms.operator, agreement_id));
            if !works {
                let refusal = self.law().refuse(PEOPLE_WITH_ACCESS, &[]).because(format!(
                    "`{id}` has no access under the agreement; it is opened in a case of its own"
                ));
                return Err(unit
                    .refuse(&StreamId::of::<Person>(*id), "grant.issue", refusal)
                    .await);
            }
        }
        let wanted: Vec<Wanted> = self.field_of(unit, cause, "items").await?;
        let mut items = Vec::new();
        for Wanted { resource: id, columns, scope, masks, consent } in wanted {
            let resource = unit.load::<Resource>(id).await?;
            let barrier = Barrier { scope, masks, consent: consent.then_some(scenario) };
            let Some(item) = item_of(id, &resource, &columns, barrier) else {
                let refusal = self.law().refuse(RESOURCE_SUPPLIED, &[]);
                let why = refusal.because(format!("`{id}` has no data yet"));
                return Err(unit.refuse(&StreamId::of::<Resource>(id), "grant.issue", why).await);
            };
            items.push(item);
        }
        let from: NaiveDate = self.field_of(unit, cause, "from").await?;
        let to: NaiveDate = self.field_of(unit, cause, "to").await?;
        let last = to.min(agreement.terms.to);
        let morning = |day: NaiveDate| -> DateTime<Utc> {
            day.and_time(chrono::NaiveTime::MIN).and_utc()
                - chrono::Duration::hours(i64::from(self.law().utc_offset_hours))
        };
        Ok(Terms {
            agreement: agreement_id,
            scenario,
            operator: agreement.terms.operator,
            items,
            operations: self.field_of(unit, cause, "operations").await?,
            people,
            from: morning(from),
            to: morning(last.checked_add_days(Days::new(1)).unwrap_or(last)),
        })
    }
}

/// Whether a person works for an operator, with access under its agreement.
fn has_access(person: &Person, operator: OrganisationId, agreement: AgreementId) -> bool {
    person.is_open && person.organisation == operator && person.access.contains(&agreement)
}

/// A granted resource: the columns asked for, and its subject key to count by.
fn item_of(
    id: ResourceId,
    resource: &Resource,
    columns: &[String],
    barrier: Barrier,
) -> Option<Item> {
    let description = resource.published.as_ref()?;
    let subject = description.subject.as_ref();
    let facts: BTreeMap<String, ColumnFacts> = description
        .fields
        .iter()
        .filter(|field| {
            columns.contains(&field.name) || subject.is_some_and(|it| it.key == field.name)
        })
        .map(|field| {
            let facts = ColumnFacts {
                subject_key: subject.is_some_and(|it| it.key == field.name),
                identifier: field.role == resource::FieldRole::Identifier,
                quantity: field.role == resource::FieldRole::Measure,
                categorical: field.role == resource::FieldRole::Dimension,
                level: description.level,
            };
            (field.name.clone(), facts)
        })
        .collect();
    let labels = facts.iter().map(|(name, facts)| (name.clone(), default_label(*facts))).collect();
    Some(Item {
        resource: id,
        dataset: resource.dataset?,
        table: description.name.clone(),
        columns: labels,
        subject_key: subject.map(|it| it.key.clone()),
        subject_kind: subject.and_then(|it| match it.kind {
            resource::SubjectKind::NaturalPerson => Some(SubjectKind::Person),
            resource::SubjectKind::LegalPerson
            | resource::SubjectKind::UnincorporatedOrganisation => Some(SubjectKind::Enterprise),
            resource::SubjectKind::Object => None,
        }),
        facts,
        barrier,
    })
}
