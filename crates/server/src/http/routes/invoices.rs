//! Money: invoices, their payment, settlements, and the books. Amounts are whole fen.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_kernel::{AgreementId, InvoiceId, OrganisationId, ProductId, SubscriptionId};
use shuyu_law::ClauseId;
use shuyu_market::{Beneficiary, Invoice, Posting, PostingId, Settlement, SettlementId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(pay))
        .routes(routes!(list_settlements))
        .routes(routes!(read_settlement))
        .routes(routes!(pay_out))
        .routes(routes!(list_postings))
        .routes(routes!(read_posting))
        .routes(routes!(balance))
}

/// A line of an invoice.
#[derive(Serialize, ToSchema)]
struct LineView {
    #[schema(value_type = String)]
    product: ProductId,
    /// How often it was used.
    count: u64,
    /// What each use costs, in fen.
    unit_price_fen: i64,
    /// What they cost together, in fen.
    amount_fen: i64,
    /// Why the use is free, where it is.
    free: Option<String>,
    /// The clauses on which the price, or its absence, rests.
    #[schema(value_type = Vec<String>)]
    clauses: Vec<ClauseId>,
}

/// An invoice.
#[derive(Serialize, ToSchema)]
pub(super) struct InvoiceView {
    #[schema(value_type = String)]
    id: InvoiceId,
    #[schema(value_type = String)]
    subscription: SubscriptionId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    #[schema(value_type = String)]
    consumer: OrganisationId,
    /// Since when uses are counted.
    from: DateTime<Utc>,
    /// Up to when.
    until: DateTime<Utc>,
    lines: Vec<LineView>,
    /// What is due, in fen.
    total_fen: i64,
    /// Where it stands: `issued`, `paid` or `settled`.
    status: String,
}

impl From<(InvoiceId, Invoice)> for InvoiceView {
    fn from((id, invoice): (InvoiceId, Invoice)) -> Self {
        Self {
            id,
            subscription: invoice.subscription,
            agreement: invoice.agreement,
            operator: invoice.operator,
            consumer: invoice.consumer,
            from: invoice.from,
            until: invoice.until,
            lines: invoice
                .lines
                .into_iter()
                .map(|line| LineView {
                    product: line.product,
                    count: line.count,
                    unit_price_fen: line.unit_price.0,
                    amount_fen: line.amount.0,
                    free: line.free,
                    clauses: line.clauses.into_iter().collect(),
                })
                .collect(),
            total_fen: invoice.total.0,
            status: invoice.status.name().to_owned(),
        }
    }
}

/// A part of shared proceeds.
#[derive(Serialize, ToSchema)]
struct PartView {
    /// To whom: an organisation, `redistribution` or `budget`.
    to: String,
    /// How much, in fen.
    amount_fen: i64,
    /// By which its payment is found at the bank, once it is paid.
    paid: Option<String>,
}

/// Proceeds, shared.
#[derive(Serialize, ToSchema)]
pub(super) struct SettlementView {
    #[schema(value_type = String)]
    id: SettlementId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    #[schema(value_type = Vec<String>)]
    invoices: Vec<InvoiceId>,
    /// What they brought, in fen. The parts sum to it.
    proceeds_fen: i64,
    parts: Vec<PartView>,
    at: DateTime<Utc>,
}

impl From<(SettlementId, Settlement)> for SettlementView {
    fn from((id, settlement): (SettlementId, Settlement)) -> Self {
        Self {
            id,
            agreement: settlement.agreement,
            invoices: settlement.invoices,
            proceeds_fen: settlement.proceeds.0,
            parts: settlement
                .parts
                .into_iter()
                .map(|part| PartView {
                    to: part.to.to_string(),
                    amount_fen: part.amount.0,
                    paid: part.paid,
                })
                .collect(),
            at: settlement.at,
        }
    }
}

/// A posting in the books.
#[derive(Serialize, ToSchema)]
struct PostingView {
    #[schema(value_type = String)]
    id: PostingId,
    /// What it records.
    source: String,
    memo: String,
    /// The lines, in fen, which sum to zero.
    #[schema(value_type = Vec<Object>)]
    lines: Value,
    at: DateTime<Utc>,
}

impl From<(PostingId, Posting)> for PostingView {
    fn from((id, posting): (PostingId, Posting)) -> Self {
        Self {
            id,
            lines: serde_json::to_value(&posting.lines).unwrap_or_default(),
            source: posting.source,
            memo: posting.memo,
            at: posting.at,
        }
    }
}

reads!(
    Invoice as InvoiceView, tag = "money",
    list: "/invoices" "listInvoices" "List the invoices that the caller may see.",
    read: "/invoices/{id}" "readInvoice" "Read an invoice.",
);
reads!(
    Settlement as SettlementView, tag = "money",
    list_settlements: "/settlements" "listSettlements" "List the settlements that the caller may see.",
    read_settlement: "/settlements/{id}" "readSettlement" "Read a settlement.",
);
reads!(
    Posting as PostingView, tag = "money",
    list_postings: "/postings" "listPostings" "List the postings of the books.",
    read_posting: "/postings/{id}" "readPosting" "Read a posting.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayBody {
    /// By which the payment is found at the bank.
    reference: String,
}

/// Record that an invoice was paid, in full.
#[utoipa::path(
    post, path = "/invoices/{id}/pay", operation_id = "payInvoice", tag = "money",
    params(("id" = String, Path)), request_body = PayBody,
    responses(
        (status = 200, body = InvoiceView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn pay(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<InvoiceId>,
    Json(body): Json<PayBody>,
) -> Result<Json<InvoiceView>, Problem> {
    Ok(Json((id, app.pay(&actor, id, &body.reference).await?).into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayOutBody {
    /// Whose part: an organisation by id, `redistribution` or `budget`.
    #[schema(value_type = String)]
    to: Payee,
    /// By which the payment is found at the bank.
    reference: String,
}

/// To whom a part goes, as the interface writes it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Payee(Beneficiary);

impl TryFrom<String> for Payee {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "redistribution" => Ok(Self(Beneficiary::Redistribution)),
            "budget" => Ok(Self(Beneficiary::Budget)),
            id => match id.parse() {
                Ok(id) => Ok(Self(Beneficiary::Organisation { id })),
                Err(_) => Err(format!(
                    "`{text}` is no organisation's id, nor `redistribution` or `budget`"
                )),
            },
        }
    }
}

/// Record that a part of shared proceeds was paid.
#[utoipa::path(
    post, path = "/settlements/{id}/payments", operation_id = "payOutSettlement", tag = "money",
    params(("id" = String, Path)), request_body = PayOutBody,
    responses(
        (status = 200, body = SettlementView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn pay_out(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SettlementId>,
    Json(body): Json<PayOutBody>,
) -> Result<Json<SettlementView>, Problem> {
    Ok(Json((id, app.pay_out(&actor, id, body.to.0, &body.reference).await?).into()))
}

/// What an account stands at.
#[derive(Serialize, ToSchema)]
struct AccountView {
    #[schema(value_type = Object)]
    account: Value,
    /// In fen: a debit above zero, a credit below.
    balance_fen: i64,
}

/// The books.
#[derive(Serialize, ToSchema)]
struct BooksView {
    accounts: Vec<AccountView>,
    /// The sum of all accounts, in fen; the books balance where it is zero.
    total_fen: i64,
}

/// The books: what every account stands at that the caller may see, and whether they balance.
#[utoipa::path(
    get, path = "/books", operation_id = "readBooks", tag = "money",
    responses(
        (status = 200, body = BooksView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn balance(
    State(app): State<App>,
    Caller(actor): Caller,
) -> Result<Json<BooksView>, Problem> {
    let balance = app.books(&actor).await?;
    let fen = |fen: i128| i64::try_from(fen).unwrap_or(i64::MAX);
    Ok(Json(BooksView {
        accounts: balance
            .rows()
            .map(|(account, balance)| AccountView {
                account: serde_json::to_value(account).unwrap_or_default(),
                balance_fen: fen(balance),
            })
            .collect(),
        total_fen: fen(balance.total()),
    }))
}
