//! What is wrong with packs, by file and line: names that nothing answers to, stages that nobody
//! reaches, clauses that nothing is said of.

mod policies;
mod procedures;
mod register;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::{
    BASELINE, Law, PackError, Packs,
    load::Pack,
    pack::PackFiles,
    source::{Document, Step},
};

/// What code knows by name. The composition gathers it from the rooms. A set that is empty is
/// not known, and names are not checked against it.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// The rules that rooms enforce.
    pub rules: BTreeSet<String>,
    /// The actions, `<kind>.<command>`.
    pub actions: BTreeSet<String>,
    /// The effects that outcomes can have.
    pub effects: BTreeSet<String>,
    /// The guards that stages can name.
    pub guards: BTreeSet<String>,
    /// The attributes of entities and commands that policies can test.
    pub attributes: BTreeSet<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The pack cannot be used as it is.
    Error,
    /// Probably not meant so.
    Warning,
}

/// Something that is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, as `<pack>/<path>`.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}: {severity}: {}", self.file, self.line, self.message)
    }
}

/// What is wrong with the packs, in the order of files and lines. Nothing: they are sound.
pub fn check(packs: &Packs, vocabulary: &Vocabulary) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut parsed = BTreeMap::new();
    for name in packs.names() {
        match packs.files(name).and_then(|files| Ok((files, Pack::parse(name, files)?))) {
            Ok((files, pack)) => {
                parsed.insert(name, (files, pack));
            }
            Err(error) => findings.push(finding_of(name, error)),
        }
    }
    let set_somewhere: BTreeSet<&str> =
        parsed.values().flat_map(|(_, pack)| pack.parameters.keys().map(String::as_str)).collect();
    for (name, (files, pack)) in &parsed {
        match packs.load(name) {
            Ok(law) => {
                Checker::new(name, files, pack, &law, vocabulary, &set_somewhere, &mut findings)
                    .run();
            }
            // The baseline's own fault is told of once, under its own name.
            Err(error) => findings.push(finding_of(name, error)),
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

fn finding_of(pack: &str, error: PackError) -> Finding {
    match error {
        PackError::Invalid { file, line, message } => {
            Finding { file, line, severity: Severity::Error, message }
        }
        error @ (PackError::Unknown { .. } | PackError::Unreadable { .. }) => Finding {
            file: format!("{pack}/pack.toml"),
            line: 1,
            severity: Severity::Error,
            message: error.to_string(),
        },
    }
}

/// The checks of one pack.
struct Checker<'a> {
    name: &'a str,
    pack: &'a Pack,
    law: &'a Law,
    vocabulary: &'a Vocabulary,
    /// Parameters that at least one pack sets.
    set_somewhere: &'a BTreeSet<&'a str>,
    documents: BTreeMap<&'a str, Document<'a>>,
    clauses: BTreeSet<&'a str>,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Checker<'a> {
    fn new(
        name: &'a str,
        files: &'a PackFiles,
        pack: &'a Pack,
        law: &'a Law,
        vocabulary: &'a Vocabulary,
        set_somewhere: &'a BTreeSet<&'a str>,
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        let documents = files
            .iter()
            .map(|(path, text)| (path.as_str(), Document::new(format!("{name}/{path}"), text)))
            .collect();
        let clauses = law.clauses.iter().map(|clause| clause.id.as_str()).collect();
        Self { name, pack, law, vocabulary, set_somewhere, documents, clauses, findings }
    }

    fn run(&mut self) {
        self.check_roles();
        self.check_clauses();
        self.check_rules();
        self.check_bindings();
        self.check_policies();
        self.check_procedures();
    }

    fn is_baseline(&self) -> bool {
        self.name == BASELINE
    }

    /// Notes that something is wrong at `path` of a file of this pack.
    fn find(&mut self, severity: Severity, file: &str, path: &[Step<'_>], message: String) {
        let document = self.documents.get(file);
        self.findings.push(Finding {
            file: document
                .map_or_else(|| format!("{}/{file}", self.name), |document| document.file.clone()),
            line: document.map_or(1, |document| document.line(path)),
            severity,
            message,
        });
    }

    fn error(&mut self, file: &str, path: &[Step<'_>], message: String) {
        self.find(Severity::Error, file, path, message);
    }

    /// Whether code knows the name; every name passes where nothing is known.
    fn is_known(known: &BTreeSet<String>, name: &str) -> bool {
        known.is_empty() || known.contains(name)
    }

    /// Each of these clauses must be one of the pack or of the baseline.
    fn check_clause_ids(&mut self, file: &str, path: &[Step<'_>], ids: &[crate::ClauseId]) {
        for (index, id) in ids.iter().enumerate() {
            if !self.clauses.contains(id.as_str()) {
                let place = [path, &[Step::Key("clauses"), Step::Index(index)]].concat();
                self.error(file, &place, format!("there is no clause `{id}`"));
            }
        }
    }
}
