//! A load over the commands topic: commands are published, results read from the results topic.

use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use indicatif::ProgressBar;
use ledger_log::LogError;
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::records::{KafkaRecord, ReadFrom, Records};
use ledger_log::kafka::{Cluster, KafkaOptions, Topic};
use ledger_proto::v1;
use ledger_proto::v1::command::Request;
use ledger_proto::v1::command_result::Outcome;
use ledger_proto::v1::transfer_result;
use prost::Message;
use serde_json::Value;

use super::measure::{Answer, Tally, count, offset};
use super::plan::Plan;
use crate::{commands, json};

/// One look for results, and for whether all has stopped.
const LOOK: Duration = Duration::from_millis(50);
/// Records wait so long for others to share a request with.
const LINGER: Duration = Duration::from_millis(1);
/// Librdkafka asks for its producer's id half a second after a client is made, and sends nothing before: not
/// what is to be measured.
const PRODUCER_READY: Duration = Duration::from_secs(1);
const CORRELATION_ID: &str = "correlation-id";
const CONTENT_TYPE: &str = "content-type";

/// A load over Kafka.
#[derive(Debug)]
pub(super) struct TopicLoad {
    pub(super) plan: Arc<Plan>,
    /// Transfers a second, as an open loop; otherwise `window` commands are on their way at a time.
    pub(super) rate: Option<u64>,
    pub(super) window: u64,
    pub(super) as_json: bool,
    /// Nothing is heard for so long: the load has stopped.
    pub(super) patience: Duration,
    pub(super) bar: ProgressBar,
}

/// Shared by the sender and the reader.
struct Progress {
    began: Instant,
    /// When each command was to be sent, in nanoseconds after the beginning.
    starts: Vec<AtomicU64>,
    /// How many were answered.
    answered: Mutex<u64>,
    moved: Condvar,
    stop: AtomicBool,
}

/// What publishes the commands.
struct Sender {
    publisher: Publisher,
    /// Why the first command that the brokers did not take was lost.
    lost: Arc<Mutex<Option<LogError>>>,
}

impl Sender {
    fn new(cluster: &Cluster) -> anyhow::Result<Sender> {
        let topic = cluster.options().topic(Topic::Commands);
        let lost = Arc::new(Mutex::new(None::<LogError>));
        let hears = lost.clone();
        let publisher = Publisher::new(
            cluster,
            PublishOptions { linger: LINGER, ..PublishOptions::to(topic) },
            Box::new(move |_, delivered| {
                if let Err(error) = delivered {
                    hears.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }),
        )?;
        Ok(Sender { publisher, lost })
    }
}

impl TopicLoad {
    /// Runs to its end; blocks. Also how many results came more than once.
    pub(super) fn run(self, options: KafkaOptions) -> anyhow::Result<(Tally, u64)> {
        let run = commands::fresh_id();
        let cluster = Cluster::new(options)?;
        let results = cluster.options().topic(Topic::Results);
        let results = Records::open(&cluster, &results, &ReadFrom::End)?;
        let requests = self.plan.requests();
        let sender = Sender::new(&cluster)?;
        std::thread::sleep(PRODUCER_READY);
        let progress = Arc::new(Progress {
            began: Instant::now(),
            starts: (0..requests).map(|_| AtomicU64::new(0)).collect(),
            answered: Mutex::new(0),
            moved: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let reader = Reader {
            results,
            run: run.clone(),
            commands: cluster.options().topic(Topic::Commands),
            plan: self.plan.clone(),
            progress: progress.clone(),
            patience: self.patience,
            bar: self.bar.clone(),
            seen: HashSet::new(),
            repeated: 0,
        };
        let reading = std::thread::spawn(move || reader.run());
        let sent = self.send(&sender, &run, &progress);
        if sent.is_err() {
            progress.stop.store(true, Ordering::Release);
        }
        let read = reading.join().map_err(|_| anyhow::anyhow!("the reader of results panicked"))?;
        let (mut tally, repeated) = match (read, sent) {
            // Whoever reads knows best why all has stopped.
            (Ok((tally, repeated)), _) if tally.stopped_by.is_some() => (tally, repeated),
            (read, sent) => sent.and(read)?,
        };
        tally.elapsed = progress.began.elapsed();
        Ok((tally, repeated))
    }

    fn send(&self, sender: &Sender, run: &str, progress: &Progress) -> anyhow::Result<()> {
        let Sender { publisher, lost } = sender;
        let content_type: (&str, &[u8]) = match self.as_json {
            true => (CONTENT_TYPE, b"application/json"),
            false => (CONTENT_TYPE, b"application/x-protobuf"),
        };
        for number in 0..self.plan.requests() {
            let command = command(&self.plan, number);
            let value = if self.as_json {
                json::of("Command", &command)?.to_string().into_bytes()
            } else {
                command.encode_to_vec()
            };
            if !self.await_turn(number, progress) {
                bail!("the load stopped early");
            }
            let correlation = format!("{run}:{number}");
            let headers = [(CORRELATION_ID, correlation.as_bytes()), content_type];
            let key = Some(self.plan.ledger(number).as_bytes());
            let record = Outgoing { partition: None, key, value: Some(&value), headers: &headers };
            publisher.publish(number, &record)?;
        }
        ensure!(publisher.flush(self.patience), "the brokers did not take all commands");
        match lost.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(error) => Err(error).context("a command was not taken by the brokers"),
        }
    }

    /// Until command `number` is to be sent; whether it is, and not all has stopped.
    fn await_turn(&self, number: u64, progress: &Progress) -> bool {
        let start = match self.rate {
            Some(rate) => {
                let due = offset(number, self.plan.batch(), rate);
                while !progress.stop.load(Ordering::Acquire) {
                    let left = due.saturating_sub(progress.began.elapsed());
                    if left.is_zero() {
                        break;
                    }
                    std::thread::sleep(left.min(LOOK));
                }
                due
            }
            None => {
                let answered = progress.answered.lock().unwrap_or_else(PoisonError::into_inner);
                let waits = |answered: &mut u64| {
                    number - *answered >= self.window && !progress.stop.load(Ordering::Acquire)
                };
                drop(progress.moved.wait_while(answered, waits));
                progress.began.elapsed()
            }
        };
        if let Some(place) = usize::try_from(number).ok().and_then(|n| progress.starts.get(n)) {
            place.store(u64::try_from(start.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
        }
        !progress.stop.load(Ordering::Acquire)
    }
}

/// Command `number` of a plan.
fn command(plan: &Plan, number: u64) -> v1::Command {
    let batch = plan.request(number);
    let request = if plan.batch() == 1 {
        let v1::PostTransfersRequest { parent, mut transfers, request_id, .. } = batch;
        let transfer = transfers.pop();
        let (validate_only, conditions) = (batch.validate_only, batch.conditions);
        Request::PostTransfer(v1::PostTransferRequest {
            parent,
            transfer,
            request_id,
            validate_only,
            conditions,
        })
    } else {
        Request::PostTransfers(batch)
    };
    v1::Command { request: Some(request) }
}

/// Writes a plan's commands as JSON, one a line, for tools that send lines.
pub(super) fn write_payload(plan: &Plan, file: &Path) -> anyhow::Result<()> {
    let opened = std::fs::File::create(file).with_context(|| file.display().to_string())?;
    let mut lines = BufWriter::new(opened);
    for number in 0..plan.requests() {
        writeln!(lines, "{}", json::of("Command", &command(plan, number))?)
            .with_context(|| file.display().to_string())?;
    }
    lines.flush().with_context(|| file.display().to_string())
}

/// The thread that reads results.
struct Reader {
    results: Records,
    run: String,
    /// The topic that the commands went to.
    commands: String,
    plan: Arc<Plan>,
    progress: Arc<Progress>,
    patience: Duration,
    bar: ProgressBar,
    seen: HashSet<u64>,
    repeated: u64,
}

impl Reader {
    fn run(mut self) -> anyhow::Result<(Tally, u64)> {
        let read = self.read();
        if read.as_ref().map_or(true, |tally| tally.stopped_by.is_some()) {
            // Under the lock of whoever waits for its turn: it sees this, or is woken by it.
            let answered = self.progress.answered.lock().unwrap_or_else(PoisonError::into_inner);
            self.progress.stop.store(true, Ordering::Release);
            drop(answered);
        }
        self.progress.moved.notify_all();
        Ok((read?, self.repeated))
    }

    fn read(&mut self) -> anyhow::Result<Tally> {
        let mut tally = Tally::new()?;
        let requests = self.plan.requests();
        let mut heard_at = Instant::now();
        while (self.seen.len() as u64) < requests {
            ensure!(!self.progress.stop.load(Ordering::Acquire), "the commands were not sent");
            let records = self.results.poll(LOOK)?;
            let now = self.progress.began.elapsed();
            let before = self.seen.len();
            for record in records {
                self.result(&record, now, &mut tally)?;
            }
            let fresh = (self.seen.len() - before) as u64;
            if fresh > 0 {
                heard_at = Instant::now();
                *self.progress.answered.lock().unwrap_or_else(PoisonError::into_inner) += fresh;
                self.progress.moved.notify_all();
            } else if heard_at.elapsed() > self.patience {
                let (seen, seconds) = (self.seen.len(), self.patience.as_secs());
                tally.stopped_by = Some(anyhow::anyhow!(
                    "{seen} of {requests} results came, and none for {seconds} s: does a server with \
                     the role command take the commands of {}?",
                    self.commands
                ));
                return Ok(tally);
            }
        }
        Ok(tally)
    }

    fn result(
        &mut self,
        record: &KafkaRecord,
        now: Duration,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        // Other results of the topic are of no concern.
        let Some(number) = self.number(record) else { return Ok(()) };
        if !self.seen.insert(number) {
            self.repeated += 1;
            return Ok(());
        }
        let start = usize::try_from(number).ok().and_then(|n| self.progress.starts.get(n));
        let start = start.map_or(0, |start| start.load(Ordering::Acquire));
        let transfers = self.plan.transfers_of(number);
        let answer = answer(record, transfers)?;
        self.bar.inc(transfers);
        tally.add(answer, now.saturating_sub(Duration::from_nanos(start)));
        Ok(())
    }

    fn number(&self, record: &KafkaRecord) -> Option<u64> {
        let correlation = std::str::from_utf8(record.header(CORRELATION_ID)?).ok()?;
        let number = correlation.strip_prefix(&self.run)?.strip_prefix(':')?.parse().ok()?;
        (number < self.plan.requests()).then_some(number)
    }
}

/// What came of a command of this many transfers.
fn answer(record: &KafkaRecord, transfers: u64) -> anyhow::Result<Answer> {
    let value = record.value.as_deref().unwrap_or_default();
    if record.header(CONTENT_TYPE) == Some(b"application/json") {
        let value: Value = serde_json::from_slice(value).context("reading a result")?;
        return Ok(answer_in_json(&value, transfers));
    }
    let result = v1::CommandResult::decode(value).context("reading a result")?;
    Ok(match result.outcome {
        Some(Outcome::Acknowledgement(acknowledgement)) => {
            let outcome = Some(transfer_result::Outcome::Acknowledgement(acknowledgement));
            count(vec![v1::TransferResult { outcome }])
        }
        Some(Outcome::Transfers(batch)) => count(batch.results),
        Some(Outcome::Refusal(_) | Outcome::Failure(_)) | None => refused(transfers),
    })
}

fn refused(transfers: u64) -> Answer {
    Answer { refused: transfers, ..Answer::default() }
}

fn answer_in_json(value: &Value, transfers: u64) -> Answer {
    let one = |value: &Value| {
        let acknowledged = value["acknowledgement"].is_object();
        let replayed = value["acknowledgement"]["replayed"] == true;
        Answer {
            acknowledged: acknowledged.into(),
            replayed: replayed.into(),
            refused: (!acknowledged).into(),
        }
    };
    match value["transfers"]["results"].as_array() {
        None if value["acknowledgement"].is_object() => one(value),
        None => refused(transfers),
        Some(results) => results.iter().map(one).fold(Answer::default(), |sum, one| Answer {
            acknowledged: sum.acknowledged + one.acknowledged,
            replayed: sum.replayed + one.replayed,
            refused: sum.refused + one.refused,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: Vec<u8>, as_json: bool) -> KafkaRecord {
        let content_type: &[u8] =
            if as_json { b"application/json" } else { b"application/x-protobuf" };
        let headers = vec![(CONTENT_TYPE.to_owned(), content_type.to_vec())];
        KafkaRecord { value: Some(value), headers, ..KafkaRecord::default() }
    }

    #[test]
    fn results_of_both_forms_are_counted_alike() {
        let acknowledgement =
            v1::Acknowledgement { replayed: true, position: "0@1.0".into(), recorded_at: None };
        let item = |outcome| v1::TransferResult { outcome: Some(outcome) };
        let results = vec![
            item(transfer_result::Outcome::Acknowledgement(acknowledgement.clone())),
            item(transfer_result::Outcome::Refusal(v1::Refusal::default())),
        ];
        let batch = v1::PostTransfersResponse { results, position: String::new() };
        let answered = |acknowledged, replayed, refused| Answer { acknowledged, replayed, refused };
        for (outcome, transfers, expected) in [
            (Outcome::Acknowledgement(acknowledgement), 1, answered(1, 1, 0)),
            (Outcome::Transfers(batch), 2, answered(1, 1, 1)),
            (Outcome::Refusal(v1::Refusal::default()), 7, answered(0, 0, 7)),
            (Outcome::Failure(v1::Failure::default()), 1, answered(0, 0, 1)),
        ] {
            let result = v1::CommandResult { outcome: Some(outcome), ..Default::default() };
            let protobuf = record(result.encode_to_vec(), false);
            assert_eq!(answer(&protobuf, transfers).unwrap(), expected);
            let text = json::of("CommandResult", &result).unwrap().to_string();
            assert_eq!(answer(&record(text.into_bytes(), true), transfers).unwrap(), expected);
        }
        assert!(answer(&record(b"hello".to_vec(), true), 1).is_err());
        assert_eq!(answer_in_json(&json!({}), 3), answered(0, 0, 3));
    }
}
