//! What a case is meant to come to: the values that its forms are filled with.

use std::collections::BTreeSet;

use chrono::Months;
use serde_json::{Map, Value, json};
use shuyu_casework::{Agreement, Case, Person, Scenario, agreement, scenario};
use shuyu_catalogue::{Resource, resource};
use shuyu_enclave::{Release, ReleaseStatus};
use shuyu_kernel::{AgreementId, OrganisationId};
use shuyu_market::{Product, ProductStatus, Substance};
use shuyu_oversight::{Task, TaskStatus};
use shuyu_store::Filter;

use crate::world::{World, agreement_of};

/// What a case is meant to come to.
#[derive(Debug, Clone, Default)]
pub struct Errand {
    /// What it is about.
    pub subject: Option<String>,
    /// The agreement that it belongs to.
    pub agreement: Option<AgreementId>,
    /// Values of form fields, wherever a form asks for them.
    pub given: Map<String, Value>,
    /// Organisations that act where a role has several.
    pub parties: Vec<OrganisationId>,
    /// How often somebody has acted in it.
    pub acts: usize,
    /// Whether the emergency plan that it waits for was seen to.
    pub is_planned: bool,
}

/// What a case of a procedure is about, so that nothing can come of one without it.
const NEEDED: &[(&str, &str)] = &[
    ("access", "agreement"),
    ("scenario", "fields"),
    ("data_request", "items"),
    ("resource", "resource"),
    ("price", "product"),
    ("product", "product"),
    ("report", "task"),
    ("rectification", "agreement"),
    ("evaluation", "agreement"),
    ("exit", "agreement"),
];

impl Errand {
    fn give(&mut self, name: &str, value: impl Into<Value>) {
        self.given.insert(name.to_owned(), value.into());
    }

    /// Whether there is what a case of this procedure is about.
    pub(super) fn is_about_something(&self, procedure: &str) -> bool {
        let needed = NEEDED.iter().find(|(of, _)| *of == procedure);
        needed.is_none_or(|(_, field)| self.given.contains_key(*field))
    }

    /// An emergency plan of an agreement.
    pub(super) fn of_plan(agreement: AgreementId) -> Self {
        let mut errand = Self { agreement: Some(agreement), ..Self::default() };
        errand.give("agreement", agreement.to_string());
        errand
    }

    fn under(&mut self, agreement: AgreementId, operator: OrganisationId) {
        self.agreement = Some(agreement);
        self.give("agreement", agreement.to_string());
        self.parties.push(operator);
    }
}

impl World {
    /// What a case of this procedure is about, as far as there is something.
    pub(super) async fn errand(&mut self, procedure: &str) -> Errand {
        match procedure {
            "admission" => self.admission(),
            "scenario" => self.of_resource().await,
            "data_request" => self.request().await,
            "resource" => self.submitted_resource().await,
            "product" | "price" => self.priced(procedure).await,
            "emergency_plan" => self.emergency_plan().await,
            "exit" => {
                let mut errand = self.of_agreement(true).await;
                errand.give("ground", "early_termination");
                errand.give("reason", "the operator asks to end early");
                errand
            }
            "report" => self.report().await,
            _ => self.of_agreement(false).await,
        }
    }

    fn admission(&mut self) -> Errand {
        let mut errand = Errand::default();
        let Some(operator) = self.dice.pick(&self.cast.operators) else { return errand };
        errand.parties.push(operator);
        errand.give("operator", operator.to_string());
        if self.law().parameter("agreement_term").is_none() {
            // The city leaves the term to the parties.
            let today = self.today();
            let months = u32::try_from(6 + self.dice.below(30)).unwrap_or(12);
            let to = today.checked_add_months(Months::new(months)).unwrap_or(today);
            errand.give("from", today.to_string());
            errand.give("to", to.to_string());
        }
        errand
    }

    /// Something about an agreement that is in operation, or in any state.
    async fn of_agreement(&mut self, ended: bool) -> Errand {
        let mut errand = Errand::default();
        let now = self.app.now();
        let found = self
            .seek::<Agreement>(|agreement| {
                agreement.is_in_operation(now)
                    || ended && matches!(agreement.status, agreement::Status::Ended { .. })
            })
            .await;
        let Some((id, agreement)) = found else { return errand };
        errand.under(id, agreement.terms.operator);
        let people = self.staff(agreement.terms.operator);
        errand.give("people", people.clone());
        let roles: Vec<String> = match self.law().parameter("training_roles") {
            Some(roles) => roles.ids().into_iter().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let today = self.today();
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
        errand.give("training", training);
        errand.give("score", 40 + self.dice.below(60));
        errand
    }

    /// Some people of an operator.
    fn staff(&self, operator: OrganisationId) -> Vec<Value> {
        let people = self.cast.of(operator);
        people.iter().take(4).map(|member| json!(member.person)).collect()
    }

    /// The people who have access under an agreement.
    async fn with_access(&mut self, agreement: AgreementId) -> Vec<Value> {
        let people = self.app.desk().list::<Person>(&Filter::default()).await.expect("a list");
        let has_access = people.into_iter().filter(|(_, it)| it.access.contains(&agreement));
        has_access.map(|(id, _)| json!(id)).collect()
    }

    async fn of_resource(&mut self) -> Errand {
        let mut errand = self.of_agreement(false).await;
        let found = self
            .seek::<Resource>(|resource| resource.published.is_some() && resource.dataset.is_some())
            .await;
        let Some((id, resource)) = found else { return errand };
        errand.parties.push(resource.provider);
        let described = resource.published.unwrap_or(resource.description);
        let fields: Vec<Value> = described
            .fields
            .iter()
            .map(|field| {
                json!({
                    "resource": id, "column": field.name,
                    "necessity": "needed for the figures that the scenario is about",
                })
            })
            .collect();
        errand.give("title", "figures by area");
        errand.give("purpose", "publish figures on which services can be planned");
        let kind = self.dice.pick(&["industry", "public"]).unwrap_or("industry");
        errand.give("use_kind", kind);
        errand.give("fields", fields);
        errand
    }

    async fn request(&mut self) -> Errand {
        let (all, now) = (Filter::default(), self.app.now());
        let agreements = self.app.desk().list::<Agreement>(&all).await.expect("a list");
        let operating: BTreeSet<AgreementId> = agreements
            .into_iter()
            .filter(|(_, it)| it.is_in_operation(now))
            .map(|(id, _)| id)
            .collect();
        let found = self
            .seek::<Scenario>(|it| {
                matches!(it.status, scenario::Status::Approved { .. })
                    && operating.contains(&it.agreement)
            })
            .await;
        let Some((id, scenario)) = found else { return self.of_agreement(false).await };
        let mut errand = Errand::default();
        let Some(agreement) = self.find::<Agreement>(scenario.agreement).await else {
            return errand;
        };
        errand.under(scenario.agreement, agreement.terms.operator);
        errand.give("scenario", id.to_string());
        let people = self.with_access(scenario.agreement).await;
        // Nothing comes of a request for people without access.
        let first = scenario.fields.first().filter(|_| !people.is_empty());
        if let Some(first) = first {
            let columns: Vec<&str> = scenario
                .fields
                .iter()
                .filter(|field| field.resource == first.resource)
                .map(|field| field.column.as_str())
                .collect();
            errand.give("items", json!([{ "resource": first.resource, "columns": columns }]));
            if let Some(resource) = self.find::<Resource>(first.resource).await {
                errand.parties.push(resource.provider);
            }
        }
        errand.give("operations", json!(["develop", "ask", "produce"]));
        errand.give("form_of_use", "usable_not_visible");
        errand.give("returned_provincial", false);
        errand.give("shared_in", false);
        errand.give("people", people);
        let today = self.today();
        let months = u32::try_from(3 + self.dice.below(24)).unwrap_or(12);
        let until = today.checked_add_months(Months::new(months)).unwrap_or(today);
        errand.give("from", today.to_string());
        errand.give("to", until.to_string());
        errand
    }

    async fn submitted_resource(&mut self) -> Errand {
        let mut errand = Errand::default();
        let found = self
            .seek::<Resource>(|it| matches!(it.status, resource::Status::Submitted { .. }))
            .await;
        if let Some((id, resource)) = found {
            errand.subject = Some(id.to_string());
            errand.parties.push(resource.provider);
            errand.give("resource", id.to_string());
        }
        errand
    }

    async fn priced(&mut self, procedure: &str) -> Errand {
        let mut errand = Errand::default();
        let wanted = |product: &Product| match procedure {
            "price" => product.status == ProductStatus::Draft,
            _ => matches!(
                product.status,
                ProductStatus::Draft | ProductStatus::Registered | ProductStatus::Reviewed
            ),
        };
        let Some((id, product)) = self.seek::<Product>(wanted).await else { return errand };
        errand.subject = Some(id.to_string());
        errand.parties.push(product.operator);
        let fen = i64::try_from(self.dice.below(5000)).unwrap_or(1) + 1;
        let unit = match product.substance {
            Substance::Package => "package",
            Substance::Api { .. } => "call",
        };
        errand.give("product", id.to_string());
        errand.give("release", product.release.to_string());
        errand.give("form", product.form);
        errand.give("fen", fen);
        errand.give("ceiling_fen", fen * 2);
        errand.give("unit", unit);
        errand.give("basis", "cost of processing and supply, with a reasonable return");
        errand.give("scenario", "figures by area");
        errand.give("scope", "as declared");
        errand.give("manner", "as drafted");
        errand
    }

    /// An emergency plan: of an admission that waits for one, or of an agreement.
    async fn emergency_plan(&mut self) -> Errand {
        let waits = |case: &Case| case.procedure == "admission" && case.current().is_some();
        match self.seek::<Case>(waits).await {
            Some((id, _)) if self.dice.chance(50) => Errand::of_plan(agreement_of(id)),
            _ => self.of_agreement(false).await,
        }
    }

    async fn report(&mut self) -> Errand {
        let found = self
            .seek::<Task>(|it| matches!(it.status, TaskStatus::Open | TaskStatus::Overdue))
            .await;
        let Some((id, task)) = found else { return self.of_agreement(false).await };
        let mut errand = Errand::default();
        if let Some(agreement) = self.find::<Agreement>(task.agreement).await {
            errand.under(task.agreement, agreement.terms.operator);
        }
        errand.give("task", id.to_string());
        errand.give("kind", task.subject);
        errand
    }

    /// A release that products can be made of.
    pub(super) async fn released(&mut self) -> Option<(shuyu_kernel::ReleaseId, Release)> {
        self.seek::<Release>(|it| matches!(it.status, ReleaseStatus::Released { .. })).await
    }
}
