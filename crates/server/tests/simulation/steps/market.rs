//! Products, their use, and the money.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shuyu_kernel::{AgreementId, InvoiceId};
use shuyu_market::{
    Beneficiary, Comparison, Invoice, InvoiceStatus, KeyHash, Parameter, Product, ProductCommand,
    ProductStatus, QueryTemplate, Settlement, Subscription, SubscriptionCommand, SubscriptionOrder,
    SubscriptionStatus, Substance, ValueType,
};
use shuyu_server::app::NewProduct;

use super::catalogue::{AREAS, BY};
use crate::{
    step::Step,
    world::{World, name},
};

impl World {
    pub(super) async fn draft_product(&mut self) -> Option<Step> {
        let (release, found) = self.released().await?;
        let actor = self.who_of(found.operator).await;
        let substance =
            if self.dice.chance(50) { Substance::Package } else { self.template(release).await? };
        let form = match &substance {
            Substance::Package => "data_package",
            Substance::Api { .. } => "api",
        };
        let new = NewProduct {
            title: format!("figures ({form})"),
            form: self.form_known(form),
            substance,
            use_kind: "industry".to_owned(),
            purposes: self.purposes(),
            release,
        };
        let what = format!("of {release} by {}", name(&actor));
        Some(Step::new("product.draft", what, self.app.draft_product(&actor, new).await))
    }

    /// A query API over the released table, by area.
    async fn template(&mut self, release: shuyu_kernel::ReleaseId) -> Option<Substance> {
        let sheet = self.app.released_table(release).await.ok()?;
        Some(Substance::Api {
            template: QueryTemplate {
                parameters: vec![Parameter {
                    name: BY.to_owned(),
                    column: BY.to_owned(),
                    value_type: ValueType::Text,
                    comparison: Comparison::Equal,
                    required: true,
                }],
                columns: sheet.columns().to_vec(),
                row_limit: 100,
            },
        })
    }

    /// The city's own name of a form, where it names forms.
    fn form_known(&self, form: &str) -> String {
        let law = self.law();
        let known: Vec<&str> = ["product_forms", "platform_product_forms", "service_kinds"]
            .iter()
            .filter_map(|name| law.parameter(name))
            .flat_map(shuyu_law::Parameter::ids)
            .collect();
        let same = known.iter().find(|it| **it == form);
        let other =
            known.iter().find(|it| form == "api" && ["interface", "data_interface"].contains(it));
        same.or(other).map_or_else(|| form.to_owned(), |it| (*it).to_owned())
    }

    /// The purposes that the city knows for use that is paid, or one of our own.
    fn purposes(&self) -> BTreeSet<String> {
        let paid = self
            .law()
            .parameter("paid_use")
            .map(|it| it.ids().into_iter().map(str::to_owned).collect::<BTreeSet<String>>());
        paid.filter(|it| !it.is_empty()).unwrap_or_else(|| ["industry".to_owned()].into())
    }

    /// A product is suspended, resumed, withdrawn, or reviewed by itself, apart from its case.
    pub(super) async fn product(&mut self) -> Option<Step> {
        let offered =
            |it: &Product| matches!(it.status, ProductStatus::Listed | ProductStatus::Suspended);
        let (id, product) = self.seek::<Product>(offered).await?;
        let reason = "looked into".to_owned();
        let actor = if self.dice.chance(70) {
            self.who(&["authority", "implementer", "zone_supervisor"]).await
        } else {
            self.who_of(product.operator).await
        };
        let what = format!("{id} by {}", name(&actor));
        Some(match self.dice.below(12) {
            0..4 => {
                let suspend = ProductCommand::Suspend { reason };
                Step::new("product.suspend", what, self.raw::<Product>(&actor, id, suspend).await)
            }
            4 => {
                let withdraw = ProductCommand::Withdraw { reason };
                let done = self.raw::<Product>(&actor, id, withdraw).await;
                Step::new("product.withdraw", what, done)
            }
            _ => Step::new("product.resume", what, self.app.resume_product(&actor, id).await),
        })
    }

    pub(super) async fn subscribe(&mut self) -> Option<Step> {
        let (id, _) = self.seek::<Product>(|it| it.status == ProductStatus::Listed).await?;
        let actor = self.who(&["product_user", "provider"]).await;
        let purpose = if self.dice.chance(85) {
            self.purposes().into_iter().next().unwrap_or_default()
        } else {
            "resale".to_owned()
        };
        let quota = self.dice.pick(&[None, Some(3), Some(100)])?;
        let days = self.dice.pick(&[None, Some(30), Some(400)])?;
        let order = SubscriptionOrder {
            purpose,
            statement: "planning of services".to_owned(),
            quota,
            until: days.and_then(|days| self.today().checked_add_days(chrono::Days::new(days))),
            no_resale: true,
        };
        let done = self.app.subscribe(&actor, id, order).await;
        if let Ok((subscription, Some(key))) = &done {
            self.keys.insert(*subscription, key.clone());
        }
        Some(Step::new("subscription.subscribe", format!("{id} by {}", name(&actor)), done))
    }

    /// A package is downloaded, or an API called.
    pub(super) async fn use_product(&mut self) -> Option<Step> {
        let active = |it: &Subscription| it.status == SubscriptionStatus::Active;
        let (id, subscription) = self.seek::<Subscription>(active).await?;
        let is_api = subscription.key.is_some();
        if is_api != self.dice.chance(5) {
            let key = match self.keys.get(&id) {
                Some(key) if self.dice.chance(90) => key.clone(),
                _ => "sk-forged".to_owned(),
            };
            let area = self.dice.pick(&AREAS)?;
            let argument = if self.dice.chance(95) { BY } else { "nothing" };
            let arguments: BTreeMap<String, serde_json::Value> =
                [(argument.to_owned(), json!(area))].into();
            let done = self.app.call(id, &key, &arguments).await;
            return Some(Step::new("subscription.call", id.to_string(), done));
        }
        let actor = self.who_of(subscription.consumer).await;
        let done = self.app.download(&actor, id).await;
        Some(Step::new("subscription.download", format!("{id} by {}", name(&actor)), done))
    }

    /// A subscription is suspended, resumed or ended, or its key replaced, by itself.
    pub(super) async fn subscription(&mut self) -> Option<Step> {
        let open = |it: &Subscription| it.status != SubscriptionStatus::Ended;
        let (id, subscription) = self.seek::<Subscription>(open).await?;
        let reason = "as wished".to_owned();
        let actor = match self.dice.below(3) {
            0 => self.who(&["authority"]).await,
            1 => self.who_of(subscription.operator).await,
            _ => self.who_of(subscription.consumer).await,
        };
        let what = format!("{id} by {}", name(&actor));
        let (verb, command) = match self.dice.below(12) {
            0..3 => ("suspend", SubscriptionCommand::Suspend { reason }),
            3 => ("end", SubscriptionCommand::End { reason }),
            4..6 => ("rotate", SubscriptionCommand::Rotate { key: KeyHash::of("sk-new") }),
            _ => {
                let done = self.app.resume_subscription(&actor, id).await;
                return Some(Step::new("subscription.resume", what, done));
            }
        };
        let done = self.raw::<Subscription>(&actor, id, command).await;
        if done.is_ok() && verb == "rotate" {
            self.keys.insert(id, "sk-new".to_owned());
        }
        Some(Step::new(format!("subscription.{verb}"), what, done))
    }

    pub(super) async fn invoice(&mut self) -> Option<Step> {
        let (id, subscription) = self.seek::<Subscription>(|_| true).await?;
        let actor = self.who_of(subscription.operator).await;
        let done = self.app.invoice(&actor, id).await;
        Some(Step::new("invoice.issue", format!("of {id} by {}", name(&actor)), done))
    }

    pub(super) async fn pay(&mut self) -> Option<Step> {
        let due = |it: &Invoice| it.status == InvoiceStatus::Issued;
        let (id, invoice): (InvoiceId, Invoice) = self.seek::<Invoice>(due).await?;
        let actor = if self.dice.chance(85) {
            self.who_of(invoice.operator).await
        } else {
            self.who_of(invoice.consumer).await
        };
        let reference = if self.dice.chance(92) { "transfer" } else { " " };
        let done = self.app.pay(&actor, id, reference).await;
        Some(Step::new("invoice.pay", format!("{id} by {}", name(&actor)), done))
    }

    /// The proceeds of an agreement are shared, or a part is paid out.
    pub(super) async fn settle(&mut self) -> Option<Step> {
        if self.dice.chance(30) {
            return self.pay_out().await;
        }
        let paid = |it: &Invoice| it.status == InvoiceStatus::Paid;
        let (_, invoice) = self.seek::<Invoice>(paid).await?;
        let agreement: AgreementId = invoice.agreement;
        let actor = self.who(&["finance", "authority", "operator"]).await;
        let done = self.app.settle(&actor, agreement).await;
        Some(Step::new("settlement.share", format!("{agreement} by {}", name(&actor)), done))
    }

    async fn pay_out(&mut self) -> Option<Step> {
        let (id, settlement) = self.seek::<Settlement>(|_| true).await?;
        let to = match self.dice.pick(&settlement.parts) {
            Some(part) if self.dice.chance(85) => part.to,
            _ => Beneficiary::Budget,
        };
        let actor = self.who(&["finance", "authority"]).await;
        let done = self.app.pay_out(&actor, id, to, "transfer").await;
        Some(Step::new("settlement.pay_out", format!("{id} by {}", name(&actor)), done))
    }
}
