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
