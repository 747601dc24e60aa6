//! Links, the codemap and the invariants of the documents.

use std::path::Path;

use crate::edges::members_by_folder;
use crate::{hold, read, root, tracked_with};

/// Ids of the invariants, each with a line in ARCHITECTURE.md.
const INVARIANTS: &[&str] = &[
    "LD-1", "LD-2", "LD-3", "LD-4", "LD-5", "LD-6", "LD-7", "LD-8", "LD-9", "LD-10", "LD-11",
    "LG-1", "LG-2", "LG-3", "LG-4", "LG-5", "PR-1", "PR-2", "QY-1", "SG-1", "SG-2",
];

/// Targets of the links `[text](target)` of a page, code blocks left out.
fn links(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// The anchor that a forge gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn resolves(page: &str, target: &str) -> bool {
    let (file, fragment) = match target.split_once('#') {
        Some((file, fragment)) => (file, Some(fragment)),
        None => (target, None),
    };
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let path = if file.is_empty() { page.into() } else { folder.join(file) };
    let full = root().join(&path);
    let Some(fragment) = fragment else { return full.exists() };
    std::fs::read_to_string(full).is_ok_and(|text| {
        text.lines().any(|line| line.starts_with('#') && anchor(line) == fragment)
    })
}

#[test]
fn local_links_resolve() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for (page, text) in tracked_with(".md") {
        for target in links(&text) {
            if target.starts_with("http://") || target.starts_with("https://") {
                continue;
            }
            checked += 1;
            if !resolves(&page, &target) {
                broken.push(format!("{page}: {target}"));
            }
        }
    }
    hold("A link to a file of the repository leads to it.", &broken);
    assert!(checked > 10, "only {checked} links were found: is the reader of links right?");
}

#[test]
fn every_member_is_in_the_codemap() {
    let architecture = read("ARCHITECTURE.md");
    let broken: Vec<String> = members_by_folder()
        .into_iter()
        .filter(|(_, folder)| !architecture.contains(&format!("\n### `{folder}/`\n")))
        .map(|(name, folder)| format!("{name}: no heading \"### `{folder}/`\""))
        .collect();
    hold("ARCHITECTURE.md has every member in its codemap.", &broken);
}

/// Lines "**Invariant LD-1.** sentence. Shown by `test_a`, `test_b`."
#[test]
fn every_invariant_has_a_line_that_names_tests_that_exist() {
    let architecture = read("ARCHITECTURE.md");
    let stated = architecture.lines().filter_map(|line| line.strip_prefix("**Invariant "));
    let stated: Vec<&str> = stated.filter_map(|line| Some(line.split_once(".** ")?.0)).collect();
    assert_eq!(stated, INVARIANTS, "the invariants that ARCHITECTURE.md states");
    let sources = tracked_with(".rs");
    let mut broken = Vec::new();
    for id in INVARIANTS {
        let marker = format!("**Invariant {id}.** ");
        let Some(line) = architecture.lines().find(|line| line.contains(&marker)) else {
            broken.push(format!("{id} has no line"));
            continue;
        };
        let Some((_, tests)) = line.split_once("Shown by ") else {
            broken.push(format!("{id}: names no test"));
            continue;
        };
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            broken.push(format!("{id}: names no test"));
        }
        for name in names {
            let function = format!("fn {name}(");
            if !sources.iter().any(|(_, text)| text.contains(&function)) {
                broken.push(format!("{id}: there is no test {name}"));
            }
        }
    }
    hold("Every invariant has a line in ARCHITECTURE.md and tests that show it.", &broken);
}

/// Crates whose errors are for whoever operates a server.
const OPERATED: [&str; 6] = [
    "ledger-log",
    "ledger-command",
    "ledger-projector",
    "ledger-views",
    "ledger-runtime",
    "ledger-cli",
];

/// The names in capitals that error texts of this source begin with.
fn error_names(source: &str) -> Vec<&str> {
    let texts = source.split("#[error(").skip(1).filter_map(|rest| rest.trim_start().get(1..));
    texts
        .filter_map(|text| {
            let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_')?;
            text.get(..end).filter(|name| name.len() > 2)
        })
        .collect()
}

#[test]
fn every_error_that_begins_with_a_name_is_told_in_the_operations_page() {
    let page = read("docs/operations.md");
    let mut names = std::collections::BTreeSet::new();
    for (path, text) in tracked_with(".rs") {
        let room = path.split('/').next().unwrap_or_default();
        if OPERATED.contains(&room) {
            names.extend(error_names(&text).into_iter().map(str::to_owned));
        }
    }
    assert!(names.len() > 15, "only {names:?} were found: is the reader of errors right?");
    let broken: Vec<String> =
        names.into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    hold("docs/operations.md says what to do about every error with a name.", &broken);
}

#[test]
fn anchors_are_those_of_the_forge() {
    assert_eq!(anchor("## What is not there yet"), "what-is-not-there-yet");
    assert_eq!(anchor("## 211 INSUFFICIENT_FUNDS"), "211-insufficient_funds");
    assert_eq!(anchor("### `ledger-log/`"), "ledger-log");
}
