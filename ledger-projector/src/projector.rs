//! The projector as a step without I/O of its own.

use std::sync::Arc;

use ledger_domain::{Event, Timestamp};
use ledger_log::record::Commit;
use ledger_log::{
    Backend, Cursor, Decision, KnownEnd, LogError, LogId, LogInfo, RawRecord, Reader,
};
use ledger_proto::logged;
use ledger_views::{
    Freshness, StoreError, ViewLog, ViewReader, ViewRecord, ViewRecordKind, ViewStore, ViewWriter,
};

use crate::error::ProjectorError;
use crate::fresh::Marks;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records that it applied; none at the end of the log.
    pub records: usize,
    /// Offset of the next record.
    pub next: u64,
}

/// Follows one partition and keeps one view of it.
#[derive(Debug)]
pub struct Projector {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) partition: u32,
    log_id: LogId,
    reader: Reader,
    writer: ViewWriter,
    /// Bytes of the log that were applied since the last flush.
    pub(crate) unflushed: usize,
    /// Why it stands.
    stopped: Option<ProjectorError>,
    /// The log's count when it was compared last.
    reconnects: u64,
    /// Where the log ended at which instants.
    marks: Marks,
}

/// A record that counts as decided, and where the reader is after it.
struct Read {
    record: ViewRecord,
    after: Cursor,
}

impl Projector {
    /// Goes on where the view in this store was left.
    ///
    /// # Errors
    /// [`LogError::Diverged`] when the log is not the one that the view was made from: then a person
    /// decides; nothing is rebuilt. [`StoreError`] when the view cannot be read.
    pub fn open(
        backend: Arc<dyn Backend>,
        log: LogInfo,
        partition: u32,
        store: Arc<dyn ViewStore>,
    ) -> Result<Self, ProjectorError> {
        let partition_count = log.partition_count;
        let writer =
            ViewWriter::open(store, ViewLog { log_id: log.id.0, partition, partition_count });
        let writer = writer.map_err(|error| match error {
            StoreError::OtherLog { what } => {
                ProjectorError::Log(LogError::Diverged { partition, what })
            }
            other => other.into(),
        })?;
        let reconnects = backend.reconnects();
        let reader = reader_after(&writer, backend.as_ref(), log.id, partition)?;
        Ok(Projector {
            backend,
            partition,
            log_id: log.id,
            reader,
            writer,
            unflushed: 0,
            stopped: None,
            reconnects,
            marks: Marks::default(),
        })
    }

    /// A reader of the view.
    #[must_use]
    pub fn view(&self) -> ViewReader {
        self.writer.reader()
    }

    /// Which partition it follows.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Applies the next records, about `bytes_max` of them, in one write, and tells the readers how stale the
    /// view is `now`: at least how stale, for the clock was read before.
    ///
    /// # Errors
    /// [`ProjectorError`]: what stands before the record that caused it is applied. When it
    /// [`ProjectorError::is_transient`], the next step tries again; else each answers the same. Unless
    /// it is the log that cannot be read for a while, the view is parked as long.
    pub fn step(&mut self, now: Timestamp, bytes_max: usize) -> Result<Progress, ProjectorError> {
        if let Some(error) = self.stopped.as_ref().filter(|error| !error.is_transient()) {
            return Err(error.clone());
        }
        let known = self.backend.known_end(self.partition, now.max(0).cast_unsigned());
        let ready = if self.stopped.take().is_some() { self.go_on() } else { self.compare() };
        let done = ready.and_then(|()| self.apply_next(bytes_max));
        // A log that is another tells nothing of how stale the view of the old one is.
        if done.is_ok() {
            self.tell(known, now);
        }
        done.map_err(|error| self.stand(error))
    }

    /// Tells the readers how the view stands to the log.
    fn tell(&mut self, known: Option<KnownEnd>, now: Timestamp) {
        let Some(KnownEnd { end, confirmed }) = known else { return };
        if let Some(confirmed) = confirmed {
            self.marks.hear(confirmed);
        }
        let reached = self.marks.reach(self.reader.cursor().next);
        let caught_up_at = reached.and_then(|at_ns| Timestamp::try_from(at_ns).ok());
        self.writer.tell(Freshness { caught_up_at, known_end: end }, now);
    }

    /// Compares what was read with a log that was away in the meantime.
    fn compare(&mut self) -> Result<(), ProjectorError> {
        let reconnects = self.backend.reconnects();
        if reconnects != self.reconnects {
            self.reader.cursor().verify(&*self.backend, self.log_id)?;
            self.reconnects = reconnects;
        }
        Ok(())
    }

    /// Makes durable what was applied.
    ///
    /// # Errors
    /// As those of [`Projector::step`], which goes on as after one of its own.
    pub fn flush(&mut self) -> Result<(), ProjectorError> {
        match self.writer.flush() {
            Ok(()) => {
                self.unflushed = 0;
                Ok(())
            }
            Err(error) => Err(self.stand(error.into())),
        }
    }

    /// Stands at the next record, for this reason.
    fn stand(&mut self, error: ProjectorError) -> ProjectorError {
        if error.parks() {
            self.writer.park(self.reader.cursor().next, &error.to_string());
        }
        self.stopped = Some(error.clone());
        error
    }

    /// Goes back to what the view holds, and compares it with the log that may have come back as
    /// another.
    fn go_on(&mut self) -> Result<(), ProjectorError> {
        self.writer.reopen()?;
        self.reader =
            reader_after(&self.writer, self.backend.as_ref(), self.log_id, self.partition)?;
        Ok(())
    }

    fn apply_next(&mut self, bytes_max: usize) -> Result<Progress, ProjectorError> {
        let next = self.reader.cursor().next;
        let raw = self.backend.read(self.partition, next, bytes_max)?;
        if self.backend.reconnects() != self.reconnects {
            // They may be another log's: first it is compared.
            return Ok(Progress { records: 0, next });
        }
        let (read, stopped) = self.decide(&raw);
        let (records, failed) = self.apply(&read);
        self.unflushed += raw.iter().take(records).map(|record| record.bytes.len()).sum::<usize>();
        // What failed to apply stands before what could not be read.
        match failed.or(stopped) {
            Some(error) => Err(error),
            None => Ok(Progress { records, next: self.reader.cursor().next }),
        }
    }

    /// Runs the accept rule and decodes, up to the first record that stops it.
    fn decide(&self, raw: &[RawRecord]) -> (Vec<Read>, Option<ProjectorError>) {
        let mut reader = self.reader.clone();
        let mut read = Vec::with_capacity(raw.len());
        for record in raw {
            let decided = reader.step(record.offset, &record.bytes).map_err(Into::into);
            match decided.and_then(|decision| self.record(record.offset, decision)) {
                Ok((kind, recorded_at)) => {
                    let after = reader.cursor().clone();
                    let Cursor { term, sequence, .. } = after;
                    // Records that are no commits stand at the time of the one before them.
                    let before = read.last().map(|before: &Read| before.record.recorded_at);
                    let before = before.unwrap_or_else(|| self.recorded_at());
                    let recorded_at = recorded_at.unwrap_or(before);
                    let record =
                        ViewRecord { offset: record.offset, kind, term, sequence, recorded_at };
                    read.push(Read { record, after });
                }
                Err(error) => return (read, Some(error)),
            }
        }
        (read, None)
    }

    /// What a record is; of a commit, when it was recorded.
    fn record(
        &self,
        offset: u64,
        decision: Decision,
    ) -> Result<(ViewRecordKind, Option<Timestamp>), ProjectorError> {
        Ok(match decision {
            Decision::Created => (ViewRecordKind::Created, None),
            Decision::NewTerm(_) => (ViewRecordKind::TermStarted, None),
            Decision::Skipped(skip) => (ViewRecordKind::Skipped(skip.name()), None),
            Decision::Accepted(commit) => {
                let (events, recorded_at) = self.events(offset, &commit)?;
                (ViewRecordKind::Commit(events), Some(recorded_at))
            }
        })
    }

    fn events(
        &self,
        offset: u64,
        commit: &Commit,
    ) -> Result<(Vec<Event>, Timestamp), ProjectorError> {
        let partition = self.partition;
        let undecodable =
            |command, what| ProjectorError::Undecodable { partition, offset, command, what };
        let recorded_at = Timestamp::try_from(commit.recorded_at)
            .map_err(|_| undecodable(0, format!("recorded at {} ns", commit.recorded_at)))?;
        let mut events = Vec::new();
        for (place, bytes) in commit.commands.iter().enumerate() {
            let command =
                logged::decode(bytes).map_err(|error| undecodable(place, error.to_string()))?;
            events.extend(command.events);
        }
        Ok((events, recorded_at))
    }

    /// Stages and commits; how many records were applied, and why not all.
    fn apply(&mut self, read: &[Read]) -> (usize, Option<ProjectorError>) {
        if let Err(error) = self.writer.prefetch(read.iter().map(|read| &read.record)) {
            return (0, Some(error.into()));
        }
        let mut staged = 0;
        let mut failed = None;
        for Read { record, .. } in read {
            if let Err(error) = self.writer.stage(record) {
                failed = Some(error.into());
                break;
            }
            staged += 1;
        }
        let Some(last) = read[..staged].last() else { return (0, failed) };
        if let Err(error) = self.writer.commit(&last.after.encode()) {
            return (0, Some(error.into()));
        }
        self.reader = Reader::resume(last.after.clone());
        (staged, failed)
    }

    fn recorded_at(&self) -> Timestamp {
        // The view took it as a timestamp before, or there was none yet.
        Timestamp::try_from(self.reader.cursor().recorded_at).unwrap_or(Timestamp::MAX)
    }
}

/// A reader that goes on where the view was left.
fn reader_after(
    writer: &ViewWriter,
    backend: &dyn Backend,
    log_id: LogId,
    partition: u32,
) -> Result<Reader, ProjectorError> {
    let Some(bytes) = writer.cursor() else { return Ok(Reader::new(log_id, partition)) };
    let cursor = Cursor::decode(bytes).filter(|cursor| cursor.next == writer.next());
    let what = "meta: the cursor is not that of the applied position".to_owned();
    let cursor = cursor.ok_or(StoreError::Damaged { what })?;
    cursor.verify(backend, log_id)?;
    Ok(Reader::resume(cursor))
}
