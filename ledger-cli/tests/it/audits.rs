//! Audits of a running server.

use serde_json::Value;

use crate::bank::{import, slice};
use crate::client::{Scratch, ledger};
use crate::server::Server;

/// The sum of a count over all partitions.
fn total(report: &Value, field: &str) -> u64 {
    let reports = report["reports"].as_array().unwrap();
    reports.iter().filter_map(|one| one[field].as_str()).map(|n| n.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_replay_counts_what_was_written_up_to_any_position() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let summary = import(&server, &slice(), &[]);
    let dates = summary["dates"].as_array().unwrap();
    let last = dates.last().unwrap()["position"].as_str().unwrap();
    server.json(&["account", "list", "berka", "--at-least", last]);
    let all = server.json(&["audit", "replay"]);
    assert_eq!(total(&all, "transfers"), 1_970);
    assert_eq!(total(&all, "accounts"), 240);
    assert!(total(&all, "rowsCompared") > 1_970, "{all}");
    let partition: usize = last.split('@').next().unwrap().parse().unwrap();
    let report = &all["reports"][partition];
    assert_eq!(report["viewPosition"], report["position"], "{report}");

    let first = dates[0]["position"].as_str().unwrap();
    let commit = first.split('.').next().unwrap();
    let part = server.json(&["audit", "replay", "--until", commit]);
    assert!((1..1_970).contains(&total(&part, "transfers")), "{part}");
    let text = server.run(&["audit", "replay"]).stdout;
    assert!(text.contains("clean"), "{text}");
}

#[test]
fn a_folder_at_rest_is_audited_as_its_server_was_and_an_open_one_is_not() {
    let scratch = Scratch::new();
    let data = scratch.data();
    let replay = |flags: &[&str]| {
        let words = ["audit", "replay", "--json", "--data", data.to_str().unwrap()];
        ledger(&words.iter().chain(flags).copied().collect::<Vec<_>>())
    };
    let ran = replay(&[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("is no data folder: it has no log"), "{}", ran.stderr);

    let server = Server::start(&data);
    let summary = import(&server, &slice(), &[]);
    // The views hold all of it: what is compared is the same then.
    let last = summary["dates"].as_array().unwrap().last().unwrap()["position"].clone();
    server.json(&["account", "list", "berka", "--at-least", last.as_str().unwrap()]);
    let live = server.json(&["audit", "replay"]);
    let ran = replay(&[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("LOG_LOCKED"), "{}", ran.stderr);
    server.stop();

    let ran = replay(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rest: Value = serde_json::from_str(&ran.stdout).unwrap();
    for field in ["transfers", "accounts", "rowsCompared"] {
        assert_eq!(total(&rest, field), total(&live, field), "{field}");
    }
    let ran = replay(&["--until", "99@1"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("99") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("code:"), "{}", ran.stderr);
}
