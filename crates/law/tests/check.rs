//! What `check` finds in packs that are wrong, by file and line.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use shuyu_law::{Finding, Packs, Severity, Vocabulary, check};

const HEAD: &str = "[pack]\nid = \"baseline\"\ntitle = { zh = \"x\", en = \"x\" }\nissuer = \"x\"\n\
                    status = \"draft\"\n[roles]\nauthority = \"self\"\n";
const CLAUSES: &str = r#"[[clause]]
id = "baseline/1"
article = "1"
kind = "rule"
area = "exit"
force = "must"
actors = ["authority"]
summary = { zh = "x", en = "x" }
"#;
const BINDINGS: &str = "[[binding]]\nclause = \"baseline/1\"\nopen = \"nothing does it yet\"\n";

fn vocabulary() -> Vocabulary {
    let set = |name: &str| [name.to_owned()].into();
    Vocabulary {
        rules: set("known-rule"),
        actions: set("case.act"),
        effects: set("grant.issue"),
        guards: set("operator.eligible"),
        attributes: set("status"),
    }
}

/// A sound pack of a baseline alone, with these files added or put in place of its own, is found
/// wrong in this way and no other.
fn finds(files: &[(&str, &str)], expected: &[&str]) {
    // Written to a folder and read back: what is checked is what an author would have there.
    let folder = tempfile::tempdir().unwrap();
    let pack = folder.path().join("baseline");
    std::fs::create_dir_all(pack.join("procedures")).unwrap();
    let rule = "[known-rule]\nclauses = [\"baseline/1\"]\nmessage = { zh = \"x\", en = \"x\" }\n";
    let sound = [
        ("pack.toml", HEAD),
        ("clauses.toml", CLAUSES),
        ("bindings.toml", BINDINGS),
        ("rules.toml", rule),
    ];
    for (path, text) in sound.iter().chain(files) {
        std::fs::write(pack.join(path), text).unwrap();
    }
    let packs = Packs::read(folder.path()).unwrap();
    let found: Vec<String> = check(&packs, &vocabulary()).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

fn procedure(stages: &str) -> String {
    format!("id = \"p\"\ntitle = {{ zh = \"x\", en = \"x\" }}\n{stages}")
}

const OUTCOME: &str = "[[stage.outcome]]\nid = \"done\"\ntitle = { zh = \"x\", en = \"x\" }\n";

fn stage(id: &str, body: &str, next: &str) -> String {
    format!(
        "[[stage]]\nid = \"{id}\"\ntitle = {{ zh = \"x\", en = \"x\" }}\nactors = [\"authority\"]\n\
         {body}{OUTCOME}next = {next}\n"
    )
}

#[test]
fn a_sound_pack_has_no_finding() {
    finds(&[], &[]);
    let text = procedure(&stage(
        "a",
        "guards = [\"operator.eligible\"]\n",
        "{ end = \"ok\" }\neffects = [\"grant.issue\"]",
    ));
    finds(&[("procedures/p.toml", &text)], &[]);
}

#[test]
fn the_packs_of_the_repository_load_and_name_nothing_unknown() {
    let findings: Vec<Finding> = check(&Packs::embedded(), &Vocabulary::default())
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter(|finding| !finding.message.contains("nothing is said of the clause"))
        .collect();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn roles_are_held_by_roles() {
    finds(
        &[("pack.toml", &format!("{HEAD}a = \"b\"\nb = \"a\"\nc = \"nobody\"\n"))],
        &[
            "baseline/pack.toml:8: error: `a` is held, in the end, by itself",
            "baseline/pack.toml:9: error: `b` is held, in the end, by itself",
            "baseline/pack.toml:10: error: `c` is held by `nobody`, which is no role",
        ],
    );
}

#[test]
fn clauses_are_named_for_their_pack_once_and_name_what_exists() {
    let second = CLAUSES
        .replace("[\"authority\"]", "[\"nobody\"]\nparams = [\"unset\"]")
        .replace("baseline/1", "town/1");
    finds(
        &[("clauses.toml", &format!("{CLAUSES}{CLAUSES}{second}"))],
        &[
            "baseline/clauses.toml:10: error: the clause `baseline/1` stands here twice",
            "baseline/clauses.toml:18: error: nothing is said of the clause `town/1`: \
             baseline/bindings.toml names what enforces it, or why it is open",
            "baseline/clauses.toml:18: error: the clause `town/1` is not named `baseline/…`",
            "baseline/clauses.toml:23: error: `nobody` is neither a role nor a term of this pack",
            "baseline/clauses.toml:24: error: this pack sets no parameter `unset`",
        ],
    );
}

#[test]
fn rules_are_enforced_worded_and_grounded() {
    finds(
        &[(
            "rules.toml",
            "[other-rule]\nclauses = [\n  \"baseline/1\",\n  \"baseline/2\",\n]\nmessage = { zh = \"x\", en = \"x\" }\n",
        )],
        &[
            "baseline/rules.toml:1: error: no room enforces a rule `other-rule`",
            "baseline/rules.toml:1: error: the rule `known-rule` is enforced, but the baseline \
             has no text for it",
            "baseline/rules.toml:4: error: there is no clause `baseline/2`",
        ],
    );
}

#[test]
fn every_clause_is_bound_once_to_what_exists_or_open_with_a_reason() {
    finds(
        &[("bindings.toml", "[[binding]]\nclause = \"baseline/1\"\nopen = \" \"\n")],
        &["baseline/bindings.toml:2: error: the clause `baseline/1` is open without a reason"],
    );
    finds(
        &[(
            "bindings.toml",
            "[[binding]]\nclause = \"baseline/1\"\nby = [\n  \"rule:known-rule\",\n  \"rule:x\",\n  \
             \"policy:x\",\n  \"procedure:p/a\",\n  \"parameter:x\",\n  \"guard:x\",\n  \
             \"effect:x\",\n  \"term:x\",\n  \"law:x\",\n  \"x\",\n]\ntests = [\"here\"]\n\
             [[binding]]\nclause = \"baseline/1\"\nopen = \"x\"\n\
             [[binding]]\nclause = \"baseline/9\"\nopen = \"x\"\n",
        )],
        &[
            "baseline/bindings.toml:5: error: there is no rule `x`",
            "baseline/bindings.toml:6: error: there is no policy `x`",
            "baseline/bindings.toml:7: error: there is no procedure `p/a`",
            "baseline/bindings.toml:8: error: there is no parameter `x`",
            "baseline/bindings.toml:9: error: there is no guard `x`",
            "baseline/bindings.toml:10: error: there is no effect `x`",
            "baseline/bindings.toml:11: error: there is no term `x`",
            "baseline/bindings.toml:12: error: `law` is not something that enforces a clause: \
             rule, procedure, policy, parameter, guard, effect or term",
            "baseline/bindings.toml:13: error: `x` is not of the form `<kind>:<name>`",
            "baseline/bindings.toml:15: error: `here` is not the path of a test, `<crate>::<path>`",
            "baseline/bindings.toml:17: error: the clause `baseline/1` is bound twice",
            "baseline/bindings.toml:20: error: this pack has no clause `baseline/9`",
        ],
    );
}

#[test]
fn policies_name_what_exists_and_guard_what_they_read() {
    finds(
        &[(
            "policies.cedar",
            "\n@id(\"a\")\n@clauses(\"baseline/1,baseline/2\")\n@rule(\"none\")\n\
             forbid (principal, action == Action::\"case.fly\", resource)\n\
             when { resource.status == \"open\" && resource has colour };\n\
             @id(\"b\")\npermit (principal, action == Action::\"case.act\", resource)\n\
             when { resource has status && resource.status == \"open\" && principal.roles.contains(\"x\") };\n",
        )],
        &[
            "baseline/policies.cedar:2: error: the policy `a` reads `status` without `has status` \
             before it",
            "baseline/policies.cedar:2: error: the policy `a`: there is no action `case.fly`",
            "baseline/policies.cedar:2: error: the policy `a`: there is no attribute `colour`",
            "baseline/policies.cedar:2: error: the policy `a`: there is no clause `baseline/2`",
            "baseline/policies.cedar:2: error: the policy `a`: there is no rule `none`",
            "baseline/policies.cedar:7: error: the policy `b` rests on no clause",
        ],
    );
}

#[test]
fn stages_name_what_exists() {
    let text = procedure(&stage(
        "a",
        "persons = 0\npersons_from = \"x\"\ndocuments_from = \"y\"\nunlike = [\"z\"]\n\
         guards = [\"sleep\"]\nclauses = [\"baseline/7\"]\n\
         deadline = { parameter = \"q\", unit = \"days\", on_overdue = \"fly\" }\n",
        "{ stage = \"nowhere\" }\neffects = [\"fly\"]",
    ));
    finds(
        &[("procedures/p.toml", &text)],
        &[
            "baseline/procedures/p.toml:4: error: no way leads from the stage `a` to an end",
            "baseline/procedures/p.toml:7: error: the stage `a` needs nobody to agree",
            "baseline/procedures/p.toml:8: error: this pack sets no parameter `x`",
            "baseline/procedures/p.toml:9: error: this pack sets no parameter `y`",
            "baseline/procedures/p.toml:10: error: there is no stage `z`",
            "baseline/procedures/p.toml:11: error: there is no guard `sleep`",
            "baseline/procedures/p.toml:12: error: there is no clause `baseline/7`",
            "baseline/procedures/p.toml:13: error: there is no effect `fly`",
            "baseline/procedures/p.toml:13: warning: no pack sets the parameter `q`, so there is \
             no such time",
            "baseline/procedures/p.toml:17: error: there is no stage `nowhere`",
            "baseline/procedures/p.toml:18: error: there is no effect `fly`",
        ],
    );
}

#[test]
fn every_stage_is_reached_and_every_case_can_end() {
    let text = procedure(
        &[
            stage("a", "", "{ stage = \"b\" }"),
            stage("b", "", "{ stage = \"a\" }"),
            stage("c", "", "{ end = \"done\" }"),
        ]
        .concat(),
    );
    finds(
        &[("procedures/p.toml", &text)],
        &[
            "baseline/procedures/p.toml:4: error: no way leads from the stage `a` to an end",
            "baseline/procedures/p.toml:12: error: no way leads from the stage `b` to an end",
            "baseline/procedures/p.toml:20: error: no way leads to the stage `c`",
        ],
    );
}

#[test]
fn forms_are_schemas_over_parameters_that_the_city_sets() {
    let body = "[stage.form]\ntype = \"object\"\n[stage.form.properties.x]\n\
                enum = { \"$parameter\" = \"unset\" }\n[stage.form.properties.y]\ntype = \"colour\"\n";
    let text = procedure(&stage("a", body, "{ end = \"ok\" }"));
    // A city's silence leaves the keyword out; a wrong type is no schema.
    let folder = [("procedures/p.toml", text.as_str())];
    finds(
        &folder,
        &[
            "baseline/procedures/p.toml:7: error: the form of the stage is not a valid JSON \
             Schema: \"colour\" is not valid under any of the schemas listed in the 'anyOf' keyword",
            "baseline/procedures/p.toml:10: error: this pack sets no parameter `unset`",
        ],
    );
}

#[test]
fn a_time_whose_parameter_is_no_figure_is_wrong_and_one_that_is_absent_is_none() {
    let parameter = |name: &str, value: &str| {
        format!("[{name}]\nvalue = {value}\narticle = \"1\"\nsource = \"text\"\n")
    };
    let parameters = parameter("long", "\"soon\"") + &parameter("table", "{ days = 3 }");
    let at = |body: &str| procedure(&stage("a", body, "{ end = \"ok\" }"));
    let wrong = at("deadline = { parameter = \"long\", unit = \"days\" }\n");
    finds(
        &[("parameters.toml", &parameters), ("procedures/p.toml", &wrong)],
        &["baseline/procedures/p.toml:7: error: the parameter `long` is not a whole number of a \
           length that can be counted"],
    );
    let silent =
        at("at_least = { parameter = \"table\", field = \"months\", unit = \"months\" }\n");
    finds(&[("parameters.toml", &parameters), ("procedures/p.toml", &silent)], &[]);
}

#[test]
fn a_pack_that_does_not_parse_is_one_finding_and_the_others_are_still_checked() {
    let mut packs = Packs::default();
    let files = |entries: &[(&str, &str)]| {
        entries.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    };
    packs.insert("baseline", files(&[("pack.toml", HEAD), ("clauses.toml", CLAUSES)]));
    packs.insert("town", files(&[("pack.toml", "[pack]\nid = 7\n")]));
    let found: Vec<(String, usize)> = check(&packs, &Vocabulary::default())
        .into_iter()
        .map(|finding| (finding.file, finding.line))
        .collect();
    let expected = [("baseline/clauses.toml", 2), ("town/pack.toml", 2)];
    assert_eq!(found, expected.map(|(file, line)| (file.to_owned(), line)));
}
