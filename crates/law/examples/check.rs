//! Prints what is wrong with the packs of a directory, or with those that are built in. Names
//! that only the rooms know (rules, actions, effects, guards) are not checked here.

use std::process::ExitCode;

use shuyu_law::{Packs, Severity, Vocabulary, check};

fn main() -> ExitCode {
    let packs = match std::env::args().nth(1) {
        Some(folder) => Packs::read(folder.as_ref()),
        None => Ok(Packs::embedded()),
    };
    let packs = match packs {
        Ok(packs) => packs,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let findings = check(&packs, &Vocabulary::default());
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    if errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
