//! Appends to one partition.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{
    BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer,
};

use super::client::{Clients, native};
use crate::backend::{Outcome, Producer, RECORD_BYTES_MAX, Report, ReportSink, check_size};
use crate::log::LogError;

/// One client of librdkafka for each term of a writer: what an older one still has in flight is of no
/// concern to it.
pub(super) struct KafkaProducer {
    clients: Clients,
    partition: u32,
    /// Present until it is dropped.
    producer: Option<ThreadedProducer<Reporting>>,
}

/// A client that waits for its use. Librdkafka asks for the id of an idempotent producer half a second
/// after a client is made: a new term need not wait for that.
#[derive(Default)]
pub(super) struct Spare(Mutex<Option<ThreadedProducer<Reporting>>>);

impl Spare {
    pub(super) fn producer(
        &self,
        clients: &Clients,
        partition: u32,
        reports: ReportSink,
    ) -> Result<KafkaProducer, LogError> {
        let next = clients.producer(Reporting::default())?;
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(next);
        let producer = match spare.filter(|spare| spare.client().fatal_error().is_none()) {
            Some(spare) => spare,
            None => clients.producer(Reporting::default())?,
        };
        let unused = producer.context().to.set(To { partition, reports }).is_ok();
        assert!(unused, "a spare client has reported to nobody");
        Ok(KafkaProducer { clients: clients.clone(), partition, producer: Some(producer) })
    }
}

impl Producer for KafkaProducer {
    fn send(&mut self, ticket: u64, bytes: Vec<u8>) -> Result<(), LogError> {
        check_size(bytes.len(), RECORD_BYTES_MAX)?;
        let Some(producer) = &self.producer else { unreachable!("it was dropped") };
        let sent = &producer.context().sent;
        let number = lock(sent).note(ticket);
        let record: BaseRecord<'_, (), [u8], usize> =
            BaseRecord::with_opaque_to(self.clients.topic(), number)
                .partition(native(self.partition))
                .payload(bytes.as_slice());
        producer.send(record).map_err(|(error, _)| {
            lock(sent).forget_last();
            self.clients.unavailable(&error)
        })
    }
}

impl Drop for KafkaProducer {
    /// Librdkafka takes up to half a second to let go of what is in flight: not on the writer's thread.
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: ends a client")]
    fn drop(&mut self) {
        let producer = self.producer.take();
        let ending = std::thread::Builder::new().name("kafka-ending".into());
        if let Err(error) = ending.spawn(move || drop(producer)) {
            tracing::warn!(%error, "a Kafka producer was ended in place");
        }
    }
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProducer").field("partition", &self.partition).finish_non_exhaustive()
    }
}

/// Turns delivery reports into ours.
#[derive(Default)]
struct Reporting {
    /// Who hears of them, once the client is used.
    to: OnceLock<To>,
    sent: Mutex<Sent>,
}

struct To {
    partition: u32,
    reports: ReportSink,
}

impl Reporting {
    fn partition(&self) -> Option<u32> {
        self.to.get().map(|to| to.partition)
    }
}

/// Sends whose reports are awaited. Librdkafka reports in the order of the sends while all goes well, but
/// not what it gives up: those wait here for the ones before them.
#[derive(Debug, Default)]
struct Sent {
    /// Number of the oldest.
    first: usize,
    tickets: VecDeque<(u64, Option<Outcome>)>,
}

impl Sent {
    fn note(&mut self, ticket: u64) -> usize {
        self.tickets.push_back((ticket, None));
        self.first + self.tickets.len() - 1
    }

    fn forget_last(&mut self) {
        self.tickets.pop_back();
    }

    /// Reports that may leave now that this one came.
    fn settle(&mut self, number: usize, outcome: Outcome) -> Vec<Report> {
        let place = number.checked_sub(self.first).and_then(|place| self.tickets.get_mut(place));
        if let Some((_, settled)) = place {
            *settled = Some(outcome);
        }
        let mut reports = Vec::new();
        while let Some((ticket, Some(outcome))) =
            self.tickets.pop_front_if(|(_, outcome)| outcome.is_some())
        {
            self.first += 1;
            reports.push(Report { ticket, outcome });
        }
        reports
    }
}

impl ClientContext for Reporting {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(partition = self.partition(), %error, reason, "kafka producer");
    }
}

impl ProducerContext<NoCustomPartitioner> for Reporting {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            // A retry that the broker had already: durable, but where was said to nobody.
            Ok(message) => Outcome::Durable(u64::try_from(message.offset()).ok()),
            Err((error, _)) => {
                tracing::warn!(partition = self.partition(), %error, "no acknowledgement");
                Outcome::Unknown
            }
        };
        // Only librdkafka's one polling thread comes here, so that reports keep their order.
        let reports = lock(&self.sent).settle(number, outcome);
        if let Some(to) = self.to.get() {
            reports.into_iter().for_each(&to.reports);
        }
    }
}

fn lock(sent: &Mutex<Sent>) -> MutexGuard<'_, Sent> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_leave_in_the_order_of_the_sends() {
        let mut sent = Sent::default();
        let numbers: Vec<usize> = (10..14).map(|ticket| sent.note(ticket)).collect();
        sent.forget_last();
        let report = |ticket, outcome| Report { ticket, outcome };
        assert_eq!(sent.settle(numbers[1], Outcome::Unknown), []);
        assert_eq!(
            sent.settle(numbers[0], Outcome::Durable(Some(7))),
            [report(10, Outcome::Durable(Some(7))), report(11, Outcome::Unknown)]
        );
        assert_eq!(sent.note(20), numbers[3]);
        assert_eq!(sent.settle(numbers[3], Outcome::Durable(None)), []);
        assert_eq!(
            sent.settle(numbers[2], Outcome::Failed),
            [report(12, Outcome::Failed), report(20, Outcome::Durable(None))]
        );
        assert_eq!(sent.settle(numbers[2], Outcome::Unknown), [], "a number is settled once");
    }
}
