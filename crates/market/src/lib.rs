#![doc = include_str!("../README.md")]

mod account;
mod invoice;
mod pack;
mod price;
mod product;
mod query;
mod settlement;
mod subscription;

pub use account::{
    Account, Line, Posting, PostingCommand, PostingEvent, PostingId, TrialBalance, cost_lines,
};
pub use invoice::{
    Invoice, InvoiceCommand, InvoiceEvent, InvoiceLine, InvoiceStatus, Payment, UsageCount,
};
pub use pack::clauses_reading;
pub use price::{
    Amount, Charge, ChargeUnit, Consumer, Guide, Price, PriceCommand, PriceEvent, Proposal, charge,
};
pub use product::{
    AgreementFacts, Product, ProductCommand, ProductDraft, ProductEvent, ProductStatus,
    Registration, ReleaseFacts, Review, ScenarioFacts, Substance,
};
pub use query::{
    Answer, Comparison, Parameter, QueryError, QueryTemplate, ReleasedTable, ValueType,
};
pub use settlement::{
    Beneficiary, Part, Settlement, SettlementCommand, SettlementEvent, SettlementId,
};
pub use subscription::{
    KeyHash, OfferFacts, Subscription, SubscriptionCommand, SubscriptionEvent, SubscriptionOrder,
    SubscriptionStatus, Usage,
};

/// The rules that this room enforces.
pub const RULES: &[shuyu_law::Rule] = &[
    product::CONTENT_IS_RELEASED,
    product::OPERATOR_OF_AGREEMENT,
    product::AGREEMENT_ACTIVE,
    product::FORM_KNOWN,
    product::SCENARIO_APPROVED,
    product::STEP_IN_ORDER,
    product::FILING_COMPLETE,
    product::REGISTERED_AT_VENUE,
    product::REVIEWED_BY_ALL,
    product::AUTHOR_DOES_NOT_REVIEW,
    product::REVIEW_BINDS_CONTENT,
    product::API_WELL_FORMED,
    price::METHOD_FOLLOWED,
    price::WITHIN_GUIDE,
    price::FILED_BEFORE_USE,
    price::BASIS_STATED,
    price::SET_BY_OPERATOR,
    price::STEP_IN_ORDER,
    subscription::PRODUCT_ON_OFFER,
    subscription::PURPOSE_DECLARED,
    subscription::PURPOSE_PERMITTED,
    subscription::FREE_USE_CONDITIONS,
    subscription::CONSUMER_SUBSCRIBES,
    subscription::STEP_IN_ORDER,
    subscription::USE_IS_ACTIVE,
    subscription::USE_WITHIN_QUOTA,
    subscription::KEY_IS_LIVE,
    subscription::COUNTED_ONCE,
    invoice::PERIOD_INVOICED_ONCE,
    invoice::LINES_ADD_UP,
    invoice::PAYMENT_MATCHES,
    invoice::STEP_IN_ORDER,
    account::POSTING_BALANCES,
    account::POSTED_ONCE,
    account::COST_ITEM_KNOWN,
    settlement::SHARES_GIVEN,
    settlement::PUBLIC_PART_ALLOWED,
    settlement::INVOICES_PAID,
    settlement::SETTLED_ONCE,
];
