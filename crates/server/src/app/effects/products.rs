//! Products: registered with their reviews, priced, filed, listed.

use std::collections::BTreeMap;

use serde_json::Value;
use shuyu_casework::Agreement;
use shuyu_kernel::{Fen, ProductId};
use shuyu_market::{
    Amount, ChargeUnit, Guide, Price, PriceCommand, Product, ProductCommand, Registration, Review,
};
use shuyu_store::{ActError, Unit};

use super::{Cause, text};
use crate::app::App;

impl App {
    pub(super) async fn register_product(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
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

    pub(super) async fn list_product(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
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
    pub(super) async fn set_price(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
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
            let Some(base) = fen("ceiling_fen") else {
                return Err(self.incomplete(unit, cause, "ceiling_fen").await);
            };
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
    pub(super) async fn file_product(
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
}
