//! Data products and services: from a draft on released content to the offer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shuyu_kernel::{
    AgreementId, ContentHash, OrganisationId, PersonId, ProductId, ReleaseId, ScenarioId,
};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{pack, query::QueryTemplate};

pub(crate) const CONTENT_IS_RELEASED: Rule = Rule::new("product-content-is-released");
pub(crate) const OPERATOR_OF_AGREEMENT: Rule = Rule::new("product-by-operator-of-agreement");
pub(crate) const AGREEMENT_ACTIVE: Rule = Rule::new("product-agreement-active");
pub(crate) const FORM_KNOWN: Rule = Rule::new("product-form-known");
pub(crate) const SCENARIO_APPROVED: Rule = Rule::new("product-scenario-approved");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("product-step-in-order");
pub(crate) const FILING_COMPLETE: Rule = Rule::new("product-filing-complete");
pub(crate) const REGISTERED_AT_VENUE: Rule = Rule::new("product-registered-at-venue");
pub(crate) const REVIEWED_BY_ALL: Rule = Rule::new("product-reviewed-by-all");
pub(crate) const AUTHOR_DOES_NOT_REVIEW: Rule = Rule::new("product-author-does-not-review");
pub(crate) const REVIEW_BINDS_CONTENT: Rule = Rule::new("product-review-binds-content");
pub(crate) const API_WELL_FORMED: Rule = Rule::new("product-api-well-formed");

/// How the released content is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "delivery", rename_all = "snake_case")]
pub enum Substance {
    /// As it is, whole.
    Package,
    /// By questions with typed parameters, answered from the released table.
    Api {
        /// What may be asked.
        template: QueryTemplate,
    },
}

/// What is known of the agreement under which the product is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementFacts {
    /// The agreement.
    pub id: AgreementId,
    /// Who operates under it.
    pub operator: OrganisationId,
    /// Whether it is in force, neither suspended nor ended.
    pub is_active: bool,
}

/// What is known of the scenario for which the product is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioFacts {
    /// The scenario.
    pub id: ScenarioId,
    /// The agreement that it belongs to.
    pub agreement: AgreementId,
    /// Whether it is approved and running.
    pub is_approved: bool,
}

/// What is known of the release on which the product rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// The release.
    pub id: ReleaseId,
    /// The agreement under which it was made.
    pub agreement: AgreementId,
    /// The scenario for which it was made.
    pub scenario: ScenarioId,
    /// The digest of what the gate released; `None`: nothing has been released.
    pub content: Option<ContentHash>,
    /// Whose data it rests on.
    pub providers: BTreeSet<OrganisationId>,
    /// Whether the operator received those data free of charge.
    pub is_from_free_data: bool,
}

/// What an operator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductDraft {
    /// Its name.
    pub title: String,
    /// Its form, as the pack names forms.
    pub form: String,
    /// How it is delivered.
    pub substance: Substance,
    /// What sort of use it is for, such as `public` or `industry`.
    pub use_kind: String,
    /// The purposes for which it may be used; empty: any that the law permits.
    pub purposes: BTreeSet<String>,
    /// The digest of the content that is to be sold.
    pub content: ContentHash,
    /// The agreement.
    pub agreement: AgreementFacts,
    /// The scenario.
    pub scenario: ScenarioFacts,
    /// The release.
    pub release: ReleaseFacts,
}

/// Where and under which number a product is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The venue, where the product is registered outside the platform.
    pub venue: Option<String>,
    /// The number that the venue or the platform gave.
    pub number: String,
    /// Why it is not registered at the venue that the pack names.
    pub exemption: Option<String>,
}

/// One review of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// In which role.
    pub role: String,
    /// By whom.
    pub reviewer: PersonId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// The content that was read.
    pub content: ContentHash,
    /// Whether it may be supplied.
    pub passed: bool,
    /// Why.
    pub opinion: String,
}

/// Where a product stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductStatus {
    /// Being prepared.
    Draft,
    /// In the register.
    Registered,
    /// Every review that the pack asks for is passed.
    Reviewed,
    /// Offered.
    Listed,
    /// Not delivered for the time being.
    Suspended,
    /// No longer offered; final.
    Withdrawn,
}

impl ProductStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Registered => "registered",
            Self::Reviewed => "reviewed",
            Self::Listed => "listed",
            Self::Suspended => "suspended",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A data product or service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The agreement under which it is made.
    pub agreement: AgreementId,
    /// Who offers it.
    pub operator: OrganisationId,
    /// Who drafted it.
    pub author: PersonId,
    /// Its name.
    pub title: String,
    /// Its form, as the pack names forms.
    pub form: String,
    /// How it is delivered.
    pub substance: Substance,
    /// What sort of use it is for.
    pub use_kind: String,
    /// The purposes for which it may be used; empty: any that the law permits.
    pub purposes: BTreeSet<String>,
    /// The scenario for which it is made.
    pub scenario: ScenarioId,
    /// The release on which it rests.
    pub release: ReleaseId,
    /// The digest of the released content.
    pub content: ContentHash,
    /// Whose data it rests on.
    pub providers: BTreeSet<OrganisationId>,
    /// Whether those data were received free of charge.
    pub is_from_free_data: bool,
    /// Its entry in the register.
    pub registration: Option<Registration>,
    /// What was filed, by field, and the receipt.
    pub filing: BTreeMap<String, String>,
    /// The reviews of this content.
    pub reviews: Vec<Review>,
    /// Why it is suspended, while it is.
    #[serde(default)]
    pub suspended_for: Option<String>,
    /// Where it stands.
    pub status: ProductStatus,
}

/// What can be wanted of a product.
#[derive(Debug, Clone)]
pub enum ProductCommand {
    /// Draft it on released content.
    Draft(Box<ProductDraft>),
    /// Enter it in the register.
    Register(Registration),
    /// File what the pack asks for, by field.
    File {
        /// The fields.
        fields: BTreeMap<String, String>,
    },
    /// Review it. `by_case` is a review held in a case; else the actor reviews.
    Review {
        /// The review.
        review: Review,
        /// Whether a case held the review, with a reviewer of its own.
        by_case: bool,
    },
    /// Offer it.
    List {
        /// Whether the agreement is still in force.
        agreement_is_active: bool,
    },
    /// Stop delivery for the time being.
    Suspend {
        /// Why.
        reason: String,
    },
    /// Take delivery up again.
    Resume {
        /// Whether the agreement is in force.
        agreement_is_active: bool,
    },
    /// Stop offering it for good.
    Withdraw {
        /// Why.
        reason: String,
    },
}

impl Command for ProductCommand {
    shuyu_store::names! {
        Self::Draft(_) => "draft",
        Self::Register(_) => "register",
        Self::File { .. } => "file",
        Self::Review { .. } => "review",
        Self::List { .. } => "list",
        Self::Suspend { .. } => "suspend",
        Self::Resume { .. } => "resume",
        Self::Withdraw { .. } => "withdraw",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Draft(draft) => {
                [("operator".to_owned(), Attribute::Text(draft.agreement.operator.to_string()))]
                    .into()
            }
            Self::Review { review, .. } => {
                [("role".to_owned(), Attribute::Text(review.role.clone()))].into()
            }
            Self::Register(registration) => {
                [("exempted".to_owned(), Attribute::Flag(registration.exemption.is_some()))].into()
            }
            Self::File { .. }
            | Self::List { .. }
            | Self::Suspend { .. }
            | Self::Resume { .. }
            | Self::Withdraw { .. } => Attributes::new(),
        }
    }
}

/// What can happen to a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum ProductEvent {
    /// It was drafted.
    Drafted {
        /// The draft.
        product: Box<Product>,
    },
    /// It was entered in the register.
    Registered {
        /// The entry.
        registration: Registration,
    },
    /// Its particulars were filed.
    Filed {
        /// The fields.
        fields: BTreeMap<String, String>,
    },
    /// It was reviewed.
    Reviewed {
        /// The review.
        review: Review,
        /// Whether every review that the pack asks for is now passed.
        complete: bool,
    },
    /// It was put on offer.
    Listed,
    /// Its delivery was stopped.
    Suspended {
        /// Why.
        reason: String,
    },
    /// Its delivery was taken up again.
    Resumed,
    /// It was withdrawn.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

impl Entity for Product {
    const KIND: &'static str = "product";
    const ATTRIBUTES: &'static [&'static str] =
        &["status", "operator", "author", "agreement", "form", "role", "exempted"];
    type Id = ProductId;
    type Command = ProductCommand;
    type Event = ProductEvent;

    fn decide(
        state: Option<&Self>,
        command: ProductCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<ProductEvent>, Refusal> {
        let Some(product) = state else {
            return match command {
                ProductCommand::Draft(draft) => {
                    Ok(vec![ProductEvent::Drafted { product: Box::new(drafted(*draft, ctx)?) }])
                }
                _ => Err(ctx.refuse(STEP_IN_ORDER).because("the product has not been drafted")),
            };
        };
        product.next(command, ctx).map(|event| vec![event])
    }

    fn evolve(state: Option<Self>, event: &ProductEvent) -> Option<Self> {
        if let ProductEvent::Drafted { product } = event {
            return Some((**product).clone());
        }
        let mut product = state?;
        match event {
            ProductEvent::Drafted { .. } => {}
            ProductEvent::Registered { registration } => {
                product.registration = Some(registration.clone());
                if product.status == ProductStatus::Draft {
                    product.status = ProductStatus::Registered;
                }
            }
            ProductEvent::Filed { fields } => product.filing.extend(fields.clone()),
            ProductEvent::Reviewed { review, complete } => {
                product.reviews.retain(|earlier| earlier.role != review.role);
                product.reviews.push(review.clone());
                if *complete {
                    product.status = ProductStatus::Reviewed;
                }
            }
            ProductEvent::Listed | ProductEvent::Resumed => {
                product.suspended_for = None;
                product.status = ProductStatus::Listed;
            }
            ProductEvent::Suspended { reason } => {
                product.suspended_for = Some(reason.clone());
                product.status = ProductStatus::Suspended;
            }
            ProductEvent::Withdrawn { .. } => product.status = ProductStatus::Withdrawn,
        }
        Some(product)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.operator.to_string()),
            parent: Some(self.agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("author".to_owned(), Attribute::Text(self.author.to_string())),
            ("agreement".to_owned(), Attribute::Text(self.agreement.to_string())),
            ("form".to_owned(), Attribute::Text(self.form.clone())),
        ]
        .into()
    }
}

impl Product {
    fn next(&self, command: ProductCommand, ctx: &Context<'_>) -> Result<ProductEvent, Refusal> {
        use ProductStatus::{Draft, Listed, Registered, Reviewed, Suspended, Withdrawn};
        let order = |what: &str| {
            ctx.refuse(STEP_IN_ORDER)
                .because(format!("the product is {}; {what}", self.status.name()))
        };
        match (command, self.status) {
            (ProductCommand::Register(registration), Draft | Registered | Reviewed) => {
                check_registration(&registration, ctx)?;
                Ok(ProductEvent::Registered { registration })
            }
            (ProductCommand::File { fields }, Draft | Registered | Reviewed | Listed) => {
                self.check_filing(&fields, ctx)?;
                Ok(ProductEvent::Filed { fields })
            }
            (ProductCommand::Review { review, by_case }, Draft | Registered | Reviewed) => {
                self.check_review(&review, by_case, ctx)?;
                let complete = self.is_reviewed(Some(&review), ctx);
                Ok(ProductEvent::Reviewed { review, complete })
            }
            (ProductCommand::List { agreement_is_active }, Registered | Reviewed) => {
                self.check_listing(agreement_is_active, ctx)?;
                Ok(ProductEvent::Listed)
            }
            (ProductCommand::Suspend { reason }, Listed) => Ok(ProductEvent::Suspended { reason }),
            (ProductCommand::Resume { agreement_is_active: true }, Suspended) => {
                Ok(ProductEvent::Resumed)
            }
            (ProductCommand::Resume { agreement_is_active: false }, Suspended) => {
                Err(ctx.refuse(AGREEMENT_ACTIVE))
            }
            (
                ProductCommand::Withdraw { reason },
                Draft | Registered | Reviewed | Listed | Suspended,
            ) => Ok(ProductEvent::Withdrawn { reason }),
            (ProductCommand::Draft(_), _) => Err(order("it can be drafted once only")),
            (ProductCommand::List { .. }, _) => Err(order("it must be registered first")),
            (ProductCommand::Suspend { .. }, _) => Err(order("only what is listed is suspended")),
            (ProductCommand::Resume { .. }, _) => Err(order("only what is suspended is resumed")),
            (
                ProductCommand::Register(_)
                | ProductCommand::File { .. }
                | ProductCommand::Review { .. },
                Listed | Suspended | Withdrawn,
            )
            | (ProductCommand::Withdraw { .. }, Withdrawn) => Err(order("this step is past")),
        }
    }

    /// Refuses a filing with a field missing that the pack asks for.
    fn check_filing(
        &self,
        fields: &BTreeMap<String, String>,
        ctx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let missing: Vec<&str> = pack::ids(ctx.law, "product_filing_fields")
            .unwrap_or_default()
            .into_iter()
            .filter(|field| {
                let text = fields.get(*field).or_else(|| self.filing.get(*field));
                text.is_none_or(|text| text.trim().is_empty())
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ctx.refuse(FILING_COMPLETE).because(format!("missing: {}", missing.join(", "))))
    }

    /// Refuses a review by the author or their organisation, in a role that the reviewer does
    /// not hold, or of content that is not the product's.
    fn check_review(
        &self,
        review: &Review,
        by_case: bool,
        ctx: &Context<'_>,
    ) -> Result<(), Refusal> {
        if review.reviewer == self.author || review.organisation == self.operator {
            return Err(ctx.refuse(AUTHOR_DOES_NOT_REVIEW));
        }
        let is_actor = review.reviewer == ctx.actor.person
            && review.organisation == ctx.actor.organisation
            && ctx.actor.has_role(&review.role);
        if !by_case && !is_actor {
            return Err(ctx
                .refuse(REVIEWED_BY_ALL)
                .because(format!("the actor does not hold the role {}", review.role)));
        }
        if review.content != self.content {
            return Err(ctx.refuse(REVIEW_BINDS_CONTENT));
        }
        Ok(())
    }

    /// Whether every role that the pack has review the product has passed it.
    fn is_reviewed(&self, latest: Option<&Review>, ctx: &Context<'_>) -> bool {
        let passed = |role: &str| {
            latest
                .into_iter()
                .chain(&self.reviews)
                .find(|review| review.role == role)
                .is_some_and(|review| review.passed)
        };
        match pack::ids(ctx.law, "product_reviewers") {
            Some(roles) => roles.into_iter().all(passed),
            None => latest.into_iter().chain(&self.reviews).any(|review| passed(&review.role)),
        }
    }

    /// Refuses to offer what is not registered, reviewed and filed as the pack asks, or whose
    /// agreement is not in force.
    fn check_listing(&self, agreement_is_active: bool, ctx: &Context<'_>) -> Result<(), Refusal> {
        if !agreement_is_active {
            return Err(ctx.refuse(AGREEMENT_ACTIVE));
        }
        if let Some(failed) = self.reviews.iter().find(|review| !review.passed) {
            return Err(ctx
                .refuse(REVIEWED_BY_ALL)
                .because(format!("{} has not passed it: {}", failed.role, failed.opinion)));
        }
        if let Some(roles) = pack::ids(ctx.law, "product_reviewers")
            && !self.is_reviewed(None, ctx)
        {
            let missing: Vec<&str> = roles
                .into_iter()
                .filter(|role| !self.reviews.iter().any(|review| review.role == *role))
                .collect();
            return Err(ctx
                .refuse(REVIEWED_BY_ALL)
                .because(format!("not yet reviewed by: {}", missing.join(", "))));
        }
        match &self.registration {
            Some(registration) => check_registration(registration, ctx)?,
            None => return Err(ctx.refuse(STEP_IN_ORDER).because("it is not registered")),
        }
        self.check_filing(&BTreeMap::new(), ctx)
    }

    /// Whether it may be delivered now.
    pub fn is_on_offer(&self) -> bool {
        self.status == ProductStatus::Listed
    }
}

/// Refuses a registration without a number, or elsewhere than at the venue that the pack names,
/// unless an exemption states its reason.
fn check_registration(registration: &Registration, ctx: &Context<'_>) -> Result<(), Refusal> {
    let is_exempt =
        registration.exemption.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    if registration.number.trim().is_empty() {
        return Err(ctx.refuse(REGISTERED_AT_VENUE).because("the registration has no number"));
    }
    match pack::choice(ctx.law, "product_registration_venue") {
        Some(venue) if registration.venue.as_deref() != Some(venue) && !is_exempt => Err(ctx
            .refuse(REGISTERED_AT_VENUE)
            .because(format!("register it at: {venue}, or state why it is exempt"))),
        _ => Ok(()),
    }
}

/// The product of a draft, or why it may not be made.
fn drafted(draft: ProductDraft, ctx: &Context<'_>) -> Result<Product, Refusal> {
    let ProductDraft { agreement, scenario, release, .. } = &draft;
    if ctx.actor.organisation != agreement.operator {
        return Err(ctx.refuse(OPERATOR_OF_AGREEMENT));
    }
    if !agreement.is_active {
        return Err(ctx.refuse(AGREEMENT_ACTIVE));
    }
    if !scenario.is_approved || scenario.agreement != agreement.id {
        return Err(ctx.refuse(SCENARIO_APPROVED));
    }
    if release.agreement != agreement.id || release.scenario != scenario.id {
        return Err(ctx
            .refuse(SCENARIO_APPROVED)
            .because("the content was released for another scenario"));
    }
    if release.content != Some(draft.content) {
        return Err(ctx.refuse(CONTENT_IS_RELEASED));
    }
    let known = ["product_forms", "platform_product_forms", "service_kinds"]
        .map(|name| pack::ids(ctx.law, name));
    if known.iter().any(Option::is_some)
        && !known.iter().flatten().flatten().any(|form| *form == draft.form)
    {
        return Err(ctx
            .refuse(FORM_KNOWN)
            .because(format!("{} is none of the forms that the pack knows", draft.form)));
    }
    if let Substance::Api { template } = &draft.substance {
        template.check().map_err(|error| ctx.refuse(API_WELL_FORMED).because(error.to_string()))?;
    }
    Ok(Product {
        agreement: agreement.id,
        operator: agreement.operator,
        author: ctx.actor.person,
        scenario: scenario.id,
        release: release.id,
        providers: draft.release.providers,
        is_from_free_data: draft.release.is_from_free_data,
        title: draft.title,
        form: draft.form,
        substance: draft.substance,
        use_kind: draft.use_kind,
        purposes: draft.purposes,
        content: draft.content,
        registration: None,
        filing: BTreeMap::new(),
        reviews: Vec::new(),
        suspended_for: None,
        status: ProductStatus::Draft,
    })
}
