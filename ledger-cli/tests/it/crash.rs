//! SIGKILL at 100 random moments under load: every acknowledged transfer is there exactly once, every
//! other one at most once, the chain and the audit are clean, the views equal a rebuild.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_proto::v1;
use tokio::task::JoinSet;

use crate::server::{Client, Server, runtime};

const KILLS: u32 = 100;
const CLIENTS: u64 = 4;
const ACCOUNTS: u64 = 20;

/// What a client knows of a transfer: where it was acknowledged, or nothing yet.
type Known = Arc<Mutex<BTreeMap<String, Option<String>>>>;

#[test]
fn acknowledged_transfers_survive_100_kills() {
    let data = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(20_261_123);
    let known = Known::default();
    runtime().block_on(async {
        for round in 0..KILLS {
            let server = Server::start(data.path());
            let client = server.client().await;
            if round == 0 {
                client.make_book("bank", "USD", 2, &accounts()).await;
            }
            let kill_after = Duration::from_millis(random.u64(1..120));
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                let seed = random.u64(..);
                clients.spawn(post_until_it_fails(client.clone(), seed, number, known.clone()));
            }
            tokio::time::sleep(kill_after).await;
            server.kill();
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        }
        let server = Server::start(data.path());
        check(&server, &known).await;
    });
}

fn accounts() -> Vec<String> {
    (0..ACCOUNTS).map(|at| format!("users:{at}")).collect()
}

/// Posts batches and single transfers, new ones and those whose fate it does not know, until the server
/// is gone.
async fn post_until_it_fails(client: Client, seed: u64, number: u64, known: Known) {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let size = if random.bool() { 1 } else { random.usize(2..200) };
        let mut batch = Vec::with_capacity(size);
        {
            let mut known = known.lock().unwrap();
            let prefix = format!("c{number}-");
            let unknown = known.iter().filter(|(id, at)| at.is_none() && id.starts_with(&prefix));
            batch.extend(unknown.map(|(id, _)| transfer(id)).take(size / 2));
            while batch.len() < size {
                let id = format!("{prefix}{:016x}", random.u64(..));
                known.insert(id.clone(), None);
                batch.push(transfer(&id));
            }
        }
        let ids: Vec<String> = batch.iter().map(|t| t.transfer_id.clone()).collect();
        let Ok(results) = client.post("bank", batch).await else { return };
        let mut known = known.lock().unwrap();
        for (id, result) in ids.into_iter().zip(results) {
            match result.outcome {
                Some(v1::transfer_result::Outcome::Acknowledgement(ack)) => {
                    if let Some(Some(before)) = known.insert(id.clone(), Some(ack.position.clone()))
                    {
                        assert_eq!(before, ack.position, "{id} has one outcome");
                    }
                }
                other => panic!("{id} is refused: {other:?}"),
            }
        }
    }
}

/// Everything about a transfer follows from its id, so that a retry has the same content.
fn transfer(id: &str) -> v1::Transfer {
    let digest: u64 = id.bytes().fold(17, |all, byte| all.wrapping_mul(31) + u64::from(byte));
    let debit = digest % ACCOUNTS;
    let credit = (debit + 1 + digest / ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS;
    v1::Transfer {
        transfer_id: id.to_owned(),
        debit_account: format!("users:{debit}"),
        credit_account: format!("users:{credit}"),
        asset: "USD".into(),
        amount: "1.00".into(),
        ..Default::default()
    }
}

async fn check(server: &Server, known: &Known) {
    let client = server.client().await;
    // A write of its own, to wait for all before it.
    let last = client.post("bank", vec![transfer("last")]).await.unwrap().remove(0);
    let Some(v1::transfer_result::Outcome::Acknowledgement(last)) = last.outcome else {
        panic!("{last:?}")
    };
    let known = known.lock().unwrap().clone();
    let (mut acknowledged, mut lost, mut found_unknown) = (0u32, 0u32, 0u32);
    let mut debits: BTreeMap<String, u64> = BTreeMap::new();
    let mut posted = vec!["last".to_owned()];
    for (id, position) in &known {
        match (client.transfer("bank", id, &last.position).await, position) {
            (Some(found), Some(position)) => {
                assert_eq!(&found.position, position, "{id} stands where it was acknowledged");
                acknowledged += 1;
            }
            (Some(_), None) => found_unknown += 1,
            (None, None) => {
                lost += 1;
                continue;
            }
            (None, Some(position)) => panic!("{id} was acknowledged at {position} and is gone"),
        }
        posted.push(id.clone());
    }
    for id in posted {
        *debits.entry(transfer(&id).debit_account).or_default() += 1;
    }
    for (account, count) in debits {
        let balance = client.balance("bank", &account, &last.position).await;
        assert_eq!(balance.debits_posted, format!("{count}.00"), "{account}: exactly once");
    }
    eprintln!(
        "{KILLS} kills: {acknowledged} acknowledged, {found_unknown} unanswered but recorded, \
         {lost} unanswered and not recorded"
    );
    assert!(acknowledged > KILLS, "the load was real");
    let audit = server.cli(&["audit", "replay"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}
