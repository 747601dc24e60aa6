//! This server as a member of the group that deals the partitions out.
//!
//! The group is a hint for who should lead: a partition that is assigned here is taken, one that is given
//! back is drained first. What counts is decided by the fence, also while two servers believe in the same
//! assignment.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ledger_log::kafka::group::Member;
use ledger_log::kafka::records::KafkaRecord;

use crate::ingress::Ingress;
use crate::run::Handle;

/// How long what is in flight is waited for when a partition is given back; then it is unknown here.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the results of what was decided may take to the brokers when a partition is given back.
const DELIVER: Duration = Duration::from_secs(3);
/// How long what was inherited is kept without the group's word: it waits for the session of the server
/// that ended, 6 s, before it says who is next.
const INHERITED: Duration = Duration::from_secs(15);

/// The writers of this server, as the group's member.
#[derive(Debug)]
pub struct CommandMember {
    handle: Handle,
    runtime: tokio::runtime::Handle,
    ingress: Ingress,
    /// Taken before the group said so.
    inherited: BTreeSet<u32>,
    inherited_until: Instant,
}

impl CommandMember {
    /// The writers follow the group's word, and decide what is on the commands topic. `runtime` is waited
    /// on, from the group's own thread.
    ///
    /// `inherited` are the partitions of a server that is known to have ended, and of which nobody else has
    /// taken any since: they are taken at once, and kept if the group assigns them here.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: how long to wait")]
    pub fn new(
        handle: Handle,
        runtime: tokio::runtime::Handle,
        ingress: Ingress,
        inherited: Vec<u32>,
    ) -> Self {
        if !inherited.is_empty() {
            tracing::info!(partitions = ?inherited, "inherited from the last server on this folder");
        }
        handle.assign(inherited.iter().copied());
        let inherited_until = Instant::now() + INHERITED;
        CommandMember {
            handle,
            runtime,
            ingress,
            inherited: inherited.into_iter().collect(),
            inherited_until,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a door to the outside: waits for the log")]
    fn drain(&self, partitions: &[u32]) {
        let drained = async { tokio::time::timeout(DRAIN, self.handle.revoke(partitions)).await };
        if self.runtime.block_on(drained).is_err() {
            tracing::warn!(?partitions, "given back with commits whose fate is unknown");
            self.handle.abandon(partitions.iter().copied());
        }
    }

    /// Gives back what was inherited and is not this server's after all.
    fn let_go(&mut self) {
        let others: Vec<u32> = std::mem::take(&mut self.inherited).into_iter().collect();
        if !others.is_empty() {
            tracing::info!(partitions = ?others, "inherited, and another server's now");
            self.drain(&others);
        }
    }
}

impl Drop for CommandMember {
    /// A seat that is left before the group's first word: nobody takes back what was inherited.
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Member for CommandMember {
    fn assigned(&mut self, partitions: &[u32]) {
        tracing::info!(?partitions, "assigned");
        self.handle.assign(partitions.iter().copied());
        self.inherited.retain(|partition| !partitions.contains(partition));
        self.ingress.assigned(partitions);
        self.let_go();
    }

    fn revoked(&mut self, partitions: &[u32], lost: bool) {
        tracing::info!(?partitions, lost, "revoked");
        if lost {
            self.handle.abandon(partitions.iter().copied());
            self.ingress.forget(partitions);
        } else {
            self.ingress.close(partitions);
            self.drain(partitions);
            self.ingress.finish(partitions, DELIVER);
        }
    }

    fn records(&mut self, records: Vec<KafkaRecord>) {
        self.ingress.take(records);
    }

    #[expect(clippy::disallowed_methods, reason = "a door to the outside: how long to wait")]
    fn room(&mut self) -> usize {
        if !self.inherited.is_empty() && Instant::now() >= self.inherited_until {
            self.let_go();
        }
        self.ingress.room()
    }

    fn done(&mut self) -> Vec<(u32, u64)> {
        self.ingress.done()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ledger_log::embedded::{Embedded, EmbeddedOptions};
    use ledger_log::kafka::{Cluster, KafkaOptions};
    use ledger_log::{LogId, log};
    use tokio::runtime::Runtime;

    use super::*;
    use crate::run::{self, Environment};
    use crate::{Router, Status};

    /// A member of two partitions that has inherited one; there is no broker.
    fn heir(folder: &Path, runtime: &Runtime) -> (Handle, CommandMember) {
        let options = EmbeddedOptions { partition_count: 2, ..EmbeddedOptions::default() };
        let backend = Embedded::open(&folder.join("log"), options).unwrap();
        let environment = Environment {
            log: log::open(&*backend, LogId([5; 16])).unwrap(),
            backend,
            folder: folder.to_owned(),
            clock: ledger_runtime::clock::now,
            entropy: ledger_runtime::random::bytes_16,
        };
        let handle = run::start(&environment, crate::Config::default()).unwrap();
        let options = KafkaOptions { bootstrap: "127.0.0.1:9".into(), ..KafkaOptions::default() };
        let cluster = Cluster::new(options).unwrap();
        let router = Router::alone(handle.clone(), crate::tests::memory_keys());
        let on = runtime.handle().clone();
        let ingress = Ingress::start(handle.clone(), router, &cluster, on.clone()).unwrap();
        let member = CommandMember::new(handle.clone(), on, ingress, vec![1]);
        let serves = |status: &Status| matches!(status, Status::Serving { .. });
        runtime.block_on(handle.watch()[1].wait_for(serves)).unwrap();
        (handle, member)
    }

    fn owned(handle: &Handle) -> [bool; 2] {
        [0, 1].map(|partition| handle.owns(partition))
    }

    #[test]
    fn who_leaves_before_the_first_word_gives_back_what_was_inherited() {
        let (folder, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let (handle, member) = heir(folder.path(), &runtime);
        assert_eq!(owned(&handle), [false, true]);
        drop(member);
        assert_eq!(owned(&handle), [false, false]);
        assert_eq!(handle.statuses(), [Status::Standby, Status::Standby], "drained");
        handle.stop().unwrap();
    }

    #[test]
    fn what_was_inherited_is_kept_or_given_back_by_the_first_word() {
        for (word, then) in [([1], [false, true]), ([0], [true, false])] {
            let (folder, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
            let (handle, mut member) = heir(folder.path(), &runtime);
            member.assigned(&word);
            assert_eq!(owned(&handle), then);
            drop(member);
            assert_eq!(owned(&handle), then, "what was assigned is the group's to take back");
            handle.stop().unwrap();
        }
    }
}
