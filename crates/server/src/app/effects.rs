//! Effects: what outcomes of cases do, by the names that procedures use.
//!
//! Each is a consequence of acts that were permitted in a case, so no policy is asked again; the
//! entities' own rules still are. It is recorded as the act of whoever did its part in the case.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use shuyu_casework::{
    Agreement, Case, Instrument, Organisation, Person, Scenario, agreement, instrument,
    organisation, person, scenario,
};
use shuyu_catalogue::{Resource, resource};
use shuyu_enclave::{Grant, GrantCommand};
use shuyu_kernel::{
    Actor, AgreementId, CaseId, Fen, GrantId, OrganisationId, PersonId, ProductId, ResourceId,
    ScenarioId, Share, TaskId,
};
use shuyu_law::{ClauseId, Rule};
use shuyu_market::{
    Amount, ChargeUnit, Guide, Price, PriceCommand, Product, ProductCommand, Registration, Review,
    Subscription, SubscriptionCommand,
};
use shuyu_oversight::{
    AgreementTerm, Cut, CutCommand, CutId, CutScope, Evaluation, EvaluationCommand, EvaluationId,
    Filing, FilingCommand, FilingId, Notice, NoticeCommand, NoticeId, NoticeKind, Submission, Task,
    TaskCommand, plan_tasks,
};
use shuyu_store::{ActError, Filter, StreamId, Unit};

use super::{
    App, content_of,
    domain::PEOPLE_WITH_ACCESS,
    facts::{agreement_of, id_in},
    same_number,
};

pub(super) const DOSSIER_COMPLETE: Rule = Rule::new("effect-dossier-complete");

/// Of which case an effect is, and on which clauses it rests.
pub(super) struct Cause<'a> {
    pub(super) id: CaseId,
    pub(super) case: &'a Case,
    pub(super) clauses: &'a [ClauseId],
}

impl Cause<'_> {
    fn fields(&self) -> Map<String, Value> {
        self.case.dossier.fields()
    }

    /// The agreement that the case is about.
    pub(super) fn agreement(&self) -> AgreementId {
        agreement_of(self.id, self.case, &self.fields())
    }
}

impl App {
    /// Applies the effect of this name, in the unit of the act that it follows from.
    pub(super) async fn apply(
        &self,
        unit: &Unit,
        effect: &str,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        match effect {
            "resource.publish" => self.publish_resource(unit, cause).await,
            "plan.approve" => {
                self.approve(unit, cause, instrument::InstrumentKind::Plan, None).await
            }
            "call.publish" => {
                self.approve(unit, cause, instrument::InstrumentKind::Call, None).await?;
                self.publish(unit, cause, NoticeKind::Call).await
            }
            "emergency_plan.approve" => {
                let agreement = Some(cause.agreement());
                self.approve(unit, cause, instrument::InstrumentKind::EmergencyPlan, agreement)
                    .await
            }
            "publicity.publish" => self.publish(unit, cause, NoticeKind::Operator).await,
            "filing.record" => self.record_filing(unit, cause).await,
            "operator.admit" => self.admit(unit, cause).await,
            "agreement.sign" => self.sign(unit, cause).await,
            "agreement.file" => {
                let receipts = receipts(&cause.fields()).into_iter().map(|(_, number)| number);
                let command = agreement::Command::File { receipts: receipts.collect() };
                unit.follow::<Agreement>(cause.agreement(), command, cause.clauses).await?;
                Ok(())
            }
            "agreement.activate" => self.activate(unit, cause).await,
            "trial.pass" => {
                let pass = agreement::Command::PassTrial;
                unit.follow::<Agreement>(cause.agreement(), pass, cause.clauses).await?;
                Ok(())
            }
            "agreement.suspend" => self.suspend(unit, cause).await,
            "agreement.restore" => self.restore(unit, cause).await,
            "agreement.end" => self.end(unit, cause).await,
            "access.open" => self.open_access(unit, cause).await,
            "scenario.approve" => self.approve_scenario(unit, cause).await,
            "grant.issue" => self.issue_grant(unit, cause).await,
            "product.register" => self.register_product(unit, cause).await,
            "product.list" => self.list_product(unit, cause).await,
            "price.set" => self.set_price(unit, cause).await,
            "evaluation.record" => self.record_evaluation(unit, cause).await,
            "report.accept" => self.accept_report(unit, cause).await,
            "dataset.destroy" => self.order_destruction(unit, cause).await,
            // Closed with the certificate, as soon as the destruction is shown: see `exit`.
            "agreement.close" => Ok(()),
            _ => {
                let refusal = self.law().refuse(DOSSIER_COMPLETE, &[]);
                let why = refusal.because(format!("the platform has no effect `{effect}`"));
                Err(unit.refuse(&StreamId::of::<Case>(cause.id), "case.act", why).await)
            }
        }
    }

    async fn publish_resource(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: ResourceId = self.id_of(unit, cause, "resource").await?;
        let resource = unit.load::<Resource>(id).await?;
        self.check_named_after(unit, cause, id, &resource).await?;
        let content = resource.description.content();
        let command = resource::Command::Publish { case: cause.id, content };
        unit.follow::<Resource>(id, command, cause.clauses).await?;
        Ok(())
    }

    /// Refuses to publish what was handed in anew after the case had named it: the case was about
    /// another content.
    async fn check_named_after(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        id: ResourceId,
        resource: &Resource,
    ) -> Result<(), ActError> {
        let resource::Status::Submitted { at: handed_in, .. } = resource.status else {
            return Ok(());
        };
        let name = id.to_string();
        let names = |act: &&shuyu_casework::Act| {
            let named = act.form.as_ref().and_then(|form| form.get("resource")?.as_str());
            !act.negative && named == Some(name.as_str())
        };
        match cause.case.dossier.acts.iter().rfind(names) {
            Some(act) if act.at < handed_in => {
                let refusal = self.law().refuse(shuyu_catalogue::rules::REVIEWED_CONTENT, &[]);
                let why = refusal.because("it was handed in anew after this case had named it");
                Err(unit.refuse(&StreamId::of::<Resource>(id), "resource.publish", why).await)
            }
            _ => Ok(()),
        }
    }

    async fn approve(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        kind: instrument::InstrumentKind,
        agreement: Option<AgreementId>,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let command = instrument::Command::Approve {
            kind,
            title: text(&fields, "title").unwrap_or_else(|| cause.case.title.clone()),
            contents: texts(&fields, "contents"),
            text: content_of(cause.case),
            case: cause.id,
            agreement,
        };
        unit.follow::<Instrument>(same_number(cause.id), command, cause.clauses).await?;
        Ok(())
    }

    async fn publish(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        kind: NoticeKind,
    ) -> Result<(), ActError> {
        let fields = cause.fields();
        let command = NoticeCommand::Publish {
            kind,
            title: cause.case.title.clone(),
            body: text(&fields, "public_notice").unwrap_or_else(|| cause.case.title.clone()),
            subject: cause.id.to_string(),
        };
        unit.follow::<Notice>(self.fresh::<NoticeId>(), command, cause.clauses).await?;
        Ok(())
    }

    async fn record_filing(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let fields = cause.fields();
        let Some(filings) = self.law().parameter("filings").and_then(|it| it.value.as_array())
        else {
            return Ok(());
        };
        for (recipient, receipt) in receipts(&fields) {
            let subject = filings.iter().find_map(|filing| {
                let known = filing.get("recipients")?.as_array()?;
                let named = known.iter().any(|known| known.as_str() == Some(&recipient));
                if named { filing.get("subject")?.as_str() } else { None }
            });
            let Some(subject) = subject else { continue };
            let id: FilingId = self.fresh();
            let on = self.law().local_date(self.now());
            let open = FilingCommand::Open {
                subject: subject.to_owned(),
                agreement: cause.case.agreement,
                recipient,
                on,
            };
            unit.follow::<Filing>(id, open, cause.clauses).await?;
            let send = FilingCommand::Send { content: content_of(cause.case) };
            unit.follow::<Filing>(id, send, cause.clauses).await?;
            unit.follow::<Filing>(id, FilingCommand::Receive { receipt }, cause.clauses).await?;
        }
        Ok(())
    }

    async fn admit(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: OrganisationId = self.id_of(unit, cause, "operator").await?;
        let mut roles = unit.load::<Organisation>(id).await?.roles;
        if roles.insert("operator".to_owned()) {
            let command = organisation::Command::Bind { roles };
            unit.follow::<Organisation>(id, command, cause.clauses).await?;
        }
        Ok(())
    }

    async fn sign(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let fields = cause.fields();
        let operator: OrganisationId = self.id_of(unit, cause, "operator").await?;
        let shares: Vec<ShareForm> = self.field_of(unit, cause, "shares").await?;
        let signatories: BTreeSet<OrganisationId> = cause
            .case
            .dossier
            .acts_of("sign")
            .map(|act| act.organisation)
            .chain([unit.actor().organisation])
            .collect();
        let terms = agreement::Terms {
            case: cause.id,
            operator,
            signatories: signatories.into_iter().collect(),
            from: self.field_of(unit, cause, "from").await?,
            to: self.field_of(unit, cause, "to").await?,
            trial_months: number(&fields, "trial_months"),
            shares: shares.into_iter().map(Into::into).collect(),
            scope: text(&fields, "scope").unwrap_or_else(|| cause.case.title.clone()),
            text: content_of(cause.case),
        };
        let command = agreement::Command::Sign(Box::new(terms));
        unit.follow::<Agreement>(cause.agreement(), command, cause.clauses).await?;
        Ok(())
    }

    async fn activate(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id = cause.agreement();
        let activate = agreement::Command::Activate;
        let decided = unit.follow::<Agreement>(id, activate, cause.clauses).await?;
        let terms = decided.state.terms;
        let term = AgreementTerm {
            id,
            operator: terms.operator,
            starts_on: terms.from,
            ends_on: terms.to,
        };
        for planned in plan_tasks(self.law(), &term) {
            let task: TaskId = planned.id();
            let command = TaskCommand::Plan(Box::new(planned));
            unit.follow::<Task>(task, command, cause.clauses).await?;
        }
        Ok(())
    }

    async fn suspend(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let status = unit.load::<Agreement>(agreement).await?.status;
        if matches!(
            status,
            agreement::Status::Suspended { .. }
                | agreement::Status::Ended { .. }
                | agreement::Status::Closed { .. }
        ) {
            // Access was cut before the case was opened, whose end opens it again; or for good.
            return Ok(());
        }
        let reason = text(&cause.fields(), "ground").unwrap_or_else(|| cause.case.title.clone());
        let command = agreement::Command::Suspend { ground: reason.clone() };
        unit.follow::<Agreement>(agreement, command, cause.clauses).await?;
        let cut: CutId = same_number(cause.id);
        let pull = CutCommand::Pull {
            agreement,
            scope: CutScope::Agreement,
            trigger: self.suspension_trigger().to_owned(),
            reason: reason.clone(),
        };
        unit.follow::<Cut>(cut, pull, cause.clauses).await?;
        self.suspend_all(unit, agreement, &reason, cause.clauses).await
    }

    /// By which name the pack knows that access closes on rectification: its own, or else the
    /// platform's name of a suspension.
    fn suspension_trigger(&self) -> &'static str {
        let known = self.law().parameter("killswitch_triggers");
        match known {
            Some(known) if known.ids().contains(&"rectification") => "rectification",
            _ => "agreement_suspended",
        }
    }

    /// Suspends everything that rests on an agreement: grants, products, subscriptions.
    pub(super) async fn suspend_all(
        &self,
        unit: &Unit,
        agreement: AgreementId,
        reason: &str,
        clauses: &[ClauseId],
    ) -> Result<(), ActError> {
        let reason = || reason.to_owned();
        for id in self.ids_of::<Grant>(agreement, "active").await? {
            let suspend = GrantCommand::Suspend { reason: reason() };
            unit.follow::<Grant>(id, suspend, clauses).await?;
        }
        for (id, product) in self.desk().list::<Product>(&Filter::parent(agreement)).await? {
            if product.is_on_offer() {
                let suspend = ProductCommand::Suspend { reason: reason() };
                unit.follow::<Product>(id, suspend, clauses).await?;
            }
            for subscription in self.ids_of::<Subscription>(id, "active").await? {
                let suspend = SubscriptionCommand::Suspend { reason: reason() };
                unit.follow::<Subscription>(subscription, suspend, clauses).await?;
            }
        }
        Ok(())
    }

    /// Closes what was opened under an agreement while it was being suspended or ended.
    pub(super) async fn close_late(&self, id: AgreementId) -> Result<(), ActError> {
        let unit = self.desk().unit(&Actor::system());
        match unit.load::<Agreement>(id).await?.status {
            agreement::Status::Suspended { ground, .. } => {
                self.suspend_all(&unit, id, &ground, &[]).await?;
            }
            agreement::Status::Ended { ground, .. } => {
                self.end_all(&unit, id, &ground, &[]).await?;
            }
            _ => {}
        }
        unit.commit().await.map(drop)
    }

    async fn restore(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let (agreement, clauses) = (cause.agreement(), cause.clauses);
        let restored = unit.load::<Agreement>(agreement).await?;
        let agreement::Status::Suspended { ground, .. } = restored.status else {
            // The city left access open during correction.
            return Ok(());
        };
        // What was suspended for a reason of its own stays so.
        let with_it = |reason: Option<String>| reason.as_ref() == Some(&ground);
        let restore = agreement::Command::Restore;
        let restored = unit.follow::<Agreement>(agreement, restore, clauses).await?.state;
        let agreement_is_active = restored.is_in_operation(self.now());
        for (id, grant) in self.of::<Grant>(agreement, "suspended").await? {
            if with_it(grant.suspended_for) {
                let restore = GrantCommand::Restore { agreement_is_active };
                unit.follow::<Grant>(id, restore, clauses).await?;
            }
        }
        for (id, product) in self.of::<Product>(agreement, "suspended").await? {
            if with_it(product.suspended_for) {
                let resume = ProductCommand::Resume { agreement_is_active };
                unit.follow::<Product>(id, resume, clauses).await?;
            }
        }
        for (product, _) in self.desk().list::<Product>(&Filter::parent(agreement)).await? {
            let product_is_listed = unit.load::<Product>(product).await?.is_on_offer();
            for (id, subscription) in self.of::<Subscription>(product, "suspended").await? {
                if product_is_listed && with_it(subscription.suspended_for) {
                    let resume = SubscriptionCommand::Resume { product_is_listed };
                    unit.follow::<Subscription>(id, resume, clauses).await?;
                }
            }
        }
        for id in self.ids_of::<Cut>(agreement, "closed").await? {
            let finding = text(&cause.fields(), "assessment");
            let command = CutCommand::Restore {
                finding: finding.unwrap_or_else(|| cause.case.title.clone()),
                cause_is_closed: true,
            };
            unit.follow::<Cut>(id, command, clauses).await?;
        }
        Ok(())
    }

    /// Ends an agreement, unless its term has ended it already.
    async fn end(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let ground = text(&cause.fields(), "ground").unwrap_or_else(|| "ended".to_owned());
        let status = unit.load::<Agreement>(agreement).await?.status;
        if !matches!(status, agreement::Status::Ended { .. } | agreement::Status::Closed { .. }) {
            let command = agreement::Command::End { ground: ground.clone() };
            unit.follow::<Agreement>(agreement, command, cause.clauses).await?;
        }
        self.end_all(unit, agreement, &ground, cause.clauses).await
    }

    /// Ends everything that rests on an agreement: grants, products, subscriptions, access.
    pub(super) async fn end_all(
        &self,
        unit: &Unit,
        agreement: AgreementId,
        reason: &str,
        clauses: &[ClauseId],
    ) -> Result<(), ActError> {
        let reason = || reason.to_owned();
        for status in ["active", "suspended"] {
            for id in self.ids_of::<Grant>(agreement, status).await? {
                unit.follow::<Grant>(id, GrantCommand::End { reason: reason() }, clauses).await?;
            }
        }
        for (id, product) in self.desk().list::<Product>(&Filter::parent(agreement)).await? {
            if product.status.name() != "withdrawn" {
                let withdraw = ProductCommand::Withdraw { reason: reason() };
                unit.follow::<Product>(id, withdraw, clauses).await?;
            }
            for status in ["active", "suspended"] {
                for subscription in self.ids_of::<Subscription>(id, status).await? {
                    let end = SubscriptionCommand::End { reason: reason() };
                    unit.follow::<Subscription>(subscription, end, clauses).await?;
                }
            }
        }
        for (id, person) in self.desk().list::<Person>(&Filter::status("open")).await? {
            if person.access.contains(&agreement) {
                let close = person::Command::CloseAccess { agreement };
                unit.follow::<Person>(id, close, clauses).await?;
            }
        }
        Ok(())
    }

    async fn open_access(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let people: Vec<PersonId> = self.field_of(unit, cause, "people").await?;
        let trained = cause.fields().contains_key("training");
        let operator = unit.load::<Agreement>(agreement).await?.terms.operator;
        for id in people {
            if unit.load::<Person>(id).await?.organisation != operator {
                let refusal = self.law().refuse(PEOPLE_WITH_ACCESS, &[]);
                let subject = StreamId::of::<Person>(id);
                return Err(unit.refuse(&subject, "person.open_access", refusal).await);
            }
            if trained {
                let train = person::Command::Train { training: cause.id.to_string() };
                unit.follow::<Person>(id, train, cause.clauses).await?;
            }
            let open = person::Command::OpenAccess { agreement };
            unit.follow::<Person>(id, open, cause.clauses).await?;
        }
        Ok(())
    }

    async fn approve_scenario(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: ScenarioId = same_number(cause.id);
        let command = scenario::Command::Approve {
            agreement: cause.agreement(),
            case: cause.id,
            title: self.field_of(unit, cause, "title").await?,
            purpose: self.field_of(unit, cause, "purpose").await?,
            use_kind: self.field_of(unit, cause, "use_kind").await?,
            fields: self.field_of(unit, cause, "fields").await?,
        };
        unit.follow::<Scenario>(id, command, cause.clauses).await?;
        Ok(())
    }

    async fn issue_grant(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: GrantId = same_number(cause.id);
        let terms = self.grant_terms(unit, cause).await?;
        let agreement = unit.load::<Agreement>(terms.agreement).await?;
        let command = GrantCommand::Issue {
            id,
            terms: Box::new(terms),
            agreement_is_active: agreement.is_in_operation(self.now()),
        };
        unit.follow::<Grant>(id, command, cause.clauses).await?;
        Ok(())
    }

    async fn register_product(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: ProductId = self.id_of(unit, cause, "product").await?;
        let fields = cause.fields();
        let venue = text(&fields, "venue");
        let exemption = text(&fields, "exemption").or_else(|| text(&fields, "reason"));
        let registration = Registration {
            exemption: if venue.is_some() { None } else { exemption },
            venue,
            number: text(&fields, "number").unwrap_or_else(|| cause.id.to_string()),
        };
        let register = ProductCommand::Register(registration);
        unit.follow::<Product>(id, register, cause.clauses).await?;
        let product = unit.load::<Product>(id).await?;
        for act in &cause.case.dossier.acts {
            if act.negative || act.organisation == product.operator {
                continue;
            }
            let review = Review {
                role: act.role.clone(),
                reviewer: act.person,
                organisation: act.organisation,
                content: product.content,
                passed: true,
                opinion: act
                    .form
                    .as_ref()
                    .and_then(|form| form.get("opinion")?.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            };
            let command = ProductCommand::Review { review, by_case: true };
            unit.follow::<Product>(id, command, cause.clauses).await?;
        }
        Ok(())
    }

    async fn list_product(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: ProductId = self.id_of(unit, cause, "product").await?;
        let product = unit.load::<Product>(id).await?;
        let agreement = unit.load::<Agreement>(product.agreement).await?;
        let command =
            ProductCommand::List { agreement_is_active: agreement.is_in_operation(self.now()) };
        unit.follow::<Product>(id, command, cause.clauses).await?;
        Ok(())
    }

    /// Sets a price by what each did in its case: the operator proposed it, and others guided,
    /// agreed to it or took its filing.
    async fn set_price(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: ProductId = self.id_of(unit, cause, "product").await?;
        let product = unit.load::<Product>(id).await?;
        let fields = cause.fields();
        let charge_unit = match text(&fields, "unit").as_deref() {
            Some("package") => ChargeUnit::Package,
            _ => ChargeUnit::Call,
        };
        let fen = |name: &str| {
            fields
                .get(name)
                .and_then(Value::as_i64)
                .map(|fen| Amount { unit: charge_unit, fen: Fen(fen) })
        };
        let amount: Amount = match fen("fen") {
            Some(amount) => amount,
            None => return Err(self.incomplete(unit, cause, "fen").await),
        };
        let basis = text(&fields, "basis").unwrap_or_default();
        let method = self.law().parameter("price_method").and_then(|it| it.text());
        if method == Some("guided") {
            let base = fen("ceiling_fen").unwrap_or(amount);
            let guide = Guide {
                base,
                basis: basis.clone(),
                from: self.law().local_date(self.now()),
                until: None,
            };
            let command = PriceCommand::Guide { product: id, guide };
            unit.follow::<Price>(id, command, cause.clauses).await?;
        }
        let proposer = cause
            .case
            .dossier
            .acts
            .iter()
            .find(|act| !act.negative && act.organisation == product.operator);
        let proposer = match proposer {
            Some(act) => self.actor(act.person).await?,
            None => return Err(self.incomplete(unit, cause, "the operator's proposal").await),
        };
        let propose = PriceCommand::Propose {
            product: id,
            operator: product.operator,
            amount,
            basis,
            method: method.map(str::to_owned),
        };
        unit.on_behalf_of(proposer).follow::<Price>(id, propose, cause.clauses).await?;
        if method == Some("market_filed") {
            let command = PriceCommand::File { receipt: cause.id.to_string() };
            unit.follow::<Price>(id, command, cause.clauses).await?;
        } else {
            let command = PriceCommand::Agree { decision: cause.id.to_string() };
            unit.follow::<Price>(id, command, cause.clauses).await?;
        }
        unit.follow::<Price>(id, PriceCommand::Set, cause.clauses).await?;
        self.file_product(unit, cause, id).await
    }

    /// Files a product with what its price case says, where the city asks for a filing.
    async fn file_product(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        id: ProductId,
    ) -> Result<(), ActError> {
        let Some(asked) = self.law().parameter("product_filing_fields") else { return Ok(()) };
        let dossier = cause.fields();
        let written = |field: &str| match dossier.get(field) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        // A filing names in its own way what a price case says.
        let said = |field: &str| match field {
            "price" => written("fen"),
            "price_basis" => written("basis"),
            "use_scope" => written("scope"),
            "use_mode" => written("manner"),
            other => written(other),
        };
        let fields: BTreeMap<String, String> = asked
            .ids()
            .into_iter()
            .filter_map(|field| Some((field.to_owned(), said(field)?)))
            .collect();
        unit.follow::<Product>(id, ProductCommand::File { fields }, cause.clauses).await?;
        Ok(())
    }

    async fn record_evaluation(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let fields = cause.fields();
        let agreement = cause.agreement();
        let operator = unit.load::<Agreement>(agreement).await?.terms.operator;
        let scores: BTreeMap<String, u32> = match fields.get("scores") {
            Some(Value::Object(scores)) => scores
                .iter()
                .filter_map(|(name, score)| {
                    Some((name.clone(), u32::try_from(score.as_u64()?).ok()?))
                })
                .collect(),
            Some(Value::Array(scores)) => scores
                .iter()
                .filter_map(|entry| {
                    let name = ["subject", "id", "indicator", "item"]
                        .iter()
                        .find_map(|key| entry.get(*key)?.as_str())?;
                    Some((name.to_owned(), u32::try_from(entry.get("score")?.as_u64()?).ok()?))
                })
                .collect(),
            _ => [("total".to_owned(), number(&fields, "score"))].into(),
        };
        let earlier = self.desk().list::<Evaluation>(&Filter::parent(agreement)).await?;
        let last = earlier.iter().map(|(_, it)| it).max_by_key(|it| it.period);
        let poor_before = last.map_or(0, |it| it.poor_in_a_row);
        let today = self.law().local_date(self.now());
        let from = earlier.iter().map(|(_, it)| it.period.1).max();
        let starts = unit.load::<Agreement>(agreement).await?.terms.from;
        let command = EvaluationCommand::Record {
            agreement,
            operator,
            period: (from.unwrap_or(starts), today),
            scores,
            poor_before,
        };
        let id: EvaluationId = same_number(cause.id);
        unit.follow::<Evaluation>(id, command, cause.clauses).await?;
        Ok(())
    }

    async fn accept_report(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let fields = cause.fields();
        let Some(id) = id_in::<TaskId>(&fields, "task") else { return Ok(()) };
        let sections = match fields.get("sections") {
            Some(Value::Object(sections)) => sections
                .iter()
                .map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned()))
                .collect(),
            Some(Value::Array(sections)) => sections.iter().filter_map(section).collect(),
            _ => BTreeMap::new(),
        };
        let submitter = cause.case.dossier.acts.first().map(|act| act.person);
        let submission = Submission { evidence: content_of(cause.case), sections };
        if let Some(person) = submitter {
            let unit = unit.on_behalf_of(self.actor(person).await?);
            unit.follow::<Task>(id, TaskCommand::Submit(submission), cause.clauses).await?;
        }
        unit.follow::<Task>(id, TaskCommand::Accept, cause.clauses).await?;
        Ok(())
    }

    /// The ids of entities of a kind that belong to something and stand in a state.
    pub(super) async fn ids_of<E: shuyu_store::Entity>(
        &self,
        parent: impl ToString,
        status: &str,
    ) -> Result<Vec<E::Id>, ActError> {
        Ok(self.of::<E>(parent, status).await?.into_iter().map(|(id, _)| id).collect())
    }

    /// Entities of a kind that belong to something and stand in a state.
    async fn of<E: shuyu_store::Entity>(
        &self,
        parent: impl ToString,
        status: &str,
    ) -> Result<Vec<(E::Id, E)>, ActError> {
        let filter = Filter { status: Some(status.to_owned()), ..Filter::parent(parent) };
        Ok(self.desk().list::<E>(&filter).await?)
    }

    /// A field of the dossier as `T`, or the refusal that it is missing or of another form.
    pub(super) async fn field_of<T: DeserializeOwned>(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        name: &str,
    ) -> Result<T, ActError> {
        let value = cause.fields().remove(name).unwrap_or(Value::Null);
        match serde_json::from_value(value) {
            Ok(value) => Ok(value),
            Err(_) => Err(self.incomplete(unit, cause, name).await),
        }
    }

    async fn id_of<I: std::str::FromStr>(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        name: &str,
    ) -> Result<I, ActError> {
        let named = id_in(&cause.fields(), name);
        let subject = || cause.case.subject.as_deref().and_then(|text| text.parse().ok());
        match named.or_else(subject) {
            Some(id) => Ok(id),
            None => Err(self.incomplete(unit, cause, name).await),
        }
    }

    pub(super) async fn incomplete(&self, unit: &Unit, cause: &Cause<'_>, what: &str) -> ActError {
        let refusal = self.law().refuse(DOSSIER_COMPLETE, &[]);
        let why = refusal.because(format!("the dossier does not say `{what}` as it must"));
        unit.refuse(&StreamId::of::<Case>(cause.id), "case.act", why).await
    }
}

/// A share of the proceeds, as forms write it.
#[derive(Debug, Deserialize)]
struct ShareForm {
    party: String,
    weight: u32,
}

impl From<ShareForm> for Share<String> {
    fn from(share: ShareForm) -> Self {
        Self { party: share.party, weight: share.weight }
    }
}

fn section(entry: &Value) -> Option<(String, String)> {
    match entry {
        Value::String(name) => Some((name.clone(), name.clone())),
        Value::Object(entry) => {
            let name = entry.get("section").or_else(|| entry.get("id"))?.as_str()?;
            let text = entry.get("text").and_then(Value::as_str).unwrap_or(name);
            Some((name.to_owned(), text.to_owned()))
        }
        _ => None,
    }
}

/// The receipts in a form: recipient and number.
fn receipts(fields: &Map<String, Value>) -> Vec<(String, String)> {
    let list = fields.get("receipts").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|receipt| {
            let part = |name: &str| receipt.get(name)?.as_str().map(str::to_owned);
            Some((part("recipient")?, part("number")?))
        })
        .collect()
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn texts(fields: &Map<String, Value>, name: &str) -> BTreeSet<String> {
    fields
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn number(fields: &Map<String, Value>, name: &str) -> u32 {
    fields.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}
