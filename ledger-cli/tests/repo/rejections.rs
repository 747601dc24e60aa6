//! docs/rejections.md against the codes and their one table to gRPC.

use ledger_domain::rejection::Code;
use ledger_proto::answer::grpc_code;

use crate::{hold, read};

/// "FailedPrecondition" as gRPC writes it: "FAILED_PRECONDITION".
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// Heading and text of each section of a code: "## 211 INSUFFICIENT_FUNDS".
fn sections(page: &str) -> Vec<(&str, &str)> {
    page.split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap_or((section, "")))
        .filter(|(heading, _)| heading.starts_with(|c: char| c.is_ascii_digit()))
        .collect()
}

#[test]
fn every_code_has_a_section_that_agrees_with_it() {
    let page = read("docs/rejections.md");
    let sections = sections(&page);
    let headings: Vec<&str> = sections.iter().map(|(heading, _)| *heading).collect();
    let expected: Vec<String> =
        Code::ALL.iter().map(|code| format!("{} {}", code.number(), code.name())).collect();
    assert_eq!(headings, expected, "docs/rejections.md has one section a code, in precedence");

    let mut broken = Vec::new();
    for (&code, (heading, text)) in Code::ALL.iter().zip(&sections) {
        let status = format!("gRPC status: `{}`", screaming(&format!("{:?}", grpc_code(code))));
        let recorded = format!("Recorded: {}.", if code.depends_on_state() { "yes" } else { "no" });
        for needed in [&status, &recorded] {
            if !text.contains(needed.as_str()) {
                broken.push(format!("{heading}: lacks {needed:?}"));
            }
        }
        for part in ["Cause:", "Remedy:", "Example:"] {
            let said = text.lines().any(|l| l.strip_prefix(part).is_some_and(|r| r.len() > 10));
            if !said {
                broken.push(format!("{heading}: lacks a line {part:?}"));
            }
        }
    }
    hold("Each section has status, record, cause, remedy and example, as the code has.", &broken);
}

#[test]
fn the_status_names_are_those_of_grpc() {
    assert_eq!(screaming("FailedPrecondition"), "FAILED_PRECONDITION");
    assert_eq!(screaming("NotFound"), "NOT_FOUND");
}
