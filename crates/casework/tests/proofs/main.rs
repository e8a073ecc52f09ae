//! The clauses of every pack, proved under the engine: each proof that stands beside a pack is
//! run, and each test that a binding names exists.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod format;
mod run;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use shuyu_law::{Law, Packs};

use crate::format::{File, Proof};

fn proofs_of(pack: &str) -> Vec<Proof> {
    let packs = Packs::embedded();
    let files = packs.files(pack).expect("a pack");
    let proofs = files.iter().filter(|(path, _)| path.starts_with("proofs/"));
    proofs
        .flat_map(|(path, text)| match parse::<File>(text) {
            Ok(file) => file.proof,
            Err(error) => panic!("{pack}/{path}: {error}"),
        })
        .collect()
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, toml::de::Error> {
    toml::from_str(text)
}

/// Runs every proof of the pack, and names each that fails.
fn prove(pack: &str) {
    let law = Law::load(pack).expect("a pack");
    let proofs = proofs_of(pack);
    let mut names = BTreeSet::new();
    let mut failed = Vec::new();
    for proof in &proofs {
        if !names.insert(&proof.name) {
            failed.push(format!("{}: there are two of this name", proof.name));
        }
        if let Err(why) = run::run(&law, proof) {
            failed.push(format!("{}: {why}", proof.name));
        }
    }
    println!("{pack}: {} proofs, {} failed", proofs.len(), failed.len());
    assert!(failed.is_empty(), "{pack}:\n{}", failed.join("\n"));
}

macro_rules! prove {
    ($($test:ident = $pack:literal;)*) => {
        $(#[test] fn $test() { prove($pack); })*

        #[test]
        fn no_pack_is_left_out() {
            let known = BTreeSet::from([$($pack),*]);
            let packs = Packs::embedded();
            assert_eq!(packs.names().collect::<BTreeSet<_>>(), known);
        }
    };
}

prove! {
    the_proofs_of_the_baseline_hold = "baseline";
    the_proofs_of_beijing_hold = "beijing";
    the_proofs_of_changchun_hold = "changchun";
    the_proofs_of_hangzhou_hold = "hangzhou";
    the_proofs_of_jingzhou_hold = "jingzhou";
    the_proofs_of_taizhou_hold = "taizhou";
}

/// The proof of Hangzhou's of this name, with something changed in its words.
fn changed(name: &str, from: &str, to: &str) -> Result<(), String> {
    let packs = Packs::embedded();
    let files = packs.files("hangzhou").expect("a pack");
    let text = files.get("proofs/clauses.toml").expect("proofs");
    let words = text.split("[[proof]]").find(|words| words.contains(&format!("\"{name}\"")));
    let words = words.expect("a proof of this name");
    assert!(words.contains(from), "{name} has no {from}");
    let file: File = parse(&format!("[[proof]]{}", words.replacen(from, to, 1))).expect("a proof");
    let law = Law::load("hangzhou").expect("a pack");
    file.proof.iter().try_for_each(|proof| run::run(&law, proof))
}

#[test]
fn a_proof_of_what_is_not_so_fails() {
    let check = |name: &str, from: &str, to: &str, why: &str| {
        assert_eq!(changed(name, from, from), Ok(()), "{name} as it stands");
        let failed = changed(name, from, to).expect_err(to);
        assert!(failed.contains(why), "{name}, {from} as {to}: {failed}");
    };
    let term = "term-is-two-years";
    check(term, "2027-01-14", "2026-01-14", "is not refused");
    check(term, "\"2026-01-14\"", "\"2026-01-15\"", "the good act");
    check(term, "HZ-3.4.3.5-3", "HZ-0", "the code is");
    check(term, "rule = \"agreement-term\"", "rule = \"form-valid\"", "refused by agreement-term");
    check(term, "[\"hangzhou/3.4.3.5b\"]", "[\"hangzhou/3.5.1a\"]", "refused on");
    check(term, "5b\"]", "5b\", \"hangzhou/3.5.1a\"]", "nothing that was seen cites");
    let public = "operators-are-made-public";
    check(public, "last = \"2024-03-11\"", "last = \"2024-03-12\"", "it is due at");
    check(public, "roles = [\"operator\"]", "roles = [\"authority\"]", "is not refused");
    check(public, "to = \"drafting\"", "to = \"sign\"", "leads to");
    check(public, "publicity.publish", "filing.record", "does");
    check("market-rules-by-four", "silent", "voices = 2\nsilent", "needs 3 voices");
    check("logs-kept-six-months", "2024-12-15", "2024-12-14", "it stands open until");
}

/// The tests of the workspace's sources as `shuyu_<room>::<path of the file>::<name>`.
fn tests_in_sources() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<PathBuf> = vec![crates.clone()];
    let mut tests = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = fs::read_dir(&path).into_iter().flatten().flatten();
            files.extend(inside.map(|entry| entry.path()));
            continue;
        }
        let of = path.strip_prefix(&crates).expect("inside").to_owned();
        let file = of.with_extension("").to_string_lossy().replace('\\', "/");
        let module = file.replacen("/src/", "/", 1).replacen("/tests/", "/", 1).replace('/', "::");
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                marked = true;
            } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                tests.insert(format!("shuyu_{module}::{name}"));
                marked = false;
            }
        }
    }
    tests
}

#[test]
fn every_test_that_a_binding_names_exists_and_every_proof_is_named() {
    let packs = Packs::embedded();
    let tests = tests_in_sources();
    assert!(tests.contains(
        "shuyu_casework::guards::the_term_of_an_agreement_is_fixed_or_at_most_or_in_general"
    ));
    let mut wrong = Vec::new();
    for pack in packs.names() {
        let law = packs.load(pack).expect("a pack");
        let proofs: BTreeMap<String, Proof> =
            proofs_of(pack).into_iter().map(|proof| (proof.name.clone(), proof)).collect();
        let own = law.bindings.iter().filter(|binding| binding.clause.pack() == pack);
        let named: BTreeMap<&str, &Vec<String>> =
            own.map(|binding| (binding.clause.as_str(), &binding.tests)).collect();
        for (clause, test) in named.iter().flat_map(|(c, tests)| tests.iter().map(move |t| (c, t)))
        {
            let exists = match test.strip_prefix("proof:") {
                Some(name) => proofs
                    .get(name)
                    .is_some_and(|proof| proof.clauses.iter().any(|of| of == clause)),
                None => tests.contains(test),
            };
            if !exists {
                wrong.push(format!("{clause} names {test}, which is not there or not of it"));
            }
        }
        for (name, proof) in &proofs {
            let test = format!("proof:{name}");
            for clause in &proof.clauses {
                if !named.get(clause.as_str()).is_some_and(|tests| tests.contains(&test)) {
                    wrong.push(format!("{clause} does not name {test}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
