//! Audits of a running server.

use crate::bank::{import, slice};
use crate::client::Scratch;
use crate::server::Server;

#[test]
fn a_replay_counts_what_was_written_up_to_any_position() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let summary = import(&server, &slice(), &[]);
    let total = |report: &serde_json::Value, field: &str| {
        let reports = report["reports"].as_array().unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap();
        reports.iter().filter_map(|one| one[field].as_str()).map(number).sum::<u64>()
    };
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
