//! What must hold of the source itself.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The folders that hold what is shipped, and what measures it.
const SHIPPED: [&str; 3] = ["crates", "bench", "web"];

/// What plays the actors, who agree on days of their own, and what measures.
const PLAYS: [&str; 3] = ["crates/cli/src/demo", "crates/casework/src/simulate.rs", "bench"];

/// A line of source that is part of what is shipped.
struct Line {
    /// The file, from the root of the project.
    file: PathBuf,
    number: usize,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every source of a folder, in Rust and in TypeScript, less those that are tests alone.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let apart = ["tests", "target", "examples", "e2e", "node_modules", "dist"];
    for entry in fs::read_dir(dir).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !apart.contains(&name) {
                sources(&path, found);
            }
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is_test = ["tests.rs", "testing.rs"].contains(&name)
            || name.contains(".test.")
            || name.contains(".spec.");
        if ["rs", "ts", "tsx"].contains(&ending) && !is_test {
            found.push(path);
        }
    }
}

/// The lines of a source, less its modules of tests. The format check sees to it that such a
/// module ends with the first brace that begins a line.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut last, mut in_tests) = ("", false);
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let skipped = in_tests || last.starts_with("#[cfg(test)]") && line.ends_with('{');
        in_tests = skipped && *line != "}";
        last = line;
        !skipped
    })
}

/// Every line that is part of what is shipped.
fn shipped() -> Vec<Line> {
    found(|text| lines(text).map(numbered).collect())
}

/// Every line of its files, with those of their modules of tests: what names cities stands apart.
fn written() -> Vec<Line> {
    found(|text| (1..).zip(text.lines()).map(numbered).collect())
}

fn numbered((number, line): (usize, &str)) -> (usize, String) {
    (number, line.to_owned())
}

/// The lines of the shipped files that `chosen` takes from each.
fn found(chosen: impl Fn(&str) -> Vec<(usize, String)>) -> Vec<Line> {
    let root = root();
    let mut files = Vec::new();
    for folder in SHIPPED.map(|folder| root.join(folder)) {
        if folder.exists() {
            sources(&folder, &mut files);
        }
    }
    assert!(files.len() > 100, "{} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let file = file.strip_prefix(&root).expect("a file of the project").to_owned();
        let lines = chosen(&text).into_iter();
        found.extend(lines.map(|(number, text)| Line { file: file.clone(), number, text }));
    }
    found
}

/// A file of every pack, with the name of the pack.
fn of_packs(file: &str) -> Vec<(String, toml::Table)> {
    let packs = fs::read_dir(root().join("regulations")).expect("the packs");
    let packs: Vec<_> = packs
        .map(|entry| entry.expect("a pack"))
        .map(|entry| {
            let text = fs::read_to_string(entry.path().join(file)).expect("a file of a pack");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            (name, text.parse().expect("TOML"))
        })
        .collect();
    assert_eq!(packs.len(), 6);
    packs
}

/// Fails on lines that hold what belongs in a pack.
#[track_caller]
fn none_holds<'a>(lines: &'a [Line], belongs_in_a_pack: impl Fn(&'a str) -> Option<String>) {
    let mut told = String::new();
    for Line { file, number, text } in lines {
        if let Some(what) = belongs_in_a_pack(text) {
            let _ = writeln!(told, "{}:{number}: `{what}` belongs in a pack", file.display());
        }
    }
    assert!(told.is_empty(), "{told}");
}

#[test]
fn no_city_is_named_in_code() {
    let mut names = Vec::new();
    for (id, pack) in of_packs("pack.toml").into_iter().filter(|(id, _)| id != "baseline") {
        // 杭州市公共数据授权运营实施方案 is of 杭州.
        let title = pack["pack"]["title"]["zh"].as_str().expect("a title");
        let (city, _) = title.split_once('市').expect("a title that begins with the city");
        assert_eq!(city.chars().count(), 2, "{title}");
        names.extend([id, city.to_owned()]);
    }
    none_holds(&written(), |line| {
        let line = line.to_lowercase();
        names.iter().find(|name| line.contains(name.as_str())).cloned()
    });
}

#[test]
fn no_clause_of_a_city_is_named_in_code() {
    let mut ids = std::collections::BTreeSet::new();
    for (pack, register) in of_packs("clauses.toml") {
        let clauses = register["clause"].as_array().expect("clauses");
        // What the platform itself promises is no city's law: code may rest on it.
        if pack != "baseline" {
            let of_pack = clauses.iter().filter_map(|clause| clause["id"].as_str());
            ids.extend(of_pack.map(str::to_owned));
        }
    }
    assert!(ids.len() > 500, "{} clauses", ids.len());
    none_holds(&shipped(), |line| {
        let inner = |c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c);
        line.split(inner)
            .map(|word| word.trim_end_matches(['.', '/']))
            .find(|word| ids.contains(*word))
            .map(str::to_owned)
    });
}

/// 第十二条, 第 12 条, 第3款.
fn article(line: &str) -> Option<String> {
    line.match_indices('第').find_map(|(at, _)| {
        let rest = line.get(at..)?;
        let end = rest.find(['条', '款'])?;
        let number = rest.get('第'.len_utf8()..end)?.trim();
        let is_number = |c: char| c.is_ascii_digit() || "零〇一二三四五六七八九十百千".contains(c);
        (!number.is_empty() && number.chars().all(is_number)).then(|| rest[..end].to_owned())
    })
}

#[test]
fn no_article_is_named_in_code() {
    assert_eq!(article("依第十二条办理").as_deref(), Some("第十二"));
    assert_eq!(article("第 3 款").as_deref(), Some("第 3 "));
    assert_eq!(article("第一，有条件"), None);
    none_holds(&shipped(), article);
}

/// A period of days, weeks, months or years that stands in code as a figure: `Days::new(15)`. One
/// is no period, but the next.
fn period(line: &str) -> Option<String> {
    let makers = ["days(", "weeks(", "try_days(", "try_weeks(", "Days::new(", "Months::new("];
    makers.iter().find_map(|maker| {
        line.match_indices(maker).find_map(|(at, _)| {
            let figure = line.get(at + maker.len()..)?.split_once(')')?.0.trim();
            let number: u64 = figure.replace('_', "").parse().ok()?;
            (number > 1).then(|| format!("{maker}{figure})"))
        })
    })
}

/// Figures of a regulation can hide as any number; those that make a legal period cannot.
#[test]
fn no_legal_period_stands_in_code() {
    assert_eq!(period("today + Duration::days(15)").as_deref(), Some("days(15)"));
    assert_eq!(period("today.checked_add_days(Days::new(1))"), None);
    let mut lines = shipped();
    lines.retain(|line| !PLAYS.iter().any(|it| line.file.starts_with(it)));
    none_holds(&lines, period);
}
