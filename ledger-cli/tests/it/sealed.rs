//! Metadata that is sealed for customers: read back wherever it is noted, in no file and no topic, and nothing left
//! of it once they are erased.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use prost_types::Timestamp;
use serde_json::{Value, json};

use crate::client::Scratch;
use crate::customers::holds;
use crate::on_kafka::{BANK, Log};
use crate::server::Server;
use crate::topics::Topic;

const PATIENCE: Duration = Duration::from_secs(60);

/// A value for each place where one can be noted. None of them is a part of anything else.
const OPENED: &str = "opened-DE02-1205";
const REGISTERED: &str = "registered-DE02-7310";
const OF_LEDGER: &str = "ledger-owner-Ann-Smith";
const SET: &str = "set-later-DE02-9999";
const POSTED: &str = "posted-for-Ann-Smith";
const UPDATED: &str = "updated-for-Ann-Smith";
const SENT: &str = "sent-to-Ann-Smith";
const PLANNED: &str = "planned-for-Ann-Smith";
const REFUSED: &str = "refused-for-Ann-Smith";
const BOBS: &str = "Bob-DE02-5555";
const SECRETS: [&str; 10] =
    [OPENED, REGISTERED, OF_LEDGER, SET, POSTED, UPDATED, SENT, PLANNED, REFUSED, BOBS];

fn position(done: &Value) -> String {
    done["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

/// Until the view has a position.
fn wait_for(server: &Server, at: &str) {
    server.json(&["ledger", "get", "bank", "--at-least", at]);
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

/// A flag such as "--sealed=c-1/iban=DE02".
fn flag(name: &str, of: &str, value: &str) -> String {
    format!("--{name}={of}={value}")
}

/// Metadata of one customer, with one value, as answers have it.
fn sealed(customer: &str, key: &str, value: &str) -> Value {
    json!([{ "customer": customer, "values": { key: value } }])
}

/// The same once nobody can open it.
fn unreadable(customer: &str, key: &str) -> Value {
    json!([{ "customer": customer, "unreadable": [key] }])
}

const POST: [&str; 7] =
    ["transfer", "post", "bank", "--debit=world", "--credit=users:1", "--asset=USD", "--amount=5"];

/// Makes a schedule that is due once, so far ahead.
fn plan(server: &Server, id: &str, ahead: Duration) {
    let start = format!("--start={}", Timestamp::from(SystemTime::now() + ahead));
    let words = ["schedule", "create", "bank", "--id", id, "--debit=world", "--credit=users:1"];
    let rest = ["--asset=USD", "--amount=1", "--metadata=kind=rent", &start];
    let secret = flag("sealed", "c-1/why", PLANNED);
    server.json(&[&words[..], &rest, &[&secret]].concat());
}

/// The transfer of a schedule, once it is there.
fn ran(server: &Server, schedule: &str) -> Value {
    let (started, id) = (Instant::now(), format!("~at:{schedule}:1"));
    loop {
        let read = server.run(&["transfer", "get", "bank", &id, "--json"]);
        if read.code == Some(0) {
            return serde_json::from_str(&read.stdout).unwrap();
        }
        assert!(started.elapsed() < PATIENCE, "{schedule} does not run: {}", read.stderr);
        thread::sleep(Duration::from_millis(50));
    }
}

/// Notes something for Ann wherever it can be noted, and something for Bob; where each stands.
fn note(server: &Server) -> Vec<String> {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["ledger", "create", "market"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    let account = format!("--account=users:1=liability,tier=gold,c-1/iban={REGISTERED}");
    let register = ["customer", "register", "bank", "c-1", &account, "--profile=name=Ann"];
    let mut done = vec![server.json(&register)];
    server.json(&["customer", "register", "bank", "c-2"]);
    let secret = flag("sealed", "c-1/iban", OPENED);
    let open = ["account", "open", "bank", "world", "--type=equity", "--may-go-negative"];
    let bobs = flag("sealed", "c-2/other", BOBS);
    done.push(server.json(&[&open[..], &["--metadata=tier=gold", &secret, &bobs]].concat()));
    let secret = flag("seal", "c-1/iban", SET);
    done.push(server.json(&["metadata", "update", "bank", "world", &secret]));
    let secret = flag("seal", "c-1/owner", OF_LEDGER);
    done.push(server.json(&["metadata", "update", "bank", "--set=region=eu", &secret]));
    let secret = flag("sealed", "c-1/memo", POSTED);
    done.push(server.json(&[&POST[..], &["--id=t", "--metadata=order=1", &secret]].concat()));
    let secret = flag("seal", "c-1/memo", UPDATED);
    done.push(server.json(&["metadata", "update", "bank", "--transfer=t", &secret]));
    let secret = flag("sealed", "c-1/memo", SENT);
    let send = ["saga", "send", "bank", "--id=s", "--debit=world", "--to-ledger=market"];
    let rest = ["--to-account=nobody", "--asset=USD", "--amount=1", &secret];
    server.json(&[&send[..], &rest].concat());
    let secret = flag("sealed", "c-1/memo", REFUSED);
    let words = ["transfer", "post", "bank", "--debit=users:1", "--credit=world", "--asset=USD"];
    let words = [&words[..], &["--amount=900", "--id=no", &secret]].concat();
    refused(server, &words, "INSUFFICIENT_FUNDS");
    plan(server, "soon", Duration::from_secs(1));
    ran(server, "soon");
    let places: Vec<String> = done.iter().map(position).collect();
    places.iter().for_each(|at| wait_for(server, at));
    places
}

/// What is sealed of an account, a transfer and so on, under a name for each.
fn shown(server: &Server, flags: &[&str]) -> Vec<(&'static str, Value)> {
    let read = |words: &[&str]| server.json(&[words, flags].concat());
    let sealed = |of: &Value| of["sealedMetadata"].clone();
    let statement = read(&["statement", "bank", "users:1"]);
    let entries = statement["entries"].as_array().unwrap();
    let posted = entries.iter().find(|it| it["transfer"] == "ledgers/bank/transfers/t").unwrap();
    let got = |id: &str| sealed(&read(&["transfer", "get", "bank", id])["transfer"]);
    let account = |name: &str| sealed(&read(&["account", "get", "bank", name])["account"]);
    let schedule = &read(&["schedule", "get", "bank", "soon"])["schedule"]["schedule"];
    let saga = &read(&["saga", "get", "bank", "s"])["saga"];
    vec![
        ("registered", account("users:1")),
        ("opened", account("world")),
        ("ledger", sealed(&read(&["ledger", "get", "bank"])["ledger"])),
        ("transfer", got("t")),
        ("entry", sealed(posted)),
        ("refused", got("no")),
        ("sent", got("s")),
        ("saga", sealed(&saga["send"])),
        ("plan", sealed(schedule)),
        ("scheduled", got("~at:soon:1")),
    ]
}

/// What [`shown`] gives while all of it can be read.
fn readable() -> Vec<(&'static str, Value)> {
    vec![
        ("registered", sealed("c-1", "iban", REGISTERED)),
        (
            "opened",
            json!([{ "customer": "c-1", "values": { "iban": SET } },
                { "customer": "c-2", "values": { "other": BOBS } }]),
        ),
        ("ledger", sealed("c-1", "owner", OF_LEDGER)),
        ("transfer", sealed("c-1", "memo", UPDATED)),
        ("entry", sealed("c-1", "memo", UPDATED)),
        ("refused", sealed("c-1", "memo", REFUSED)),
        ("sent", sealed("c-1", "memo", SENT)),
        ("saga", sealed("c-1", "memo", SENT)),
        ("plan", sealed("c-1", "why", PLANNED)),
        ("scheduled", sealed("c-1", "why", PLANNED)),
    ]
}

/// What it gives once Ann is erased: all of Ann's is named and told no more, Bob's is read as before.
fn after_the_erasure() -> Vec<(&'static str, Value)> {
    let key = |what: &str| match what {
        "registered" => "iban",
        "ledger" => "owner",
        "plan" | "scheduled" => "why",
        _ => "memo",
    };
    let gone = |(what, _)| match what {
        "opened" => {
            let anns = json!({ "customer": "c-1", "unreadable": ["iban"] });
            (what, json!([anns, { "customer": "c-2", "values": { "other": BOBS } }]))
        }
        _ => (what, unreadable("c-1", key(what))),
    };
    readable().into_iter().map(gone).collect()
}

/// Reads an account until nothing of Ann's can be read of it.
fn until_gone(server: &Server) {
    let started = Instant::now();
    while server.json(&["account", "get", "bank", "users:1"]).to_string().contains(REGISTERED) {
        assert!(started.elapsed() < PATIENCE, "the key is not destroyed");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sealed_metadata_is_read_wherever_it_is_noted_until_its_customer_is_erased() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let places = note(&server);
    let last = position(&server.json(&[&POST[..], &["--id=last"]].concat()));
    wait_for(&server, &last);
    assert_eq!(shown(&server, &[]), readable());
    let opened = server.json(&["account", "get", "bank", "world", "--as-of", &places[1]]);
    let then = &opened["account"]["sealedMetadata"][0]["values"];
    assert_eq!(then, &json!({ "iban": OPENED }), "before it was set anew");
    let posted = server.json(&["transfer", "get", "bank", "t", "--as-of", &places[4]]);
    assert_eq!(posted["transfer"]["sealedMetadata"], sealed("c-1", "memo", POSTED));
    assert_eq!(posted["transfer"]["metadata"], json!({ "order": "1" }));
    let entry = server.json(&["metadata", "history", "bank", "--transfer=t"])["updates"].clone();
    let memo = |text: &str| json!({ "key": "memo", "sealed": { "customer": "c-1", "text": text } });
    assert_eq!(entry[0]["changes"], json!([{ "before": memo(POSTED), "after": memo(UPDATED) }]));
    // Found by what everybody reads, and not by what is sealed.
    let found = |filter: &str| {
        let listed = server.json(&["account", "list", "bank", &format!("--filter={filter}")]);
        listed["accounts"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(found("metadata.tier = \"gold\""), 2);
    for value in [SET, OPENED, REGISTERED] {
        assert_eq!(found(&format!("metadata.iban = \"{value}\"")), 0);
    }
    let listed = server.run(&["account", "list", "bank"]).stdout;
    assert!(listed.contains(&format!("c-1/iban={SET}")), "{listed}");

    server.json(&["customer", "erase", "bank", "c-1"]);
    until_gone(&server);
    assert_eq!(shown(&server, &[]), after_the_erasure());
    let at = ["--as-of", &last];
    assert_eq!(shown(&server, &at), after_the_erasure(), "of before the erasure as well");
    for (words, at) in [
        (&["account", "get", "bank", "users:1"][..], &places[0]),
        (&["account", "get", "bank", "world"], &places[1]),
        (&["account", "get", "bank", "world"], &places[2]),
        (&["ledger", "get", "bank"], &places[3]),
        (&["transfer", "get", "bank", "t"], &places[4]),
        (&["transfer", "get", "bank", "t"], &places[5]),
        (&["metadata", "history", "bank"], &last),
        (&["metadata", "history", "bank", "world"], &last),
        (&["metadata", "history", "bank", "--transfer=t"], &last),
    ] {
        let read = server.json(&[words, &["--as-of", at]].concat()).to_string();
        let told = SECRETS.iter().find(|secret| **secret != BOBS && read.contains(**secret));
        assert_eq!(told, None, "{words:?} as of {at}: {read}");
        assert!(read.contains("c-1"), "whose it was is told: {read}");
    }
    let shown = server.run(&["metadata", "history", "bank", "--transfer=t"]).stdout;
    assert!(shown.contains("unreadable (sealed for c-1)"), "{shown}");
    // What everybody reads is there.
    let read = server.json(&["transfer", "get", "bank", "t"]);
    assert_eq!(read["transfer"]["metadata"], json!({ "order": "1" }));
    // It can be replaced and removed.
    server.json(&["metadata", "update", "bank", "--transfer=t", "--set=memo=plain"]);
    let removed = server.json(&["metadata", "update", "bank", "world", "--remove=iban"]);
    wait_for(&server, &position(&removed));
    let read = server.json(&["transfer", "get", "bank", "t"]);
    assert_eq!(read["transfer"]["metadata"], json!({ "order": "1", "memo": "plain" }));
    assert_eq!(read["transfer"].get("sealedMetadata"), None);
    audit_is_clean(&server);
}

#[test]
fn nothing_is_sealed_for_who_is_unknown_or_erased_and_a_schedule_goes_on_without() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    note(&server);
    let start = Timestamp::from(SystemTime::now() + Duration::from_secs(3600)).to_string();
    let start = format!("--start={start}");
    let all = |customer: &str, reason: &str| {
        let created = flag("sealed", &format!("{customer}/iban"), SET);
        let set = flag("seal", &format!("{customer}/iban"), SET);
        let account = format!("--account=users:9=liability,{customer}/iban=1");
        let plan = ["schedule", "create", "bank", "--id=x", "--debit=world", "--credit=users:1"];
        let (id, post_id) = (format!("--id=x-{customer}"), format!("--id=p-{customer}"));
        let send = ["saga", "send", "bank", &id, "--debit=world", "--to-ledger=market"];
        for words in [
            [&["account", "open", "bank", "x", "--type=asset"][..], &[&created]].concat(),
            [&POST[..], &[&post_id, &created]].concat(),
            [&send[..], &["--to-account=b", "--asset=USD", "--amount=1", &created]].concat(),
            [&plan[..], &["--asset=USD", "--amount=1", &start, &created]].concat(),
            ["customer", "register", "bank", "c-9", &account].to_vec(),
            ["metadata", "update", "bank", &set].to_vec(),
            ["metadata", "update", "bank", "world", &set].to_vec(),
            ["metadata", "update", "bank", "--transfer=t", &set].to_vec(),
        ] {
            refused(&server, &words, reason);
        }
    };
    all("c-7", "UNKNOWN_CUSTOMER");
    plan(&server, "late", Duration::from_secs(4));
    server.json(&["customer", "erase", "bank", "c-1"]);
    all("c-1", "CUSTOMER_ERASED");
    wait_for(&server, &position(&server.json(&[&POST[..], &["--id=other"]].concat())));
    // A transfer that was refused stands in the log with it; also that is gone once a customer of the name is
    // erased.
    let asked = |id: &str| {
        server.json(&["transfer", "get", "bank", id])["transfer"]["sealedMetadata"].clone()
    };
    assert_eq!(asked("p-c-1"), unreadable("c-1", "iban"));
    assert_eq!(asked("p-c-7"), sealed("c-7", "iban", SET));
    server.json(&["customer", "register", "bank", "c-7"]);
    server.json(&["customer", "erase", "bank", "c-7"]);
    let started = Instant::now();
    while asked("p-c-7") != unreadable("c-7", "iban") {
        assert!(started.elapsed() < PATIENCE, "the key is not destroyed");
        thread::sleep(Duration::from_millis(20));
    }
    // No refusal tells what was to be sealed.
    let long = format!("--seal=c-2/k={}", SET.repeat(20));
    let ran_long = server.run(&["metadata", "update", "bank", &long]);
    assert_eq!(ran_long.code, Some(1));
    assert!(ran_long.stderr.contains("TOO_LONG") && !ran_long.stderr.contains(SET));
    let twice = ["--sealed=c-2/k=v", "--metadata=k=v"];
    refused(&server, &[&POST[..], &twice].concat(), "MALFORMED");
    // Nobody is there to ask for it otherwise, and a note is no reason to stop money.
    let late = ran(&server, "late");
    assert_eq!(late["transfer"]["metadata"], json!({ "kind": "rent" }));
    assert_eq!(late["transfer"].get("sealedMetadata"), None);
    assert_eq!(late.get("refusal"), None);
    let words = ["metadata", "update", "bank", "--transfer=~at:late:1", "--set=kind=gift"];
    wait_for(&server, &position(&server.json(&words)));
    assert_eq!(ran(&server, "late")["transfer"]["metadata"], json!({ "kind": "gift" }));
    // A retry of before cannot be told from other content any more; it is never done twice.
    let secret = flag("sealed", "c-1/memo", POSTED);
    let again = [&POST[..], &["--id=t", "--metadata=order=1", &secret]].concat();
    refused(&server, &again, "ID_REUSED");
    audit_is_clean(&server);
}

#[test]
fn no_file_has_a_word_of_sealed_metadata_and_it_survives_a_kill_and_lost_views() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    note(&server);
    server.stop();
    let of = |secrets: &[&str]| -> Vec<String> {
        let found = |secret: &&&str| holds(&scratch.data(), secret.as_bytes());
        secrets.iter().filter(found).map(ToString::to_string).collect()
    };
    assert_eq!(of(&SECRETS), [""; 0], "neither log, ids, snapshot nor view");
    assert_eq!(of(&["c-1"]), ["c-1"], "whose it is stands there");
    let server = Server::start(&scratch.data());
    assert_eq!(shown(&server, &[]), readable());
    // A retry is told from other content without its being read.
    let secret = flag("sealed", "c-1/memo", POSTED);
    let again = [&POST[..], &["--id=t", "--metadata=order=1", &secret]].concat();
    assert_eq!(server.json(&again)["acknowledgement"]["replayed"], true);
    let secret = flag("sealed", "c-1/memo", UPDATED);
    let other = [&POST[..], &["--id=t", "--metadata=order=1", &secret]].concat();
    refused(&server, &other, "ID_REUSED");
    let last = position(&server.json(&["customer", "erase", "bank", "c-1"]));
    server.kill();
    for name in ["views", "ids"] {
        std::fs::remove_dir_all(scratch.data().join(name)).unwrap();
    }
    let server = Server::start(&scratch.data());
    wait_for(&server, &last);
    until_gone(&server);
    assert_eq!(shown(&server, &[]), after_the_erasure());
    audit_is_clean(&server);
    server.stop();
    assert_eq!(of(&SECRETS), [""; 0]);
}

/// Neither the log on Kafka nor the feed has a word of it; the feed says whose it is.
#[test]
fn no_topic_has_a_word_of_sealed_metadata() {
    let Some(log) = Log::somewhere("sealed") else { return };
    let scratch = Scratch::new();
    let server = log.serve_with(&["--kafka-feed"], &scratch.data());
    note(&server);
    server.json(&[&POST[..], &["--id=last-of-all"]].concat());
    let feed = Topic::named(log.bootstrap(), &format!("{}.feed", log.prefix()));
    let started = Instant::now();
    let records = |topic: &Topic| {
        let count = topic.records(BANK).unwrap_or(0);
        topic.read(BANK, count.try_into().unwrap())
    };
    let has = |records: &[Vec<u8>], text: &str| {
        let text = text.as_bytes();
        records.iter().any(|record| record.windows(text.len()).any(|part| part == text))
    };
    let mut published = records(&feed);
    while !has(&published, "last-of-all") {
        assert!(started.elapsed() < PATIENCE, "the feed does not come so far");
        thread::sleep(Duration::from_millis(200));
        published = records(&feed);
    }
    let logged = records(&log.topic());
    assert!(has(&logged, "last-of-all"));
    for secret in SECRETS {
        assert!(!has(&published, secret) && !has(&logged, secret), "{secret}");
    }
    let changed = |record: &&Vec<u8>| {
        let event: Value = serde_json::from_slice(record).unwrap();
        event["metadataChanged"]["transfer"] == "t"
    };
    let update: Value = serde_json::from_slice(published.iter().find(changed).unwrap()).unwrap();
    let memo = json!({ "key": "memo", "sealed": { "customer": "c-1" } });
    assert_eq!(update["metadataChanged"]["changes"], json!([{ "before": memo, "after": memo }]));
    let posted = published.iter().map(|it| serde_json::from_slice::<Value>(it).unwrap());
    let posted: Vec<Value> =
        posted.filter(|it| it["transferAccepted"]["transferId"] == "t").collect();
    assert_eq!(posted[0]["transferAccepted"]["sealedMetadata"], unreadable("c-1", "memo"));
}
