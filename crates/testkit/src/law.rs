//! Small laws to test under.

use shuyu_law::{Law, PackFiles, Packs};

const HEAD: &str = r#"
[pack]
id = "baseline"
title = { zh = "试验", en = "Trial" }
issuer = "test"
document_no = ""
published = ""
effective = ""
expires = ""
status = "in_force"
note = "A law to test under."
utc_offset_hours = 8
[terms]
[roles]
"#;

/// A law that permits everybody these actions, such as `case.open`, on the clause `baseline/1`.
///
/// # Panics
///
/// If a name is none that a policy can have.
pub fn permissive_law(actions: &[&str]) -> Law {
    let actions: Vec<_> = actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let policy = format!(
        "@id(\"everybody\") @clauses(\"baseline/1\")
         permit (principal, action in [{}], resource);",
        actions.join(", ")
    );
    law_of(&[("policies.cedar", &policy)])
}

/// A law of these files, such as `rules.toml` and `policies.cedar`; `pack.toml` is there.
///
/// # Panics
///
/// If the files are no pack.
pub fn law_of(files: &[(&str, &str)]) -> Law {
    let mut pack: PackFiles = [("pack.toml".to_owned(), HEAD.to_owned())].into();
    for (name, text) in files {
        pack.insert((*name).to_owned(), (*text).to_owned());
    }
    let mut packs = Packs::default();
    packs.insert(shuyu_law::BASELINE, pack);
    packs.load(shuyu_law::BASELINE).expect("the files are a pack")
}
