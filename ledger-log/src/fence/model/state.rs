//! One partition with its writers: what lands, what counts, what clients were told.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::message::{Commit, Message, Past};
use super::view::{Verdict, View};
use super::writer::{Role, Writer};
use super::{Action, Change, Fault, Fence, Seen, Size};
use crate::Cursor;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) log: Vec<Logged>,
    /// A reader at the end of the log; no other view is needed, for every reader reads the same.
    pub(super) reader: View,
    pub(super) stopped: bool,
    /// Sorted, for writers differ only in what they do.
    pub(super) writers: Vec<Writer>,
    /// On their way with nobody waiting, each queue in its order.
    pub(super) late: Vec<Vec<Message>>,
    /// How many incarnations were used, and requests.
    pub(super) incarnations: u8,
    pub(super) requests: u8,
    /// How often each [`Fault`] happened.
    pub(super) faults: [u8; Fault::ALL.len()],
    /// Commits whose clients were told that they failed; sorted.
    pub(super) failed: Vec<Commit>,
    pub(super) lost: Option<Lost>,
    /// The first property that broke; nothing happens after it.
    pub(super) wrong: Option<Wrong>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Logged {
    pub(super) message: Message,
    pub(super) counts: bool,
}

/// What a reader kept that had read all of the log just before its end was lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lost {
    pub(super) kept: Cursor,
    pub(super) past: Past,
}

/// Which property does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wrong {
    /// S1: a client was told OK, and readers do not count its commit.
    OkDoesNotCount,
    /// S1: a request counts twice.
    CountsTwice,
    /// S2: a commit counts that was decided upon another past, or leaves a gap in the sequence.
    OtherPast,
    /// S3: a client was told FAILED, and its commit counts.
    FailedCounts,
    /// S4b: a writer takes itself for deposed, and no newer `TermStarted` is there.
    NotDeposed,
    /// S5: a reader stops, or a writer reports loss, and nothing was lost.
    FalseAlarm,
    /// S6: a reader that restarted decides otherwise.
    RestartDiffers,
    /// L2: a commit is passed over whose term never started in what is left of the log.
    LossPassedOver,
}

impl State {
    pub(super) fn start(fence: &Fence) -> State {
        let mut state = State {
            log: Vec::new(),
            reader: View::start(),
            stopped: false,
            writers: vec![Writer::new(); fence.size.writers],
            late: Vec::new(),
            incarnations: 0,
            requests: 0,
            faults: [0; Fault::ALL.len()],
            failed: Vec::new(),
            lost: None,
            wrong: None,
        };
        state.land(fence, Message::Created);
        state
    }

    /// The same state for every order of the writers and of the late queues.
    pub(super) fn canonical(mut self) -> State {
        self.late.retain(|queue| !queue.is_empty());
        self.late.sort_by_cached_key(hash);
        self.writers.sort_by_cached_key(hash);
        self
    }

    pub(super) fn end(&self) -> u64 {
        self.log.len() as u64
    }

    pub(super) fn message(&self, offset: u64) -> Option<&Message> {
        self.log.get(usize::try_from(offset).ok()?).map(|logged| &logged.message)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.log.iter().map(|logged| &logged.message)
    }

    /// Reads this many records from the first; `None` when one of them stops the reader.
    pub(super) fn read(&self, fence: &Fence, count: usize) -> Option<View> {
        if count == self.log.len() {
            return (!self.stopped).then(|| self.reader.clone());
        }
        let mut view = View::start();
        let mut passes = |message: &Message| {
            view.pass(fence.change, message, &message.bytes()) != Verdict::Stopped
        };
        self.messages().take(count).all(&mut passes).then_some(view)
    }

    /// Whether a `TermStarted` stands above this one.
    pub(super) fn is_deposed(&self, term: u64) -> bool {
        let above = self.messages().skip(usize::try_from(term).unwrap_or(usize::MAX) + 1);
        above.into_iter().any(|message| matches!(message, Message::TermStarted(_)))
    }

    pub(super) fn counts(&self, commit: &Commit) -> bool {
        let is = |logged: &Logged| matches!(&logged.message, Message::Commit(c) if c == commit);
        self.log.iter().any(|logged| logged.counts && is(logged))
    }

    pub(super) fn breaks(&mut self, wrong: Wrong) {
        self.wrong.get_or_insert(wrong);
    }

    /// A message becomes durable, and every reader decides on it.
    pub(super) fn land(&mut self, fence: &Fence, message: Message) {
        let before = self.reader.clone();
        let verdict = self.reader.step(fence, &message);
        fence.saw(verdict.seen());
        let mut restarted = before.restarted();
        if restarted != before && restarted.step(fence, &message) != verdict {
            self.breaks(Wrong::RestartDiffers);
        }
        self.stopped |= verdict == Verdict::Stopped;
        if self.stopped && self.lost.is_none() {
            self.breaks(Wrong::FalseAlarm);
        }
        if let Message::Commit(commit) = &message {
            self.judge(&before, verdict, commit);
        }
        self.log.push(Logged { message, counts: verdict == Verdict::Accepted });
    }

    fn judge(&mut self, before: &View, verdict: Verdict, commit: &Commit) {
        let started = matches!(self.message(commit.term), Some(Message::TermStarted(_)));
        match verdict {
            Verdict::Accepted if before.past.has(commit.request) => self.breaks(Wrong::CountsTwice),
            Verdict::Accepted
                if before.past != commit.decided_upon
                    || before.cursor.sequence + 1 != commit.sequence =>
            {
                self.breaks(Wrong::OtherPast);
            }
            Verdict::Accepted if self.lost.is_none() && self.failed.contains(commit) => {
                self.breaks(Wrong::FailedCounts);
            }
            Verdict::Skipped(_) if !started && commit.term > before.cursor.term => {
                self.breaks(Wrong::LossPassedOver);
            }
            _ => {}
        }
    }

    pub(super) fn tell_ok(&mut self, fence: &Fence, commit: &Commit) {
        fence.saw(Seen::ToldOk);
        if self.lost.is_none() && !self.counts(commit) {
            self.breaks(Wrong::OkDoesNotCount);
        }
    }

    pub(super) fn tell_failed(&mut self, fence: &Fence, commit: &Commit) {
        fence.saw(Seen::ToldFailed);
        if self.lost.is_none() && self.counts(commit) {
            self.breaks(Wrong::FailedCounts);
        }
        if let Err(place) = self.failed.binary_search(commit) {
            self.failed.insert(place, *commit);
        }
    }

    /// The end of the log is lost, acknowledged or not. Sent again, each record of it may land once
    /// more.
    fn lose(&mut self, fence: &Fence, end: u64, sent_again: bool) {
        self.lost = Some(Lost { kept: self.reader.cursor.clone(), past: self.reader.past });
        let mut kept = std::mem::take(&mut self.log);
        let lost = kept.split_off(usize::try_from(end).expect("an offset of this log"));
        self.reader = View::start();
        kept.into_iter().for_each(|logged| self.land(fence, logged.message));
        if sent_again {
            let ours = lost.into_iter().filter(|logged| logged.message != Message::Foreign);
            self.late.extend(ours.map(|logged| vec![logged.message]));
        }
    }

    pub(super) fn happened(&self, fault: Fault) -> u8 {
        self.faults[fault as usize]
    }

    fn may(&self, size: &Size, fault: Fault) -> bool {
        self.happened(fault) < size.faults[fault as usize]
    }

    /// All that can happen next.
    pub(super) fn actions(&self, fence: &Fence, actions: &mut Vec<Action>) {
        if self.wrong.is_some() || self.stopped {
            return;
        }
        let size = &fence.size;
        let room = self.log.len() <= size.records;
        for (w, writer) in self.writers.iter().enumerate() {
            // Of writers that are alike, the first is enough.
            if w == 0 || self.writers[w - 1] != *writer {
                self.actions_of(fence, w, room, actions);
            }
        }
        if room {
            actions.extend((0..self.late.len()).map(Action::LandLate));
            if self.may(size, Fault::Foreign) {
                actions.push(Action::Foreign);
            }
            if self.may(size, Fault::Copy) {
                let ours = |offset: &u64| !matches!(self.message(*offset), Some(Message::Foreign));
                actions.extend((1..self.end()).filter(ours).map(Action::Copy));
            }
        }
        if self.may(size, Fault::Loss) {
            actions.extend((1..self.end()).map(Action::Lose));
        }
        if self.may(size, Fault::LossSentAgain) {
            actions.extend((1..self.end()).map(Action::LoseAndSendAgain));
        }
    }

    fn actions_of(&self, fence: &Fence, w: usize, room: bool, actions: &mut Vec<Action>) {
        let size = &fence.size;
        let writer = &self.writers[w];
        match &writer.role {
            Role::Stopped => return,
            Role::Idle => {
                if writer.incarnation.is_some() || self.incarnations < size.incarnations {
                    actions.push(Action::Take(w));
                }
                return;
            }
            Role::Taking(taking) => {
                if self.messages().any(|m| *m == Message::TermStarted(taking.incarnation)) {
                    actions.push(Action::Serve(w));
                }
                if self.may(size, Fault::Unknown) {
                    actions.push(Action::GiveUp(w));
                }
            }
            Role::Serving(serving) => {
                if serving.flight.len() < size.in_flight {
                    let tip = serving.tip(fence.change);
                    let known = 0..(self.requests + 1).min(size.requests);
                    let unused = known.filter(|request| !tip.past.has(*request));
                    actions.extend(unused.map(|request| Action::Send(w, request)));
                }
                serving.reports(w, |fault| self.may(size, fault), actions);
                if serving.on_its_way().is_some() && self.may(size, Fault::Hole) {
                    actions.extend([Action::Drop(w), Action::Delay(w)]);
                }
            }
        }
        if writer.on_its_way() && room {
            actions.push(Action::Land(w));
        }
        if self.may(size, Fault::Crash) {
            actions.push(Action::Crash(w));
        }
    }

    pub(super) fn apply(&mut self, fence: &Fence, action: Action) {
        if let Some(fault) = action.fault(self) {
            self.faults[fault as usize] += 1;
        }
        match action {
            Action::Take(w) => self.take(fence, w),
            Action::GiveUp(w) => self.stand_down(w),
            Action::Serve(w) => self.serve(fence, w),
            Action::Send(w, request) => self.send(fence, w, request),
            Action::Land(w) => self.land_own(fence, w),
            Action::Report(w) => self.report_offset(fence, w),
            Action::ReportWithoutOffset(w) => self.report_without_offset(fence, w),
            Action::ReportUnknown(w) => self.report_unknown(fence, w),
            Action::ReadBack(w) => self.read_back(fence, w),
            Action::Drop(w) => self.mislay(w, false),
            Action::Delay(w) => self.mislay(w, true),
            Action::Crash(w) => self.crash(w),
            Action::LandLate(queue) => {
                let message = self.late[queue].remove(0);
                self.land(fence, message);
            }
            Action::Foreign => self.land(fence, Message::Foreign),
            Action::Copy(offset) => {
                let message = self.message(offset).cloned();
                self.land(fence, message.expect("what is copied is there"));
            }
            Action::Lose(end) => self.lose(fence, end, false),
            Action::LoseAndSendAgain(end) => self.lose(fence, end, true),
        }
        if fence.change != Change::ReusesIncarnation {
            self.writers.iter_mut().for_each(Writer::forget_incarnation);
        }
    }
}

pub(super) fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
