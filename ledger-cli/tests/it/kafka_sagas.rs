//! Sends between ledgers that different servers write: the owner of either is killed while money is on
//! its way, and all of it arrives, or comes back, once.

use std::time::{Duration, Instant};

use ledger_proto::v1;

use crate::client::Scratch;
use crate::on_kafka::{Log, elsewhere, state_hashes, with};
use crate::server::{Client, Server};

const PATIENCE: Duration = Duration::from_secs(120);
const SENDS: u64 = 20;

fn owner(server: &Server, partition: usize) -> String {
    let topology = server.json(&["topology"]);
    let owner = topology["partitions"][partition]["ownerAddress"].as_str();
    owner.unwrap_or_default().to_owned()
}

/// Waits until each of the two servers writes one of the two partitions.
fn wait_for_one_each(server: &Server) {
    let until = Instant::now() + PATIENCE;
    loop {
        let owners = [owner(server, 0), owner(server, 1)];
        if owners[0] != owners[1] && owners.iter().all(|owner| !owner.is_empty()) {
            return;
        }
        assert!(Instant::now() < until, "{owners:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn sends(round: u64, market: &str) -> Vec<v1::Transfer> {
    let send = |n| v1::Transfer {
        transfer_id: format!("s-{round}-{n}"),
        kind: v1::TransferKind::Send.into(),
        debit_account: "alice".into(),
        // Each fourth cannot be received.
        destination: format!(
            "ledgers/{market}/accounts/{}",
            if n % 4 == 3 { "nobody" } else { "bob" }
        ),
        asset: "USD".into(),
        amount: "0.10".into(),
        ..Default::default()
    };
    (0..SENDS).map(send).collect()
}

/// How a saga has ended.
async fn ended(client: &Client, id: &str) -> v1::SagaState {
    let until = Instant::now() + PATIENCE;
    loop {
        let name = format!("ledgers/bank/sagas/{id}");
        let request = v1::GetSagaRequest { name, consistency: None };
        let read = client.queries.clone().get_saga(request).await;
        let state = read.map(|read| read.into_inner().saga.unwrap_or_default().state());
        match state {
            Ok(state @ (v1::SagaState::Done | v1::SagaState::Compensated)) => return state,
            other => assert!(Instant::now() < until, "{id}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn sends_come_to_their_end_whichever_server_dies() {
    with(Log::somewhere("sagas"), async |log| {
        let scratch = Scratch::new();
        let folders = ["one", "other"].map(|name| scratch.path(name));
        let mut servers = [log.serve(&folders[0]), log.serve(&folders[1])];
        let market = elsewhere();
        wait_for_one_each(&servers[0]);
        let client = servers[0].client().await;
        client.make_book("bank", "USD", 2, &["alice".to_owned()]).await;
        client.make_book(&market, "USD", 2, &["bob".to_owned()]).await;
        for round in 0..4u64 {
            let [dies, stays] = [round % 2, (round + 1) % 2].map(|at| at as usize);
            let client = servers[stays].client().await;
            let results = client.post("bank", sends(round, &market)).await.unwrap();
            assert_eq!(results.len() as u64, SENDS);
            std::thread::sleep(Duration::from_millis(round * 7));
            // The owner of the bank, and that of the market, by turns.
            let fresh = log.serve(&scratch.path(&format!("fresh-{round}")));
            std::mem::replace(&mut servers[dies], fresh).kill();
        }
        let client = servers[0].client().await;
        let mut done = 0;
        for round in 0..4 {
            for n in 0..SENDS {
                let due = if n % 4 == 3 { v1::SagaState::Compensated } else { v1::SagaState::Done };
                assert_eq!(ended(&client, &format!("s-{round}-{n}")).await, due);
                done += u64::from(due == v1::SagaState::Done);
            }
        }
        let amount = format!("{}.{}0", done / 10, done % 10);
        for (ledger, account, balance) in [
            ("bank", "alice", format!("-{amount}")),
            ("bank", &format!("~clearing:{market}"), format!("-{amount}")),
            (&market, "bob", amount.clone()),
            (&market, "~clearing:bank", amount),
        ] {
            let until = Instant::now() + PATIENCE;
            loop {
                let found = client.balance_with(ledger, account, None).await.unwrap();
                if found.balance == balance && found.debits_pending == found.credits_pending {
                    break;
                }
                assert!(Instant::now() < until, "{ledger} {account}: {found:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(state_hashes(&servers[0]), state_hashes(&servers[1]));
    });
}
