//! Guards and agreements under the cities' own parameters.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shuyu_casework::{
    Agreement, Dossier, EFFECTS, Facts, GUARDS, Reading,
    agreement::{Command, Status, Terms},
    guard, simulate,
};
use shuyu_kernel::{Actor, CaseId, ContentHash, Id as _, OrganisationId, Share};
use shuyu_law::{Law, Packs};
use shuyu_store::{Context, Entity};

fn at(day: &str) -> DateTime<Utc> {
    format!("{day}T04:00:00Z").parse().expect("an instant")
}

/// Checks a guard on a form, with facts over those under which every guard holds.
#[expect(clippy::needless_pass_by_value, reason = "each case writes its form in place")]
fn check(city: &str, name: &str, form: Value, facts: &[(&str, Value)], expected: Option<&str>) {
    let law = Law::load(city).expect("a pack");
    let mut known: Facts = simulate::facts(&law);
    known.extend(facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())));
    let actor = simulate::actor(&law, "operator", 1);
    let dossier =
        Dossier { acts: Vec::new(), objections: Vec::new(), content: ContentHash::of(b"") };
    let documents = BTreeMap::new();
    let reading =
        Reading { dossier: &dossier, form: Some(&form), documents: &documents, actor: &actor };
    let ctx = Context { now: at("2026-03-02"), actor: &actor, law: &law };
    let answer = guard::check(name, &reading, &known, &ctx);
    if let Err(refusal) = &answer {
        assert!(!refusal.clauses.is_empty(), "{} cites no clause", refusal.rule);
    }
    let rule = answer.err().map(|refusal| refusal.rule);
    assert_eq!(rule.as_deref(), expected, "{city} {name} {form}");
}

#[test]
fn the_term_of_an_agreement_is_fixed_or_at_most_or_in_general() {
    let term = |from: &str, to: &str| json!({ "from": from, "to": to });
    let with = |mut form: Value, name: &str, value: Value| {
        form.as_object_mut().expect("a form").insert(name.to_owned(), value);
        form
    };
    let name = "agreement.term";
    let two_years = term("2026-03-10", "2028-03-09");
    check("hangzhou", name, two_years.clone(), &[], None);
    check("hangzhou", name, term("2026-03-10", "2028-03-10"), &[], Some("agreement-term"));
    check("hangzhou", name, term("2026-03-10", "2027-03-09"), &[], Some("agreement-term"));
    let trial = with(term("2026-03-10", "2028-09-09"), "trial_months", json!(6));
    check("hangzhou", name, trial, &[], None);
    let long = with(term("2026-03-10", "2028-10-09"), "trial_months", json!(7));
    check("hangzhou", name, long, &[], Some("agreement-trial"));
    check("taizhou", name, two_years.clone(), &[], None);
    let four = term("2026-03-10", "2030-03-09");
    check("taizhou", name, four.clone(), &[], Some("agreement-term"));
    check("taizhou", name, with(four, "term_reason", json!("a long project")), &[], None);
    check("beijing", name, term("2026-03-10", "2031-03-09"), &[], None);
    check("beijing", name, two_years.clone(), &[], Some("agreement-term"));
    check("changchun", name, two_years.clone(), &[], None);
    check("jingzhou", name, two_years, &[], None);
    check("jingzhou", name, term("2026-03-10", "2026-03-09"), &[], Some("agreement-term"));
    check("jingzhou", name, json!({}), &[], Some("agreement-term"));
}

#[test]
fn an_operator_is_eligible_as_the_city_asks() {
    let name = "operator.eligible";
    let record = |form: &str, owned: &str, lists: &[&str], incident: Option<&str>| {
        [(
            "operator",
            json!({ "legal_form": form, "ownership": owned, "lists": lists, "last_incident": incident }),
        )]
    };
    let check = |city, facts: &[(&str, Value)], expected| {
        check(city, name, json!({}), facts, expected);
    };
    check("hangzhou", &record("legal_person", "private", &[], None), None);
    check("hangzhou", &record("natural_person", "private", &[], None), Some("operator-legal-form"));
    let state_firm = "state_owned_enterprise";
    check("jingzhou", &record(state_firm, "private", &[], None), Some("operator-ownership"));
    check("jingzhou", &record(state_firm, "state_owned", &[], None), None);
    let listed = record("legal_person", "private", &["dishonest_judgment_debtor"], None);
    check("taizhou", &listed, Some("operator-not-excluded"));
    check("hangzhou", &listed, None);
    let incident = |day| record("legal_person", "private", &[], Some(day));
    check("taizhou", &incident("2023-03-03"), Some("operator-without-incident"));
    check("taizhou", &incident("2023-03-02"), None);
    check("changchun", &incident("2026-03-01"), None);
    check("hangzhou", &[("operator", Value::Null)], Some("registered-and-open"));
}

#[test]
fn renewal_training_level_and_origin_are_checked_where_the_city_asks() {
    let renewed = |day: &str| [("renewed", json!({ "expires": day }))];
    let renews = json!({ "renews": "agr-x" });
    let name = "agreement.renewal";
    check("hangzhou", name, renews.clone(), &renewed("2026-06-02"), None);
    check("hangzhou", name, renews.clone(), &renewed("2026-06-01"), Some("agreement-renewal-lead"));
    check("taizhou", name, renews.clone(), &renewed("2026-09-01"), Some("agreement-renewal-lead"));
    check("beijing", name, renews, &renewed("2026-03-03"), None);
    check("taizhou", name, json!({}), &[], None);

    let trained = |operation: u64| {
        let full = json!({ "trained": 1, "total": 1 });
        [(
            "training",
            json!({ "management": full, "technical": full,
            "operation": { "trained": operation, "total": 2 } }),
        )]
    };
    check("hangzhou", "training.passed", json!({}), &trained(1), Some("training-passed"));
    check("hangzhou", "training.passed", json!({}), &trained(2), None);
    check("taizhou", "training.passed", json!({}), &trained(0), None);
    check("beijing", "training.passed", json!({}), &[], None);

    let request = |form: &str| json!({ "items": [{ "resource": "xx", "columns": ["xx"] }], "form_of_use": form });
    let level = |level: u8, origin: Option<&str>| {
        [("resources", json!({ "xx": { "level": level, "origin": origin } }))]
    };
    let name = "request.level";
    check("beijing", name, request("raw_data"), &level(1, None), None);
    check("beijing", name, request("raw_data"), &level(2, None), Some("request-level"));
    check("beijing", name, request("usable_not_visible"), &level(3, None), None);
    check("beijing", name, request("usable_not_visible"), &level(4, None), Some("request-level"));
    check("hangzhou", name, request("raw_data"), &level(4, None), None);

    let no_consents = ("upstream_consents", json!([]));
    let [resources] = level(1, Some("returned_provincial"));
    let facts = [no_consents, resources];
    let name = "request.upstream_consent";
    check("hangzhou", name, request("x"), &facts, Some("upstream-consent"));
    check("hangzhou", name, request("x"), &facts[1..], None);
    check("jingzhou", name, request("x"), &facts, None);
}

#[test]
fn prices_follow_the_method_and_stay_below_the_ceiling() {
    let price =
        |method: &str, fen: i64| json!({ "method": method, "fen": fen, "ceiling_fen": 100 });
    let name = "price.method";
    check("changchun", name, price("guided", 100), &[], None);
    check("changchun", name, price("guided", 101), &[], Some("price-ceiling"));
    check("changchun", name, price("market_filed", 1), &[], Some("price-method"));
    check("beijing", name, price("market_filed", 1), &[], None);
    check("beijing", name, price("market_filed", -1), &[], Some("price-method"));
    check("beijing", name, price("free", 0), &[], None);
    check("beijing", name, price("free", 1), &[], Some("price-method"));
}

#[test]
fn a_request_asks_for_no_more_than_its_scenario_needs() {
    let form = |column: &str| json!({ "agreement": "agr-1", "items": [{ "resource": "r", "columns": [column] }] });
    let scenario = |status: &str, agreement: &str| {
        [(
            "scenario",
            json!({ "status": status, "agreement": agreement,
            "fields": [{ "resource": "r", "column": "age" }] }),
        )]
    };
    let name = "request.necessity";
    let refused = Some("request-necessity");
    check("hangzhou", name, form("age"), &scenario("approved", "agr-1"), None);
    check("hangzhou", name, form("name"), &scenario("approved", "agr-1"), refused);
    check("hangzhou", name, form("age"), &scenario("closed", "agr-1"), refused);
    check("hangzhou", name, form("age"), &scenario("approved", "agr-2"), refused);
}

#[test]
fn packs_name_only_guards_and_effects_that_there_are() {
    let packs = Packs::embedded();
    for city in packs.cities() {
        let law = packs.load(city).expect("a pack");
        for stage in law.procedures.values().flat_map(|procedure| &procedure.stages) {
            for name in &stage.guards {
                assert!(GUARDS.contains(&name.as_str()), "{city}: guard {name}");
            }
            for name in stage.outcomes.iter().flat_map(|outcome| &outcome.effects) {
                assert!(EFFECTS.contains(&name.as_str()), "{city}: effect {name}");
            }
        }
    }
}

#[test]
fn an_agreement_lives_from_signature_to_closure_and_no_other_way() {
    let law = Law::load("hangzhou").expect("a pack");
    let actor = simulate::actor(&law, "authority", 1);
    let go = |state: Option<&Agreement>, command: Command, day: &str| {
        let ctx = Context { now: at(day), actor: &actor, law: &law };
        Agreement::decide(state, command, &ctx)
            .map(|events| events.iter().fold(state.cloned(), Agreement::evolve).expect("a state"))
            .map_err(|refusal| refusal.rule)
    };
    let terms = Terms {
        case: CaseId::from_u128(1),
        operator: OrganisationId::from_u128(1),
        signatories: vec![OrganisationId::from_u128(2)],
        from: "2026-03-10".parse().expect("a day"),
        to: "2028-03-09".parse().expect("a day"),
        trial_months: 6,
        shares: vec![Share { party: "operator".to_owned(), weight: 1 }],
        scope: "health".to_owned(),
        text: ContentHash::of(b"text"),
    };
    let sign = |terms: &Terms| Command::Sign(Box::new(terms.clone()));
    let worthless = Terms { shares: Vec::new(), ..terms.clone() };
    assert_eq!(go(None, sign(&worthless), "2026-03-01"), Err("agreement-shares".to_owned()));
    let signed = go(None, sign(&terms), "2026-03-01").expect("signed");
    let state = Err("agreement-state".to_owned());
    let suspend = || Command::Suspend { ground: "a risk".to_owned() };
    assert_eq!(go(Some(&signed), suspend(), "2026-03-02"), state);
    let trial = go(Some(&signed), Command::Activate, "2026-03-10").expect("on trial");
    assert!(
        matches!(trial.status, Status::Trial { until, .. } if until.to_string() == "2026-09-09")
    );
    let suspended = go(Some(&trial), suspend(), "2026-04-01").expect("suspended");
    assert!(!suspended.is_in_operation(at("2026-04-01")));
    let restored = go(Some(&suspended), Command::Restore, "2026-04-02").expect("restored");
    assert!(matches!(restored.status, Status::Trial { .. }), "the trial goes on");
    assert_eq!(go(Some(&restored), Command::Expire, "2028-03-09"), Err("time-has-come".to_owned()));
    let over = go(Some(&restored), Command::Expire, "2028-03-10").expect("expired");
    assert!(!restored.is_in_operation(at("2028-03-10")), "nobody waits for the timer");
    let close = Command::Close { certificate: ContentHash::of(b"certificate") };
    assert_eq!(go(Some(&restored), close.clone(), "2028-03-10"), state);
    let closed = go(Some(&over), close, "2028-03-20").expect("closed");
    assert!(matches!(closed.status, Status::Closed { logs_kept_until: Some(day), .. }
        if day.to_string() == "2028-09-20"));
    assert_eq!(go(Some(&closed), Command::Activate, "2028-03-21"), state);
}

#[test]
fn a_trial_goes_over_into_the_term_only_when_it_was_passed() {
    let law = Law::load("hangzhou").expect("the pack loads");
    let at = |instant: &str| instant.parse::<DateTime<Utc>>().expect("an instant");
    let go = |state: Option<&Agreement>, command, instant: &str| {
        let system = Actor::system();
        let ctx = Context { now: at(instant), actor: &system, law: &law };
        Agreement::decide(state, command, &ctx)
            .map(|events| events.iter().fold(state.cloned(), Agreement::evolve).expect("a state"))
            .map_err(|refusal| {
                assert!(!refusal.clauses.is_empty(), "{} cites nothing", refusal.rule);
                refusal.rule
            })
    };
    let rule = |name: &str| Err::<Agreement, _>(name.to_owned());
    let terms = Terms {
        case: CaseId::from_u128(1),
        operator: OrganisationId::from_u128(1),
        signatories: vec![OrganisationId::from_u128(2)],
        from: "2023-11-01".parse().expect("a day"),
        to: "2026-04-30".parse().expect("a day"),
        trial_months: 6,
        shares: vec![Share { party: "operator".to_owned(), weight: 1 }],
        scope: "health".to_owned(),
        text: ContentHash::of(b"text"),
    };
    let signed = go(None, Command::Sign(Box::new(terms)), "2023-10-20T00:00:00Z").expect("signed");
    let trial = go(Some(&signed), Command::Activate, "2023-11-01T00:00:00Z").expect("on trial");
    // The first of November begins at four in the afternoon of the day before, Greenwich time.
    let early = go(Some(&signed), Command::Activate, "2023-10-25T00:00:00Z").expect("on trial");
    let (eve, first) = ("2023-10-31T15:59:59Z", "2023-10-31T16:00:00Z");
    assert!(!early.is_in_operation(at(eve)) && early.is_in_operation(at(first)));
    // The thirtieth of April ends at four in the afternoon, Greenwich time.
    let (last, over) = ("2024-04-30T15:59:59Z", "2024-04-30T16:00:00Z");
    assert_eq!(trial.keys().due_at, Some(at(last)));
    assert!(trial.is_in_operation(at(last)) && !trial.is_in_operation(at(over)));
    assert!(trial.tick(at(last)).is_none());
    assert!(
        matches!(trial.tick(at(over)), Some(Command::End { ground }) if ground == "trial_not_passed")
    );
    assert_eq!(go(Some(&trial), Command::Activate, over), rule("trial-passed"));
    assert_eq!(go(Some(&trial), Command::PassTrial, over), rule("agreement-state"));
    assert_eq!(go(Some(&signed), Command::PassTrial, last), rule("agreement-state"));

    let passed = go(Some(&trial), Command::PassTrial, last).expect("passed");
    assert_eq!(go(Some(&passed), Command::PassTrial, last), rule("agreement-state"));
    assert_eq!(go(Some(&passed), Command::Activate, last), rule("time-has-come"));
    assert!(passed.is_in_operation(at(over)), "what was passed goes on");
    assert!(matches!(passed.tick(at(over)), Some(Command::Activate)));
    let active = go(Some(&passed), Command::Activate, over).expect("in its term");
    assert!(matches!(active.status, Status::Active { .. }));
    assert_eq!(active.keys().due_at, Some(active.expires_at));
    assert!(active.tick(active.expires_at).is_none());
    let after = active.expires_at + chrono::Duration::seconds(1);
    assert!(matches!(active.tick(after), Some(Command::Expire)));

    // A suspension keeps what the trial has come to.
    let suspend = || Command::Suspend { ground: "a risk".to_owned() };
    for (before, is_passed) in [(&trial, false), (&passed, true)] {
        let suspended = go(Some(before), suspend(), "2024-04-01T00:00:00Z").expect("suspended");
        assert!(suspended.tick(at(over)).is_none(), "it waits for what becomes of it");
        let restored = go(Some(&suspended), Command::Restore, over).expect("restored");
        assert_eq!(restored.is_in_operation(at(over)), is_passed);
        let written = serde_json::to_string(&restored).expect("is written");
        assert_eq!(serde_json::from_str::<Agreement>(&written).expect("is read"), restored);
    }
    // What was written before trials had an end of their own is read as it was.
    let old = r#"{"is":"trial","until":"2024-04-30","at":"2023-11-01T00:00:00Z"}"#;
    let old: Status = serde_json::from_str(old).expect("is read");
    assert!(matches!(old, Status::Trial { ends_at: None, passed: false, .. }));
}
