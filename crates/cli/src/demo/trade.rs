//! Products, their sale, and the money.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use serde_json::{Value, json};
use shuyu_kernel::ReleaseId;
use shuyu_market::{
    ChargeUnit, Comparison, Parameter, QueryTemplate, ReleasedTable, SubscriptionOrder, Substance,
    ValueType,
};
use shuyu_server::app::NewProduct;

use super::{Errand, Failed, Made, ProductId, Stage, SubscriptionId, data::Supplied};

/// How often the API is called.
const CALLS: usize = 25;
/// What a call and a package cost, in fen.
const CALL_FEN: i64 = 37;
const PACKAGE_FEN: i64 = 88_800;

/// The products that were made.
pub(super) struct Products {
    pub(super) package: ProductId,
    pub(super) api: ProductId,
}

/// What was sold.
pub(super) struct Sold {
    pub(super) package: SubscriptionId,
    pub(super) api: SubscriptionId,
    pub(super) key: String,
    pub(super) argument: (String, String),
    pub(super) proceeds: String,
    pub(super) split: String,
}

impl Stage {
    pub(super) async fn products(
        &mut self,
        release: ReleaseId,
        chosen: &Supplied,
    ) -> Result<(Products, (String, String)), Failed> {
        let author = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        let sheet = self.app.released_table(release).await?;
        let dimension = chosen.dimension().to_owned();
        let position = sheet.columns().iter().position(|name| *name == dimension);
        let example = position
            .and_then(|at| sheet.rows().first().and_then(|row| row.get(at)))
            .cloned()
            .unwrap_or_default();
        let purposes = self.purposes();
        let mut made = Vec::new();
        for (form, substance, unit, fen) in [
            ("data_package", Substance::Package, ChargeUnit::Package, PACKAGE_FEN),
            ("api", Self::template(&sheet, &dimension), ChargeUnit::Call, CALL_FEN),
        ] {
            let new = NewProduct {
                title: format!("{} by {dimension} ({form})", chosen.title),
                form: self.form_known(form),
                substance,
                use_kind: "industry".to_owned(),
                purposes: purposes.clone(),
                release,
            };
            let product = self.app.draft_product(&author.actor, new).await?;
            self.told(&author.name, &format!("drafts the product `{form}`")).await?;
            let unit = match unit {
                ChargeUnit::Call => "call",
                ChargeUnit::Package => "package",
            };
            let operator = self.cast.operator;
            let subject = Some(product.to_string());
            let price = Errand {
                subject: subject.clone(),
                parties: vec![operator],
                ..Errand::new("price", form)
            }
            .give("product", product.to_string())
            .give("fen", fen)
            .give("ceiling_fen", fen * 2)
            .give("unit", unit)
            .give("basis", "cost of processing and supply, with a reasonable return");
            let listing =
                Errand { subject, parties: vec![operator], ..Errand::new("product", form) }
                    .give("product", product.to_string())
                    .give("release", release.to_string())
                    .give("form", self.form_known(form))
                    .give("basis", "cost of processing and supply, with a reasonable return")
                    .give("scenario", "figures by area for planning")
                    .give("scope", "as declared")
                    .give("manner", form);
            self.run(price).await?;
            self.run(listing).await?;
            made.push(product);
        }
        let &[package, api] = made.as_slice() else { return Err("two products were made".into()) };
        Ok((Products { package, api }, (dimension, example)))
    }

    pub(super) async fn sell(
        &mut self,
        made: &Made,
        (products, argument): &(Products, (String, String)),
    ) -> Result<Sold, Failed> {
        let consumer = self.cast.holder("product_user")?.clone();
        let order = |quota| SubscriptionOrder {
            purpose: self.purposes().into_iter().next().unwrap_or_default(),
            statement: "planning of services in our own area".to_owned(),
            quota,
            until: None,
            no_resale: true,
        };
        let (package, _) =
            self.app.subscribe(&consumer.actor, products.package, order(Some(5))).await?;
        let (api, key) =
            self.app.subscribe(&consumer.actor, products.api, order(Some(1_000))).await?;
        let key = key.ok_or("an API is called with a key")?;
        self.told(&consumer.name, "subscribes to the package and to the API").await?;
        let downloaded = self.app.download(&consumer.actor, package).await?;
        let (bytes, content) = (downloaded.bytes.len(), downloaded.content.short());
        let what = format!("downloads {bytes} bytes, hash {content}");
        self.told(&consumer.name, &what).await?;
        let arguments: BTreeMap<String, Value> =
            [(argument.0.clone(), json!(argument.1.clone()))].into();
        let mut rows = 0;
        for _ in 0..CALLS {
            rows += self.app.call(api, &key, &arguments).await?.rows.len();
        }
        let what = format!(
            "calls the API {CALLS} times with {} = {}: {rows} rows",
            argument.0, argument.1
        );
        self.told(&consumer.name, &what).await?;

        self.clock.advance(Duration::days(30));
        let seller = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        for subscription in [package, api] {
            let (id, invoice) = self.app.invoice(&seller.actor, subscription).await?;
            self.told(&seller.name, &format!("invoices {} yuan", invoice.total)).await?;
            if invoice.total.0 > 0 {
                self.app.pay(&seller.actor, id, "transfer").await?;
                let what = format!("records that {} has paid", consumer.name);
                self.told(&seller.name, &what).await?;
            }
        }
        let settler = self.settler()?;
        let (_, settlement) = self.app.settle(&settler.actor, made.agreement).await?;
        let split: Vec<String> =
            settlement.parts.iter().map(|part| part.amount.to_string()).collect();
        let balance = self.app.trial_balance().await?;
        if balance.total() != 0 {
            return Err("the books do not balance".into());
        }
        let proceeds = format!("{} yuan", settlement.proceeds);
        let split = split.join(" + ");
        let what = format!("shares {proceeds} as the agreement says: {split}; the books balance");
        self.told(&settler.name, &what).await?;
        Ok(Sold { package, api, key, argument: argument.clone(), proceeds, split })
    }

    /// The purposes that the city knows for use that is paid, or one of our own.
    fn purposes(&self) -> BTreeSet<String> {
        let paid = self
            .app
            .law()
            .parameter("paid_use")
            .map(|it| it.ids().into_iter().map(str::to_owned).collect::<BTreeSet<String>>());
        paid.filter(|it| !it.is_empty()).unwrap_or_else(|| ["industry".to_owned()].into())
    }

    /// The city's own name of a form, where it names forms and has this one under another.
    fn form_known(&self, form: &str) -> String {
        let law = self.app.law();
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

    fn template(sheet: &ReleasedTable, dimension: &str) -> Substance {
        Substance::Api {
            template: QueryTemplate {
                parameters: vec![Parameter {
                    name: dimension.to_owned(),
                    column: dimension.to_owned(),
                    value_type: ValueType::Text,
                    comparison: Comparison::Equal,
                    required: true,
                }],
                columns: sheet.columns().to_vec(),
                row_limit: 100,
            },
        }
    }

    fn settler(&self) -> Result<super::cast::Member, Failed> {
        for role in ["finance", "authority"] {
            if let Some(member) = self.cast.holders(role).next() {
                return Ok(member.clone());
            }
        }
        Err("nobody may share proceeds".into())
    }
}
