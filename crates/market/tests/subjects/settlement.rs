//! Invoices, shares and books, to the fen.

use crate::testing::*;
use chrono::Duration;
use proptest::prelude::*;
use shuyu_kernel::{AgreementId, Fen, Id as _, InvoiceId, ProductId, Share, SubscriptionId};
use shuyu_market::{
    Account, Amount, Beneficiary, Charge, ChargeUnit, Invoice, InvoiceCommand, InvoiceStatus, Line,
    Posting, PostingCommand, Settlement, SettlementCommand, SettlementId, Subscription,
    SubscriptionOrder, SubscriptionStatus, TrialBalance, UsageCount, cost_lines,
};
use shuyu_store::Entity as _;

fn subscription(fen: i64) -> Subscription {
    Subscription {
        product: ProductId::from_u128(1),
        agreement: AgreementId::from_u128(1),
        operator: organisation(OPERATOR),
        consumer: organisation(CONSUMER),
        order: SubscriptionOrder {
            purpose: "industrial_development".to_owned(),
            statement: "to plan".to_owned(),
            quota: None,
            until: None,
            no_resale: false,
        },
        unit: ChargeUnit::Call,
        charge: Charge::Paid { amount: Amount { unit: ChargeUnit::Call, fen: Fen(fen) } },
        key: None,
        since: now(),
        billed: 0,
        billed_until: now(),
        suspended_for: None,
        status: SubscriptionStatus::Active,
    }
}

fn issue(fen: i64, count: u64) -> Result<Invoice, String> {
    let usage = UsageCount {
        subscription: SubscriptionId::from_u128(1),
        count,
        from: now() - Duration::days(30),
        until: now(),
    };
    let subscription = Box::new(subscription(fen));
    act(&law("taizhou"), &operator(), None, InvoiceCommand::Issue { subscription, usage })
}

/// An invoice of uses that are free by law.
fn free(count: u64) -> Invoice {
    let reason = "public_welfare".to_owned();
    let charge = Charge::Free { reason, clauses: std::collections::BTreeSet::new() };
    let subscription = Box::new(Subscription { charge, ..subscription(7) });
    let (from, until) = (now() - Duration::days(30), now());
    let usage = UsageCount { subscription: SubscriptionId::from_u128(1), count, from, until };
    let issue = InvoiceCommand::Issue { subscription, usage };
    act(&law("taizhou"), &operator(), None, issue).expect("issued")
}

fn paid(fen: i64, count: u64) -> Invoice {
    let invoice = issue(fen, count).expect("issued");
    let command = InvoiceCommand::Pay { amount: invoice.total, reference: "bank 1".to_owned() };
    act(&law("taizhou"), &consumer(), Some(&invoice), command).unwrap_or(invoice)
}

fn shares(weights: &[(u128, u32)]) -> Vec<Share<Beneficiary>> {
    weights
        .iter()
        .map(|(id, weight)| Share {
            party: Beneficiary::Organisation { id: organisation(*id) },
            weight: *weight,
        })
        .collect()
}

fn share(
    city: &str,
    invoices: Vec<Invoice>,
    shares: Vec<Share<Beneficiary>>,
) -> Result<Settlement, String> {
    let invoices = (1..).map(InvoiceId::from_u128).zip(invoices).collect();
    let agreement = AgreementId::from_u128(1);
    let operator = operator();
    let command =
        SettlementCommand::Share { agreement, operator: operator.organisation, invoices, shares };
    act(&law(city), &operator, None, command)
}

#[test]
fn an_invoice_multiplies_and_is_paid_once_in_full() {
    let law = law("taizhou");
    let invoice = issue(7, 6).expect("issued");
    assert_eq!((invoice.total, invoice.status), (Fen(42), InvoiceStatus::Issued));
    let pay = |fen, reference: &str| InvoiceCommand::Pay {
        amount: Fen(fen),
        reference: reference.to_owned(),
    };
    let check = |invoice: &Invoice, command, expected: Option<&str>| {
        let outcome = act(&law, &consumer(), Some(invoice), command);
        assert_eq!(outcome.err().as_deref(), expected);
    };
    check(&invoice, pay(41, "bank 1"), Some("invoice-payment-matches"));
    check(&invoice, pay(42, ""), Some("invoice-payment-matches"));
    let settle = || InvoiceCommand::Settle { settlement: SettlementId::from_u128(1) };
    check(&invoice, settle(), Some("invoice-step-in-order"));
    let paid = act(&law, &consumer(), Some(&invoice), pay(42, "bank 1")).expect("paid");
    check(&paid, pay(42, "bank 1"), Some("invoice-step-in-order"));
    let settled = act(&law, &operator(), Some(&paid), settle()).expect("settled");
    check(&settled, settle(), Some("invoice-step-in-order"));
}

#[test]
fn an_invoice_of_nothing_is_refused_and_a_free_one_has_nothing_to_pay() {
    assert_eq!(issue(7, 0), Err("invoice-period-once".to_owned()));
    assert_eq!(issue(i64::MAX, 2), Err("invoice-lines-add-up".to_owned()));
    assert_eq!(issue(0, 6).map(|invoice| invoice.status), Ok(InvoiceStatus::Paid));
}

#[test]
fn only_paid_invoices_are_settled_and_only_once() {
    let parties = || shares(&[(OPERATOR, 7), (PROVIDER, 3)]);
    let settlement = share("taizhou", vec![paid(7, 6), paid(1, 1)], parties()).expect("shared");
    let amounts: Vec<_> = settlement.parts.iter().map(|part| part.amount.0).collect();
    assert_eq!((settlement.proceeds, amounts), (Fen(43), vec![30, 13]));

    let unpaid = issue(7, 6).expect("issued");
    let mut settled = paid(7, 6);
    settled.status = InvoiceStatus::Settled;
    let mut foreign = paid(7, 6);
    foreign.agreement = AgreementId::from_u128(9);
    let check = |invoices, shares, expected: &str| {
        assert_eq!(share("taizhou", invoices, shares), Err(expected.to_owned()));
    };
    check(vec![], parties(), "settlement-invoices-paid");
    check(vec![unpaid], parties(), "settlement-invoices-paid");
    check(vec![foreign], parties(), "settlement-invoices-paid");
    check(vec![settled], parties(), "settlement-once");
    check(vec![paid(7, 6)], vec![], "settlement-shares-given");
    check(vec![paid(7, 6)], shares(&[(OPERATOR, 1), (OPERATOR, 1)]), "settlement-shares-given");
}

#[test]
fn a_public_part_needs_its_basis_in_the_pack() {
    let check = |city: &str, party, expected: bool| {
        let mut parties = shares(&[(OPERATOR, 7)]);
        parties.push(Share { party, weight: 3 });
        let outcome = share(city, vec![paid(7, 6)], parties);
        assert_eq!(outcome.is_ok(), expected, "{city} {party}");
        if let Err(rule) = outcome {
            assert_eq!(rule, "settlement-public-part-allowed");
        }
    };
    check("jingzhou", Beneficiary::Redistribution, true);
    check("hangzhou", Beneficiary::Redistribution, false);
    check("hangzhou", Beneficiary::Budget, true);
    check("jingzhou", Beneficiary::Budget, false);
    check("taizhou", Beneficiary::Budget, false);
}

#[test]
fn proceeds_are_shared_by_weight_to_the_fen() {
    let parts = |invoices: Vec<Invoice>| -> Vec<i64> {
        let weights = shares(&[(50, 70), (51, 20), (52, 10)]);
        let settlement = share("changchun", invoices, weights).expect("shared");
        settlement.parts.iter().map(|part| part.amount.0).collect()
    };
    assert_eq!(parts(vec![paid(1_000, 10_000)]), [7_000_000, 2_000_000, 1_000_000]);
    // What does not divide is not lost.
    assert_eq!(parts(vec![paid(1, 101)]).iter().sum::<i64>(), 101);
}

#[test]
fn a_part_is_paid_once() {
    let law = law("taizhou");
    let mut settlement =
        share("taizhou", vec![paid(7, 6)], shares(&[(OPERATOR, 1), (PROVIDER, 1)]))
            .expect("shared");
    let pay = |id| SettlementCommand::PayOut {
        to: Beneficiary::Organisation { id: organisation(id) },
        operator: organisation(OPERATOR),
        reference: "bank 2".to_owned(),
    };
    assert_eq!(settlement.keys().status, "shared");
    for id in [OPERATOR, PROVIDER] {
        settlement = act(&law, &operator(), Some(&settlement), pay(id)).expect("paid out");
        assert_eq!(
            act(&law, &operator(), Some(&settlement), pay(id)),
            Err("settlement-once".to_owned())
        );
    }
    assert_eq!(settlement.keys().status, "paid_out");
    assert!(act(&law, &operator(), Some(&settlement), pay(CONSUMER)).is_err());
}

#[test]
fn an_operator_bears_the_costs_that_the_city_lists_and_no_others() {
    let check = |city: &str, item: &str, expected: Option<&str>| {
        let command = PostingCommand::Post {
            source: format!("cost/{item}"),
            memo: "a month".to_owned(),
            lines: cost_lines(organisation(OPERATOR), item, Fen(500)),
        };
        let outcome = act::<Posting>(&law(city), &operator(), None, command);
        assert_eq!(outcome.err().as_deref(), expected, "{city} {item}");
    };
    check("hangzhou", "result_export", None);
    check("hangzhou", "dinner", Some("operator-cost-item-known"));
    check("taizhou", "result_export", Some("operator-cost-item-known"));
}

fn post(lines: Vec<Line>) -> Result<Posting, String> {
    let command = PostingCommand::Post { source: "test".to_owned(), memo: String::new(), lines };
    act::<Posting>(&law("taizhou"), &operator(), None, command)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_books_balance_through_the_whole_life_of_the_money(
        uses in prop::collection::vec((0_i64..10_000, 1_u64..1_000), 1..6),
        weights in prop::collection::vec(0_u32..100, 1..5),
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let parties: Vec<_> = (50..).zip(weights).collect();
        let invoices: Vec<_> = uses.iter().map(|(fen, count)| paid(*fen, *count)).collect();
        let mut postings = Vec::new();
        for invoice in &invoices {
            postings.push(post(invoice.issue_lines()).unwrap());
            postings.push(post(invoice.payment_lines()).unwrap());
        }
        let settlement = share("taizhou", invoices.clone(), shares(&parties)).unwrap();
        postings.push(post(settlement.share_lines()).unwrap());
        let total: i64 = uses.iter().map(|(fen, count)| fen * i64::try_from(*count).unwrap()).sum();
        prop_assert_eq!(settlement.parts.iter().map(|part| part.amount.0).sum::<i64>(), total);
        let balance = TrialBalance::of(&postings);
        prop_assert_eq!(balance.total(), 0);
        prop_assert_eq!(balance.fen(&Account::Cash), i128::from(total));
        for part in &settlement.parts {
            postings.push(post(settlement.pay_out_lines(part.to).unwrap()).unwrap());
        }
        let after = TrialBalance::of(&postings);
        prop_assert!(after.rows().all(|(_, fen)| fen == 0), "{:?}", after);
    }

    #[test]
    fn a_posting_that_does_not_sum_to_zero_is_refused(amounts in prop::collection::vec(-1_000_i64..1_000, 0..6)) {
        let lines: Vec<_> = amounts.iter().map(|fen| Line { account: Account::Cash, amount: Fen(*fen) }).collect();
        let expected = amounts.len() > 1 && amounts.iter().sum::<i64>() == 0;
        prop_assert_eq!(post(lines).is_ok(), expected);
    }

    #[test]
    fn parts_sum_to_the_whole_whatever_the_amounts_and_the_weights(
        proceeds in prop::collection::vec(0_i64..=i64::MAX / 8, 1..5),
        weights in prop::collection::vec(0_u32.., 1..7),
        budget in 0_u32..,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0) || budget > 0);
        let weights: Vec<_> = (50..).zip(weights).collect();
        let mut parties = shares(&weights);
        parties.push(Share { party: Beneficiary::Budget, weight: budget });
        let invoices = proceeds.iter().map(|fen| paid(*fen, 1)).collect();
        let settlement = share("hangzhou", invoices, parties.clone()).unwrap();
        let total: i64 = proceeds.iter().sum();
        prop_assert_eq!(settlement.proceeds, Fen(total));
        prop_assert_eq!(settlement.parts.iter().map(|part| part.amount.0).sum::<i64>(), total);
        let lines = settlement.share_lines();
        prop_assert_eq!(lines.iter().map(|line| i128::from(line.amount.0)).sum::<i128>(), 0);
        prop_assert!(post(lines).is_ok());
        // Whoever has no weight gets nothing, and nobody pays in.
        for (party, part) in parties.iter().zip(&settlement.parts) {
            prop_assert!(part.amount.0 >= 0 && (party.weight > 0 || part.amount == Fen(0)));
        }
    }

    #[test]
    fn what_is_free_is_counted_and_never_charged(
        counts in prop::collection::vec(1_u64..1_000_000, 1..5),
        weights in prop::collection::vec(1_u32..1_000, 1..5),
    ) {
        let city = law("taizhou");
        let invoices: Vec<Invoice> = counts.iter().map(|count| free(*count)).collect();
        for (invoice, count) in invoices.iter().zip(&counts) {
            prop_assert_eq!((invoice.lines[0].count, invoice.total), (*count, Fen(0)));
            prop_assert_eq!(invoice.lines[0].free.as_deref(), Some("public_welfare"));
            prop_assert_eq!(invoice.status, InvoiceStatus::Paid);
            prop_assert!(invoice.issue_lines().iter().all(|line| line.amount == Fen(0)));
            let pay = InvoiceCommand::Pay { amount: Fen(0), reference: "bank 1".to_owned() };
            let paid = act(&city, &consumer(), Some(invoice), pay);
            prop_assert_eq!(paid, Err("invoice-step-in-order".to_owned()));
        }
        let parties: Vec<_> = (50..).zip(weights).collect();
        let settlement = share("taizhou", invoices, shares(&parties));
        prop_assert!(settlement.unwrap().parts.iter().all(|part| part.amount == Fen(0)));
    }
}
