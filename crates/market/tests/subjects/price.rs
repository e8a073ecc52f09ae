//! How a price comes into force, and what use is free.

use crate::testing::*;
use shuyu_kernel::{Fen, Id as _, ProductId};
use shuyu_market::{
    Amount, Charge, ChargeUnit, Consumer, Guide, Price, PriceCommand, Proposal, Substance, charge,
};
use shuyu_store::Command as _;

fn call(fen: i64) -> Amount {
    Amount { unit: ChargeUnit::Call, fen: Fen(fen) }
}

fn propose(fen: i64, method: Option<&str>, basis: &str) -> PriceCommand {
    PriceCommand::Propose {
        product: ProductId::from_u128(1),
        operator: organisation(OPERATOR),
        amount: call(fen),
        basis: basis.to_owned(),
        method: method.map(str::to_owned),
    }
}

fn guide(fen: i64) -> PriceCommand {
    PriceCommand::Guide {
        product: ProductId::from_u128(1),
        guide: Guide {
            base: call(fen),
            basis: "cost and return".to_owned(),
            from: "2025-01-01".parse().expect("a day"),
            until: Some("2025-12-31".parse().expect("a day")),
        },
    }
}

/// What the commands come to, each by the operator, but what the public side does.
fn run(city: &str, commands: Vec<PriceCommand>) -> Result<Price, String> {
    let law = law(city);
    let mut price = None;
    for command in commands {
        let by_authority =
            matches!(command, PriceCommand::Guide { .. } | PriceCommand::Agree { .. });
        let who = if by_authority { authority() } else { operator() };
        price = Some(act(&law, &who, price.as_ref(), command)?);
    }
    price.ok_or_else(|| "nothing".to_owned())
}

#[test]
fn a_price_comes_into_force_by_the_method_of_the_city_alone() {
    let file = || PriceCommand::File { receipt: "B-1".to_owned() };
    let agree = || PriceCommand::Agree { decision: "D-1".to_owned() };
    let set = || PriceCommand::Set;
    let check = |city: &str, commands: Vec<PriceCommand>, expected: Result<i64, &str>| {
        let names: Vec<_> = commands.iter().map(PriceCommand::name).collect();
        let outcome = run(city, commands).map(|price| price.in_force().map(|amount| amount.fen.0));
        assert_eq!(outcome, expected.map(Some).map_err(str::to_owned), "{city} {names:?}");
    };
    let ask = |fen| propose(fen, None, "cost");
    // A guided price with a float of a fifth.
    check("jingzhou", vec![guide(100), ask(120), set()], Ok(120));
    check("jingzhou", vec![guide(100), ask(121), set()], Err("price-within-guide"));
    check("jingzhou", vec![ask(1), set()], Err("price-within-guide"));
    check("jingzhou", vec![ask(0), set()], Ok(0));
    // A guided price without a float.
    check("changchun", vec![guide(100), ask(100), set()], Ok(100));
    check("changchun", vec![guide(100), ask(101), set()], Err("price-within-guide"));
    // A market price, filed before use.
    check("beijing", vec![ask(500), set()], Err("price-filed-before-use"));
    check("beijing", vec![ask(500), file(), set()], Ok(500));
    check("beijing", vec![guide(100)], Err("price-method-followed"));
    // A price by the pricing system of the public side.
    check("hangzhou", vec![ask(500), set()], Err("price-method-followed"));
    check("hangzhou", vec![ask(500), agree(), set()], Ok(500));
    // A price by the requirements that hold.
    check("taizhou", vec![ask(500), set()], Ok(500));
    check("taizhou", vec![propose(500, Some("guided"), "cost")], Err("price-method-followed"));
    check("taizhou", vec![propose(500, None, " ")], Err("price-basis-stated"));
    check("taizhou", vec![ask(-1)], Err("price-within-guide"));
    check("taizhou", vec![ask(500), set(), set()], Err("price-step-in-order"));
}

#[test]
fn a_guide_out_of_its_term_guides_to_nothing() {
    let law = law("jingzhou");
    let price = act::<Price>(&law, &authority(), None, guide(100)).expect("guided");
    let late = "2026-01-01T00:00:00Z".parse().expect("an instant");
    let outcome = act_at(&law, &operator(), late, Some(&price), propose(1, None, "cost"));
    assert_eq!(outcome, Err("price-within-guide".to_owned()));
}

#[test]
fn who_proposes_a_price_is_the_operator_and_does_not_agree_to_it() {
    let law = law("hangzhou");
    let proposal = propose(500, None, "cost");
    assert_eq!(
        act::<Price>(&law, &consumer(), None, proposal.clone()),
        Err("price-set-by-operator".to_owned())
    );
    let price = act::<Price>(&law, &operator(), None, proposal).expect("proposed");
    let agree = PriceCommand::Agree { decision: "D-1".to_owned() };
    assert_eq!(
        act(&law, &operator(), Some(&price), agree),
        Err("price-method-followed".to_owned())
    );
}

#[test]
fn a_new_price_leaves_the_old_one_in_force_until_it_is_set() {
    let ask = |fen| propose(fen, None, "cost");
    let price = run("taizhou", vec![ask(500), PriceCommand::Set, ask(700)]).expect("proposed");
    assert_eq!(price.in_force(), Some(call(500)));
}

#[test]
fn use_is_free_by_purpose_or_by_origin_as_the_city_has_it() {
    // Expected: the free use, or the price.
    let check = |city: &str, who: u128, purpose: &str, expected: Result<&str, i64>| {
        let law = law(city);
        let product = product(&law, Substance::Package);
        let current = Price {
            product: ProductId::from_u128(1),
            operator: Some(organisation(OPERATOR)),
            guide: None,
            proposal: None,
            current: Some((
                Proposal {
                    amount: call(70),
                    basis: "cost".to_owned(),
                    method: None,
                    filed: None,
                    agreed: None,
                },
                now(),
            )),
        };
        let consumer = Consumer { organisation: organisation(who), purpose };
        let found = charge(&law, &product, Some(&current), consumer).expect("a charge");
        match (&found, expected) {
            (Charge::Free { reason, clauses }, Ok(expected)) => {
                assert_eq!(reason, expected, "{city}");
                assert!(!clauses.is_empty(), "{city}: the free use cites no clause");
                assert_eq!(found.fen(), Fen::ZERO);
            }
            (Charge::Paid { amount }, Err(expected)) => {
                assert_eq!(amount.fen.0, expected, "{city}");
            }
            (found, expected) => panic!("{city} {who} {purpose}: {found:?}, not {expected:?}"),
        }
    };
    for city in ["taizhou", "changchun", "jingzhou"] {
        check(city, CONSUMER, "public_welfare", Ok("public_welfare"));
        check(city, PROVIDER, "industrial_development", Err(70));
    }
    check("hangzhou", PROVIDER, "industrial_development", Ok("made_from_free_data"));
    check("hangzhou", CONSUMER, "public_welfare", Err(70));
    check("beijing", CONSUMER, "public_welfare", Err(70));
}

#[test]
fn without_a_price_nothing_but_free_use_has_a_charge() {
    let law = law("taizhou");
    let product = product(&law, Substance::Package);
    let by = |purpose| Consumer { organisation: organisation(CONSUMER), purpose };
    assert_eq!(charge(&law, &product, None, by("industrial_development")), None);
    assert!(charge(&law, &product, None, by("public_governance")).is_some());
}
