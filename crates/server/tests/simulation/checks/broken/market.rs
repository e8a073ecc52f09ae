//! Money, prices, products, and what supervisors decide.

use serde_json::json;
use shuyu_kernel::{ContentHash, Fen, InvoiceId, SubscriptionId};
use shuyu_market::{
    Account, Beneficiary, Line, Part, PostingEvent, SettlementEvent, SubscriptionEvent,
};
use shuyu_oversight::{Approval, DestructionEvent};
use shuyu_store::StreamId;

use super::{
    History, actor, agreement_id, authority, id, now, operator, organisation, person, refused,
};

fn posted(source: &str, amounts: &[i64]) -> PostingEvent {
    let lines =
        amounts.iter().map(|fen| Line { account: Account::Cash, amount: Fen(*fen) }).collect();
    let at = now();
    let posting =
        shuyu_market::Posting { source: source.to_owned(), memo: "memo".to_owned(), lines, at };
    PostingEvent::Posted { posting }
}

fn posting(number: u128) -> StreamId {
    StreamId::new("posting", &id::<shuyu_market::PostingId>(number))
}

#[test]
fn a_posting_sums_to_zero_and_is_made_once() {
    let mut history = History::new();
    history.well(posting(1), &operator(), &posted("a", &[3, -3]));
    history.ill(posting(2), &operator(), &posted("b", &[3, -4]), "sums to -1 fen");
    history.ill(posting(3), &operator(), &posted("a", &[3, -3]), "posted twice");
}

fn invoice_stream() -> StreamId {
    StreamId::new("invoice", &id::<InvoiceId>(5))
}

/// An issued invoice of three uses at seven fen, with this line and total.
fn issued(history: &History, line: i64, total: i64) -> serde_json::Value {
    json!({ "event": "Issued", "invoice": {
        "subscription": id::<SubscriptionId>(1), "agreement": agreement_id(),
        "operator": operator().organisation, "consumer": organisation(30),
        "from": history.now, "until": history.now,
        "lines": [{
            "product": id::<shuyu_kernel::ProductId>(1), "unit": "call", "count": 3,
            "unit_price": 7, "amount": line, "free": null, "clauses": [],
        }],
        "total": total, "payment": null, "settlement": null, "status": "issued",
    }})
}

fn owed(from: u128, fen: i64) -> Vec<Line> {
    vec![
        Line { account: Account::Receivable { from: organisation(from) }, amount: Fen(fen) },
        Line { account: Account::Revenue { agreement: agreement_id() }, amount: Fen(-fen) },
    ]
}

fn posted_lines(history: &History, source: &str, lines: Vec<Line>) -> PostingEvent {
    let (source, memo, at) = (source.to_owned(), "memo".to_owned(), history.now);
    PostingEvent::Posted { posting: shuyu_market::Posting { source, memo, lines, at } }
}

/// An invoice of 21 fen, in the books.
fn invoiced(history: &mut History) {
    let body = issued(history, 21, 21);
    let entry = history.entry(invoice_stream(), &operator(), &body);
    history.write(entry);
    let event = posted_lines(history, "issue", owed(30, 21));
    history.well(posting(1), &operator(), &event);
}

#[test]
fn an_invoice_adds_up_and_stands_in_the_books() {
    let mut history = History::new();
    let event = issued(&history, 21, 22);
    history.ill(invoice_stream(), &operator(), &event, "its lines come to 21 fen");
    let mut history = History::new();
    let event = issued(&history, 20, 20);
    history.ill(invoice_stream(), &operator(), &event, "not its count at its price");
    let mut history = History::new();
    let event = issued(&history, 21, 21);
    history.ill(invoice_stream(), &operator(), &event, "21 fen are owed, 0 stand in the books");
}

#[test]
fn an_invoice_is_paid_in_full_and_shared_once() {
    let mut history = History::new();
    invoiced(&mut history);
    let payment = |fen: i64| {
        json!({ "event": "Paid", "payment": {
            "amount": fen, "reference": "transfer", "at": history.now,
        }})
    };
    let (short, full) = (payment(20), payment(21));
    history.ill(invoice_stream(), &operator(), &short, "another sum");

    let mut history = History::new();
    invoiced(&mut history);
    let settled = json!({ "event": "Settled", "settlement": id::<shuyu_market::SettlementId>(1) });
    let before = history.entry(invoice_stream(), &operator(), &settled);
    history.ill_entry(before, "before it is paid");

    let mut history = History::new();
    invoiced(&mut history);
    let entry = history.entry(invoice_stream(), &operator(), &full);
    history.write(entry);
    let paid = vec![
        Line { account: Account::Cash, amount: Fen(21) },
        Line { account: Account::Receivable { from: organisation(30) }, amount: Fen(-21) },
    ];
    let event = posted_lines(&history, "payment", paid);
    history.well(posting(2), &operator(), &event);
    history.well(invoice_stream(), &operator(), &settled);
    history.ill(invoice_stream(), &operator(), &settled, "shared twice");
}

#[test]
fn a_split_sums_to_its_whole_and_to_what_came_in() {
    let shared = |history: &History, proceeds: i64, parts: &[i64]| SettlementEvent::Shared {
        settlement: shuyu_market::Settlement {
            agreement: agreement_id(),
            invoices: vec![id(5)],
            proceeds: Fen(proceeds),
            parts: parts
                .iter()
                .map(|fen| Part { to: Beneficiary::Budget, amount: Fen(*fen), paid: None })
                .collect(),
            at: history.now,
        },
    };
    let stream = StreamId::new("settlement", &id::<shuyu_market::SettlementId>(1));
    for (proceeds, parts, why) in [
        (21, [10, 10], "21 fen are split into 20"),
        (20, [10, 10], "its invoices brought 21 fen, 20 are shared"),
    ] {
        let mut history = History::new();
        invoiced(&mut history);
        let event = shared(&history, proceeds, &parts);
        history.ill(stream.clone(), &authority(), &event, why);
    }
    let mut history = History::new();
    invoiced(&mut history);
    let event = shared(&history, 21, &[11, 10]);
    history.well(stream, &authority(), &event);
}

#[test]
fn a_refused_use_is_not_invoiced() {
    let stream = StreamId::new("subscription", &id::<SubscriptionId>(1));
    let mut history = History::new();
    let mut entry = history.entry(stream.clone(), &operator(), &refused("use-with-live-key"));
    entry.clauses = vec![history.law.clauses[0].id.clone()];
    assert!(history.show(entry).is_empty());
    let billed = SubscriptionEvent::Billed {
        invoice: id(5),
        count: 1,
        total: 1,
        from: history.now,
        until: history.now,
    };
    history.ill(stream, &operator(), &billed, "1 uses are invoiced, and there were 0");
}

#[test]
fn who_proposes_a_price_does_not_agree_to_it() {
    let stream = StreamId::new("price", &id::<shuyu_kernel::ProductId>(1));
    let mut history = History::new();
    let proposed = json!({
        "event": "Proposed", "product": id::<shuyu_kernel::ProductId>(1),
        "operator": operator().organisation,
        "proposal": {
            "amount": { "unit": "call", "fen": 7 }, "basis": "cost", "method": null,
            "filed": null, "agreed": null,
        },
    });
    history.well(stream.clone(), &operator(), &proposed);
    let agreed = json!({ "event": "Agreed", "decision": "case 1" });
    history.ill(stream.clone(), &operator(), &agreed, "who proposes a price agrees");
    history.well(stream.clone(), &authority(), &agreed);
    history.ill(stream, &authority(), &proposed, "not its operator proposes");
}

#[test]
fn who_orders_a_destruction_neither_approves_nor_witnesses() {
    let stream = StreamId::new("destruction", &id::<shuyu_oversight::DestructionId>(1));
    let ordered = json!({ "event": "Ordered", "destruction": {
        "agreement": null, "objects": ["a copy"], "ground": "over",
        "ordered_by": authority().person, "organisation": authority().organisation,
        "approvals_needed": 1, "approvals": [], "carried_out": null, "certificate": null,
        "status": "ordered",
    }});
    let approved = |history: &History, by: u128| DestructionEvent::Approved {
        approval: Approval { by: person(by), at: history.now },
        complete: true,
    };
    let mut history = History::new();
    history.well(stream.clone(), &authority(), &ordered);
    let event = approved(&history, 21);
    history.ill(stream.clone(), &authority(), &event, "who orders approves");
    let event = approved(&history, 22);
    history.ill(stream.clone(), &authority(), &event, "in another's name");
    let second = actor(22, 20, &["authority"]);
    let event = approved(&history, 22);
    let destroyed = DestructionEvent::Destroyed {
        method: "erased".to_owned(),
        by: person(22),
        witness: authority().person,
    };
    let mut history = History::new();
    history.well(stream.clone(), &authority(), &ordered);
    history.well(stream.clone(), &second, &event);
    history.ill(stream, &second, &destroyed, "is the witness");
}

#[test]
fn an_author_does_not_review_and_a_review_is_of_what_is_sold() {
    let product = id::<shuyu_kernel::ProductId>(1);
    let stream = StreamId::new("product", &product);
    let released = ContentHash::of(b"output");
    let drafted = json!({ "event": "Drafted", "product": {
        "agreement": agreement_id(), "operator": operator().organisation,
        "author": operator().person, "title": "figures", "form": "data_package",
        "substance": { "delivery": "package" }, "use_kind": "industry", "purposes": [],
        "scenario": id::<shuyu_kernel::ScenarioId>(3),
        "release": id::<shuyu_kernel::ReleaseId>(6), "content": released, "providers": [],
        "is_from_free_data": true, "registration": null, "filing": {}, "reviews": [],
        "status": "draft",
    }});
    let mut history = History::new();
    history.ill(stream.clone(), &operator(), &drafted, "was not released");
    let reviewed = |by: u128, of: u128, content: ContentHash| {
        json!({ "event": "Reviewed", "complete": false, "review": {
            "role": "authority", "reviewer": person(by), "organisation": organisation(of),
            "content": content, "passed": true, "opinion": "in order",
        }})
    };
    let second = ContentHash::of(b"another");
    history.ill(stream.clone(), &operator(), &reviewed(11, 20, released), "its author reviews");
    history.ill(stream.clone(), &operator(), &reviewed(12, 10, released), "its operator reviews");
    history.ill(stream.clone(), &authority(), &reviewed(21, 20, second), "of another content");
    history.well(stream, &authority(), &reviewed(21, 20, released));
}
