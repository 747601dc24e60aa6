//! A log moved to another backend: byte for byte and offset for offset, so that everything derived from it
//! goes on there. Starting small is no dead end, and neither is a cluster.

use std::sync::mpsc::{self, Receiver};

use crate::backend::{Backend, Outcome, Producer, RawRecord, Report};
use crate::log::LogError;

/// Bytes of the log read at once.
const READ_BYTES_MAX: usize = 4 << 20;
/// Records sent and not reported.
const IN_FLIGHT_MAX: usize = 64;

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which partition.
    pub partition: u32,
    /// Records that stand in the target, compared or copied.
    pub records: u64,
    /// Records of the source.
    pub records_total: u64,
}

/// Copies every partition of a log that nobody writes; how many records were written.
///
/// What the target has already is compared, byte for byte, and kept: so a copy that was cut short goes on,
/// and one that is done changes nothing.
///
/// # Errors
/// [`LogError::Mismatch`] when the two have other partition counts;
/// [`LogError::Diverged`] when the target holds anything else than the beginning of the source, or somebody
/// writes to it;
/// [`LogError::Unavailable`] when the target did not acknowledge a record: copying again goes on.
pub fn copy(
    from: &dyn Backend,
    to: &dyn Backend,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, LogError> {
    let (count, wanted) = (to.partition_count(), from.partition_count());
    if count != wanted {
        let what = format!("the target has {count} partitions, the source {wanted}");
        return Err(LogError::Mismatch { what });
    }
    let mut written = 0;
    for partition in 0..count {
        let (records_total, there) = (from.end(partition)?, to.end(partition)?);
        let mut tell = |records| progress(Progress { partition, records, records_total });
        if there > records_total {
            let what = format!("the target holds {there} records, the source {records_total}");
            return Err(LogError::Diverged { partition, what });
        }
        compare(from, to, partition, there, &mut tell)?;
        append(from, to, partition, there..records_total, &mut tell)?;
        written += records_total - there;
    }
    Ok(written)
}

/// Holds the first records of both together.
fn compare(
    from: &dyn Backend,
    to: &dyn Backend,
    partition: u32,
    there: u64,
    tell: &mut dyn FnMut(u64),
) -> Result<(), LogError> {
    let mut next = 0;
    while next < there {
        let source = read(from, partition, next)?;
        // The same number of records, whatever windows the other backend reads in.
        for record in source.into_iter().take_while(|record| record.offset < there) {
            let other = to.read(partition, next, 1)?.into_iter().next();
            if other.as_ref() != Some(&record) {
                let what = format!("offset {next} of the target holds another record");
                return Err(LogError::Diverged { partition, what });
            }
            next += 1;
        }
        tell(next);
    }
    Ok(())
}

fn append(
    from: &dyn Backend,
    to: &dyn Backend,
    partition: u32,
    offsets: std::ops::Range<u64>,
    tell: &mut dyn FnMut(u64),
) -> Result<(), LogError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let (told, reports) = mpsc::channel();
    let producer = to.producer(
        partition,
        Box::new(move |report| {
            let _ = told.send(report);
        }),
    )?;
    let mut appending = Appending {
        partition,
        producer,
        reports,
        acknowledged: offsets.start,
        sent: offsets.start,
    };
    while appending.sent < offsets.end {
        let records = read(from, partition, appending.sent)?;
        for RawRecord { offset, bytes } in records {
            if offset < offsets.end {
                appending.send(bytes)?;
            }
        }
        tell(appending.acknowledged);
    }
    while appending.acknowledged < offsets.end {
        appending.await_one()?;
    }
    tell(offsets.end);
    Ok(())
}

fn read(from: &dyn Backend, partition: u32, next: u64) -> Result<Vec<RawRecord>, LogError> {
    let records = from.read(partition, next, READ_BYTES_MAX)?;
    if records.is_empty() {
        let what = format!("offset {next} was there before and is not now");
        return Err(LogError::Diverged { partition, what });
    }
    Ok(records)
}

struct Appending {
    partition: u32,
    producer: Box<dyn Producer>,
    reports: Receiver<Report>,
    /// Offsets before it stand in the target.
    acknowledged: u64,
    sent: u64,
}

impl Appending {
    fn send(&mut self, bytes: Vec<u8>) -> Result<(), LogError> {
        while self.sent - self.acknowledged >= IN_FLIGHT_MAX as u64 {
            self.await_one()?;
        }
        self.producer.send(self.sent, bytes)?;
        self.sent += 1;
        Ok(())
    }

    fn await_one(&mut self) -> Result<(), LogError> {
        let (partition, offset) = (self.partition, self.acknowledged);
        let unavailable = || LogError::Unavailable {
            what: format!(
                "partition {partition} offset {offset} was not acknowledged: copy again to go on"
            ),
        };
        let report = self.reports.recv().map_err(|_| unavailable())?;
        match report.outcome {
            Outcome::Durable(Some(at)) if at != offset => {
                let what =
                    format!("offset {offset} was written at {at}: somebody else writes the target");
                Err(LogError::Diverged { partition, what })
            }
            Outcome::Durable(_) => {
                self.acknowledged += 1;
                Ok(())
            }
            Outcome::Unknown | Outcome::Failed => Err(unavailable()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::embedded::{Embedded, EmbeddedOptions};
    use crate::log::open;
    use crate::record::LogId;

    fn log(dir: &std::path::Path, partition_count: u32) -> Arc<Embedded> {
        let options = EmbeddedOptions { partition_count, ..EmbeddedOptions::default() };
        Embedded::open(dir, options).unwrap()
    }

    fn write(log: &dyn Backend, partition: u32, records: impl IntoIterator<Item = Vec<u8>>) {
        let (told, reports) = mpsc::channel();
        let sink = Box::new(move |report| told.send(report).unwrap());
        let mut producer = log.producer(partition, sink).unwrap();
        let sent = records.into_iter().zip(0..).map(|(bytes, ticket)| {
            producer.send(ticket, bytes).unwrap();
        });
        let sent = sent.count();
        assert_eq!(reports.iter().take(sent).count(), sent);
    }

    fn all(log: &dyn Backend, partition: u32) -> Vec<RawRecord> {
        log.read(partition, 0, usize::MAX).unwrap()
    }

    #[test]
    fn a_copy_is_the_log_and_goes_on_where_it_was_cut() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [from, to] = [log(dirs[0].path(), 2), log(dirs[1].path(), 2)];
        let info = open(&*from, LogId([9; 16])).unwrap();
        write(&*from, 1, (0..500u32).map(|i| i.to_le_bytes().repeat(i as usize)));
        // What an earlier copy had come to.
        write(&*to, 1, all(&*from, 1).into_iter().take(77).map(|record| record.bytes));
        let mut seen = Vec::new();
        let written = copy(&*from, &*to, &mut |progress| seen.push(progress)).unwrap();
        assert_eq!(written, 1 + 501 - 77);
        for partition in 0..2 {
            assert_eq!(all(&*to, partition), all(&*from, partition));
        }
        let last = Progress { partition: 1, records: 501, records_total: 501 };
        assert_eq!(seen.last(), Some(&last));
        assert_eq!(open(&*to, LogId([1; 16])), Ok(info), "it is the same log");
        assert_eq!(copy(&*from, &*to, &mut |_| {}), Ok(0), "done is done");
    }

    #[test]
    fn a_target_with_anything_else_is_refused_and_left_alone() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [from, to] = [log(dirs[0].path(), 1), log(dirs[1].path(), 1)];
        write(&*from, 0, [b"one".to_vec(), b"two".to_vec()]);
        write(&*to, 0, [b"one".to_vec(), b"other".to_vec()]);
        let error = copy(&*from, &*to, &mut |_| {}).unwrap_err().to_string();
        assert!(error.starts_with("LOG_DIVERGED partition 0: offset 1"), "{error}");
        write(&*to, 0, [b"three".to_vec()]);
        let error = copy(&*from, &*to, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("holds 3 records, the source 2"), "{error}");
        assert_eq!(to.end(0), Ok(3));

        let other = tempfile::tempdir().unwrap();
        let error = copy(&*from, &*log(other.path(), 3), &mut |_| {}).unwrap_err().to_string();
        assert!(error.starts_with("LOG_MISMATCH: the target has 3 partitions"), "{error}");
    }
}
