//! Rulings: what policies permit and refuse, and on which clauses.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fmt::Write as _;

use proptest::prelude::*;
use shuyu_kernel::{Actor, Id, OrganisationId, PersonId, Role};
use shuyu_law::{Attribute, Attributes, Law, PackFiles, Packs, Permit, Refusal, Request};

const HEAD: &str = "[pack]\nid = \"baseline\"\ntitle = { zh = \"x\", en = \"x\" }\nissuer = \"x\"\nstatus = \"draft\"\n";
const RULES: &str = r#"
[not-permitted]
clauses = ["baseline/4"]
message = { zh = "不许可", en = "nothing permits `{action}`" }
[forbidden-by-policy]
clauses = ["baseline/5"]
message = { zh = "禁止", en = "prohibited by {policy}" }
[level-too-high]
clauses = ["baseline/6"]
code = "B-6"
message = { zh = "级别", en = "the level is too high" }
"#;
const POLICIES: &str = r#"
@id("operators-act")
@clauses("baseline/1, baseline/2")
permit (principal, action in [Action::"case.act", Action::"case.open"], resource)
when { principal.roles.contains("operator") };

@id("owners-act")
@clauses("baseline/2,baseline/3")
permit (principal, action == Action::"case.act", resource)
when { resource has owner && resource.owner == principal.organisation };

@id("not-when-closed")
@clauses("baseline/7")
forbid (principal, action == Action::"case.act", resource)
when { resource has status && resource.status == "closed" };

@id("not-above-level")
@clauses("baseline/8")
@rule("level-too-high")
forbid (principal, action == Action::"case.act", resource)
when { context has level && context.level > 3 };

@id("never-by-auditors")
@clauses("baseline/9")
forbid (principal, action, resource)
when { principal.roles.contains("auditor") };
"#;

fn law_with(policies: &str) -> Law {
    let mut packs = Packs::default();
    let files: PackFiles =
        [("pack.toml", HEAD), ("rules.toml", RULES), ("policies.cedar", policies)]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into();
    packs.insert("baseline", files);
    packs.load("baseline").unwrap()
}

fn actor(roles: &[&str]) -> Actor {
    Actor {
        person: PersonId::from_u128(1),
        organisation: OrganisationId::from_u128(2),
        roles: roles.iter().map(|role| Role::new(*role)).collect(),
    }
}

fn ask(
    law: &Law,
    roles: &[&str],
    action: &str,
    attributes: &[(&str, Attribute)],
    context: &[(&str, Attribute)],
) -> Result<Permit, Refusal> {
    let named = |pairs: &[(&str, Attribute)]| -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    law.authorise(&Request {
        actor: &actor(roles),
        action,
        resource: "cas-1",
        attributes: &named(attributes),
        context: &named(context),
    })
}

fn text(text: &str) -> Attribute {
    Attribute::Text(text.to_owned())
}

fn cited(clauses: &[shuyu_law::ClauseId]) -> String {
    clauses.iter().map(shuyu_law::ClauseId::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_permit_names_its_policies_and_cites_their_clauses_once() {
    let law = law_with(POLICIES);
    let permit = ask(&law, &["operator"], "case.act", &[], &[]).unwrap();
    assert_eq!(permit.policies, ["operators-act"]);
    assert_eq!(cited(&permit.clauses), "baseline/1 baseline/2");
    let own = OrganisationId::from_u128(2).to_string();
    let permit = ask(&law, &["operator"], "case.act", &[("owner", text(&own))], &[]).unwrap();
    assert_eq!(permit.policies, ["operators-act", "owners-act"]);
    assert_eq!(cited(&permit.clauses), "baseline/1 baseline/2 baseline/3");
}

#[test]
fn what_no_policy_permits_is_refused_as_not_permitted() {
    let law = law_with(POLICIES);
    for (roles, action) in [(&["public"][..], "case.act"), (&["operator"], "case.fly"), (&[], "")] {
        let refusal = ask(&law, roles, action, &[], &[]).unwrap_err();
        assert_eq!(
            (refusal.rule.as_str(), cited(&refusal.clauses).as_str()),
            ("not-permitted", "baseline/4")
        );
        assert!(refusal.message.en.contains(action), "{refusal}");
    }
    let refusal = ask(&law, &["public"], "case.act", &[], &[]).unwrap_err();
    assert_eq!(
        refusal.detail.as_deref(),
        Some(
            "`case.act` is not permitted to public here; the policies that could permit it: operators-act, owners-act"
        )
    );
}

#[test]
fn a_prohibition_refuses_on_its_own_clauses_though_others_permit() {
    let law = law_with(POLICIES);
    let refusal =
        ask(&law, &["operator"], "case.act", &[("status", text("closed"))], &[]).unwrap_err();
    assert_eq!(refusal.to_string(), "prohibited by not-when-closed [baseline/7]");
    assert_eq!(refusal.rule, "forbidden-by-policy");
}

#[test]
fn a_prohibition_that_names_a_rule_refuses_in_its_words_and_code() {
    let law = law_with(POLICIES);
    let refusal =
        ask(&law, &["operator"], "case.act", &[], &[("level", Attribute::Number(4))]).unwrap_err();
    assert_eq!(refusal.to_string(), "the level is too high [baseline/8]");
    assert_eq!((refusal.rule.as_str(), refusal.code.as_deref()), ("level-too-high", Some("B-6")));
    assert!(ask(&law, &["operator"], "case.act", &[], &[("level", Attribute::Number(3))]).is_ok());
}

#[test]
fn a_prohibition_of_every_action_holds_for_actions_that_others_name_and_for_the_rest() {
    let law = law_with(POLICIES);
    for action in ["case.act", "case.open", "case.fly"] {
        let refusal = ask(&law, &["operator", "auditor"], action, &[], &[]).unwrap_err();
        assert_eq!(cited(&refusal.clauses), "baseline/9", "{action}");
    }
}

#[test]
fn a_prohibition_that_cannot_be_evaluated_prohibits() {
    let law = law_with(POLICIES);
    let wrong = ask(&law, &["operator"], "case.act", &[], &[("level", text("four"))]).unwrap_err();
    assert_eq!(
        (wrong.rule.as_str(), cited(&wrong.clauses).as_str()),
        ("level-too-high", "baseline/8")
    );
    assert!(wrong.detail.is_some_and(|detail| detail.contains("cannot be evaluated")));
}

#[test]
fn a_resource_shows_its_id_and_kind_and_sets_can_be_tested() {
    let law = law_with(
        "@id(\"p\") @clauses(\"baseline/1\")\npermit (principal, action == Action::\"grant.use\", resource)\n\
         when { resource.id == \"cas-1\" && resource.kind == \"grant\" && resource has people && \
         resource.people.contains(principal.person) };",
    );
    let people = Attribute::Set([PersonId::from_u128(1).to_string()].into());
    assert!(ask(&law, &[], "grant.use", &[("people", people)], &[]).is_ok());
    assert!(ask(&law, &[], "grant.use", &[("people", Attribute::Set([].into()))], &[]).is_err());
}

#[test]
fn a_citys_policies_are_added_to_those_of_the_baseline() {
    let mut packs = Packs::default();
    let files = |entries: &[(&str, &str)]| -> PackFiles {
        entries.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    };
    packs.insert(
        "baseline",
        files(&[("pack.toml", HEAD), ("rules.toml", RULES), ("policies.cedar", POLICIES)]),
    );
    let forbid = "@id(\"no-case-on-this-ground\") @clauses(\"town/3\")\nforbid (principal, action == Action::\"case.open\", resource);";
    let head = HEAD.replace("baseline", "town");
    packs.insert("town", files(&[("pack.toml", &head), ("policies.cedar", forbid)]));
    assert!(ask(&packs.load("baseline").unwrap(), &["operator"], "case.open", &[], &[]).is_ok());
    let town = packs.load("town").unwrap();
    let refusal = ask(&town, &["operator"], "case.open", &[], &[]).unwrap_err();
    assert_eq!(cited(&refusal.clauses), "town/3");
    assert!(ask(&town, &["operator"], "case.act", &[], &[]).is_ok());
}

fn some_policy(effect: &'static str) -> impl Strategy<Value = String> {
    let scope = prop_oneof![
        Just("action == Action::\"case.act\""),
        Just("action == Action::\"case.open\""),
        Just("action in [Action::\"case.act\", Action::\"case.open\"]"),
    ];
    let condition = prop_oneof![
        Just("true"),
        Just("principal.roles.contains(\"operator\")"),
        Just("principal.roles.containsAny([\"authority\", \"auditor\"])"),
        Just("resource has status && resource.status == \"open\""),
        Just("resource.status == \"open\""),
        Just("context has level && context.level > 2"),
        Just("context.level < \"x\""),
    ];
    (scope, condition).prop_map(move |(scope, condition)| {
        format!("{effect} (principal, {scope}, resource) when {{ {condition} }};\n")
    })
}

fn numbered(policies: &[String]) -> String {
    let mut text = String::new();
    for (index, policy) in policies.iter().enumerate() {
        let _ = write!(text, "@id(\"p{index}\") @clauses(\"baseline/1\")\n{policy}");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn adding_a_prohibition_never_permits_more(
        mut policies in prop::collection::vec(prop_oneof![some_policy("permit"), some_policy("forbid")], 0..6),
        forbid in some_policy("forbid"),
        roles in prop::sample::subsequence(vec!["operator", "authority", "auditor"], 0..=3),
        status in prop::option::of(prop_oneof![Just("open"), Just("closed")]),
        level in prop::option::of(0_i64..5),
    ) {
        let before = law_with(&numbered(&policies));
        policies.push(forbid);
        let after = law_with(&numbered(&policies));
        let attributes: Vec<_> = status.map(|status| ("status", text(status))).into_iter().collect();
        let context: Vec<_> = level.map(|level| ("level", Attribute::Number(level))).into_iter().collect();
        for action in ["case.act", "case.open", "case.fly"] {
            let allowed = ask(&after, &roles, action, &attributes, &context);
            if allowed.is_ok() {
                prop_assert!(ask(&before, &roles, action, &attributes, &context).is_ok());
            }
        }
    }
}
