//! Real mistakes against a real server: each a specific error, nothing lost, no panic.

use ledger_proto::{answer, v1};
use tonic::{Code, Status};

use crate::server::{Client, Server, as_of, runtime};

fn transfer(id: &str, change: impl FnOnce(&mut v1::Transfer)) -> v1::Transfer {
    let mut transfer = v1::Transfer {
        transfer_id: id.into(),
        debit_account: "alice".into(),
        credit_account: "bob".into(),
        asset: "USD".into(),
        amount: "1.00".into(),
        ..Default::default()
    };
    change(&mut transfer);
    transfer
}

/// Posts one transfer by the unary call: its status code and the reason.
async fn post_one(client: &Client, parent: &str, transfer: v1::Transfer) -> (Code, String) {
    let transfer = Some(transfer);
    let parent = parent.to_owned();
    let request = v1::PostTransferRequest { parent, transfer, ..Default::default() };
    match client.commands.clone().post_transfer(request).await {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => (status.code(), reason(&status)),
    }
}

fn reason(status: &Status) -> String {
    answer::refusal_of(status).map(|refusal| refusal.reason).unwrap_or_default()
}

#[test]
fn every_mistake_has_its_own_refusal() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    runtime().block_on(async {
        let client = server.client().await;
        let accounts = ["alice".to_owned(), "bob".to_owned()];
        client.make_book("bank", "USD", 2, &accounts).await;
        let check = async |expected: (Code, &str), parent, id, change: fn(&mut v1::Transfer)| {
            let found = post_one(&client, parent, transfer(id, change)).await;
            assert_eq!((found.0, found.1.as_str()), expected, "{id}");
        };
        let bank = "ledgers/bank";
        check((Code::NotFound, "UNKNOWN_LEDGER"), "ledgers/none", "t1", |_| {}).await;
        check((Code::NotFound, "UNKNOWN_DEBIT_ACCOUNT"), bank, "t2", |t| {
            t.debit_account = "nobody".into();
        })
        .await;
        check((Code::NotFound, "UNKNOWN_CREDIT_ACCOUNT"), bank, "t3", |t| {
            t.credit_account = "nobody".into();
        })
        .await;
        check((Code::NotFound, "UNKNOWN_ASSET"), bank, "t4", |t| t.asset = "EUR".into()).await;
        check((Code::InvalidArgument, "MALFORMED_AMOUNT"), bank, "t5", |t| {
            t.amount = "1,00".into();
        })
        .await;
        check((Code::InvalidArgument, "TOO_MANY_DECIMALS"), bank, "t6", |t| {
            t.amount = "1.001".into();
        })
        .await;
        check((Code::InvalidArgument, "AMOUNT_TOO_LARGE"), bank, "t7", |t| {
            t.amount = "340282366920938463463374607431768211456".into();
        })
        .await;
        check((Code::OutOfRange, "OVERFLOW"), bank, "t8", |t| {
            t.amount = "340282366920938463463374607431768211455".into();
        })
        .await;
        check((Code::Ok, ""), bank, "t9", |t| {
            t.amount = "3402823669209384634633746074317682114.55".into();
        })
        .await;
        check((Code::OutOfRange, "OVERFLOW"), bank, "t10", |t| t.amount = "0.01".into()).await;
        check((Code::InvalidArgument, "MALFORMED"), "bank", "t11", |_| {}).await;
        check((Code::AlreadyExists, "ID_REUSED"), bank, "t9", |_| {}).await;
        // The id that was refused stays refused, whatever it asks for now.
        check((Code::AlreadyExists, "ID_REUSED"), bank, "t2", |_| {}).await;
    });
}

#[test]
fn an_oversized_batch_is_refused_whole() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    runtime().block_on(async {
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &["alice".into(), "bob".into()]).await;
        let batch = |count| (0..count).map(|n| transfer(&format!("t{n}"), |_| {})).collect();
        let status = client.post("bank", batch(8_191)).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "BATCH_SIZE")
        );
        let results = client.post("bank", batch(8_190)).await.unwrap();
        assert_eq!(results.len(), 8_190);
        let balance = client.balance("bank", "alice", &position(&results[8_189])).await;
        assert_eq!(balance.debits_posted, "8190.00");
    });
}

#[test]
fn a_future_position_and_one_of_another_partition_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    runtime().block_on(async {
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &["alice".into(), "bob".into()]).await;
        let results = client.post("bank", vec![transfer("t", |_| {})]).await.unwrap();
        let at = position(&results[0]);
        assert_eq!(client.balance("bank", "bob", &at).await.balance, "1.00");
        let (partition, _) = at.split_once('@').unwrap();
        let read = async |position: String| {
            client.balance_with("bank", "bob", as_of(&position)).await.unwrap_err()
        };
        let status = read(format!("{partition}@1000000")).await;
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        assert!(status.message().contains("1000000"), "{status}");
        let other = (partition.parse::<u32>().unwrap() + 1) % 8;
        assert_eq!(read(format!("{other}@1")).await.code(), Code::InvalidArgument);
        assert_eq!(read("yesterday".into()).await.code(), Code::InvalidArgument);

        let at = |seconds| {
            let at = prost_types::Timestamp { seconds, nanos: 0 };
            let when = Some(v1::as_of::When::Timestamp(at));
            let level = v1::consistency::Level::AsOf(v1::AsOf { when });
            Some(v1::Consistency { level: Some(level) })
        };
        let status = client.balance_with("bank", "bob", at(7_000_000_000)).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        assert!(status.message().contains("future"), "{status}");
    });
}

fn position(result: &v1::TransferResult) -> String {
    match &result.outcome {
        Some(v1::transfer_result::Outcome::Acknowledgement(ack)) => ack.position.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let _first = Server::start(data.path());
    let said = Server::try_start(data.path(), &[]).unwrap_err();
    assert!(said.contains("LOG_LOCKED") && said.contains("exit status: 1"), "{said}");
}

#[test]
fn an_unknown_configuration_key_is_named() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("ledger.toml");
    std::fs::write(&config, "partitons = 4\n").unwrap();
    let flags = ["--config", config.to_str().unwrap()];
    let said = Server::try_start(data.path(), &flags).unwrap_err();
    assert!(said.contains("partitons") && said.contains("line 1"), "{said}");
}

#[test]
fn another_partition_count_is_refused() {
    let data = tempfile::tempdir().unwrap();
    Server::start(data.path()).stop();
    let said = Server::try_start(data.path(), &["--partitions", "4"]).unwrap_err();
    assert!(said.contains("LOG_MISMATCH") && said.contains('8') && said.contains('4'), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let said = Server::try_start(data.path(), &["--listen", &address]).unwrap_err();
    assert!(said.contains(&address), "{said}");
}

#[test]
fn a_disk_that_is_nearly_full_refuses_commands_and_serves_reads() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("ledger.toml");
    let server = Server::start(data.path());
    let position = runtime().block_on(async {
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &["alice".into(), "bob".into()]).await;
        position(&client.post("bank", vec![transfer("t1", |_| {})]).await.unwrap()[0])
    });
    server.stop();
    // More than any disk has free.
    std::fs::write(&config, "[log]\ndisk_reserve_bytes = 1152921504606846976\n").unwrap();
    let server = Server::start_with(data.path(), &["--config", config.to_str().unwrap()]);
    let said = runtime().block_on(async {
        let client = server.client().await;
        let balance = client.balance("bank", "bob", &position).await;
        assert_eq!(balance.credits_posted, "1.00", "reads go on");
        client.post("bank", vec![transfer("t2", |_| {})]).await.unwrap_err().to_string()
    });
    assert!(said.contains("DISK_FULL"), "{said}");
    // A person is told so too, and how to repeat it.
    let post = ["transfer", "post", "bank", "--asset=USD", "--amount=1", "--debit=alice"];
    let ran = server.run(&post.iter().chain(&["--credit=bob"]).copied().collect::<Vec<_>>());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    for part in ["not recorded, safe to retry: DISK_FULL", "to repeat it safely, add --id "] {
        assert!(ran.stderr.contains(part), "{part:?} is not in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("ledger up"), "the server is there: {}", ran.stderr);
    server.stop();
    // Room again: what was acknowledged is there, what was refused is not.
    let server = Server::start(data.path());
    runtime().block_on(async {
        let client = server.client().await;
        assert!(client.transfer("bank", "t1", &position).await.is_some());
        let again = client.post("bank", vec![transfer("t2", |_| {})]).await.unwrap();
        assert!(client.transfer("bank", "t2", &self::position(&again[0])).await.is_some());
    });
}
