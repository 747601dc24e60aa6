//! Draining the queue: ids looked up together, commands decided one upon the other, commits sent.

use ledger_domain::{
    AcceptedTransfer, Code, Command, CommandBody, Decision, Event, ItemOutcome, LedgerHandle,
    Metadata, Original, Outcome, Posted, Rejection, Timestamp, apply, decide,
};
use ledger_log::record::Chain;
use ledger_proto::hash::of_command;
use ledger_proto::logged::{self, LoggedCommand};

use super::answer::{self, Fresh};
use super::draft::Draft;
use super::known::Known;
use super::recent::RecentEntry;
use super::term::{Phase, Serving};
use super::{CLOCK_BEHIND_MAX_NS, InFlight, Place, Waiting, Writer, WriterLimits, not_recorded};
use crate::follower::entries;
use crate::ids::{entry_key, noted_key, request_key, reversed_key, transfer_key};
use crate::reply::{Answer, Replied, Reply, Request};

/// What came of one request.
enum Taken {
    Done,
    /// It does not fit in this commit any more.
    NextCommit(Request),
}

impl Writer {
    /// Decides and sends all that is ready or due and has room.
    pub(super) fn drain(&mut self, now: Timestamp) {
        while !self.queue.is_empty() || self.is_due(now) {
            self.release();
            // Forgotten before the store is looked into: what is forgotten here is found there.
            self.forget();
            if !self.has_room() {
                return;
            }
            let group = self.group();
            let known = match self.look_up(group) {
                Ok(known) => known,
                Err(error) => return self.stop(error.to_string()),
            };
            let sequence = self.speculation.sequence + 1;
            let recorded_at =
                now.max(self.speculation.recorded_at + 1).max(self.after_causes(group, now));
            let mut draft = Draft::new(sequence, recorded_at);
            // Behind a commit that what is due has filled, commands come first: else much of it would keep them
            // waiting for ever.
            let has_due = !std::mem::take(&mut self.commands_lead) && self.take_due(&mut draft);
            for _ in 0..group {
                let Some(request) = self.queue.pop_front() else { break };
                let weight = request.weight();
                if let Taken::NextCommit(request) = self.take(request, &known, &mut draft) {
                    self.queue.push_front(request);
                    self.commands_lead = has_due;
                    break;
                }
                self.queued_transfers -= weight;
            }
            if !draft.is_empty() && !self.send(draft) {
                return;
            }
        }
    }

    /// Later than what caused any of these commands, where another clock is ahead by no more than a writer's
    /// may be behind: one that is wrong must not take this partition with it.
    fn after_causes(&self, group: usize, now: Timestamp) -> Timestamp {
        let latest = now.saturating_add(CLOCK_BEHIND_MAX_NS);
        let causes = self.queue.iter().take(group).filter_map(|request| request.command.cause());
        causes.filter(|cause| *cause < latest).max().map_or(0, |cause| cause.saturating_add(1))
    }

    /// Whoever gives the partition back begins nothing more.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let begins = self.assigned && !self.closing;
        begins && self.speculation.state.next_due().is_some_and(|at| at <= now)
    }

    /// Forgets ids that the id store has. What is not acknowledged is kept: a writer that was deposed and does not
    /// know it follows others' commits, with the numbers of its own.
    fn forget(&mut self) {
        let settled = self.settled.as_ref().map_or(0, |cursor| cursor.sequence);
        self.recent.prune(self.parts.link.followed().min(settled));
    }

    fn has_room(&mut self) -> bool {
        let Phase::Serving(Serving { acks, refused: None, .. }) = &self.phase else { return false };
        if acks.in_flight() >= self.limits.commits_in_flight_max {
            return false;
        }
        // Replays and dry runs wait too, though they fill no commit.
        let WriterLimits { commits_in_flight_max, commit_commands_max, .. } = self.limits;
        if self.waiting.len() >= commits_in_flight_max.saturating_mul(commit_commands_max) {
            return false;
        }
        let full = self.recent.len() >= self.limits.recent_ids_max;
        self.parts.link.set_writer_waits(full);
        if full {
            self.forget();
        }
        self.recent.len() < self.limits.recent_ids_max
    }

    /// How many commands of the queue's head may share a commit.
    fn group(&self) -> usize {
        let mut transfers = 0;
        let fits = self.queue.iter().take(self.limits.commit_commands_max).take_while(|request| {
            transfers += request.weight();
            transfers <= self.limits.commit_transfers_max
        });
        fits.count().max(1)
    }

    fn take(&mut self, request: Request, known: &Known, draft: &mut Draft) -> Taken {
        let Request { ref command, token, validate_only, .. } = request;
        if command.cause().is_some_and(|cause| cause >= draft.now) {
            let why = "what caused it was recorded by a clock that is ahead of this one";
            self.reply(draft, token, Replied::of(not_recorded(why)));
            return Taken::Done;
        }
        let content_hash = of_command(command);
        if let Some(replied) = self.replay(command, content_hash, known) {
            self.reply(draft, token, replied);
            return Taken::Done;
        }
        let looked = self.look_at(command, known);
        let Decision { events, outcome } =
            decide(&self.speculation.state, command, &looked.seen, draft.now);
        let fresh = Fresh {
            sequence: draft.sequence,
            index: draft.next_index(),
            now: draft.now,
            dry: validate_only,
        };
        let rows = Fresh { index: fresh.index + before_batch(&events), ..fresh };
        let replied = answer::of(&self.speculation.state, command, &outcome, &looked.hits, rows);
        if events.is_empty() {
            self.reply(draft, token, replied);
            return Taken::Done;
        }
        let width = events.iter().map(ledger_domain::Event::width).sum();
        let logged = LoggedCommand {
            request_id: command.request_id.clone(),
            actor: request.actor.clone(),
            traceparent: request.traceparent.clone(),
            cause: None,
            source: None,
            content_hash,
            events,
        };
        let bytes = logged::encode(&logged);
        let alone = Draft::new(draft.sequence, draft.now).bytes_with(&bytes);
        if alone > self.record_bytes_max {
            let replied = too_large(alone, self.record_bytes_max);
            self.reply(draft, token, replied);
            return Taken::Done;
        }
        if validate_only {
            self.reply(draft, token, replied);
            return Taken::Done;
        }
        let bytes_max = self.limits.commit_bytes_max.min(self.record_bytes_max);
        if !draft.is_empty() && draft.bytes_with(&bytes) > bytes_max {
            return Taken::NextCommit(request);
        }
        let state = &mut self.speculation.state;
        logged.events.iter().for_each(|event| apply(state, event, draft.now));
        let decided = (logged.events.as_slice(), &outcome);
        self.remember(command, content_hash, decided, &looked.hashes, fresh);
        draft.push(bytes, width);
        self.reply(draft, token, replied);
        Taken::Done
    }

    /// Queues a reply behind all that it was decided upon.
    fn reply(&mut self, draft: &Draft, token: u64, replied: Replied<Place>) {
        let after = if draft.is_empty() { draft.sequence - 1 } else { draft.sequence };
        self.waiting.push_back(Waiting { after, token, replied });
    }

    /// The first outcome of the request id, where that alone is the answer.
    fn replay(
        &self,
        command: &Command,
        content_hash: [u8; 16],
        known: &Known,
    ) -> Option<Replied<Place>> {
        let mut key = Vec::new();
        request_key(&command.ledger, command.request_id.as_ref()?, &mut key);
        let hit = self.find(&key, known)?;
        if hit.content_hash != content_hash {
            // What is the same without conditions differs in them alone; the log has none to compare.
            let bare = Command { conditions: Vec::new(), ..command.clone() };
            let only_conditions = of_command(&bare) == hit.content_hash;
            return Some(answer::request_reused(command, &hit, only_conditions));
        }
        let is_batch = matches!(command.body, CommandBody::PostTransfers { .. });
        // The transfers of a batch that was not refused as a whole answer by their own ids.
        if is_batch && hit.refused.is_none() {
            return None;
        }
        Some(answer::replayed(&hit))
    }

    /// Keeps the ids of a command until the id store has them.
    fn remember(
        &mut self,
        command: &Command,
        content_hash: [u8; 16],
        (events, outcome): (&[Event], &Outcome),
        hashes: &[[u8; 16]],
        fresh: Fresh,
    ) {
        let mut entry = RecentEntry {
            sequence: fresh.sequence,
            index: fresh.index,
            recorded_at: fresh.now,
            content_hash,
            refused: None,
            posted: None,
            metadata: Metadata::default(),
        };
        let mut key = Vec::new();
        if let Some(id) = &command.request_id {
            if let Outcome::Refused(rejection) = outcome {
                entry.refused = Some(rejection.code);
            }
            request_key(&command.ledger, id, &mut key);
            self.recent.insert(&key, entry.clone());
        }
        if let Some((ledger, id, metadata)) = events.first().and_then(entries::noted_by) {
            key.clear();
            noted_key(ledger, id, &mut key);
            self.recent.replace(&key, RecentEntry { refused: None, metadata, ..entry.clone() });
        }
        let (Outcome::Items(items), CommandBody::PostTransfers { transfers }) =
            (outcome, &command.body)
        else {
            return;
        };
        let batch = events.iter().find_map(|event| match event {
            Event::TransferBatch(batch) => Some(batch),
            _ => None,
        });
        let Some(batch) = batch else { return };
        let first = fresh.index + before_batch(events);
        let mut accepted = batch.accepted.iter();
        for (item, (transfer, hash)) in items.iter().zip(transfers.iter().zip(hashes)) {
            let (row, refused, posted, metadata) = match item {
                ItemOutcome::Accepted { row } => {
                    let Some(accepted) = accepted.next() else { panic!("a row of each accepted") };
                    let entry = RecentEntry { index: first + row, ..entry.clone() };
                    self.remember_company(batch.ledger, accepted, entry);
                    let (posted, noted) = (Original::of(accepted).posted(), &accepted.metadata);
                    (*row, None, posted, noted.clone())
                }
                ItemOutcome::Refused { row, rejection } => {
                    (*row, Some(rejection.code), None, Metadata::default())
                }
                ItemOutcome::Before(_)
                | ItemOutcome::NotRecorded { .. }
                | ItemOutcome::Repeats { .. }
                | ItemOutcome::Reuses { .. } => continue,
            };
            let index = first + row;
            let content_hash = *hash;
            let entry =
                RecentEntry { index, refused, posted, content_hash, metadata, ..entry.clone() };
            key.clear();
            transfer_key(batch.ledger, &transfer.id, &mut key);
            self.recent.insert(&key, entry);
        }
    }

    /// Keeps a transfer's journal entry, and what is left of what it reverses.
    fn remember_company(
        &mut self,
        ledger: LedgerHandle,
        accepted: &AcceptedTransfer,
        entry: RecentEntry,
    ) {
        let mut key = Vec::new();
        if let Some(id) = accepted.link.entry() {
            entry_key(ledger, id, &mut key);
            // Its first transfer is the one before which it was unknown.
            if self.recent.get(&key).is_none() {
                self.recent.insert(&key, entry.clone());
            }
        }
        if let Some((of, posted)) = Posted::left_by(accepted) {
            key.clear();
            reversed_key(ledger, of, &mut key);
            self.recent.replace(&key, RecentEntry { posted: Some(posted), ..entry });
        }
    }

    /// Sends a commit; whether the term goes on.
    fn send(&mut self, draft: Draft) -> bool {
        let Draft { sequence, now, .. } = draft;
        self.speculation.state.record(now);
        self.speculation.sequence = sequence;
        self.speculation.recorded_at = now;
        let Phase::Serving(Serving { term, .. }) = self.phase else { return false };
        let before = self.speculation.chain.unwrap_or(Chain::START);
        let bytes = draft.seal(self.parts.log_id, term, before);
        let after = before.after(&bytes);
        self.speculation.chain = Some(after);
        let every = self.limits.compare_every_commits;
        if every > 0 && sequence.is_multiple_of(every) {
            self.parts.link.claim(self.fingerprint(), after);
        }
        let Phase::Serving(serving) = &mut self.phase else { return false };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        match serving.producer.send(ticket, bytes) {
            Ok(()) => {
                serving.acks.sent(ticket);
                self.in_flight.push_back(InFlight {
                    term,
                    sequence,
                    recorded_at: now,
                    before,
                    after,
                });
                true
            }
            Err(error) if error.is_final() => {
                self.stop(error.to_string());
                false
            }
            Err(error) => {
                // It is not in the log and never will be, so nothing may follow it in this term.
                serving.refused = Some(error.to_string());
                self.last_error = error.to_string();
                self.fail_waiting(sequence - 1);
                self.end_refused_term();
                false
            }
        }
    }
}

/// How many indices the events take that come before the batch.
fn before_batch(events: &[Event]) -> u32 {
    let before = events.iter().take_while(|event| !matches!(event, Event::TransferBatch(_)));
    let width = before.map(Event::width).sum();
    let has_batch = events.iter().any(|event| matches!(event, Event::TransferBatch(_)));
    if has_batch { width } else { 0 }
}

fn too_large(bytes: usize, bytes_max: usize) -> Replied<Place> {
    let subject = format!("command of {bytes} bytes, the log takes {bytes_max}");
    let rejection = Rejection::new(Code::TooLong, &subject);
    Replied::of(Reply::One(Answer::Refused { rejection, receipt: None }))
}
