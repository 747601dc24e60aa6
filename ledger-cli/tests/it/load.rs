//! A load whose every outcome is remembered, and the check of what became of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_proto::v1;

use crate::server::{Client, Server};

/// Clients of one load.
pub(crate) const CLIENTS: u64 = 4;
const ACCOUNTS: u64 = 20;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client knows of a transfer: where it was acknowledged, or nothing yet.
pub(crate) type Known = Arc<Mutex<BTreeMap<String, Option<String>>>>;

/// The accounts of the book "bank".
pub(crate) fn accounts() -> Vec<String> {
    (0..ACCOUNTS).map(|at| format!("users:{at}")).collect()
}

/// Posts until the server is gone.
pub(crate) async fn post_until_it_fails(client: Client, seed: u64, number: u64, known: Known) {
    let mut random = fastrand::Rng::with_seed(seed);
    while post_some(&client, &mut random, number, &known).await {}
}

/// Posts to any of these servers, whatever they answer, until it is told to stop.
pub(crate) async fn post_until_told(
    clients: Vec<Client>,
    seed: u64,
    number: u64,
    known: Known,
    stop: Arc<AtomicBool>,
) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !stop.load(Ordering::Relaxed) {
        let client = &clients[random.usize(..clients.len())];
        // Room between the posts: what counts is the faults, and every transfer is looked up afterwards.
        let pause = if post_some(client, &mut random, number, &known).await { 5 } else { 20 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Posts a batch or a single transfer, of new ones and those whose fate is not known; whether there was an
/// answer.
async fn post_some(
    client: &Client,
    random: &mut fastrand::Rng,
    number: u64,
    known: &Known,
) -> bool {
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
    let posted = tokio::time::timeout(PATIENCE, client.post("bank", batch)).await;
    let Ok(Ok(results)) = posted else { return false };
    let mut known = known.lock().unwrap();
    for (id, result) in ids.into_iter().zip(results) {
        match result.outcome {
            Some(v1::transfer_result::Outcome::Acknowledgement(ack)) => {
                if let Some(Some(before)) = known.insert(id.clone(), Some(ack.position.clone())) {
                    assert_eq!(before, ack.position, "{id} has one outcome");
                }
            }
            other => panic!("{id} is refused: {other:?}"),
        }
    }
    true
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

/// A write of its own, to wait for all before it; again while the server cannot write yet.
async fn post_last(client: &Client) -> v1::Acknowledgement {
    for _ in 0..PATIENCE.as_secs() {
        match client.post("bank", vec![transfer("last")]).await {
            Ok(results) => match results.into_iter().next().unwrap().outcome {
                Some(v1::transfer_result::Outcome::Acknowledgement(last)) => return last,
                other => panic!("{other:?}"),
            },
            Err(status) => eprintln!("not yet: {status}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the server does not write")
}

/// Holds the server to what was acknowledged, and its views and log to each other; how many were.
pub(crate) async fn check(server: &Server, known: &Known) -> u32 {
    let client = server.client().await;
    let last = post_last(&client).await;
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
        "{acknowledged} acknowledged, {found_unknown} unanswered but recorded, \
         {lost} unanswered and not recorded"
    );
    let audit = server.cli(&["audit", "replay"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    acknowledged
}
