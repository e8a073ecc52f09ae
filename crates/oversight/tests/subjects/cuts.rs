//! Access closed at once: on which grounds, and what it takes to open it again.

use shuyu_kernel::Actor;

use super::{AGREEMENT, AUTHORITY, act_at, actor, at, id, law, refused};
use shuyu_oversight::{Cut, CutCommand, CutScope, CutStatus};

fn pull(trigger: &str, reason: &str) -> CutCommand {
    CutCommand::Pull {
        agreement: id(AGREEMENT),
        scope: CutScope::Agreement,
        trigger: trigger.to_owned(),
        reason: reason.to_owned(),
    }
}

fn restore(finding: &str, cause_is_closed: bool) -> CutCommand {
    CutCommand::Restore { finding: finding.to_owned(), cause_is_closed }
}

fn supervisor() -> Actor {
    actor(AUTHORITY, 22, &["zone_supervisor"])
}

#[test]
fn access_is_closed_on_a_ground_of_the_pack_and_opened_when_the_cause_is_gone() {
    let law = law("beijing");
    let now = at("2025-03-03T02:00:00Z");
    let go = |state: Option<&Cut>, command| act_at(&law, &supervisor(), now, state, command);
    assert_eq!(refused(go(None, pull("dislike", "loud"))), "cut-trigger-known");
    assert_eq!(refused(go(None, pull("security_risk_detected", " "))), "cut-trigger-known");
    for trigger in ["security_risk_detected", "agreement_suspended", "agreement_terminated"] {
        let cut = go(None, pull(trigger, "raw rows left")).expect("closed");
        assert_eq!(cut.status, CutStatus::Closed);
        assert!(cut.order.clauses.iter().any(|clause| clause.as_str() == "beijing/28b"));
    }
    let cut = go(None, pull("security_risk_detected", "raw rows left")).expect("closed");
    assert_eq!(refused(go(Some(&cut), restore("all clear", false))), "cut-cause-closed");
    assert_eq!(refused(go(Some(&cut), restore(" ", true))), "cut-cause-closed");
    let open = go(Some(&cut), restore("all clear", true)).expect("opened");
    assert_eq!(open.status, CutStatus::Restored);
    assert_eq!(refused(go(Some(&open), restore("again", true))), "cut-step-in-order");
}
