//! What must hold of the source itself.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

/// Every Rust source of the workspace that is part of what is shipped.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !["tests", "target", "examples"].contains(&name) {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !["tests.rs", "testing.rs"].contains(&name)
        {
            found.push(path);
        }
    }
}

#[test]
fn no_city_is_named_in_code() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let packs = crates.join("../regulations");
    let cities: Vec<String> = std::fs::read_dir(packs)
        .expect("the packs")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name != "baseline")
        .collect();
    assert_eq!(cities.len(), 5);
    let mut files = Vec::new();
    sources(&crates, &mut files);
    assert!(files.len() > 100, "{} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source");
        for (number, line) in text.lines().enumerate() {
            let code = line.to_lowercase();
            for city in &cities {
                assert!(
                    !code.contains(city.as_str()),
                    "{}:{}: `{city}` belongs in a pack",
                    file.display(),
                    number + 1
                );
            }
        }
    }
}
