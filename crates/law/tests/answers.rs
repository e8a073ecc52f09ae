//! What a law answers: forms, periods, coverage, explanations; and that no pack, however broken,
//! makes it panic.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use shuyu_law::{
    ClauseId, CoverageFilter, Kind, Law, PackFiles, Packs, Period, PeriodUnit, Proof, Tally,
    Vocabulary, check,
};

const HEAD: &str = r#"[pack]
id = "baseline"
title = { zh = "x", en = "x" }
issuer = "x"
status = "draft"
utc_offset_hours = 8
[roles]
authority = "self"
inspector = "authority"
deputy = "inspector"
[calendar]
holidays = ["2024-10-01", "2024-10-02", "2024-10-03", "2024-10-04", "2024-10-07"]
workdays = ["2024-10-12"]
"#;
const PARAMETERS: &str = r#"
[fields]
value = [{ id = "health", zh = "x" }, { id = "transport", zh = "y" }]
article = "1"
source = "text"
[term]
value = { kind = "fixed", years = 2, since = 2024-01-31 }
article = "2"
source = "default"
[days]
value = 3
article = "3"
source = "external"
[words]
value = "soon"
article = "3"
source = "text"
[day]
value = "2024-03-31"
article = "3"
source = "text"
[endless]
value = 4000000000
article = "3"
source = "text"
"#;
const PROCEDURE: &str = r#"
id = "admission"
title = { zh = "准入", en = "Admission" }
clauses = ["baseline/1"]
[[stage]]
id = "apply"
title = { zh = "申请", en = "Application" }
actors = ["authority"]
clauses = ["baseline/1"]
deadline = { parameter = "days", unit = "working_days" }
[[stage.documents]]
id = "pledge"
title = { zh = "承诺书", en = "Pledge" }
clauses = ["baseline/1"]
[stage.form]
type = "object"
required = ["field"]
additionalProperties = false
sums = [
  { of = "parts", terms = ["weight"], is = 100 },
  { of = "parts", terms = ["score", "weight"], over = 100, is = "index" },
]
[stage.form.properties]
field = { enum = { "$parameter" = "fields" } }
years = { type = "integer", maximum = { "$parameter" = "term", field = "years" } }
from = { type = "string", format = "date" }
since = { format = "date", formatMinimum = { "$parameter" = "day" } }
before = { format = "date", formatExclusiveMaximum = { "$parameter" = "day" } }
parts = { type = "array" }
index = { type = "number" }
list = { type = "array", items = { type = "string" }, maxItems = { "$parameter" = "unset" } }
[[stage.outcome]]
id = "done"
title = { zh = "完成", en = "Done" }
next = { end = "done" }
"#;
const CLAUSES: &str = r#"
[[clause]]
id = "baseline/1"
article = "一"
kind = "rule"
area = "exit"
force = "must"
actors = ["authority"]
params = ["days"]
summary = { zh = "第一", en = "The first" }
[[clause]]
id = "baseline/2"
article = "二"
kind = "duty"
area = "exit"
force = "must"
actors = []
summary = { zh = "第二", en = "The second" }
[[clause]]
id = "baseline/3"
article = "三"
kind = "duty"
area = "access"
force = "may"
actors = []
summary = { zh = "第三", en = "The third" }
"#;
const BINDINGS: &str = r#"
[[binding]]
clause = "baseline/1"
by = ["procedure:admission/apply", "rule:late"]
tests = ["shuyu_law::answers"]
[[binding]]
clause = "baseline/2"
by = ["rule:late"]
[[binding]]
clause = "baseline/3"
open = "nobody needs it yet"
"#;
const RULES: &str =
    "[late]\nclauses = [\"baseline/1\"]\nmessage = { zh = \"迟\", en = \"late\" }\n";
const POLICIES: &str = "@id(\"p\") @clauses(\"baseline/1\")\npermit (principal, action == Action::\"case.act\", resource);\n";

const FILES: [(&str, &str); 7] = [
    ("pack.toml", HEAD),
    ("parameters.toml", PARAMETERS),
    ("procedures/admission.toml", PROCEDURE),
    ("clauses.toml", CLAUSES),
    ("bindings.toml", BINDINGS),
    ("rules.toml", RULES),
    ("policies.cedar", POLICIES),
];

fn packs() -> Packs {
    let mut packs = Packs::default();
    packs.insert("baseline", files());
    packs
}

fn files() -> PackFiles {
    FILES.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
}

fn law() -> Law {
    packs().load("baseline").unwrap()
}

#[test]
fn a_form_takes_its_lists_and_figures_from_the_parameters() {
    let law = law();
    let form = law.form("admission", "apply").unwrap();
    assert_eq!(form.pointer("/properties/field/enum"), Some(&json!(["health", "transport"])));
    assert_eq!(form.pointer("/properties/years/maximum"), Some(&json!(2)));
    assert_eq!(form.pointer("/properties/list/maxItems"), None, "silence is absence");
}

#[test]
fn what_is_wrong_with_a_form_is_told_field_by_field() {
    let law = law();
    let check = |filled_in: Value, expected: &[&str]| {
        let faults = law.form_faults("admission", "apply", &filled_in).unwrap();
        let mut paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, expected, "{filled_in}: {faults:?}");
    };
    check(json!({"field": "health", "years": 2, "from": "2024-02-29"}), &[]);
    check(
        json!({"field": "war", "years": 3, "from": "2024-02-30"}),
        &["/field", "/from", "/years"],
    );
    check(json!({"list": [1], "extra": 1}), &["", "", "/list/0"]);
    check(json!(null), &[""]);
    assert_eq!(law.form_faults("admission", "nowhere", &json!(1)), Ok(Vec::new()));
}

#[test]
fn forms_know_days_and_sums() {
    let law = law();
    let parts = json!([{ "weight": 30, "score": 80 }, { "weight": 70, "score": 95 }]);
    let check = |name: &str, value: Value, parts: &Value, expected: &[&str]| {
        let filled_in = json!({ "field": "health", "parts": parts, name: value });
        let faults = law.form_faults("admission", "apply", &filled_in).unwrap();
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, expected, "{filled_in}: {faults:?}");
    };
    check("since", json!("2024-03-31"), &parts, &[]);
    check("since", json!("2024-03-30"), &parts, &["/since"]);
    check("before", json!("2024-03-30"), &parts, &[]);
    check("before", json!("2024-03-31"), &parts, &["/before"]);
    check("index", json!(90.5), &parts, &[]);
    check("index", json!(90), &parts, &[""]);
    let short = json!([{ "weight": 30, "score": 80 }, { "score": 95 }]);
    check("index", json!(24), &short, &[""]);
}

#[test]
fn periods_end_with_the_day_where_the_law_applies() {
    let law = law();
    let due = |parameter: &str, field: Option<&str>, unit, from: &str| {
        let period =
            Period { parameter: parameter.to_owned(), field: field.map(str::to_owned), unit };
        law.due(&period, from.parse::<DateTime<Utc>>().unwrap())
    };
    let check = |parameter, field, unit, from: &str, expected: &str| {
        let expected: DateTime<Utc> = expected.parse().unwrap();
        assert_eq!(due(parameter, field, unit, from), Ok(Some(expected)), "{parameter} {from}");
    };
    // Three working days after Monday the 30th, over the holidays: the 8th, 9th and 10th.
    let working = PeriodUnit::WorkingDays;
    check("days", None, working, "2024-09-30T01:00:00Z", "2024-10-10T15:59:59Z");
    // In the evening of Greenwich it is already the next day there.
    check("days", None, PeriodUnit::Days, "2024-03-01T15:59:59Z", "2024-03-04T15:59:59Z");
    check("days", None, PeriodUnit::Days, "2024-03-01T16:00:00Z", "2024-03-05T15:59:59Z");
    check("days", None, PeriodUnit::Months, "2023-11-30T00:00:00Z", "2024-02-29T15:59:59Z");
    check("days", None, PeriodUnit::Hours, "2024-03-01T16:00:01Z", "2024-03-01T19:00:01Z");
    let minutes = PeriodUnit::Minutes;
    check("days", None, minutes, "2024-03-01T16:00:01Z", "2024-03-01T16:03:01Z");
    check("term", Some("years"), PeriodUnit::Years, "2024-02-29T00:00:00Z", "2026-02-28T15:59:59Z");
    // A day is the end of itself, whenever the period began, even after it.
    check("day", None, PeriodUnit::Days, "2024-03-01T00:00:00Z", "2024-03-31T15:59:59Z");
    check("day", None, PeriodUnit::Days, "2024-05-01T00:00:00Z", "2024-03-31T15:59:59Z");
    let now = "2024-01-01T00:00:00Z";
    assert_eq!(due("unset", None, PeriodUnit::Days, now), Ok(None), "silence is absence");
    assert_eq!(due("term", Some("months"), PeriodUnit::Months, now), Ok(None));
    for unit in [
        working,
        PeriodUnit::Days,
        PeriodUnit::Months,
        PeriodUnit::Years,
        PeriodUnit::Hours,
        minutes,
    ] {
        assert!(due("words", None, unit, now).is_err());
        assert!(due("endless", None, unit, now).is_err());
    }
}

#[test]
fn the_deadline_of_a_stage_is_its_period() {
    let law = law();
    let stage = law.procedure("admission").unwrap().stage("apply").unwrap();
    let from = "2024-09-30T01:00:00Z".parse().unwrap();
    let deadline = law.deadline(stage, from).unwrap().unwrap();
    assert_eq!(deadline.to_rfc3339(), "2024-10-10T15:59:59+00:00");
    assert_eq!(law.open_until(stage, from), Ok(None));
}

#[test]
fn days_of_a_pack_are_texts() {
    assert_eq!(law().parameter("term").unwrap().field("since"), Some(&json!("2024-01-31")));
}

#[test]
fn an_organisation_holds_the_roles_that_the_pack_gives_it() {
    let held = law().roles_of("authority");
    let expected = ["authority", "deputy", "inspector"].map(str::to_owned);
    assert_eq!(held, expected.into());
    assert_eq!(law().roles_of("deputy"), ["deputy".to_owned()].into());
}

#[test]
fn coverage_counts_each_clause_once_by_pack_kind_and_area() {
    let coverage = packs().coverage(&CoverageFilter::default()).unwrap();
    assert_eq!(coverage.total, Tally { proved: 1, bound: 1, open: 1 });
    assert_eq!(coverage.packs.get("baseline"), Some(&coverage.total));
    assert_eq!(coverage.kinds.get(&Kind::Duty), Some(&Tally { proved: 0, bound: 1, open: 1 }));
    assert_eq!(coverage.areas.get("access"), Some(&Tally { proved: 0, bound: 0, open: 1 }));
    let open = CoverageFilter { proof: Some(Proof::Open), ..CoverageFilter::default() };
    let coverage = law().coverage(&open);
    assert_eq!(coverage.clauses.len(), 1);
    assert_eq!(coverage.clauses[0].reason.as_deref(), Some("nobody needs it yet"));
    let json = serde_json::to_value(&coverage).unwrap();
    assert_eq!(json.pointer("/kinds/duty/open"), Some(&json!(1)));
}

#[test]
fn the_coverage_of_the_repository_counts_every_clause_of_every_pack() {
    let packs = Packs::embedded();
    let coverage = packs.coverage(&CoverageFilter::default()).unwrap();
    let clauses = |name: &str| {
        let law = packs.load(name).unwrap();
        law.clauses.iter().filter(|clause| clause.id.pack() == name).count()
    };
    for name in packs.names() {
        assert_eq!(
            coverage.packs.get(name).map_or(0, |tally| tally.total()),
            clauses(name),
            "{name}"
        );
    }
    assert_eq!(coverage.total.total(), packs.names().map(clauses).sum::<usize>());
}

#[test]
fn a_clause_is_explained_by_what_it_reads_and_what_enforces_it() {
    let explanation = packs().explain(&ClauseId::new("baseline/1")).unwrap().unwrap();
    insta::assert_snapshot!(explanation, @r"
    baseline/1 (一), Rule, Must, exit
      第一
      The first
    concerns: authority
    parameter days = 3 (3, another instrument, to be confirmed)
    enforced by stage admission/apply: Application (申请)
    enforced by rule late: late (迟)
    cited by procedure admission: Admission (准入)
    cited by document admission/apply/pledge: Pledge (承诺书)
    cited by policy p
    proved by shuyu_law::answers
    ");
    assert_eq!(packs().explain(&ClauseId::new("baseline/99")).unwrap(), None);
    assert!(packs().explain(&ClauseId::new("atlantis/1")).is_err());
}

/// Whatever can be asked of a pack is asked; only a panic fails.
fn ask_everything(packs: &Packs) {
    drop(check(packs, &Vocabulary::default()));
    let Ok(law) = packs.load("baseline") else { return };
    let now = DateTime::UNIX_EPOCH;
    for procedure in law.procedures.values() {
        for stage in &procedure.stages {
            drop(law.deadline(stage, now));
            drop(law.open_until(stage, now));
            drop(law.form_faults(&procedure.id, &stage.id, &json!({"field": "health"})));
        }
    }
    for clause in &law.clauses {
        drop(law.explain(&clause.id).map(|explanation| explanation.to_string()));
    }
    drop(law.coverage(&CoverageFilter::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_broken_pack_is_an_error_never_a_panic(
        file in 0..FILES.len(),
        place in 0.0..1.0_f64,
        cut in 0_usize..24,
        insert in prop_oneof![
            "[\\[\\]{}\"'=.,#@()0-9a-z\\n\\\\$-]{0,12}",
            Just("\u{feff}中\0".to_owned()),
            Just("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[".to_owned()),
            Just("-9223372036854775808".to_owned()),
            Just("((((((((((((((((((((((((((((((".repeat(40)),
        ],
    ) {
        let mut files = files();
        let (path, text) = FILES[file];
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any place will do")]
        let at = (place * text.len() as f64) as usize;
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (at + cut).min(text.len());
        let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
        let changed = format!("{}{insert}{}", &text[..at], &text[end..]);
        files.insert(path.to_owned(), changed);
        let mut packs = Packs::default();
        packs.insert("baseline", files);
        ask_everything(&packs);
    }
}
