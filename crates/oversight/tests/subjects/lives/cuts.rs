use chrono::Duration;
use shuyu_store::{Context, Entity as _};

use shuyu_oversight::{Cut, CutCommand, CutEvent, CutScope, CutStatus};

use super::{expected, table};
use crate::{AGREEMENT, CITIES, act_at, at, authority, id, law, refused};

const NOW: &str = "2025-03-03T02:00:00Z";

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

fn end() -> CutCommand {
    CutCommand::End { reason: "the agreement was ended".to_owned() }
}

#[test]
fn access_is_closed_found_closed_and_opened_again_or_closed_for_good() {
    for city in CITIES {
        let (law, now, who) = (law(city), at(NOW), authority());
        let effect = || CutCommand::Effect { at: now + Duration::milliseconds(640) };
        let act = |state: Option<&Cut>, command| act_at(&law, &who, now, state, command);
        let closed = act(None, pull("incident", "a leak")).expect("cut");
        let effected = act(Some(&closed), effect()).expect("effected");
        let restored = act(Some(&effected), restore("corrected", true)).expect("restored");
        let ended = act(Some(&effected), end()).expect("ended");
        let states = [
            ("none", None),
            ("closed", Some(&closed)),
            ("effected", Some(&effected)),
            ("restored", Some(&restored)),
            ("ended", Some(&ended)),
        ];
        let wanted = [
            (&who, pull("incident", "a leak")),
            (&who, effect()),
            (&who, restore("corrected", true)),
            (&who, restore("corrected", false)),
            (&who, restore(" ", true)),
            (&who, end()),
        ];
        let step = "!cut-step-in-order";
        let cause = "!cut-cause-closed";
        assert_eq!(
            table(&law, now, &states, &wanted),
            expected(&format!(
                "none: pull=closed effect={step} restore={step} restore={step} restore={step} end={step}
                 closed: pull={step} effect=closed restore=restored restore={cause} restore={cause} end=ended
                 effected: pull={step} effect={step} restore=restored restore={cause} restore={cause} end=ended
                 restored: pull={step} effect={step} restore={step} restore={step} restore={step} end={step}
                 ended: pull={step} effect={step} restore={step} restore={step} restore={step} end={step}"
            )),
            "{city}"
        );
        assert_eq!(effected.effected_at, Some(now + Duration::milliseconds(640)));
        assert_eq!(restored.outcome.as_deref(), Some("corrected"));
        assert_eq!(ended.outcome.as_deref(), Some("the agreement was ended"));
        assert_eq!(restored.status, CutStatus::Restored);
    }
}

#[test]
fn how_long_a_cut_took_is_measured_from_its_order() {
    let (law, who, now) = (law("taizhou"), authority(), at(NOW));
    let closed = act_at::<Cut>(&law, &who, now, None, pull("incident", "a leak")).expect("cut");
    let ctx = Context { now, actor: &who, law: &law };
    let effect = CutCommand::Effect { at: now + Duration::milliseconds(640) };
    let events = Cut::decide(Some(&closed), effect, &ctx).expect("effected");
    assert!(matches!(events.as_slice(), [CutEvent::Effected { millis: 640, .. }]), "{events:?}");
}

#[test]
fn access_is_closed_at_once_on_the_grounds_that_the_city_or_the_platform_lists() {
    let check = |city: &str, trigger: &str, expected: &str| {
        let outcome = act_at::<Cut>(&law(city), &authority(), at(NOW), None, pull(trigger, "so"));
        assert_eq!(refused(outcome), expected, "{city} {trigger}");
    };
    for city in CITIES {
        check(city, "security_risk", "nothing");
        check(city, "a_bad_mood", "cut-trigger-known");
    }
    check("hangzhou", "stop_work", "nothing");
    check("beijing", "stop_work", "cut-trigger-known");
    check("taizhou", "security_assessment_result", "nothing");
    check("changchun", "security_assessment_result", "cut-trigger-known");
    let silent =
        act_at::<Cut>(&law("hangzhou"), &authority(), at(NOW), None, pull("incident", " "));
    assert_eq!(refused(silent), "cut-trigger-known");
}

#[test]
fn a_cut_cites_the_clauses_that_list_its_ground() {
    let law = law("hangzhou");
    let cut = act_at::<Cut>(&law, &authority(), at(NOW), None, pull("stop_work", "an order"));
    let order = cut.expect("cut").order;
    let listed: Vec<_> = law
        .clauses
        .iter()
        .filter(|clause| clause.params.iter().any(|name| name == "killswitch_triggers"))
        .map(|clause| clause.id.clone())
        .collect();
    assert!(!listed.is_empty());
    assert_eq!((order.clauses, order.by), (listed, authority().person));
}
