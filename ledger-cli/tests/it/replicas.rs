//! Servers that read while the writer, a broker or one of them is gone, and how stale they say they are.

use std::time::Duration;

use ledger_proto::{time, v1};
use ledger_runtime::clock;

use crate::client::Scratch;
use crate::load::{a_while, accounts};
use crate::on_kafka::{Log, with};
use crate::server::Client;

/// Looks at what changes by itself, each after a pause of this long.
const PAUSE_MS: u64 = 250;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a read of the latest state says of itself, and the balance that it shows.
async fn read(client: &Client) -> (v1::ReadAt, String) {
    let name = "ledgers/bank/accounts/users:1".to_owned();
    let request = v1::GetBalanceRequest { name, consistency: None };
    let answer = client.queries.clone().get_balance(request).await.unwrap().into_inner();
    let balance = answer.balances.first().map(|balance| balance.balance.clone());
    (answer.read_at.unwrap(), balance.unwrap_or_default())
}

/// Since when the view is known to hold all that the log had.
fn since(read_at: &v1::ReadAt) -> i64 {
    read_at.caught_up_at.as_ref().and_then(time::from_wire).unwrap_or(i64::MIN)
}

/// Reads until the view says that it is caught up later than an instant.
async fn caught_up_after(client: &Client, instant: i64) -> v1::ReadAt {
    for _ in 0..PATIENCE.as_millis() as u64 / PAUSE_MS {
        let (read_at, _) = read(client).await;
        if since(&read_at) > instant {
            assert_eq!(read_at.records_behind, 0, "nothing is written");
            return read_at;
        }
        a_while(PAUSE_MS).await;
    }
    panic!("{:?}, and nothing moves", read(client).await.0)
}

/// Reads until two reads in a row say the same: from then on it stands still.
async fn stands_still(client: &Client) -> v1::ReadAt {
    let mut before = read(client).await.0;
    for _ in 0..PATIENCE.as_millis() as u64 / PAUSE_MS {
        a_while(PAUSE_MS * 4).await;
        let now = read(client).await.0;
        if now == before {
            return now;
        }
        before = now;
    }
    panic!("{before:?} does not come to rest")
}

async fn post_one(client: &Client, id: &str) -> String {
    let transfer = v1::Transfer {
        transfer_id: id.into(),
        debit_account: "users:0".into(),
        credit_account: "users:1".into(),
        asset: "USD".into(),
        amount: "1.00".into(),
        ..Default::default()
    };
    let results = client.post("bank", vec![transfer]).await.unwrap();
    match results.into_iter().next().unwrap().outcome {
        Some(v1::transfer_result::Outcome::Acknowledgement(posted)) => posted.position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_broker_reads_go_on_and_say_how_stale_they_may_be() {
    let scratch = Scratch::new();
    with(Log::on(1, "", "stale"), async |log| {
        let (cluster, server) = (log.cluster(), log.serve(&scratch.data()));
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let position = post_one(&client, "t-1").await;
        client.balance("bank", "users:1", &position).await;
        // Nobody writes: an idle log is asked where it ends.
        let (started, mut last) = (clock::now(), 0);
        for _ in 0..3 {
            let read_at = caught_up_after(&client, last.max(started)).await;
            last = since(&read_at);
            assert!(last <= clock::now(), "{read_at:?} is of the future");
        }

        cluster.run("kill 1");
        let killed = clock::now();
        let first = stands_still(&client).await;
        assert!(since(&first) >= last && since(&first) < killed, "{first:?}, killed at {killed}");
        a_while(2_000).await;
        let (second, balance) = read(&client).await;
        assert_eq!((&second, balance.as_str()), (&first, "1.00"));
        let said = String::from_utf8(server.cli(&["balance", "bank", "users:1"]).stdout).unwrap();
        assert!(said.contains("s stale"), "{said}");
        let json = server.json(&["balance", "bank", "users:1"]);
        let said = json["readAt"]["caughtUpAt"].as_str().unwrap().parse().ok();
        assert_eq!(said, first.caught_up_at);

        cluster.run("start 1");
        let started = clock::now();
        caught_up_after(&client, started).await;
        let position = post_one(&client, "t-2").await;
        let balance = client.balance("bank", "users:1", &position).await;
        assert_eq!(balance.balance, "2.00");
    });
}
