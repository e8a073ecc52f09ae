use std::collections::BTreeSet;

use proptest::prelude::*;
use shuyu_kernel::{Actor, ContentHash, PersonId};
use shuyu_law::Law;

use shuyu_oversight::{Destruction, DestructionCommand, DestructionStatus, Shown};

use super::{expected, table};
use crate::{AGREEMENT, AUTHORITY, CITIES, act_at, actor, at, id, law, refused};

const NOW: &str = "2025-03-03T02:00:00Z";
const ORDERER: u128 = 21;
const WITNESS: u128 = 29;

fn person(number: u128) -> Actor {
    actor(AUTHORITY, number, &["authority"])
}

fn objects(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// An order that every city takes: with all that it asks to be determined.
fn order(law: &Law) -> DestructionCommand {
    let conditions = law
        .parameter("destruction_conditions")
        .and_then(|parameter| parameter.field("all_of")?.as_array().cloned())
        .into_iter()
        .flatten()
        .filter_map(|condition| condition.as_str().map(str::to_owned))
        .collect();
    DestructionCommand::Order {
        agreement: Some(id(AGREEMENT)),
        objects: objects(&["ds-1", "ds-2"]),
        ground: "the agreement has expired".to_owned(),
        conditions,
    }
}

fn destroy(method: &str, witness: u128) -> DestructionCommand {
    DestructionCommand::Destroy { method: method.to_owned(), witness: id(witness) }
}

fn shown(names: &[&str], readable: Option<&str>) -> DestructionCommand {
    let shown = names.iter().map(|name| Shown {
        object: (*name).to_owned(),
        is_readable: readable == Some(*name),
        detail: "the key is gone".to_owned(),
    });
    DestructionCommand::Verify { shown: shown.collect() }
}

fn refuse() -> DestructionCommand {
    DestructionCommand::Refuse { reason: "it is still needed".to_owned() }
}

fn act(
    law: &Law,
    who: u128,
    state: Option<&Destruction>,
    command: DestructionCommand,
) -> Result<Destruction, String> {
    act_at(law, &person(who), at(NOW), state, command)
}

/// Ordered, and approved by as many others as the city asks for.
fn approved(law: &Law) -> Destruction {
    let mut destruction = act(law, ORDERER, None, order(law)).expect("ordered");
    for other in 0..destruction.approvals_needed {
        assert_eq!(destruction.status, DestructionStatus::Ordered);
        let approver = ORDERER + 1 + u128::from(other);
        destruction =
            act(law, approver, Some(&destruction), DestructionCommand::Approve).expect("approved");
    }
    assert_eq!(destruction.status, DestructionStatus::Approved);
    destruction
}

#[test]
fn a_destruction_is_ordered_approved_by_others_carried_out_before_a_witness_and_shown() {
    for city in CITIES {
        let law = law(city);
        let ordered = act(&law, ORDERER, None, order(&law)).expect("ordered");
        let approved = approved(&law);
        let destroyed = act(&law, ORDERER, Some(&approved), destroy("keys deleted", WITNESS));
        let destroyed = destroyed.expect("destroyed");
        let verified = act(&law, ORDERER, Some(&destroyed), shown(&["ds-1", "ds-2"], None));
        let verified = verified.expect("verified");
        let withheld = act(&law, ORDERER, Some(&ordered), refuse()).expect("refused");
        let states = [
            ("none", None),
            ("ordered", Some(&ordered)),
            ("approved", Some(&approved)),
            ("destroyed", Some(&destroyed)),
            ("verified", Some(&verified)),
            ("refused", Some(&withheld)),
        ];
        let (own, other) = (person(ORDERER), person(ORDERER + 1));
        let wanted = [
            (&own, order(&law)),
            (&other, DestructionCommand::Approve),
            (&other, refuse()),
            (&own, destroy("keys deleted", WITNESS)),
            (&own, shown(&["ds-1", "ds-2"], None)),
        ];
        let step = "!destruction-step-in-order";
        let one = if ordered.approvals_needed == 1 { "approved" } else { "ordered" };
        assert_eq!(
            table(&law, at(NOW), &states, &wanted),
            expected(&format!(
                "none: order=ordered approve={step} refuse={step} destroy={step} verify={step}
                 ordered: order={step} approve={one} refuse=refused destroy=!destruction-approvals-complete verify={step}
                 approved: order={step} approve={step} refuse=refused destroy=destroyed verify={step}
                 destroyed: order={step} approve={step} refuse={step} destroy={step} verify=verified
                 verified: order={step} approve={step} refuse={step} destroy={step} verify={step}
                 refused: order={step} approve={step} refuse={step} destroy={step} verify={step}"
            )),
            "{city}"
        );
    }
}

#[test]
fn the_certificate_says_what_was_destroyed_by_whom_before_whom_and_is_bound_to_it() {
    for (city, held) in [("hangzhou", Some("2025-09-03T16:00:00Z")), ("taizhou", None)] {
        let law = law(city);
        let destroyed = act(&law, ORDERER, Some(&approved(&law)), destroy("keys deleted", WITNESS));
        let all = shown(&["ds-1", "ds-2"], None);
        let verified = act(&law, ORDERER, Some(&destroyed.expect("destroyed")), all);
        let certificate = verified.expect("verified").certificate.expect("a certificate");
        let named: Vec<&str> = certificate.objects.keys().map(String::as_str).collect();
        assert_eq!(named, ["ds-1", "ds-2"]);
        assert_eq!(certificate.destroyed_by, id::<PersonId>(ORDERER));
        assert_eq!(certificate.witness, id::<PersonId>(WITNESS));
        assert!(!certificate.approved_by.contains(&certificate.destroyed_by));
        assert_eq!(certificate.logs_held_until, held.map(at), "{city}");
        let written = serde_json::json!({
            "objects": certificate.objects,
            "method": certificate.method,
            "destroyed_by": certificate.destroyed_by,
            "witness": certificate.witness,
            "approved_by": certificate.approved_by,
            "at": certificate.at,
            "logs_held_until": certificate.logs_held_until,
        });
        assert_eq!(certificate.content, ContentHash::of_json(&written));
    }
}

#[test]
fn who_orders_does_not_approve_and_one_person_approves_once() {
    let law = law("jingzhou");
    let ordered = act(&law, ORDERER, None, order(&law)).expect("ordered");
    assert_eq!(ordered.approvals_needed, 2);
    let approve = |who, state| act(&law, who, Some(state), DestructionCommand::Approve);
    assert_eq!(refused(approve(ORDERER, &ordered)), "destruction-orderer-does-not-approve");
    let once = approve(22, &ordered).expect("approved");
    assert_eq!(once.status, DestructionStatus::Ordered);
    assert_eq!(refused(approve(22, &once)), "destruction-approvals-complete");
    assert_eq!(refused(approve(ORDERER, &once)), "destruction-orderer-does-not-approve");
    let early = act(&law, ORDERER, Some(&once), destroy("keys deleted", WITNESS));
    assert_eq!(refused(early), "destruction-approvals-complete");
    let twice = approve(23, &once).expect("approved");
    assert_eq!(twice.status, DestructionStatus::Approved);
}

#[test]
fn somebody_else_than_who_orders_or_destroys_watches_and_the_method_is_named() {
    let law = law("hangzhou");
    let approved = approved(&law);
    let check = |by, method: &str, witness, expected: &str| {
        let outcome = act(&law, by, Some(&approved), destroy(method, witness));
        assert_eq!(refused(outcome), expected, "{by} {witness}");
    };
    check(ORDERER, "keys deleted", ORDERER, "destruction-witnessed");
    check(25, "keys deleted", 25, "destruction-witnessed");
    check(25, "keys deleted", ORDERER, "destruction-witnessed");
    check(25, " ", WITNESS, "destruction-witnessed");
    check(25, "keys deleted", WITNESS, "nothing");
}

#[test]
fn what_can_still_be_read_or_was_not_tried_is_not_certified() {
    let law = law("beijing");
    let destroyed = act(&law, ORDERER, Some(&approved(&law)), destroy("keys deleted", WITNESS));
    let destroyed = destroyed.expect("destroyed");
    let check = |command, expected: &str| {
        assert_eq!(refused(act(&law, ORDERER, Some(&destroyed), command)), expected);
    };
    check(shown(&["ds-1", "ds-2"], Some("ds-2")), "destruction-shown-unreadable");
    check(shown(&["ds-1"], None), "destruction-shown-unreadable");
    check(shown(&[], None), "destruction-shown-unreadable");
    check(shown(&["ds-1", "ds-2", "ds-3"], None), "nothing");
}

#[test]
fn an_order_names_what_and_why_and_what_the_city_wants_determined() {
    let check = |city: &str, change: fn(&mut DestructionCommand), expected: &str| {
        let law = law(city);
        let mut command = order(&law);
        change(&mut command);
        assert_eq!(refused(act(&law, ORDERER, None, command)), expected, "{city}");
    };
    for city in CITIES {
        check(city, |_| {}, "nothing");
        check(
            city,
            |command| {
                if let DestructionCommand::Order { objects, .. } = command {
                    objects.clear();
                }
            },
            "destruction-objects-named",
        );
        check(
            city,
            |command| {
                if let DestructionCommand::Order { ground, .. } = command {
                    ground.clear();
                }
            },
            "destruction-objects-named",
        );
    }
    let undetermined = |command: &mut DestructionCommand| {
        if let DestructionCommand::Order { conditions, .. } = command {
            conditions.remove("no_remaining_value");
        }
    };
    check("jingzhou", undetermined, "destruction-conditions-determined");
    check("hangzhou", undetermined, "nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a few people try in whatever order, what is certified was approved by as many
    /// others as the city asks for, none of whom ordered it, and watched by a third.
    #[test]
    fn nothing_is_certified_that_was_not_ordered_approved_by_others_and_watched(
        tried in prop::collection::vec((20_u128..26, 0_u8..5, 20_u128..26), 1..40),
    ) {
        let law = law("jingzhou");
        let mut state: Option<Destruction> = None;
        for (who, which, witness) in tried {
            let command = match which {
                0 => order(&law),
                1 => DestructionCommand::Approve,
                2 => destroy("keys deleted", witness),
                3 => shown(&["ds-1", "ds-2"], None),
                _ => shown(&["ds-1", "ds-2"], Some("ds-1")),
            };
            if let Ok(after) = act(&law, who, state.as_ref(), command) {
                state = Some(after);
            }
        }
        if let Some(destruction) = state
            && let Some(certificate) = destruction.certificate
        {
            let approvers: BTreeSet<_> = certificate.approved_by.iter().copied().collect();
            prop_assert!(approvers.len() >= 2);
            prop_assert!(!approvers.contains(&destruction.ordered_by));
            prop_assert_ne!(certificate.witness, certificate.destroyed_by);
            prop_assert_ne!(certificate.witness, destruction.ordered_by);
        }
    }
}
