//! Products in the market: drafting, subscribing, invoicing, settling. Their use: see `delivery`.

use std::collections::{BTreeMap, BTreeSet};

use shuyu_casework::{Agreement, Organisation, Scenario, scenario};
use shuyu_enclave::Release;
use shuyu_kernel::{
    Actor, AgreementId, InvoiceId, OrganisationId, ProductId, ReleaseId, Share, SubscriptionId,
};
use shuyu_market::{
    AgreementFacts, Beneficiary, Invoice, InvoiceCommand, KeyHash, OfferFacts, Posting,
    PostingCommand, PostingId, Price, Product, ProductCommand, ProductDraft, ReleaseFacts,
    ScenarioFacts, Settlement, SettlementCommand, SettlementId, Subscription, SubscriptionCommand,
    SubscriptionOrder, Substance, TrialBalance, UsageCount,
};
use shuyu_store::{ActError, Filter, StoreError, StreamId, Unit};

use super::{App, delivery::USE, store};

/// The act of reading the books.
pub(super) const READ_BOOKS: &str = "books.read";

/// What a product to be drafted says of itself.
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// What people call it.
    pub title: String,
    /// The form, as the pack names forms.
    pub form: String,
    /// How it is delivered.
    pub substance: Substance,
    /// For the public's use or for industry's.
    pub use_kind: String,
    /// The purposes that it may be used for, as the pack names them.
    pub purposes: BTreeSet<String>,
    /// The release that it is made of.
    pub release: ReleaseId,
}

impl App {
    /// Drafts a product on released content.
    pub async fn draft_product(
        &self,
        actor: &Actor,
        new: NewProduct,
    ) -> Result<ProductId, ActError> {
        let id: ProductId = self.fresh();
        self.desk()
            .run(actor, |unit| {
                let new = new.clone();
                async move {
                    let draft = self.product_draft(&unit, new).await?;
                    unit.act::<Product>(id, ProductCommand::Draft(Box::new(draft))).await?;
                    Ok(id)
                }
            })
            .await
    }

    async fn product_draft(&self, unit: &Unit, new: NewProduct) -> Result<ProductDraft, ActError> {
        let release = unit.load::<Release>(new.release).await?;
        let grant = unit.load::<shuyu_enclave::Grant>(release.grant).await?;
        let agreement = unit.load::<Agreement>(grant.terms.agreement).await?;
        let scenario = unit.load::<Scenario>(grant.terms.scenario).await?;
        let mut providers = BTreeSet::new();
        for item in &grant.terms.items {
            providers.insert(unit.load::<shuyu_catalogue::Resource>(item.resource).await?.provider);
        }
        let content = release.check_released(self.law()).ok();
        Ok(ProductDraft {
            title: new.title,
            form: new.form,
            substance: new.substance,
            use_kind: new.use_kind,
            purposes: new.purposes,
            content: content.unwrap_or(release.proposal.package),
            agreement: AgreementFacts {
                id: grant.terms.agreement,
                operator: agreement.terms.operator,
                is_active: agreement.is_in_operation(self.now()),
            },
            scenario: ScenarioFacts {
                id: grant.terms.scenario,
                agreement: scenario.agreement,
                is_approved: matches!(scenario.status, scenario::Status::Approved { .. }),
            },
            release: ReleaseFacts {
                id: new.release,
                agreement: grant.terms.agreement,
                scenario: grant.terms.scenario,
                content,
                providers,
                // Data reach the operator by grant, without a charge.
                is_from_free_data: true,
            },
        })
    }

    /// Subscribes the actor's organisation to a product. For an API, the key is returned, once.
    pub async fn subscribe(
        &self,
        actor: &Actor,
        product: ProductId,
        order: SubscriptionOrder,
    ) -> Result<(SubscriptionId, Option<String>), ActError> {
        let id: SubscriptionId = self.fresh();
        self.desk()
            .run(actor, |unit| {
                let order = order.clone();
                async move {
                    let offered = unit.load::<Product>(product).await?;
                    let price = unit.find::<Price>(product).await?.map(|(_, price)| price);
                    let key = match &offered.substance {
                        Substance::Package => None,
                        Substance::Api { .. } => Some(KeyHash::issue(&*self.0.entropy)),
                    };
                    let (shown, kept) = key.unzip();
                    let agreement = unit.load::<Agreement>(offered.agreement).await?;
                    let offer = OfferFacts {
                        id: product,
                        product: offered,
                        price,
                        agreement_is_in_operation: agreement.is_in_operation(self.now()),
                    };
                    let command =
                        SubscriptionCommand::Subscribe { offer: Box::new(offer), order, key: kept };
                    unit.act::<Subscription>(id, command).await?;
                    Ok((id, shown))
                }
            })
            .await
    }

    /// Stops the delivery of a product for the time being.
    pub async fn suspend_product(
        &self,
        actor: &Actor,
        id: ProductId,
        reason: &str,
    ) -> Result<Product, ActError> {
        let command = ProductCommand::Suspend { reason: reason.to_owned() };
        Ok(self.desk().act::<Product>(actor, id, command).await?.state)
    }

    /// Stops offering a product for good.
    pub async fn withdraw_product(
        &self,
        actor: &Actor,
        id: ProductId,
        reason: &str,
    ) -> Result<Product, ActError> {
        let command = ProductCommand::Withdraw { reason: reason.to_owned() };
        Ok(self.desk().act::<Product>(actor, id, command).await?.state)
    }

    /// Replaces the key of a subscription; the old one ends at once. The new one is returned,
    /// once.
    pub async fn rotate_key(&self, actor: &Actor, id: SubscriptionId) -> Result<String, ActError> {
        let (shown, key) = KeyHash::issue(&*self.0.entropy);
        self.desk().act::<Subscription>(actor, id, SubscriptionCommand::Rotate { key }).await?;
        Ok(shown)
    }

    /// Stops the use of a subscription for the time being.
    pub async fn suspend_subscription(
        &self,
        actor: &Actor,
        id: SubscriptionId,
        reason: &str,
    ) -> Result<Subscription, ActError> {
        let command = SubscriptionCommand::Suspend { reason: reason.to_owned() };
        Ok(self.desk().act::<Subscription>(actor, id, command).await?.state)
    }

    /// Ends a subscription for good.
    pub async fn end_subscription(
        &self,
        actor: &Actor,
        id: SubscriptionId,
        reason: &str,
    ) -> Result<Subscription, ActError> {
        let command = SubscriptionCommand::End { reason: reason.to_owned() };
        Ok(self.desk().act::<Subscription>(actor, id, command).await?.state)
    }

    /// Invoices what a subscriber has used since the last invoice, each use once, and posts it.
    pub async fn invoice(
        &self,
        actor: &Actor,
        id: SubscriptionId,
    ) -> Result<(InvoiceId, Invoice), ActError> {
        let invoice: InvoiceId = self.fresh();
        let until = self.now();
        let since = self.subscription(id).await?.since;
        let subject = StreamId::of::<Subscription>(id);
        let total = self.desk().count(&subject, USE, since, until).await.map_err(store)?;
        self.desk()
            .run(actor, |unit| async move {
                let bill = SubscriptionCommand::Bill { invoice, total, until };
                let billed = unit.follow::<Subscription>(id, bill, &[]).await?;
                let usage = billed.events.iter().find_map(|event| UsageCount::of(id, event));
                let Some(usage) = usage else {
                    return Err(ActError::NotFound(StreamId::of::<Subscription>(id)));
                };
                let subscription = Box::new(billed.state);
                let issue = InvoiceCommand::Issue { subscription, usage };
                let issued = unit.act::<Invoice>(invoice, issue).await?;
                let lines = issued.state.issue_lines();
                self.post(&unit, format!("{invoice}/issue"), "invoice issued", lines).await?;
                Ok((invoice, issued.state))
            })
            .await
    }

    /// Records that an invoice was paid.
    pub async fn pay(
        &self,
        actor: &Actor,
        id: InvoiceId,
        reference: &str,
    ) -> Result<Invoice, ActError> {
        self.desk()
            .run(actor, |unit| async move {
                let amount = unit.load::<Invoice>(id).await?.total;
                let pay = InvoiceCommand::Pay { amount, reference: reference.to_owned() };
                let paid = unit.act::<Invoice>(id, pay).await?;
                let lines = paid.state.payment_lines();
                self.post(&unit, format!("{id}/payment"), "invoice paid", lines).await?;
                Ok(paid.state)
            })
            .await
    }

    /// Shares the proceeds of an agreement's paid invoices as the agreement says, to the fen.
    pub async fn settle(
        &self,
        actor: &Actor,
        agreement: AgreementId,
    ) -> Result<(SettlementId, Settlement), ActError> {
        let id: SettlementId = self.fresh();
        let paid = Filter { status: Some("paid".to_owned()), ..Filter::default() };
        let ids: Vec<InvoiceId> = self
            .desk()
            .list::<Invoice>(&paid)
            .await
            .map_err(store)?
            .into_iter()
            .filter(|(_, invoice)| invoice.agreement == agreement)
            .map(|(id, _)| id)
            .collect();
        let ids = &ids;
        self.desk()
            .run(actor, |unit| async move {
                let terms = unit.load::<Agreement>(agreement).await?.terms;
                let mut invoices = BTreeMap::new();
                for invoice in ids {
                    invoices.insert(*invoice, unit.load::<Invoice>(*invoice).await?);
                }
                let mut shares = Vec::new();
                for share in &terms.shares {
                    let party = self.beneficiary(&share.party, terms.operator).await?;
                    let unknown =
                        || ActError::NotFound(StreamId::new("organisation", &share.party));
                    let party = party.ok_or_else(unknown)?;
                    shares.push(Share { party, weight: share.weight });
                }
                let operator = terms.operator;
                let command = SettlementCommand::Share { agreement, operator, invoices, shares };
                let settled = unit.act::<Settlement>(id, command).await?;
                for invoice in ids {
                    let settle = InvoiceCommand::Settle { settlement: id };
                    unit.follow::<Invoice>(*invoice, settle, &settled.clauses).await?;
                }
                let lines = settled.state.share_lines();
                self.post(&unit, format!("{id}/shares"), "proceeds shared", lines).await?;
                Ok((id, settled.state))
            })
            .await
    }

    /// Records that a part of shared proceeds was paid, and posts it.
    pub async fn pay_out(
        &self,
        actor: &Actor,
        id: SettlementId,
        to: Beneficiary,
        reference: &str,
    ) -> Result<Settlement, ActError> {
        self.desk()
            .run(actor, |unit| async move {
                let agreement = unit.load::<Settlement>(id).await?.agreement;
                let operator = unit.load::<Agreement>(agreement).await?.terms.operator;
                let reference = reference.to_owned();
                let pay_out = SettlementCommand::PayOut { to, operator, reference };
                let paid = unit.act::<Settlement>(id, pay_out).await?.state;
                let lines = paid.pay_out_lines(to).unwrap_or_default();
                self.post(&unit, format!("{id}/paid/{to}"), "share paid out", lines).await?;
                Ok(paid)
            })
            .await
    }

    /// The books, if the actor may read them.
    pub async fn books(&self, actor: &Actor) -> Result<TrialBalance, ActError> {
        let subject = StreamId::new("books", &self.law().city);
        self.desk().permit(actor, &subject, READ_BOOKS).await?;
        Ok(self.trial_balance().await?)
    }

    /// What every account stands at, and whether the books balance.
    pub async fn trial_balance(&self) -> Result<TrialBalance, StoreError> {
        let postings = self.desk().list::<Posting>(&Filter::default()).await?;
        Ok(TrialBalance::of(postings.iter().map(|(_, posting)| posting)))
    }

    async fn post(
        &self,
        unit: &Unit,
        source: String,
        memo: &str,
        lines: Vec<shuyu_market::Line>,
    ) -> Result<(), ActError> {
        if lines.iter().all(|line| line.amount.0 == 0) {
            return Ok(());
        }
        let id: PostingId = self.fresh();
        let command = PostingCommand::Post { source, memo: memo.to_owned(), lines };
        unit.follow::<Posting>(id, command, &[]).await?;
        Ok(())
    }

    /// Who a party of an agreement's shares is: an organisation by id, or by a role that it alone
    /// holds. `None`: nobody, or one of several.
    pub(super) async fn beneficiary(
        &self,
        party: &str,
        operator: OrganisationId,
    ) -> Result<Option<Beneficiary>, ActError> {
        match party {
            "operator" => return Ok(Some(Beneficiary::Organisation { id: operator })),
            "redistribution" => return Ok(Some(Beneficiary::Redistribution)),
            "budget" => return Ok(Some(Beneficiary::Budget)),
            _ => {}
        }
        let all = self.desk().list::<Organisation>(&Filter::default()).await.map_err(store)?;
        let is_party = |id: OrganisationId, organisation: &Organisation| match party.parse() {
            Ok(named) => id == named,
            Err(_) => organisation.is_open && organisation.roles_under(self.law()).contains(party),
        };
        let mut known = all.into_iter().filter(|(id, it)| is_party(*id, it)).map(|(id, _)| id);
        Ok(match (known.next(), known.next()) {
            (Some(id), None) => Some(Beneficiary::Organisation { id }),
            _ => None,
        })
    }

    pub(super) async fn subscription(&self, id: SubscriptionId) -> Result<Subscription, ActError> {
        let found = self.desk().find::<Subscription>(id).await.map_err(store)?;
        found.map(|(_, it)| it).ok_or_else(|| ActError::NotFound(StreamId::of::<Subscription>(id)))
    }

    /// Lets a product be delivered again that was suspended by itself.
    pub async fn resume_product(&self, actor: &Actor, id: ProductId) -> Result<Product, ActError> {
        self.desk()
            .run(actor, |unit| async move {
                let product = unit.load::<Product>(id).await?;
                let agreement = unit.load::<Agreement>(product.agreement).await?;
                let agreement_is_active = agreement.is_in_operation(self.now());
                let resume = ProductCommand::Resume { agreement_is_active };
                Ok(unit.act::<Product>(id, resume).await?.state)
            })
            .await
    }

    /// Takes a subscription up again that was suspended by itself.
    pub async fn resume_subscription(
        &self,
        actor: &Actor,
        id: SubscriptionId,
    ) -> Result<Subscription, ActError> {
        self.desk()
            .run(actor, |unit| async move {
                let subscription = unit.load::<Subscription>(id).await?;
                let product = unit.load::<Product>(subscription.product).await?;
                let product_is_listed = product.is_on_offer();
                let resume = SubscriptionCommand::Resume { product_is_listed };
                Ok(unit.act::<Subscription>(id, resume).await?.state)
            })
            .await
    }

    /// A product.
    pub async fn product(&self, id: ProductId) -> Result<Product, ActError> {
        let found = self.desk().find::<Product>(id).await.map_err(store)?;
        found.map(|(_, it)| it).ok_or_else(|| ActError::NotFound(StreamId::of::<Product>(id)))
    }
}
