//! Lines of JSON on the commands topic, one of every kind of command.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::client::Scratch;
use crate::commands_topic::{JSON, Topics, bank, correlation, post_json};
use crate::on_kafka::Log;
use crate::server::Server;

/// A transfer that depends on something; from an account that is not frozen.
fn depends(condition: &Value, id: &str) -> Value {
    json!({ "postTransfer": { "parent": "ledgers/bank", "requestId": format!("r-{id}"),
        "conditions": [condition], "transfer": { "transferId": id, "debitAccount": "b",
        "creditAccount": "c", "asset": "USD", "amount": "1.00" } } })
}

/// One of every kind, in an order in which they work.
fn commands() -> Vec<Value> {
    let account = |name: &str| {
        json!({ "openAccount": { "parent": "ledgers/bank", "accountId": name,
                "type": "ACCOUNT_TYPE_LIABILITY", "rules": { "mayGoNegative": true } } })
    };
    vec![
        json!({ "createLedger": { "ledgerId": "bank", "requestId": "make-bank" } }),
        json!({ "createAsset": { "parent": "ledgers/bank", "assetId": "USD", "scale": 2 } }),
        account("a"),
        account("b"),
        post_json("bank", "t-1"),
        post_json("bank", "t-1"),
        json!({ "createLedger": { "ledgerId": "bank" } }),
        json!({ "freezeAccount": { "name": "ledgers/bank/accounts/a", "requestId": "freeze-a" } }),
        post_json("bank", "t-2"),
        json!({ "setAccountRules": { "name": "ledgers/bank/accounts/a", "requestId": "rules-a",
                "rules": { "creditLimits": [{ "asset": "USD", "amount": "900" }] } } }),
        json!({ "lockBooks": { "name": "ledgers/bank", "lockedBefore": "2020-01-01T00:00:00Z",
                "requestId": "lock" } }),
        account("c"),
        depends(&json!({ "account": "b", "version": "7" }), "t-3"),
        depends(
            &json!({ "account": "b", "balance": { "asset": "USD", "amount": "1.00",
                "figure": "BALANCE_FIGURE_POSTED", "comparison": "COMPARISON_EQUAL" } }),
            "t-4",
        ),
        json!({ "sendMoney": { "parent": "ledgers/bank", "sendId": "s-1", "debitAccount": "b",
                "destination": "ledgers/nowhere/accounts/c", "asset": "USD", "amount": "2" } }),
        json!({ "scheduleTransfer": { "parent": "ledgers/bank", "requestId": "rent", "schedule": {
                "scheduleId": "rent", "debitAccount": "b", "creditAccount": "a", "asset": "USD",
                "amount": "1", "startTime": "2200-01-01T00:00:00Z", "monthlyDay": 31 } } }),
        json!({ "cancelSchedule": { "name": "ledgers/bank/schedules/rent", "requestId": "end" } }),
        json!({ "register": { "parent": "ledgers/bank", "customerId": "c-1", "requestId": "reg",
                "accounts": [{ "accountId": "c:1", "type": "ACCOUNT_TYPE_LIABILITY" }],
                "profile": { "email": "ann@example.org" } } }),
        json!({ "updateProfile": { "name": "ledgers/bank/customers/c-1", "requestId": "upd",
                "set": { "phone": "555" }, "remove": ["name"] } }),
        json!({ "eraseCustomer": { "name": "ledgers/bank/customers/c-1", "requestId": "gone" } }),
        json!({ "setBalanceAlert": { "parent": "ledgers/bank/accounts/b", "requestId": "watch",
                "alertId": "low", "when": { "asset": "USD", "amount": "-5",
                "figure": "BALANCE_FIGURE_AVAILABLE", "comparison": "COMPARISON_AT_MOST" } } }),
        json!({ "removeBalanceAlert": { "name": "ledgers/bank/accounts/b/alerts/low" } }),
        json!({ "updateAccountMetadata": { "name": "ledgers/bank/accounts/a", "requestId": "note",
                "set": { "tier": "gold" }, "remove": ["kyc"] } }),
        json!({ "updateLedgerMetadata": { "name": "ledgers/bank", "set": { "region": "eu" } } }),
        json!({ "register": { "parent": "ledgers/bank", "customerId": "c-2",
                "accounts": [{ "accountId": "c:2", "type": "ACCOUNT_TYPE_LIABILITY",
                    "metadata": { "tier": "gold" }, "sealedMetadata": sealed("c-2", "DE02") }],
                "profile": { "email": "bob@example.org" } } }),
        json!({ "updateTransferMetadata": { "name": "ledgers/bank/transfers/t-4",
                "requestId": "note-t", "set": { "order": "7" }, "remove": ["none"],
                "setSealed": sealed("c-2", "DE03") } }),
        json!({ "updateTransferMetadata": { "name": "ledgers/bank/transfers/t-2",
                "set": { "order": "7" } } }),
        json!({ "openAccount": { "parent": "ledgers/bank", "accountId": "d",
                "type": "ACCOUNT_TYPE_LIABILITY", "sealedMetadata": sealed("c-1", "DE04") } }),
        json!({ "scheduleTransfer": { "parent": "ledgers/bank", "requestId": "gift", "schedule": {
                "scheduleId": "gift", "debitAccount": "b", "creditAccount": "c:2", "asset": "USD",
                "amount": "1", "startTime": "2200-01-01T00:00:00Z",
                "metadata": { "kind": "gift" }, "sealedMetadata": sealed("c-2", "DE05") } } }),
    ]
}

/// A value of metadata for a customer.
fn sealed(customer: &str, iban: &str) -> Value {
    json!([{ "customer": customer, "values": { "iban": iban } }])
}

/// As a person with Kafka's own tools.
fn type_in(log: &Log, lines: &str) {
    let (at, topic) = (log.bootstrap(), format!("{}.commands", log.prefix()));
    let mut producer = crate::cluster::Cluster::new()
        .command(&format!(
            "tool console-producer --bootstrap-server {at} --topic {topic} \
             --reader-property parse.key=true --reader-property key.separator=|"
        ))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    producer.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(producer.wait().unwrap().success());
}

/// What is kept of a person, and metadata for them, came sealed into the log.
fn sealed_values_are_opened_again(server: &Server, values: &[Value]) {
    let last = values[28]["acknowledgement"]["position"].as_str().unwrap();
    server.json(&["ledger", "get", "bank", "--at-least", last]);
    let bob = server.json(&["customer", "get", "bank", "c-2"]);
    assert_eq!(bob["customer"]["profile"]["email"], "bob@example.org", "{bob}");
    let account = server.json(&["account", "get", "bank", "c:2"]);
    assert_eq!(account["account"]["sealedMetadata"], sealed("c-2", "DE02"), "{account}");
    let noted = server.json(&["transfer", "get", "bank", "t-4"]);
    assert_eq!(noted["transfer"]["metadata"], json!({ "order": "7" }));
    assert_eq!(noted["transfer"]["sealedMetadata"], sealed("c-2", "DE03"), "{noted}");
    let gift = server.json(&["schedule", "get", "bank", "gift"])["schedule"]["schedule"].clone();
    assert_eq!(gift["sealedMetadata"], sealed("c-2", "DE05"), "{gift}");
}

/// What kcat or Kafka's own console producer sends: a line of JSON each, with the ledger's name as its key,
/// which Kafka's own partitioner takes to the ledger's partition.
#[test]
fn lines_of_json_from_a_console_are_commands() {
    let Some(log) = Log::somewhere("commands-lines") else { return };
    let scratch = Scratch::new();
    let server = log.serve(&scratch.data());
    let commands = commands();
    let lines: String = commands.iter().map(|command| format!("bank|{command}\n")).collect();
    type_in(&log, &lines);

    let mut topics = Topics::of(&log);
    topics.wait("all", |came| came.len() == commands.len());
    let values: Vec<Value> = topics
        .came
        .iter()
        .map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap())
        .collect();
    for (record, offset) in topics.came.iter().zip(0..) {
        assert_eq!((record.partition, record.offset), (bank(), offset), "as the commands");
        assert_eq!(record.key.as_deref(), Some(b"bank".as_slice()));
    }
    let known: Vec<String> = topics.came.iter().map(correlation).collect();
    let place = |offset: u64| format!("{}.commands-{}-{offset}", log.prefix(), bank());
    assert_eq!(known[0], "make-bank");
    assert_eq!(known[1..4], [place(1), place(2), place(3)]);
    assert_eq!(known[4..7], ["t-1".to_owned(), "t-1".to_owned(), place(6)]);
    assert_eq!(known[7..11], ["freeze-a", "t-2", "rules-a", "lock"]);
    for value in &values[..6] {
        assert!(value["acknowledgement"]["position"].is_string(), "{value}");
    }
    assert_eq!(values[2]["name"], "ledgers/bank/accounts/a");
    assert_eq!(values[5]["acknowledgement"]["replayed"], true);
    let position = &values[4]["acknowledgement"]["position"];
    assert_eq!(&values[5]["acknowledgement"]["position"], position);
    assert_eq!(values[6]["refusal"]["reason"], "LEDGER_EXISTS");
    assert_eq!(values[8]["refusal"]["reason"], "ACCOUNT_FROZEN");
    for (at, name) in [(7, "/accounts/a"), (9, "/accounts/a"), (10, ""), (23, "")] {
        assert_eq!(values[at]["name"], format!("ledgers/bank{name}"), "{}", values[at]);
        assert!(values[at]["acknowledgement"].is_object(), "{}", values[at]);
    }
    assert_eq!(values[12]["refusal"]["reason"], "VERSION_MISMATCH");
    for (value, name) in values[13..23].iter().zip([
        "transfers/t-4",
        "sagas/s-1",
        "schedules/rent",
        "schedules/rent",
        "customers/c-1",
        "customers/c-1",
        "customers/c-1",
        "accounts/b/alerts/low",
        "accounts/b/alerts/low",
        "accounts/a",
    ]) {
        assert_eq!(value["name"], format!("ledgers/bank/{name}"), "{value}");
        assert!(value["acknowledgement"].is_object(), "{value}");
    }
    assert_eq!(values[25]["name"], "ledgers/bank/transfers/t-4", "{}", values[25]);
    assert_eq!(values[26]["refusal"]["reason"], "UNKNOWN_TRANSFER", "t-2 was refused");
    assert_eq!(values[27]["refusal"]["reason"], "CUSTOMER_ERASED");
    assert_eq!(values[28]["name"], "ledgers/bank/schedules/gift", "{}", values[28]);
    // What servers do for each other is nobody else's to ask for.
    let step = json!({ "sagaStep": { "settle": { "source": "ledgers/bank/transfers/s-1" } } });
    topics.send_to(bank(), "step", Some(step.to_string().as_bytes()), &[JSON]);
    assert_eq!(topics.json("step")["refusal"]["reason"], "MALFORMED");
    sealed_values_are_opened_again(&server, &values);
    let read = server.json(&["transfer", "get", "bank", "t-1"]);
    assert_eq!(&read["position"], position, "{read}");
}
