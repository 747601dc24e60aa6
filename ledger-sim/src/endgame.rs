//! The end of a simulation: faults cease, everything comes to rest, and all that is kept is compared.

use std::ops::ControlFlow;

use ledger_audit::{Report, Target, Until, replay};
use ledger_command::Status;
use ledger_domain::invariants;
use ledger_domain::partition::partition_of;
use ledger_keys::{Kept, KeyError, KeyStore, Subject};
use ledger_log::Backend;
use ledger_log::simulated::Faults;
use ledger_views::{Table, ViewReader};

use crate::model::{Model, Person, all_settled};
use crate::node::{Disk, Node};
use crate::oracle::Told;
use crate::reads::Level;
use crate::world::{PARTITIONS, World, note_ends};

/// Rounds in which everything must come to rest.
const ROUNDS_MAX: usize = 10_000;
/// Reads of each partition at the end.
const READS: usize = 12;

/// A row of a view.
type Stored = (Table, Vec<u8>, Vec<u8>);

impl World {
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.log.set_faults(Faults::default());
        self.log.set_full(false);
        self.fill_stores(false);
        if self.nodes[1].is_some() {
            self.rival_goes();
        }
        self.assign_all();
        self.rest()?;
        for oracle in &mut self.oracles {
            oracle.walk(&self.log)?;
        }
        self.all_settled()?;
        for partition in 0..PARTITIONS {
            self.oracles[partition as usize].finish()?;
            self.all_expired(partition)?;
            self.all_destroyed(partition)?;
            self.compare(partition)?;
            for _ in 0..READS {
                let commits = &self.oracles[partition as usize].commits;
                let level = Level::random(&mut self.rng, partition, commits);
                self.read_at(0, partition, level)?;
            }
        }
        // A disk that was full all the time answers nobody.
        if self.told(Told::Answer) == 0 && self.summary.count("fault.disk_full") == 0 {
            return Err("no client was ever answered".into());
        }
        Ok(())
    }

    /// The process that is left owns all there is.
    fn assign_all(&mut self) {
        let parts = self.nodes[0].iter_mut().flat_map(|node| &mut node.parts);
        parts.for_each(|part| part.writer.assign());
    }

    /// Lets the one process that is left come to the end of the log, with nothing on its way.
    fn rest(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for partition in 0..PARTITIONS {
                while self.log.land(partition).is_some() {
                    busy = true;
                }
                if let Some(wake) = self.write_at(0, partition)? {
                    self.now = self.now.max(wake);
                    busy = true;
                }
                busy |= self.log.pending(partition) > 0;
                self.log.flush(partition);
                let Some(node) = &mut self.nodes[0] else { return Err("nobody runs".into()) };
                let part = &mut node.parts[partition as usize];
                busy |= part.follow()? > 0;
                note_ends(&mut self.ends, self.now, &self.log);
                busy |= part.project(self.now, 1 << 20)? > 0;
                busy |= !part.writer.is_idle();
                if let Some(wake) = part.sagas.wake() {
                    self.now = self.now.max(wake);
                }
                busy |= !part.link.outbox().is_empty();
                self.drive_at(0, partition)?;
            }
            self.now += 1_000;
            if !busy {
                return self.all_answered();
            }
        }
        let writers = self.nodes[0].iter().flat_map(|node| &node.parts).map(|part| &part.writer);
        let status: Vec<_> = writers.map(|w| (w.status(), w.is_idle())).collect();
        Err(format!("does not come to rest: {status:?}"))
    }

    /// Nobody asks any more, and still all that expires has: the writer itself woke for each.
    fn all_expired(&self, partition: u32) -> Result<(), String> {
        let left = self.oracles[partition as usize].model.due(i64::MAX);
        if left.is_empty() { Ok(()) } else { Err(format!("at rest, and never expired: {left:?}")) }
    }

    /// No key is left of a customer who was erased, and every other one's is.
    fn all_destroyed(&self, partition: u32) -> Result<(), String> {
        let books = &self.oracles[partition as usize].model.books;
        let mut each = |subject: &Subject, kept: Kept| {
            let book = books.get(subject.ledger.as_str());
            let person = book.and_then(|book| book.customers.get(subject.customer.as_str()));
            let erased = person.is_some_and(Person::is_erased);
            let destroyed = kept == Kept::Erased;
            if partition_of(subject.ledger.as_str(), PARTITIONS) != partition || erased == destroyed
            {
                return Ok(());
            }
            let what = format!("the key of {subject}: erased {erased}, destroyed {destroyed}");
            Err(KeyError::Unavailable { what })
        };
        self.kept_keys.each(&mut each).map_err(|error| error.to_string())
    }

    fn all_answered(&self) -> Result<(), String> {
        let open = self.open_attempts();
        if open > 0 {
            return Err(format!("{open} attempts are never answered"));
        }
        Ok(())
    }

    /// No saga is open, and the ledgers agree: by the model, and by the domain's own check.
    fn all_settled(&mut self) -> Result<(), String> {
        let models: Vec<&Model> = self.oracles.iter().map(|oracle| &oracle.model).collect();
        let counts = all_settled(&models)?;
        for (name, count) in counts {
            *self.summary.counts.entry(name.into()).or_default() += count;
        }
        let parts = self.nodes[0].iter().flat_map(|node| &node.parts);
        let states: Vec<_> = parts.map(|part| part.follower.state()).collect();
        match invariants::check_clearing(&states).first() {
            Some(broken) => Err(format!("{}: {}", broken.invariant, broken.what)),
            None => Ok(()),
        }
    }

    /// The writer, the follower, a cold replay, a rebuilt view and the audit: all are of one mind.
    fn compare(&mut self, partition: u32) -> Result<(), String> {
        let Some(node) = &self.nodes[0] else { return Err("nobody runs".into()) };
        let part = &node.parts[partition as usize];
        let live = part.follower.fingerprint();
        // An idle writer need not know yet that another one took the partition.
        let term = part.follower.cursor().term;
        let current = part.writer.status() == Status::Serving { term };
        if current && part.writer.fingerprint() != live {
            return Err("LD-5: the writer's state differs from the follower's".into());
        }
        let fresh: Vec<Disk> = (0..PARTITIONS).map(|_| Disk::default()).collect();
        let mut cold = Node::start(&self.log, self.info, &fresh, &self.keys, &mut self.rng)?;
        let cold = &mut cold.parts[partition as usize];
        while cold.follow()? > 0 {}
        while cold.project(self.now, 1 << 20)? > 0 {}
        let since = cold.projector.view().state().fresh.caught_up_at;
        if !has_all(&part.projector.view()) || since != Some(self.now) {
            return Err(format!("a view has all since {since:?}, now is {}", self.now));
        }
        if current {
            self.summary.note("writer.current");
        }
        if cold.follower.fingerprint() != live {
            return Err("LD-5: a cold replay comes to another state".into());
        }
        let (kept, rebuilt) = (part.projector.view(), cold.projector.view());
        if rows(&kept)? != rows(&rebuilt)? {
            return Err("PR-2: the view differs from a rebuilt one".into());
        }
        let report = self.audit(partition, &kept)?;
        if let Some(finding) = report.findings.first() {
            return Err(format!("the audit finds {} things: {finding}", report.findings.len()));
        }
        if report.state_hash != live.hash {
            return Err("LD-5: the audit comes to another state".into());
        }
        let oracle = &self.oracles[partition as usize];
        if report.commits != oracle.commits.len() as u64 || report.skips.total() != oracle.skipped {
            return Err(format!("the audit counts otherwise: {report:?}"));
        }
        let skips = report.skips;
        for (name, count) in [
            ("skipped.foreign", skips.foreign),
            ("skipped.zombie", skips.zombie),
            ("skipped.duplicate", skips.duplicate),
            ("skipped.hole", skips.hole),
        ] {
            *self.summary.counts.entry(name.into()).or_default() += count;
        }
        self.note("audit.clean", &report.chain.to_string());
        Ok(())
    }

    fn audit(&self, partition: u32, view: &ViewReader) -> Result<Report, String> {
        let backend: &dyn Backend = &*self.log;
        let target = Target { partition, until: Until::End };
        let progress = &mut |_, _| ControlFlow::Continue(());
        replay(backend, self.info, target, Some(view), progress).map_err(|error| error.to_string())
    }
}

/// Whether a view says that nothing is missing in it.
fn has_all(view: &ViewReader) -> bool {
    let state = view.state();
    state.records_behind() == 0 && state.fresh.caught_up_at.is_some()
}

fn rows(view: &ViewReader) -> Result<Vec<Stored>, String> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        view.rows(table, &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .map_err(|error| error.to_string())?;
    }
    Ok(rows)
}
