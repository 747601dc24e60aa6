//! Clients that send a plan's requests and time them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use ledger_proto::answer::refusal_of;
use ledger_proto::v1::{self, transfer_result};
use tokio::task::JoinSet;

use super::plan::Plan;
use crate::client::{Client, patiently};

/// Latencies are kept to three digits, up to an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;
const LATENCY_DIGITS: u8 = 3;

/// What came of a load.
#[derive(Debug)]
pub(super) struct Tally {
    /// Transfers that the server said are durable, replayed ones among them.
    pub(super) acknowledged: u64,
    /// Of those, the ones that an earlier request had posted.
    pub(super) replayed: u64,
    pub(super) refused: u64,
    /// One value for each answered request.
    pub(super) latency_us: Histogram<u64>,
    /// From the first request's start to the last answer.
    pub(super) elapsed: Duration,
    /// Why it did not run to its end.
    pub(super) stopped_by: Option<anyhow::Error>,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Tally {
            acknowledged: 0,
            replayed: 0,
            refused: 0,
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS)?,
            elapsed: Duration::ZERO,
            stopped_by: None,
        })
    }

    /// Transfers a second, whole.
    pub(super) fn rate(&self) -> u64 {
        let microseconds = self.elapsed.as_micros().max(1);
        u64::try_from(u128::from(self.acknowledged) * 1_000_000 / microseconds).unwrap_or(u64::MAX)
    }

    pub(super) fn add(&mut self, answer: Answer, latency: Duration) {
        self.acknowledged += answer.acknowledged;
        self.replayed += answer.replayed;
        self.refused += answer.refused;
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    fn merge(&mut self, other: Tally) -> anyhow::Result<()> {
        self.acknowledged += other.acknowledged;
        self.replayed += other.replayed;
        self.refused += other.refused;
        self.latency_us.add(&other.latency_us)?;
        self.stopped_by = self.stopped_by.take().or(other.stopped_by);
        Ok(())
    }
}

/// The results of one request, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) acknowledged: u64,
    pub(super) replayed: u64,
    pub(super) refused: u64,
}

/// A load that clients share.
#[derive(Clone, Debug)]
pub(super) struct Load {
    plan: Arc<Plan>,
    rate: Option<u64>,
    bar: ProgressBar,
    next: Arc<AtomicU64>,
}

impl Load {
    /// `rate` is in transfers a second, as an open loop; `None` is as fast as answers come.
    pub(super) fn new(plan: Arc<Plan>, rate: Option<u64>, bar: ProgressBar) -> Self {
        Load { plan, rate, bar, next: Arc::default() }
    }

    /// Runs to its end, or to the first error; what was acknowledged until then is counted.
    pub(super) async fn run(self, clients: Vec<Client>) -> anyhow::Result<Tally> {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for client in clients {
            tasks.spawn(self.clone().client(client, started));
        }
        let mut tally = Tally::new()?;
        while let Some(finished) = tasks.join_next().await {
            tally.merge(finished??)?;
        }
        tally.elapsed = started.elapsed();
        Ok(tally)
    }

    async fn client(self, client: Client, started: Instant) -> anyhow::Result<Tally> {
        let mut tally = Tally::new()?;
        let mut upcoming = self.take();
        while let Some((number, request)) = upcoming {
            let intended = self.rate.map(|rate| started + offset(number, self.plan.batch(), rate));
            if let Some(intended) = intended {
                tokio::time::sleep_until(intended.into()).await;
            }
            // A task of its own, so that making the next request does not count as latency.
            let in_flight =
                tokio::spawn(self.clone().timed(client.clone(), number, request, intended));
            upcoming = self.take();
            match in_flight.await? {
                Ok((answer, latency)) => {
                    self.bar.inc(answer.acknowledged + answer.refused);
                    tally.add(answer, latency);
                }
                Err(error) => {
                    // No client takes another request.
                    self.next.store(self.plan.requests(), Ordering::Relaxed);
                    tally.stopped_by = Some(error);
                    return Ok(tally);
                }
            }
        }
        Ok(tally)
    }

    fn take(&self) -> Option<(u64, v1::PostTransfersRequest)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.plan.requests()).then(|| (number, self.plan.request(number)))
    }

    /// Sends request `number`; its latency counts from `intended`, or from now.
    async fn timed(
        self,
        client: Client,
        number: u64,
        request: v1::PostTransfersRequest,
        intended: Option<Instant>,
    ) -> anyhow::Result<(Answer, Duration)> {
        let start = intended.unwrap_or_else(Instant::now);
        let transfers = request.transfers.len();
        let mut first = Some(request);
        // Made anew only where the server was overloaded: a copy kept for that would cost each request.
        let make = || first.take().unwrap_or_else(|| self.plan.request(number));
        let results = if transfers == 1 {
            single(&client, make).await?
        } else {
            batch(&client, make).await?
        };
        let latency = start.elapsed();
        ensure!(
            results.len() == transfers,
            "the server answered {} results for {transfers} transfers",
            results.len()
        );
        Ok((count(results), latency))
    }
}

/// When request `number` is due after the start, at `rate` transfers a second.
pub(super) fn offset(number: u64, batch: u64, rate: u64) -> Duration {
    let nanoseconds =
        u128::from(number) * u128::from(batch) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

async fn single(
    client: &Client,
    mut make: impl FnMut() -> v1::PostTransfersRequest,
) -> anyhow::Result<Vec<v1::TransferResult>> {
    let answer = patiently(|| {
        let batch = make();
        let request = client.request(v1::PostTransferRequest {
            parent: batch.parent,
            transfer: batch.transfers.into_iter().next(),
            request_id: String::new(),
            validate_only: false,
            conditions: Vec::new(),
        });
        let mut commands = client.commands();
        async move { commands.post_transfer(request).await }
    })
    .await;
    let outcome = match answer {
        Ok(response) => {
            let acknowledgement = response.into_inner().acknowledgement;
            acknowledgement.map(transfer_result::Outcome::Acknowledgement)
        }
        Err(status) => match refusal_of(&status) {
            Some(refusal) => Some(transfer_result::Outcome::Refusal(refusal)),
            None => return Err(client.explain(status)),
        },
    };
    Ok(vec![v1::TransferResult { outcome }])
}

async fn batch(
    client: &Client,
    make: impl FnMut() -> v1::PostTransfersRequest,
) -> anyhow::Result<Vec<v1::TransferResult>> {
    let answer = client.post_transfers(make).await;
    Ok(answer.map_err(|status| client.explain(status))?.results)
}

pub(super) fn count(results: Vec<v1::TransferResult>) -> Answer {
    let mut answer = Answer::default();
    for result in results {
        match result.outcome {
            Some(transfer_result::Outcome::Acknowledgement(acknowledgement)) => {
                answer.acknowledged += 1;
                answer.replayed += u64::from(acknowledgement.replayed);
            }
            Some(transfer_result::Outcome::Refusal(_)) | None => answer.refused += 1,
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_has_exact_starts() {
        assert_eq!(offset(0, 100, 50_000), Duration::ZERO);
        assert_eq!(offset(3, 100, 50_000), Duration::from_millis(6));
        assert_eq!(offset(1, 1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(offset(3, 1, 3), Duration::from_secs(1));
    }

    #[test]
    fn results_are_counted_by_kind() {
        let acknowledgement = |replayed| {
            let acknowledgement = v1::Acknowledgement { replayed, ..Default::default() };
            let outcome = Some(transfer_result::Outcome::Acknowledgement(acknowledgement));
            v1::TransferResult { outcome }
        };
        let outcome = Some(transfer_result::Outcome::Refusal(v1::Refusal::default()));
        let refusal = v1::TransferResult { outcome };
        let answer = count(vec![acknowledgement(false), acknowledgement(true), refusal]);
        assert_eq!(answer, Answer { acknowledged: 2, replayed: 1, refused: 1 });
    }

    #[test]
    fn tallies_of_clients_add_up() {
        let mut sum = Tally::new().unwrap();
        for (latency_ms, acknowledged) in [(1, 10), (3, 20)] {
            let mut one = Tally::new().unwrap();
            let answer = Answer { acknowledged, replayed: 1, refused: 2 };
            one.add(answer, Duration::from_millis(latency_ms));
            sum.merge(one).unwrap();
        }
        sum.elapsed = Duration::from_millis(500);
        assert_eq!((sum.acknowledged, sum.replayed, sum.refused, sum.rate()), (30, 2, 4, 60));
        assert_eq!(sum.latency_us.len(), 2);
        assert!((3_000..3_010).contains(&sum.latency_us.max()));
    }
}
