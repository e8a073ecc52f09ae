//! Every pack of the repository loads, and what an overlay does.

use shuyu_law::{Law, PackError, PackFiles, Packs};

fn files(entries: &[(&str, &str)]) -> PackFiles {
    entries.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn head(id: &str) -> String {
    format!(
        "[pack]\nid = \"{id}\"\ntitle = {{ zh = \"x\", en = \"x\" }}\nissuer = \"x\"\nstatus = \"draft\"\n"
    )
}

#[test]
fn every_pack_that_is_built_in_loads() {
    let packs = Packs::embedded();
    for name in packs.names() {
        let law = packs.load(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(law.regulation.id, name);
        assert_eq!(law.utc_offset_hours, 8, "the baseline sets it");
    }
}

#[test]
fn a_city_without_a_pack_is_an_error_that_names_the_packs_there_are() {
    let error = Law::load("atlantis").expect_err("no such pack").to_string();
    assert!(error.starts_with("there is no pack `atlantis`; there are: "), "{error}");
    assert!(error.contains("baseline"), "{error}");
}

#[test]
fn a_city_replaces_by_name_and_adds_clauses() {
    let mut packs = Packs::default();
    let parameter = |value: u32| format!("value = {value}\narticle = \"1\"\nsource = \"text\"\n");
    let clause = |id: &str| {
        format!(
            "[[clause]]\nid = \"{id}\"\narticle = \"1\"\nkind = \"rule\"\narea = \"exit\"\n\
             force = \"must\"\nactors = []\nsummary = {{ zh = \"x\", en = \"x\" }}\n"
        )
    };
    packs.insert(
        "baseline",
        files(&[
            ("pack.toml", &head("baseline")),
            ("parameters.toml", &format!("[a]\n{}[b]\n{}", parameter(1), parameter(2))),
            ("clauses.toml", &clause("baseline/1")),
        ]),
    );
    packs.insert(
        "town",
        files(&[
            ("pack.toml", &head("town")),
            ("parameters.toml", &format!("[b]\n{}", parameter(3))),
            ("clauses.toml", &clause("town/1")),
        ]),
    );
    let law = packs.load("town").unwrap();
    assert_eq!((law.integer("a"), law.integer("b"), law.integer("c")), (Some(1), Some(3), None));
    let ids: Vec<&str> = law.clauses.iter().map(|clause| clause.id.as_str()).collect();
    assert_eq!(ids, ["town/1", "baseline/1"]);
}

#[test]
fn the_version_follows_every_byte_of_the_pack_and_of_the_baseline() {
    let packs = Packs::embedded();
    let version = packs.version("hangzhou").unwrap();
    assert_eq!(version, packs.load("hangzhou").unwrap().version);
    for name in ["hangzhou", "baseline"] {
        let mut changed = packs.clone();
        let mut files = packs.files(name).unwrap().clone();
        files.get_mut("pack.toml").unwrap().push('\n');
        changed.insert(name, files);
        assert_ne!(changed.version("hangzhou").unwrap(), version, "{name}");
    }
    let mut others = packs.clone();
    others.insert("town", files(&[("pack.toml", &head("town"))]));
    assert_eq!(others.version("hangzhou").unwrap(), version, "other packs do not matter");
    assert_eq!(packs.only("hangzhou").unwrap().version("hangzhou").unwrap(), version);
}

#[test]
fn packs_of_a_directory_are_those_built_in() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../regulations");
    assert_eq!(Packs::read(&folder).unwrap(), Packs::embedded());
}

#[test]
fn a_mistake_is_named_by_file_and_line() {
    let check = |path: &str, text: &str, expected: &str| {
        let mut packs = Packs::default();
        packs.insert("baseline", files(&[("pack.toml", &head("baseline")), (path, text)]));
        let error = packs.load("baseline").expect_err(path);
        assert!(matches!(error, PackError::Invalid { .. }), "{error}");
        let error = error.to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("parameters.toml", "[a]\nvalue = = 1", "baseline/parameters.toml:2: ");
    check("parameters.toml", "[a]\nvalue = 1\narticle = 1", "baseline/parameters.toml:3: ");
    check("rules.toml", "[r]\nclauses = []\nmessages = 1\n", "baseline/rules.toml:3: ");
    check("notes.toml", "", "baseline/notes.toml:1: a pack has no such file");
    check("pack.toml", &head("other"), "baseline/pack.toml:2: the id of the pack is `other`");
    check(
        "policies.cedar",
        "permit (principal,\n action, resource) unless",
        "baseline/policies.cedar:2: ",
    );
    check(
        "policies.cedar",
        "\npermit (principal, action == Action::\"a.b\", resource);",
        "baseline/policies.cedar:2: a policy has an @id",
    );
    check(
        "policies.cedar",
        "\n@id(\"x\")\npermit (principal, action, resource);",
        "baseline/policies.cedar:2: the policy `x` permits every action",
    );
    let twice = "@id(\"x\")\npermit (principal, action == Action::\"a.b\", resource);\n";
    check(
        "policies.cedar",
        &twice.repeat(2),
        "baseline/policies.cedar:3: the policy `x` is also at baseline/policies.cedar:",
    );
    check(
        "procedures/a.toml",
        "id = \"b\"\ntitle = { zh = \"\", en = \"\" }\nstage = []\n",
        "baseline/procedures/a.toml:1: ",
    );
}
