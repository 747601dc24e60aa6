//! Metadata over a real server: noted, changed, found, read as it was, and there again after a start.

use serde_json::{Value, json};

use crate::client::Scratch;
use crate::server::Server;

const ERIN: &str = "users:erin";

fn position(done: &Value) -> String {
    done["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

fn erin(server: &Server, flags: &[&str]) -> Value {
    server.json(&[&["account", "get", "bank", ERIN], flags].concat())["account"].clone()
}

/// Names of the accounts that a filter finds.
fn found(server: &Server, filter: &str, flags: &[&str]) -> Vec<String> {
    let filter = format!("--filter={filter}");
    let words = [&["account", "list", "bank", &filter], flags].concat();
    let accounts = server.json(&words)["accounts"].clone();
    let name = |it: &Value| it["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    accounts.as_array().map(|all| all.iter().map(name).collect()).unwrap_or_default()
}

#[test]
fn metadata_is_noted_found_and_read_as_it_was() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    server.json(&["ledger", "create", "bank", "--metadata=region=eu"]);
    let open = ["account", "open", "bank", "--type=liability", "--metadata=tier=silver"];
    let opened = position(&server.json(&[&open[..], &[ERIN, "--metadata=kyc=2"]].concat()));
    server.json(&[&open[..], &["users:frank"]].concat());
    let update = ["metadata", "update", "bank", ERIN];
    let gold = [&update[..], &["--set=tier=gold", "--remove=kyc", "--remove=none"]].concat();
    let gold = position(&server.json(&gold));
    server.json(&["account", "freeze", "bank", ERIN]);
    let last = position(&server.json(&[&update[..], &["--set=case=a = \"b\""]].concat()));
    let region = ["metadata", "update", "bank", "--set=region=us", "--set=owner=ops"];
    let region = position(&server.json(&region));

    refused(&server, &[&update[..], &["--set=a b=c"]].concat(), "MALFORMED");
    refused(&server, &["metadata", "update", "bank", "nobody", "--set=a=b"], "UNKNOWN_ACCOUNT");
    let many: Vec<String> = (0..31).map(|at| format!("--set=k{at}=v")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    refused(&server, &[&update[..], &many[..]].concat(), "METADATA_FULL");
    refused(&server, &["account", "list", "bank", "--filter=tier"], "MALFORMED_FILTER");

    // Also after a start from the log.
    server.stop();
    let server = Server::start(&scratch.data());
    let now = erin(&server, &["--at-least", &region]);
    assert_eq!(now["metadata"], json!({ "tier": "gold", "case": "a = \"b\"" }));
    assert_eq!(now["metadataPosition"], last);
    let then = erin(&server, &["--as-of", &opened]);
    assert_eq!(then["metadata"], json!({ "tier": "silver", "kyc": "2" }));
    assert_eq!(then["metadataPosition"], opened);
    assert_ne!(then["version"], now["version"]);
    let ledger = server.json(&["ledger", "get", "bank"])["ledger"].clone();
    assert_eq!(ledger["metadata"], json!({ "region": "us", "owner": "ops" }));
    assert_eq!(ledger["metadataPosition"], region);

    let silver = "metadata.tier = \"silver\"";
    assert_eq!(found(&server, silver, &[]), ["users:frank"]);
    assert_eq!(found(&server, silver, &["--as-of", &opened]), [ERIN]);
    assert_eq!(found(&server, silver, &["--as-of", &gold]), ["users:frank"]);
    let case = r#"metadata.tier="gold" AND metadata.case = "a = \"b\"""#;
    assert_eq!(found(&server, case, &[]), [ERIN]);
    assert_eq!(found(&server, case, &["--as-of", &gold]), [""; 0]);

    let history = server.json(&["metadata", "history", "bank", ERIN]);
    let updates = history["updates"].as_array().unwrap();
    let places: Vec<&Value> = updates.iter().map(|it| &it["position"]).collect();
    assert_eq!(places, [&last, &gold, &opened]);
    let entry = |key: &str, text: &str| json!({ "key": key, "plain": text });
    assert_eq!(
        updates[1]["changes"],
        json!([{ "before": entry("kyc", "2") },
            { "before": entry("tier", "silver"), "after": entry("tier", "gold") }])
    );
    let history = server.json(&["metadata", "history", "bank", "--as-of", &gold]);
    assert_eq!(history["updates"].as_array().unwrap().len(), 1, "{history}");
    let shown = server.run(&["metadata", "history", "bank", ERIN]).stdout;
    assert!(shown.contains("silver") && shown.contains("gold"), "{shown}");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn metadata_of_transfers_is_read_wherever_they_are() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    for ledger in ["bank", "market"] {
        server.json(&["ledger", "create", ledger]);
        server.json(&["asset", "create", ledger, "USD", "--scale=2"]);
        for account in ["a", "b"] {
            let open = ["account", "open", ledger, account, "--type=liability"];
            server.json(&[&open[..], &["--may-go-negative"]].concat());
        }
    }
    let moves = ["--debit=a", "--credit=b", "--asset=USD", "--amount=5"];
    let noted = |verb: &str, id: &str, words: &[&str], value: &str| {
        let (id, note) = (format!("--id={id}"), format!("--metadata=order={value}"));
        let words = [&["transfer", verb, "bank"], words, &[&id, &note]].concat();
        server.json(&words)
    };
    noted("post", "p", &moves, "1");
    noted("hold", "h", &moves, "2");
    noted("capture", "c", &["h", "--amount=2"], "3");
    noted("void", "v", &["h"], "4");
    noted("reverse", "r", &["p"], "5");
    let send = ["saga", "send", "bank", "--id=s", "--debit=a", "--to-ledger=market", "--wait"];
    let rest = ["--to-account=b", "--asset=USD", "--amount=1", "--metadata=order=6"];
    server.json(&[&send[..], &rest[..]].concat());
    for (id, order) in [("p", "1"), ("h", "2"), ("c", "3"), ("v", "4"), ("r", "5"), ("s", "6")] {
        let read = server.json(&["transfer", "get", "bank", id]);
        assert_eq!(read["transfer"]["metadata"], json!({ "order": order }), "{id}");
    }
    let statement = server.json(&["statement", "bank", "b"]);
    let orders: Vec<&Value> = statement["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["metadata"]["order"])
        .collect();
    assert_eq!(orders, ["5", "4", "3", "2", "1"], "newest first");
    let other =
        [&["transfer", "post", "bank", "--id=p", "--metadata=order=9"], &moves[..]].concat();
    refused(&server, &other, "ID_REUSED");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}
