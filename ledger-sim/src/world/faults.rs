//! What the machine, other writers and the clock do to the services.

use std::sync::Arc;

use ledger_command::Reply;
use ledger_log::record::{Incarnation, LogId, Record};
use ledger_log::simulated::Crash;

use super::{NODES, PARTITIONS, World};

const SECOND_NS: i64 = 1_000_000_000;

impl World {
    pub(super) fn fill_disk(&mut self) -> Result<(), String> {
        let full = self.rng.u32(0..3) == 0;
        self.log.set_full(full);
        self.note(if full { "fault.disk_full" } else { "disk.free" }, "");
        // What is made from the log may stand on another disk.
        let stores_full = self.rng.u32(0..3) == 0;
        self.fill_stores(stores_full);
        Ok(())
    }

    /// Whether id stores and views have no room.
    pub(crate) fn fill_stores(&mut self, full: bool) {
        if full {
            self.note("fault.stores_full", "");
        }
        self.stores_full = full;
        self.disks.iter().flatten().for_each(|disk| disk.set_full(full));
    }

    /// Every process dies and the first starts again.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        let (crash, name) = match self.rng.u32(0..3) {
            0 => (Crash::Drop, "crash.drop"),
            1 => (Crash::KeepPrefix, "crash.keep_prefix"),
            _ => (Crash::InFlight, "crash.in_flight"),
        };
        self.note(name, "");
        self.log.crash(crash);
        self.log.set_full(false);
        self.fill_stores(false);
        self.nodes.iter_mut().for_each(|node| *node = None);
        self.abandon(|_| true);
        for node in 0..NODES {
            for partition in 0..PARTITIONS as usize {
                self.damage(node, partition);
            }
        }
        self.start(0)
    }

    /// What a crash does to what a process keeps of a partition.
    pub(super) fn damage(&mut self, node: usize, partition: usize) {
        let disk = self.disks[node][partition].clone();
        if self.rng.u32(0..4) > 0 {
            disk.ids.crash();
            disk.view.crash();
        }
        match self.rng.u32(0..24) {
            0 => {
                disk.ids.lose();
                self.note("fault.ids_lost", "");
            }
            1 => {
                self.disks[node][partition].view = Arc::default();
                self.note("fault.view_lost", "");
            }
            2..6 => {
                let damaged = match disk.snapshots.kept().values_mut().next_back() {
                    Some(bytes) => {
                        let at = self.rng.usize(0..bytes.len());
                        bytes[at] ^= 1 << self.rng.u32(0..8);
                        true
                    }
                    None => false,
                };
                if damaged {
                    self.note("fault.snapshot_damaged", "");
                }
            }
            6 => {
                let kept = self.rng.usize(0..2);
                let mut snapshots = disk.snapshots.kept();
                while snapshots.len() > kept {
                    snapshots.pop_last();
                }
                drop(snapshots);
                self.note("fault.snapshot_lost", "");
            }
            _ => {}
        }
    }

    /// Another process comes and takes the partitions, or goes without a word.
    pub(super) fn rival(&mut self) -> Result<(), String> {
        if self.nodes[1].is_none() {
            self.note("rival.comes", "");
            return self.start(1);
        }
        self.rival_goes();
        Ok(())
    }

    /// The group gives a partition to a process or takes it away: in order, or because the process was not
    /// heard of. Nobody, or both, may believe to own it for a while.
    pub(super) fn hand_over(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.usize(0..PARTITIONS as usize));
        let drawn = self.rng.u32(0..8);
        let Some(running) = &mut self.nodes[node] else { return Ok(()) };
        let writer = &mut running.parts[partition].writer;
        let name = match drawn {
            0..2 => {
                writer.revoke();
                "group.revoked"
            }
            2 => {
                writer.abandon();
                "group.lost"
            }
            _ => {
                writer.assign();
                "group.assigned"
            }
        };
        self.note(name, &format!("{partition} at {node}"));
        Ok(())
    }

    /// A record of the past lands at last: of a writer that may be dead.
    pub(super) fn land(&mut self) -> Result<(), String> {
        let partition = self.rng.u32(0..PARTITIONS);
        if let Some(offset) = self.log.land(partition) {
            self.note("fault.late_record", &format!("{partition}@{offset}"));
        }
        Ok(())
    }

    /// Records of somebody else.
    pub(super) fn inject(&mut self) -> Result<(), String> {
        let partition = self.rng.u32(0..PARTITIONS);
        let (bytes, name) = match self.rng.u32(0..3) {
            0 => {
                let length = self.rng.usize(0..60);
                let bytes = std::iter::repeat_with(|| self.rng.u8(..)).take(length).collect();
                (bytes, "fault.foreign_bytes")
            }
            1 => {
                let other = LogId(self.rng.u128(..).to_le_bytes());
                let incarnation = Incarnation(self.rng.u128(..).to_le_bytes());
                (Record::TermStarted(incarnation).encode(other), "fault.other_log")
            }
            // A writer that took the partition and was never heard of again.
            _ => {
                let incarnation = Incarnation(self.rng.u128(..).to_le_bytes());
                (Record::TermStarted(incarnation).encode(self.info.id), "fault.silent_writer")
            }
        };
        let offset = self.log.inject(partition, bytes);
        self.note(name, &format!("{partition}@{offset}"));
        Ok(())
    }

    pub(super) fn jump(&mut self) -> Result<(), String> {
        let (by, name) = match self.rng.u32(0..4) {
            0 => (self.rng.i64(1..100) * SECOND_NS, "clock.forward"),
            1 => (-self.rng.i64(2..20) * SECOND_NS, "clock.far_back"),
            _ => (-self.rng.i64(1..SECOND_NS / 2), "clock.back"),
        };
        self.now += by;
        self.clock_behind = (self.clock_behind - by).max(0);
        self.note(name, &by.to_string());
        Ok(())
    }

    /// The other process ends without a word: nobody answers what it was asked.
    pub(crate) fn rival_goes(&mut self) {
        self.note("rival.goes", "");
        self.nodes[1] = None;
        self.abandon(|node| node == 1);
    }

    /// Clients of these processes are never answered.
    fn abandon(&mut self, gone: impl Fn(usize) -> bool) {
        let World { open, oracles, summary, .. } = self;
        let mut unanswered = Vec::new();
        open.retain(|number, (node, partition)| {
            if gone(*node) {
                oracles[*partition as usize].abandoned(*number);
                summary.note("answer.none");
                unanswered.push(*number);
            }
            !gone(*node)
        });
        // A driver that asked there hears that the connection is gone.
        let reply = Reply::Unknown { reason: "the process ended".into() };
        unanswered.into_iter().for_each(|number| self.step_answered(number, &reply));
    }
}
