//! What a writer does: takes the partition, sends, and acknowledges by the module's own [`Acks`].

use super::message::{Commit, Message, Past};
use super::state::{State, Wrong};
use super::view::{View, chain_after};
use super::{Action, Change, Fault, Fence, InDoubt, Seen};
use crate::backend::{Outcome, Report};
use crate::fence::{AckStep, Acks, Retake};
use crate::record::Chain;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Writer {
    pub(super) role: Role,
    /// Commits of its earlier terms whose clients heard "unknown": its next term settles them.
    pub(super) unsettled: Vec<Commit>,
    /// Under [`Change::ReusesIncarnation`] only.
    pub(super) incarnation: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Idle,
    Taking(Taking),
    Serving(Serving),
    /// It found loss.
    Stopped,
}

/// It sent a `TermStarted` and looks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Taking {
    pub(super) incarnation: u8,
    place: Place,
    /// Under [`Change::ServesUnread`] only: what it knew when it sent.
    unread: Option<Belief>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Serving {
    incarnation: u8,
    pub(super) term: u64,
    acks: Acks,
    /// Offset of the last counted record.
    counted: u64,
    /// Reports without an offset since.
    without_offset: usize,
    /// After the last counted record.
    pub(super) known: Belief,
    pub(super) flight: Vec<Flight>,
    attempts: u8,
}

/// A send that is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    commit: Commit,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    OnItsWay,
    At(u64),
    /// It was refused and never lands, those behind it may.
    Refused,
    /// Those behind it overtake it.
    Astray,
}

/// What a writer decides upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Belief {
    pub(super) sequence: u64,
    chain: Chain,
    pub(super) past: Past,
}

impl Belief {
    fn of(view: &View) -> Belief {
        Belief { sequence: view.cursor.sequence, chain: view.cursor.chain, past: view.past }
    }

    fn after(self, change: Change, offset: u64, commit: &Commit) -> Belief {
        Belief {
            sequence: commit.sequence,
            chain: chain_after(change, self.chain, offset, &commit.bytes()),
            past: self.past.after(commit),
        }
    }
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer { role: Role::Idle, unsettled: Vec::new(), incarnation: None }
    }

    /// Each attempt has a fresh one.
    pub(super) fn forget_incarnation(&mut self) {
        self.incarnation = None;
    }

    pub(super) fn on_its_way(&self) -> bool {
        match &self.role {
            Role::Taking(taking) => taking.place == Place::OnItsWay,
            Role::Serving(serving) => serving.on_its_way().is_some(),
            Role::Idle | Role::Stopped => false,
        }
    }
}

impl Serving {
    pub(super) fn on_its_way(&self) -> Option<usize> {
        self.flight.iter().position(|flight| flight.place == Place::OnItsWay)
    }

    /// After all that is in flight.
    pub(super) fn tip(&self, change: Change) -> Belief {
        let expected = self.counted + 1..;
        expected.zip(&self.flight).fold(self.known, |belief, (offset, flight)| {
            belief.after(change, offset, &flight.commit)
        })
    }

    /// The reports that can come next. They come in the order of the sends.
    pub(super) fn reports(&self, w: usize, may: impl Fn(Fault) -> bool, actions: &mut Vec<Action>) {
        if self.without_offset > 0 {
            actions.push(Action::ReadBack(w));
        }
        let Some(next) = self.flight.get(self.without_offset) else { return };
        match next.place {
            Place::At(_) => {
                actions.push(Action::Report(w));
                if may(Fault::WithoutOffset) {
                    actions.push(Action::ReportWithoutOffset(w));
                }
                if may(Fault::Unknown) {
                    actions.push(Action::ReportUnknown(w));
                }
            }
            Place::OnItsWay if may(Fault::Unknown) => actions.push(Action::ReportUnknown(w)),
            Place::OnItsWay => {}
            Place::Refused | Place::Astray => actions.push(Action::ReportUnknown(w)),
        }
    }

    /// The report that comes when nothing goes wrong any more.
    pub(super) fn next_report(&self, w: usize) -> Option<Action> {
        let mut reports = Vec::new();
        self.reports(w, |_| false, &mut reports);
        reports.pop()
    }

    /// Follows the reports from here on, as if the term began at the last counted record.
    fn restart_acks(&mut self) {
        self.acks = Acks::new(self.counted);
        self.without_offset = 0;
        self.flight.iter().for_each(|flight| self.acks.sent(flight.commit.sequence));
    }
}

impl State {
    /// Whether the oldest unreported send of a writer went astray, so that no report of it is new.
    pub(super) fn is_astray(&self, w: usize) -> bool {
        let Role::Serving(serving) = &self.writers[w].role else { return false };
        let next = serving.flight.get(serving.without_offset);
        next.is_some_and(|flight| matches!(flight.place, Place::Refused | Place::Astray))
    }

    pub(super) fn serving(&mut self, w: usize) -> &mut Serving {
        match &mut self.writers[w].role {
            Role::Serving(serving) => serving,
            other => panic!("it does not serve: {other:?}"),
        }
    }

    pub(super) fn take(&mut self, fence: &Fence, w: usize) {
        let unread = (fence.change == Change::ServesUnread)
            .then(|| self.read(fence, self.log.len()).map(|view| Belief::of(&view)))
            .flatten();
        let incarnation = self.writers[w].incarnation.unwrap_or(self.incarnations);
        self.incarnations = self.incarnations.max(incarnation + 1);
        self.writers[w].incarnation = Some(incarnation);
        let place = Place::OnItsWay;
        self.writers[w].role = Role::Taking(Taking { incarnation, place, unread });
    }

    /// It finds its `TermStarted`, reads everything up to it, settles its earlier terms, and serves.
    pub(super) fn serve(&mut self, fence: &Fence, w: usize) {
        let Role::Taking(Taking { incarnation, unread, .. }) = self.writers[w].role else {
            panic!("it takes no term");
        };
        let own = Message::TermStarted(incarnation);
        let place = self.messages().position(|message| *message == own).expect("it was found");
        let read = self.read(fence, place + 1);
        let Some(view) = read else { return self.found_loss(fence, w) };
        let term = place as u64;
        let known = match unread {
            Some(belief) => Belief { chain: belief.chain.after_term(term, &own.bytes()), ..belief },
            None => Belief::of(&view),
        };
        for commit in std::mem::take(&mut self.writers[w].unsettled) {
            self.settle(fence, &commit);
        }
        self.writers[w].role = Role::Serving(Serving {
            incarnation,
            term,
            acks: Acks::new(term),
            counted: term,
            without_offset: 0,
            known,
            flight: Vec::new(),
            attempts: 0,
        });
    }

    /// Behind a newer `TermStarted`: what counts is OK, the rest has failed for ever.
    fn settle(&mut self, fence: &Fence, commit: &Commit) {
        if self.counts(commit) {
            fence.saw(Seen::SettledOk);
            self.tell_ok(fence, commit);
        } else {
            self.tell_failed(fence, commit);
        }
    }

    pub(super) fn send(&mut self, fence: &Fence, w: usize, request: u8) {
        self.requests = self.requests.max(request + 1);
        let serving = self.serving(w);
        let tip = serving.tip(fence.change);
        let commit = Commit {
            writer: serving.incarnation,
            attempt: serving.attempts,
            request,
            term: serving.term,
            sequence: tip.sequence + 1,
            prev_hash: tip.chain.0,
            decided_upon: tip.past,
        };
        serving.acks.sent(commit.sequence);
        serving.flight.push(Flight { commit, place: Place::OnItsWay });
    }

    pub(super) fn land_own(&mut self, fence: &Fence, w: usize) {
        let end = Place::At(self.end());
        let message = match &mut self.writers[w].role {
            Role::Taking(taking) => {
                taking.place = end;
                Message::TermStarted(taking.incarnation)
            }
            Role::Serving(serving) => {
                let n = serving.on_its_way().expect("it sent");
                serving.flight[n].place = end;
                Message::Commit(serving.flight[n].commit)
            }
            Role::Idle | Role::Stopped => panic!("it sent nothing"),
        };
        self.land(fence, message);
    }

    /// The oldest send on its way will never land, or much later: those behind it come first.
    pub(super) fn mislay(&mut self, w: usize, lands_later: bool) {
        let serving = self.serving(w);
        let n = serving.on_its_way().expect("it sent");
        let flight = &mut serving.flight[n];
        flight.place = if lands_later { Place::Astray } else { Place::Refused };
        let message = Message::Commit(flight.commit);
        if lands_later {
            self.late.push(vec![message]);
        }
    }

    pub(super) fn report_offset(&mut self, fence: &Fence, w: usize) {
        let serving = self.serving(w);
        let Place::At(offset) = serving.flight[serving.without_offset].place else {
            panic!("it is not durable");
        };
        self.report(fence, w, Outcome::Durable(Some(offset)));
    }

    pub(super) fn report_without_offset(&mut self, fence: &Fence, w: usize) {
        self.report(fence, w, Outcome::Durable(None));
    }

    pub(super) fn report_unknown(&mut self, fence: &Fence, w: usize) {
        let serving = self.serving(w);
        let outcome = match serving.flight[serving.without_offset].place {
            _ if fence.change == Change::KeepsSpeculation => Outcome::Durable(None),
            Place::Refused => Outcome::Failed,
            Place::OnItsWay | Place::At(_) | Place::Astray => Outcome::Unknown,
        };
        self.report(fence, w, outcome);
    }

    /// Nothing comes that would say where its last records are: it looks itself.
    pub(super) fn read_back(&mut self, fence: &Fence, w: usize) {
        if fence.in_doubt == InDoubt::Retakes {
            return self.stand_down(w);
        }
        let serving = self.serving(w);
        let last = serving.without_offset - 1;
        let Place::At(offset) = serving.flight[last].place else { return self.in_doubt(fence, w) };
        serving.restart_acks();
        for n in 0..last {
            let ticket = serving.flight[n].commit.sequence;
            serving.acks.report(Report { ticket, outcome: Outcome::Durable(None) });
        }
        serving.without_offset = last;
        fence.saw(Seen::ReadBack);
        self.report(fence, w, Outcome::Durable(Some(offset)));
    }

    fn report(&mut self, fence: &Fence, w: usize, outcome: Outcome) {
        let serving = self.serving(w);
        let ticket = serving.flight[serving.without_offset].commit.sequence;
        match serving.acks.report(Report { ticket, outcome }) {
            AckStep::Wait => serving.without_offset += 1,
            AckStep::Counted { count, offset } => self.count(fence, w, count, offset),
            AckStep::Diverged { .. } => self.found_loss(fence, w),
            AckStep::Retake(Retake::Gap) => {
                let Outcome::Durable(Some(offset)) = outcome else { panic!("a gap has an end") };
                self.gap(fence, w, offset);
            }
            AckStep::Retake(Retake::Unknown | Retake::Failed) => self.in_doubt(fence, w),
        }
    }

    /// The oldest in flight count, the newest of them at this offset.
    fn count(&mut self, fence: &Fence, w: usize, count: usize, offset: u64) {
        let serving = self.serving(w);
        let counted: Vec<Flight> = serving.flight.drain(..count).collect();
        for flight in &counted {
            let place = if let Place::At(place) = flight.place { place } else { offset };
            serving.known = serving.known.after(fence.change, place, &flight.commit);
        }
        serving.counted = offset;
        serving.without_offset = 0;
        counted.iter().for_each(|flight| self.tell_ok(fence, &flight.commit));
    }

    /// Something stands between its last counted record and this one.
    fn gap(&mut self, fence: &Fence, w: usize, offset: u64) {
        let serving = self.serving(w);
        let (counted, term, own) = (serving.counted, serving.term, serving.incarnation);
        let count = serving.without_offset + 1;
        if fence.change == Change::AcknowledgesAnyOffset {
            self.count(fence, w, count, offset);
            return self.go_on_behind_a_gap(w);
        }
        if fence.in_doubt == InDoubt::Retakes {
            return self.stand_down(w);
        }
        for between in counted + 1..offset {
            match self.message(between) {
                None => return self.found_loss(fence, w),
                Some(Message::TermStarted(i))
                    if *i == own && fence.change == Change::OwnCopyDoesNotDepose => {}
                Some(Message::TermStarted(_)) => return self.deposed(fence, w),
                Some(Message::Commit(c)) if c.term == term && c.writer != own => {
                    return self.found_loss(fence, w);
                }
                Some(_) => {}
            }
        }
        fence.saw(Seen::CountedBehindAGap);
        self.count(fence, w, count, offset);
        self.go_on_behind_a_gap(w);
    }

    fn go_on_behind_a_gap(&mut self, w: usize) {
        self.serving(w).restart_acks();
    }

    /// Nobody knows what became of a send: what was decided upon it is dropped.
    fn in_doubt(&mut self, fence: &Fence, w: usize) {
        let serving = self.serving(w);
        let term = serving.term;
        let commits: Vec<Commit> = serving.flight.iter().map(|flight| flight.commit).collect();
        if fence.change == Change::FailsEarly {
            let gone = commits.iter().filter(|commit| !self.counts(commit)).copied();
            gone.collect::<Vec<_>>().iter().for_each(|commit| self.tell_failed(fence, commit));
        }
        let goes_on = match (fence.change, fence.in_doubt) {
            (Change::GoesOnAfterUnknown, _) => true,
            (_, InDoubt::Retakes) => false,
            (_, InDoubt::ReadsBack) => commits.iter().all(|commit| self.counts(commit)),
        };
        if !goes_on || self.is_deposed(term) {
            return self.stand_down(w);
        }
        let read = self.read(fence, self.log.len());
        let Some(view) = read else { return self.found_loss(fence, w) };
        fence.saw(Seen::WentOnAfterUnknown);
        for commit in commits {
            if self.counts(&commit) {
                self.tell_ok(fence, &commit);
            }
        }
        self.strand(w);
        let counted = self.end() - 1;
        let serving = self.serving(w);
        serving.attempts += u8::from(fence.change == Change::GoesOnAfterUnknown);
        serving.known = Belief::of(&view);
        serving.counted = counted;
        serving.flight.clear();
        serving.restart_acks();
    }

    /// Its term is over; its next one settles what is in flight.
    pub(super) fn stand_down(&mut self, w: usize) {
        self.strand(w);
        let writer = &mut self.writers[w];
        if let Role::Serving(serving) = std::mem::replace(&mut writer.role, Role::Idle) {
            writer.unsettled.extend(serving.flight.iter().map(|flight| flight.commit));
        }
    }

    /// It read a newer `TermStarted`, which settles its term.
    fn deposed(&mut self, fence: &Fence, w: usize) {
        let serving = self.serving(w);
        let (term, flight) = (serving.term, serving.flight.clone());
        fence.saw(Seen::Deposed);
        if self.lost.is_none() && !self.is_deposed(term) {
            self.breaks(Wrong::NotDeposed);
        }
        flight.iter().for_each(|flight| self.settle(fence, &flight.commit));
        self.strand(w);
        self.writers[w].role = Role::Idle;
    }

    /// The log says what cannot be.
    fn found_loss(&mut self, fence: &Fence, w: usize) {
        fence.saw(Seen::FoundLoss);
        if self.lost.is_none() {
            self.breaks(Wrong::FalseAlarm);
        }
        self.strand(w);
        self.writers[w].role = Role::Stopped;
        self.writers[w].unsettled.clear();
    }

    /// Its process dies, and what it knew with it.
    pub(super) fn crash(&mut self, w: usize) {
        self.strand(w);
        self.writers[w].role = Role::Idle;
        self.writers[w].unsettled.clear();
    }

    /// What it sent and what has not landed is on its way with nobody waiting.
    fn strand(&mut self, w: usize) {
        let stranded: Vec<Message> = match &self.writers[w].role {
            Role::Taking(Taking { incarnation, place: Place::OnItsWay, .. }) => {
                vec![Message::TermStarted(*incarnation)]
            }
            Role::Serving(serving) => {
                let on_its_way = serving.flight.iter().filter(|f| f.place == Place::OnItsWay);
                on_its_way.map(|flight| Message::Commit(flight.commit)).collect()
            }
            Role::Taking(_) | Role::Idle | Role::Stopped => return,
        };
        if !stranded.is_empty() {
            self.late.push(stranded);
        }
    }
}
