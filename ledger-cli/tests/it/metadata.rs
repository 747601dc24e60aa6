//! Metadata over a real server: noted, changed, found, read as it was, and there again after a start.

use ledger_proto::v1;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Scratch;
use crate::server::{Server, as_of, runtime};

const ERIN: &str = "users:erin";

fn position(done: &Value) -> String {
    done["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
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
    audit_is_clean(&server);
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
    // Also those that servers make.
    for (ledger, id) in [("market", "~from:bank:s"), ("bank", "~settle:s")] {
        let words = ["metadata", "update", ledger, "--transfer", id, "--set=order=7"];
        let at = position(&server.json(&words));
        let read = server.json(&["transfer", "get", ledger, id, "--at-least", &at]);
        assert_eq!(read["transfer"]["metadata"], json!({ "order": "7" }), "{id}");
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
    audit_is_clean(&server);
}

/// A ledger whose accounts may go negative, all but "poor".
fn market(server: &Server) {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    for account in ["a", "b"] {
        let open = ["account", "open", "bank", account, "--type=liability", "--may-go-negative"];
        server.json(&open);
    }
    server.json(&["account", "open", "bank", "poor", "--type=liability"]);
}

/// Changes metadata of a transfer, and waits until the view has it; where that stands.
fn update(server: &Server, id: &str, flags: &[&str]) -> String {
    let words = ["metadata", "update", "bank", "--transfer", id];
    let done = server.json(&[&words[..], flags].concat());
    assert_eq!(done["name"], format!("ledgers/bank/transfers/{id}"));
    server.json(&["ledger", "get", "bank", "--at-least", &position(&done)]);
    position(&done)
}

fn transfer(server: &Server, id: &str, flags: &[&str]) -> Value {
    server.json(&[&["transfer", "get", "bank", id], flags].concat())
}

/// All updates of a transfer's metadata, read in pages of one.
fn history_in_pages(server: &Server, id: &str, at: &str) -> Vec<v1::MetadataUpdate> {
    runtime().block_on(async {
        let mut queries = server.client().await.queries;
        let mut request = v1::ListMetadataHistoryRequest {
            parent: format!("ledgers/bank/transfers/{id}"),
            consistency: as_of(at),
            page_size: 1,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let page = queries.list_metadata_history(request.clone()).await.unwrap().into_inner();
            assert!(page.updates.len() <= 1, "a page of one");
            all.extend(page.updates);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    })
}

const POST: [&str; 6] = ["transfer", "post", "bank", "--debit=a", "--credit=b", "--asset=USD"];

/// Of a transfer that was reversed, a hold that was captured, and one of an entry.
#[test]
fn metadata_of_a_transfer_changes_whatever_became_of_it_and_is_read_as_it_was() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    market(&server);
    let first = [&POST[..], &["--amount=5", "--id=p", "--metadata=order=1", "--metadata=note=x"]];
    let made = position(&server.json(&first.concat()));
    server.json(&["transfer", "reverse", "bank", "p"]);
    let hold = ["transfer", "hold", "bank", "--debit=a", "--credit=b", "--asset=USD"];
    server.json(&[&hold[..], &["--amount=3", "--id=h"]].concat());
    server.json(&["transfer", "capture", "bank", "h"]);
    let entry = ["journal", "post", "bank", "--id=e", "--metadata=order=7"];
    server.json(&[&entry[..], &["--transfer=a b 1 USD", "--transfer=b a 2 USD"]].concat());
    let before = update(&server, "h", &["--set=order=2"]);
    let changed =
        update(&server, "p", &["--set=order=9", "--set=case=4", "--remove=note", "--remove=no"]);
    let of_entry = update(&server, "e.2", &["--set=order=8"]);
    let last = update(&server, "p", &["--remove=case"]);

    for (at, order) in [(&made, "1"), (&before, "1"), (&changed, "9"), (&last, "9")] {
        let read = transfer(&server, "p", &["--as-of", at]);
        assert_eq!(read["transfer"]["metadata"]["order"], order, "{at}");
    }
    let then = transfer(&server, "p", &["--as-of", &before]);
    assert_eq!(then["transfer"]["metadata"], json!({ "order": "1", "note": "x" }));
    assert_eq!(then.get("metadataPosition"), None, "never updated by then");
    let then = transfer(&server, "p", &["--as-of", &changed]);
    assert_eq!(then["transfer"]["metadata"], json!({ "order": "9", "case": "4" }));
    assert_eq!(then["metadataPosition"], changed);
    let now = transfer(&server, "p", &[]);
    assert_eq!(now["transfer"]["metadata"], json!({ "order": "9" }));
    assert_eq!((&now["metadataPosition"], &now["position"]), (&last.clone().into(), &made.into()));
    let held = transfer(&server, "h", &[]);
    assert_eq!(held["transfer"]["metadata"], json!({ "order": "2" }), "which had none");
    assert_eq!(held["hold"]["status"], "HOLD_STATUS_CAPTURED");

    let orders = |at: &str| -> Vec<Value> {
        let read = server.json(&["statement", "bank", "b", "--as-of", at]);
        let entries = read["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["metadata"]["order"].clone()).collect()
    };
    // Newest first: the entry, the capture, the hold, the reversal, the post.
    let noted = |orders: [&str; 6]| {
        orders.map(|it| if it.is_empty() { Value::Null } else { it.into() }).to_vec()
    };
    assert_eq!(orders(&before), noted(["7", "7", "", "2", "", "1"]));
    assert_eq!(orders(&last), noted(["8", "7", "", "2", "", "9"]));
    let of = |at: &str| -> Vec<Value> {
        let entry = server.json(&["journal", "get", "bank", "e", "--as-of", at]);
        let transfers = entry["transfers"].as_array().unwrap();
        transfers.iter().map(|it| it["transfer"]["metadata"]["order"].clone()).collect()
    };
    assert_eq!((of(&changed), of(&of_entry)), (vec!["7".into(); 2], vec!["7".into(), "8".into()]));
    audit_is_clean(&server);
}

/// Its oldest update is what it was made with; one that was made without any has only what came later.
#[test]
fn the_history_of_a_transfers_metadata_ends_with_what_it_was_made_with() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    market(&server);
    let made = [&POST[..], &["--amount=5", "--id=p", "--metadata=order=1"]].concat();
    let made = position(&server.json(&made));
    server.json(&[&POST[..], &["--amount=5", "--id=bare"]].concat());
    let second = update(&server, "p", &["--set=order=2", "--set=a=1"]);
    let third = update(&server, "p", &["--set=order=2"]);
    let bare = update(&server, "bare", &["--set=order=3"]);

    let history = server.json(&["metadata", "history", "bank", "--transfer=p"]);
    let updates = history["updates"].as_array().unwrap();
    let places: Vec<&Value> = updates.iter().map(|it| &it["position"]).collect();
    assert_eq!(places, [&third, &second, &made]);
    let entry = |key: &str, text: &str| json!({ "key": key, "plain": text });
    assert_eq!(updates[0].get("changes"), None, "all was as it was asked for");
    assert_eq!(
        updates[1]["changes"],
        json!([{ "after": entry("a", "1") },
            { "before": entry("order", "1"), "after": entry("order", "2") }])
    );
    assert_eq!(updates[2]["changes"], json!([{ "after": entry("order", "1") }]));

    for (at, places) in [(&bare, &[&third, &second, &made][..]), (&second, &[&second, &made])] {
        let pages = history_in_pages(&server, "p", at);
        let found: Vec<&String> = pages.iter().map(|update| &update.position).collect();
        assert_eq!(found, places, "as of {at}");
    }
    assert_eq!(history_in_pages(&server, "bare", &bare).len(), 1);
    assert_eq!(history_in_pages(&server, "bare", &third).len(), 0);
    let shown = server.run(&["metadata", "history", "bank", "--transfer=p"]).stdout;
    assert!(shown.contains("order") && shown.contains(&made), "{shown}");
    audit_is_clean(&server);
}

#[test]
fn a_transfer_that_was_not_accepted_has_no_metadata_to_change() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    market(&server);
    let moves = ["transfer", "post", "bank", "--debit=poor", "--credit=b", "--asset=USD"];
    let words = [&moves[..], &["--amount=5", "--id=no", "--metadata=order=1"]].concat();
    refused(&server, &words, "INSUFFICIENT_FUNDS");
    for id in ["no", "nobody"] {
        let update = ["metadata", "update", "bank", "--transfer", id, "--set=order=2"];
        refused(&server, &update, "UNKNOWN_TRANSFER");
    }
    let last =
        position(&server.json(&[&POST[..], &["--amount=5", "--id=p", "--metadata=k=v"]].concat()));
    server.json(&["ledger", "get", "bank", "--at-least", &last]);
    // What was asked for with a refused one stays readable.
    assert_eq!(transfer(&server, "no", &[])["transfer"]["metadata"], json!({ "order": "1" }));
    let history = ["metadata", "history", "bank", "--transfer=nobody"];
    refused(&server, &history, "UNKNOWN_TRANSFER");
    let many: Vec<String> = (0..32).map(|at| format!("--set=k{at}=v")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let update = ["metadata", "update", "bank", "--transfer=p"];
    refused(&server, &[&update[..], &many].concat(), "METADATA_FULL");
    server.json(&[&update[..], &many, &["--remove=k"]].concat());
    refused(&server, &[&update[..], &["--set=a b=c"]].concat(), "MALFORMED");
    audit_is_clean(&server);
}

/// The id stands for what was asked for at first; and what is noted is known from the log alone.
#[test]
fn a_retry_is_told_by_its_first_metadata_also_after_a_start_without_ids_or_views() {
    let scratch = Scratch::new();
    let mut server = Server::start(&scratch.data());
    market(&server);
    // A UUID of which some bytes are zero.
    let id = "0198c0de-0000-7000-8000-000000000000";
    let post = [&POST[..], &["--amount=5", "--id", id]].concat();
    let first = [&post[..], &["--metadata=order=1"]].concat();
    let made = position(&server.json(&first));
    let mut last = update(&server, id, &["--set=order=2", "--set=a=0"]);
    for (round, lost) in [None, Some("ids"), Some("snapshots"), Some("views")].iter().enumerate() {
        let again = server.json(&first);
        assert_eq!(again["acknowledgement"]["replayed"], true, "{lost:?}: {again}");
        assert_eq!(position(&again), made);
        let other = [&post[..], &["--metadata=order=2", "--metadata=a=0"]].concat();
        refused(&server, &other, "ID_REUSED");
        server.stop();
        if let Some(name) = lost {
            std::fs::remove_dir_all(scratch.data().join(name)).unwrap();
        }
        server = Server::start(&scratch.data());
        let value = format!("--set=a={}", round + 1);
        last = update(&server, id, &[&value]);
        let read = transfer(&server, id, &["--at-least", &last]);
        let noted = json!({ "order": "2", "a": (round + 1).to_string() });
        assert_eq!(read["transfer"]["metadata"], noted, "{lost:?}");
    }
    let history = history_in_pages(&server, id, &last);
    let before = |update: &v1::MetadataUpdate| match &update.changes[0].before {
        Some(v1::MetadataEntry { value: Some(v1::metadata_entry::Value::Plain(text)), .. }) => {
            text.clone()
        }
        _ => String::new(),
    };
    let before: Vec<String> = history.iter().map(before).collect();
    assert_eq!(before, ["3", "2", "1", "0", "", ""], "each from what it was");
    audit_is_clean(&server);
}

/// By its request id; a dry run changes nothing.
#[test]
fn an_update_of_a_transfer_is_done_once() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    market(&server);
    let made = [&POST[..], &["--amount=5", "--id=p", "--metadata=order=1"]].concat();
    let made = position(&server.json(&made));
    let asked = |order: &str, validate_only: bool| v1::UpdateTransferMetadataRequest {
        name: "ledgers/bank/transfers/p".into(),
        set: [("order".to_owned(), order.to_owned())].into(),
        request_id: "once".into(),
        validate_only,
        ..Default::default()
    };
    let noted = |at: &str| {
        transfer(&server, "p", &["--at-least", at])["transfer"]["metadata"]["order"].clone()
    };
    runtime().block_on(async {
        let mut commands = server.client().await.commands;
        let mut update = async |request| commands.update_transfer_metadata(request).await;
        update(asked("2", true)).await.unwrap();
        assert_eq!(noted(&made), "1");
        let first = update(asked("2", false)).await.unwrap().into_inner().acknowledgement.unwrap();
        assert_eq!((noted(&first.position), first.replayed), ("2".into(), false));
        let again = update(asked("2", false)).await.unwrap().into_inner().acknowledgement.unwrap();
        assert_eq!((&again.position, again.replayed), (&first.position, true));
        let other = update(asked("3", false)).await.unwrap_err();
        assert_eq!(other.code(), tonic::Code::AlreadyExists, "{other}");
        assert_eq!(noted(&first.position), "2");
    });
    audit_is_clean(&server);
}

/// Sent together, so that many are decided in one commit, upon what is not durable yet; the audit sees that each
/// changes what the one before it left.
#[test]
fn updates_of_one_transfer_at_once_each_begin_where_the_one_before_ended() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    market(&server);
    server.json(&[&POST[..], &["--amount=5", "--id=p", "--metadata=k0=x"]].concat());
    let count = 300;
    runtime().block_on(async {
        let client = server.client().await;
        let mut all = JoinSet::new();
        for number in 0..count {
            let mut commands = client.commands.clone();
            let request = v1::UpdateTransferMetadataRequest {
                name: "ledgers/bank/transfers/p".into(),
                set: [(format!("k{}", number % 5), number.to_string())].into(),
                remove: vec![format!("k{}", (number + 1) % 5)],
                ..Default::default()
            };
            all.spawn(async move { commands.update_transfer_metadata(request).await });
        }
        while let Some(done) = all.join_next().await {
            done.unwrap().unwrap();
        }
    });
    server.kill();
    let server = Server::start(&scratch.data());
    let last = update(&server, "p", &["--set=last=1"]);
    let history = server.json(&["metadata", "history", "bank", "--transfer=p", "--as-of", &last]);
    assert_eq!(history["updates"].as_array().unwrap().len(), count + 2);
    audit_is_clean(&server);
}
