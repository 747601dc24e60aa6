//! A load whose every outcome is remembered, and the check of what became of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger_proto::v1;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::server::{Client, Server};

/// Clients of one load.
pub(crate) const CLIENTS: u64 = 4;
const ACCOUNTS: u64 = 20;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Transfers that are looked up at a time.
const LOOKUPS: usize = 16;

/// What a client knows of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody said what became of it.
    Unknown,
    /// It was acknowledged at this position.
    At(String),
    /// It was sent once, and the server said that it was not recorded.
    Never,
}

pub(crate) type Known = Arc<Mutex<BTreeMap<String, Fate>>>;

/// The accounts of the book "bank".
pub(crate) fn accounts() -> Vec<String> {
    (0..ACCOUNTS).map(|at| format!("users:{at}")).collect()
}

/// Posts until the server is gone.
pub(crate) async fn post_until_it_fails(client: Client, seed: u64, number: u64, known: Known) {
    let mut random = fastrand::Rng::with_seed(seed);
    while post_some(&client, &mut random, number, &known).await.is_ok() {}
}

/// How many transfers were acknowledged.
pub(crate) fn acknowledged(known: &Known) -> usize {
    known.lock().unwrap().values().filter(|fate| matches!(fate, Fate::At(_))).count()
}

/// Returns once there are more than so many: a server that has just started may wait until the partition is
/// its own.
pub(crate) async fn more_than(acknowledged_before: usize, known: &Known) {
    let begun = Instant::now();
    while acknowledged(known) <= acknowledged_before {
        assert!(begun.elapsed() < PATIENCE, "nothing is acknowledged");
        a_while(5).await;
    }
}

/// What clients do that are not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// They go on, and ask again.
    GoesOn,
    /// The test has failed.
    Fails,
}

/// Clients that post to any of the servers until it is ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
    acknowledged: Arc<AtomicUsize>,
}

impl Load {
    pub(crate) fn start(servers: &[Client], known: &Known) -> Load {
        Load::beside(0, servers, known, Unanswered::GoesOn)
    }

    /// One beside others, whose clients have other numbers.
    pub(crate) fn beside(
        others: u64,
        servers: &[Client],
        known: &Known,
        unanswered: Unanswered,
    ) -> Load {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut clients = JoinSet::new();
        for number in others * CLIENTS..(others + 1) * CLIENTS {
            let (servers, known, stop) = (servers.to_vec(), known.clone(), stop.clone());
            let acknowledged: Arc<AtomicUsize> = Arc::clone(&acknowledged);
            clients.spawn(async move {
                let mut random = fastrand::Rng::with_seed(number);
                while !stop.load(Ordering::Relaxed) {
                    let client = &servers[random.usize(..servers.len())];
                    let posted = post_some(client, &mut random, number, &known).await;
                    match posted {
                        Ok(count) => drop(acknowledged.fetch_add(count, Ordering::Relaxed)),
                        Err(said) => assert_eq!(unanswered, Unanswered::GoesOn, "{said}"),
                    }
                    // Room between the posts: what counts is the faults, and every transfer is looked up
                    // afterwards.
                    a_while(50).await;
                }
            });
        }
        Load { stop, clients, acknowledged }
    }

    /// How many of its transfers were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Returns once more transfers were acknowledged: the servers write.
    pub(crate) async fn goes_on(&self) {
        let (before, begun) = (self.acknowledged(), Instant::now());
        while self.acknowledged() < before + 100 {
            assert!(begun.elapsed() < PATIENCE, "nothing is acknowledged any more");
            a_while(20).await;
        }
    }

    pub(crate) async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
    }
}

pub(crate) async fn a_while(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Posts a batch or a single transfer, of new ones and those whose fate is not known; how many were
/// acknowledged, or why there was no answer.
async fn post_some(
    client: &Client,
    random: &mut fastrand::Rng,
    number: u64,
    known: &Known,
) -> Result<usize, String> {
    let size = if random.bool() { 1 } else { random.usize(2..50) };
    let mut ids = Vec::with_capacity(size);
    let first_new;
    {
        let mut known = known.lock().unwrap();
        let prefix = format!("c{number}-");
        let own = known.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix));
        let unknown = own.filter(|(_, fate)| **fate == Fate::Unknown);
        ids.extend(unknown.map(|(id, _)| id.clone()).take(size / 2));
        first_new = ids.len();
        while ids.len() < size {
            let id = format!("{prefix}{:016x}", random.u64(..));
            known.insert(id.clone(), Fate::Unknown);
            ids.push(id);
        }
    }
    let batch = ids.iter().map(|id| transfer(id)).collect();
    let posted = tokio::time::timeout(PATIENCE, client.post("bank", batch)).await;
    let Ok(posted) = posted else { return Err("no answer for a minute".into()) };
    let mut known = known.lock().unwrap();
    match posted {
        Ok(results) => {
            for (id, result) in ids.into_iter().zip(results) {
                learn(&mut known, &id, result.outcome);
            }
            Ok(size)
        }
        Err(status) if says_not_recorded(&status) => {
            // Of the others an earlier attempt may be recorded yet.
            known.extend(ids.drain(first_new..).map(|id| (id, Fate::Never)));
            Err(status.to_string())
        }
        Err(status) => Err(status.to_string()),
    }
}

fn learn(
    known: &mut BTreeMap<String, Fate>,
    id: &str,
    outcome: Option<v1::transfer_result::Outcome>,
) {
    let Some(v1::transfer_result::Outcome::Acknowledgement(ack)) = outcome else {
        panic!("{id} is refused: {outcome:?}")
    };
    let now = Fate::At(ack.position);
    if let Some(before @ Fate::At(_)) = known.insert(id.to_owned(), now.clone()) {
        assert_eq!(before, now, "{id} has one outcome");
    }
}

fn says_not_recorded(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted || status.message().contains("not recorded")
}

/// Everything about a transfer follows from its id, so that a retry has the same content.
pub(crate) fn transfer(id: &str) -> v1::Transfer {
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
        a_while(1_000).await;
    }
    panic!("the server does not write")
}

/// What was found of transfers whose fate was known or not.
#[derive(Default)]
struct Found {
    acknowledged: u32,
    unanswered: u32,
    lost: u32,
    posted: Vec<String>,
}

impl Found {
    fn add(&mut self, id: String, fate: &Fate, found: Option<String>) {
        match (found, fate) {
            (Some(found), Fate::At(position)) => {
                assert_eq!(&found, position, "{id} stands where it was acknowledged");
                self.acknowledged += 1;
            }
            (Some(_), Fate::Unknown) => self.unanswered += 1,
            (None, Fate::Unknown | Fate::Never) => {
                self.lost += 1;
                return;
            }
            (Some(found), Fate::Never) => panic!("{id} was not to be recorded and is at {found}"),
            (None, Fate::At(position)) => panic!("{id} was acknowledged at {position} and is gone"),
        }
        self.posted.push(id);
    }
}

async fn look_up(client: &Client, known: BTreeMap<String, Fate>, at_least: &str) -> Found {
    let (mut found, mut lookups) = (Found::default(), JoinSet::new());
    let mut known = known.into_iter();
    loop {
        while lookups.len() < LOOKUPS
            && let Some((id, fate)) = known.next()
        {
            let (client, at_least) = (client.clone(), at_least.to_owned());
            lookups.spawn(async move {
                let there = client.transfer("bank", &id, &at_least).await;
                (id, fate, there.map(|there| there.position))
            });
        }
        match lookups.join_next().await {
            Some(looked_up) => {
                let (id, fate, there) = looked_up.unwrap();
                found.add(id, &fate, there);
            }
            None => return found,
        }
    }
}

/// Holds the server to what was acknowledged, and its views and log to each other; how many were.
pub(crate) async fn check(server: &Server, known: &Known) -> u32 {
    let client = server.client().await;
    let last = post_last(&client).await;
    let known = known.lock().unwrap().clone();
    let Found { acknowledged, unanswered, lost, mut posted } =
        look_up(&client, known, &last.position).await;
    posted.push("last".to_owned());
    let mut debits: BTreeMap<String, u64> = BTreeMap::new();
    for id in posted {
        *debits.entry(transfer(&id).debit_account).or_default() += 1;
    }
    for (account, count) in debits {
        let balance = client.balance("bank", &account, &last.position).await;
        assert_eq!(balance.debits_posted, format!("{count}.00"), "{account}: exactly once");
    }
    eprintln!(
        "{acknowledged} acknowledged, {unanswered} unanswered but recorded, \
         {lost} unanswered and not recorded"
    );
    let audit = server.cli(&["audit", "replay"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    acknowledged
}
