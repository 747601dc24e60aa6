//! The thread that turns what was said to commands into records of the results topic.

use std::sync::Arc;
use std::time::Duration;

use ledger_log::backend::RECORD_BYTES_MAX;
use ledger_log::kafka::publish::{DeliverySink, Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::{Cluster, Topic};
use ledger_log::{Backend, LogError};
use ledger_proto::v1;
use ledger_proto::v1::command_result::Outcome;

use super::FLIGHTS_MAX;
use super::codec::{CONTENT_TYPE, CORRELATION_ID, Codec};
use super::flight::{Envelope, Said, Shared};
use crate::readback;
use crate::reply::{Replied, Reply};
use crate::result::{Answering, reason};

/// A result waits so long for others to share a request with: latency for throughput.
const LINGER: Duration = Duration::from_millis(1);
/// Pause after a client of the brokers has failed for good.
const PAUSE: Duration = Duration::from_millis(500);

/// Answers commands, one after another.
pub(super) struct Answerer {
    shared: Arc<Shared>,
    backend: Arc<dyn Backend>,
    codec: Codec,
    cluster: Cluster,
    publisher: Publisher,
}

/// A command whose result is known.
struct Answered {
    tag: u64,
    envelope: Arc<Envelope>,
    by: AnsweredBy,
}

enum AnsweredBy {
    Writer(Answering, Replied),
    Whole(Box<v1::CommandResult>),
}

impl Answerer {
    pub(super) fn new(
        shared: &Arc<Shared>,
        backend: Arc<dyn Backend>,
        codec: Codec,
        cluster: &Cluster,
    ) -> Result<Answerer, LogError> {
        let publisher = publisher(shared, cluster)?;
        let (shared, cluster) = (shared.clone(), cluster.clone());
        Ok(Answerer { shared, backend, codec, cluster, publisher })
    }

    pub(super) fn run(mut self) {
        while !self.shared.is_stopped() {
            for Answered { tag, envelope, by } in self.answered() {
                if self.shared.is_stopped() {
                    return;
                }
                let result = match by {
                    AnsweredBy::Whole(result) => *result,
                    AnsweredBy::Writer(answering, replied) => match self.complete(replied) {
                        Ok(reply) => answering.result(reply),
                        Err(error) => {
                            self.shared.ask_again(tag, error.to_string());
                            continue;
                        }
                    },
                };
                self.publish(tag, &envelope, result);
            }
        }
    }

    fn complete(&self, replied: Replied) -> Result<Reply, LogError> {
        if replied.lookups.is_empty() {
            return Ok(replied.reply);
        }
        readback::complete(&*self.backend, replied)
    }

    /// What is decided, of what was said; the rest is asked again.
    fn answered(&self) -> Vec<Answered> {
        let said = self.shared.heard();
        let mut answered = Vec::with_capacity(said.len());
        let mut flights = self.shared.flights();
        for (tag, said) in said {
            // Its partition may be another server's by now.
            let Some(flight) = flights.get_mut(&tag) else { continue };
            if let Some(why) = undecided(&said) {
                self.shared.ask_again(tag, why);
                continue;
            }
            let envelope = flight.envelope.clone();
            let by = match said {
                Said::Result(result) => AnsweredBy::Whole(result),
                Said::Replied(replied) => match flight.answering.take() {
                    Some(answering) => AnsweredBy::Writer(answering, replied),
                    None => continue,
                },
            };
            answered.push(Answered { tag, envelope, by });
        }
        answered
    }

    fn publish(&mut self, tag: u64, envelope: &Envelope, result: v1::CommandResult) {
        let record = &envelope.record;
        // A record can be all key.
        let key = record.key.as_deref().filter(|key| key.len() < RECORD_BYTES_MAX / 2);
        let beside = key.map_or(0, <[u8]>::len) + envelope.correlation.len();
        let bytes_max = RECORD_BYTES_MAX - beside;
        let (value, encoding) = self.codec.encode(result, envelope.encoding, bytes_max);
        let content_type = encoding.content_type().as_bytes();
        let headers =
            [(CORRELATION_ID, envelope.correlation.as_slice()), (CONTENT_TYPE, content_type)];
        let partition = Some(record.partition);
        let outgoing = Outgoing { partition, key, value: Some(&value), headers: &headers };
        // Brokers that take nothing do not keep a server from ending: the next owner answers.
        let wanted = || !self.shared.is_stopped();
        if let Err(error) = self.publisher.publish_while(tag, &outgoing, wanted) {
            self.shared.ask_again(tag, error.to_string());
            self.begin_anew(&error);
        }
    }

    /// Another client of the brokers, for one that has failed for good says nothing of what it had. What
    /// was on its way is asked again: it is decided already, and its result may come twice.
    #[expect(clippy::disallowed_methods, reason = "a pause of a thread that can do nothing else")]
    fn begin_anew(&mut self, error: &LogError) {
        tracing::error!(%error, "results cannot be published, trying anew");
        std::thread::sleep(PAUSE);
        match publisher(&self.shared, &self.cluster) {
            Ok(publisher) => self.publisher = publisher,
            Err(error) => tracing::error!(%error, "there is no other publisher"),
        }
        let flights = self.shared.flights();
        let on_their_way = flights.iter().filter(|(_, flight)| flight.answering.is_none());
        for (tag, _) in on_their_way {
            self.shared.ask_again(*tag, "its result may not have been published".into());
        }
    }
}

fn publisher(shared: &Arc<Shared>, cluster: &Cluster) -> Result<Publisher, LogError> {
    let results = cluster.options().topic(Topic::Results);
    let options = PublishOptions {
        linger: LINGER,
        // Room for all that can be on its way, so that publishing hardly ever waits.
        queue_records_max: u32::try_from(2 * FLIGHTS_MAX).unwrap_or(u32::MAX),
        ..PublishOptions::to(results)
    };
    let hears = shared.clone();
    let sink: DeliverySink = Box::new(move |tag, delivered| match delivered {
        Ok(()) => hears.delivered(tag),
        Err(error) => hears.ask_again(tag, error.to_string()),
    });
    Publisher::new(cluster, options, sink)
}

/// Why a command has no outcome that it can be told of.
fn undecided(said: &Said) -> Option<String> {
    match said {
        Said::Replied(replied) => match &replied.reply {
            Reply::NotRecorded { reason } | Reply::Unknown { reason } => Some(reason.clone()),
            Reply::NotOwner => Some("another server writes the partition".into()),
            Reply::Overloaded { .. } => Some("the queue is full".into()),
            Reply::One(_) | Reply::Items(_) => None,
        },
        Said::Result(result) => match &result.outcome {
            Some(Outcome::Failure(failure)) if failure.reason != reason::MALFORMED_COMMAND => {
                Some(failure.message.clone())
            }
            Some(_) => None,
            None => Some("no outcome".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ledger_log::embedded::{Embedded, EmbeddedOptions};
    use ledger_log::kafka::KafkaOptions;
    use ledger_proto::command::prepare;

    use super::*;
    use crate::ingress::codec::Encoding;
    use crate::ingress::flight::{Flight, Stage};

    /// There is no broker.
    fn answerer(folder: &Path) -> Answerer {
        let backend = Embedded::open(folder, EmbeddedOptions::default()).unwrap();
        let options = KafkaOptions { bootstrap: "127.0.0.1:9".into(), ..KafkaOptions::default() };
        let cluster = Cluster::new(options).unwrap();
        Answerer::new(&Arc::default(), backend, Codec::new().unwrap(), &cluster).unwrap()
    }

    fn envelope() -> Arc<Envelope> {
        let (record, correlation) = Default::default();
        Arc::new(Envelope { record, encoding: Encoding::Json, correlation })
    }

    /// What the writer was asked, and has not answered yet.
    fn asked() -> Answering {
        let (ledger_id, request_id) = ("bank".into(), "1".into());
        let create = v1::CreateLedgerRequest { ledger_id, request_id, ..Default::default() };
        let request = Some(v1::command::Request::CreateLedger(create));
        Answering::of(&mut prepare(&v1::Command { request }).unwrap())
    }

    /// A client that has failed says nothing of what it had: all of that is asked again, and nothing else.
    #[test]
    fn what_a_publisher_had_that_has_failed_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut answerer = answerer(folder.path());
        let shared = answerer.shared.clone();
        for (tag, answering) in [(1, None), (2, Some(asked())), (3, None)] {
            let flight = Flight { envelope: envelope(), answering, stage: Stage::Open };
            shared.flights().insert(tag, flight);
        }
        for tag in [1, 3] {
            answerer.publish(tag, &envelope(), v1::CommandResult::default());
        }
        assert_eq!(answerer.publisher.in_flight(), 2);
        let error = LogError::Unavailable { what: "fenced".into() };
        answerer.begin_anew(&error);
        assert_eq!(answerer.publisher.in_flight(), 0, "it is another");
        let (delivered, mut again) = shared.take_settled();
        again.sort();
        again.dedup_by_key(|(tag, _)| *tag);
        assert_eq!(again.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [1, 3]);
        assert!(delivered.is_empty());
    }
}
