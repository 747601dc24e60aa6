//! One partition in one thread: every step is taken by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ledger_domain::{
    AccountName, AccountType, AskedRules, AssetCode, Command, CommandBody, Decimal, Id, LedgerName,
    Leg, Movement, Transfer,
};
use ledger_log::simulated::{Crash, Simulated};
use ledger_log::{LogId, Report};

use super::flaky::Flaky;
use crate::ids::MemoryIds;
use crate::reply::{Answer, Replied, Reply, Request};
use crate::snapshot::MemorySnapshots;
use crate::{
    FollowError, Follower, FollowerParts, Link, SnapshotPolicy, Writer, WriterLimits, WriterParts,
    readback,
};

pub(crate) const START: i64 = 1_700_000_000_000_000_000;

pub(crate) struct Rig {
    pub(crate) log: Arc<Simulated>,
    /// The log as the writer reads it.
    pub(crate) flaky: Arc<Flaky<Simulated>>,
    pub(crate) log_id: LogId,
    pub(crate) ids: Arc<MemoryIds>,
    pub(crate) snapshots: MemorySnapshots,
    pub(crate) now: i64,
    pub(crate) limits: WriterLimits,
    pub(crate) policy: SnapshotPolicy,
    pub(crate) writer: Writer,
    pub(crate) follower: Follower,
    pub(crate) link: Arc<Link>,
    pub(crate) replies: BTreeMap<u64, Replied>,
    reports: Arc<Mutex<Vec<Report>>>,
    tokens: u64,
    starts: u64,
}

/// Never by itself: tests say when.
pub(crate) const NO_SNAPSHOTS: SnapshotPolicy =
    SnapshotPolicy { every_commits: u64::MAX, every_bytes: u64::MAX };

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(WriterLimits { compare_every_commits: 1, ..WriterLimits::default() }, 0)
    }

    pub(crate) fn with(limits: WriterLimits, seed: u64) -> Self {
        let log = Arc::new(Simulated::new(1, seed));
        let info = ledger_log::log::open(&*log, LogId([9; 16])).unwrap();
        Self::on(log, info.id, limits, seed)
    }

    /// Another process on the same log.
    pub(crate) fn rival(&self) -> Self {
        Rig { now: self.now, ..Self::on(self.log.clone(), self.log_id, self.limits, !self.starts) }
    }

    fn on(log: Arc<Simulated>, log_id: LogId, limits: WriterLimits, seed: u64) -> Self {
        let flaky = Flaky::new(log.clone());
        let (ids, snapshots) = (Arc::new(MemoryIds::default()), MemorySnapshots::default());
        let reports = Arc::default();
        let policy = NO_SNAPSHOTS;
        let (writer, follower, link) =
            start(&flaky, log_id, &ids, &snapshots, &reports, limits, policy, seed).unwrap();
        let replies = BTreeMap::new();
        let (now, tokens, starts) = (START, 0, seed);
        Rig {
            log,
            flaky,
            log_id,
            ids,
            snapshots,
            now,
            limits,
            policy,
            writer,
            follower,
            link,
            replies,
            reports,
            tokens,
            starts,
        }
    }

    /// The process ends without warning and starts again.
    pub(crate) fn crash(&mut self, crash: Crash) {
        self.log.crash(crash);
        self.ids.crash();
        self.restart().unwrap();
    }

    pub(crate) fn restart(&mut self) -> Result<(), FollowError> {
        self.starts += 1;
        self.reports.lock().unwrap().clear();
        let Rig { flaky, log_id, ids, snapshots, reports, limits, policy, starts, .. } = self;
        let started =
            start(flaky, *log_id, ids, snapshots, reports, *limits, *policy, *starts << 32)?;
        (self.writer, self.follower, self.link) = started;
        self.replies.clear();
        Ok(())
    }

    pub(crate) fn offer(&mut self, command: Command) -> u64 {
        self.offer_as(command, false)
    }

    pub(crate) fn offer_as(&mut self, command: Command, validate_only: bool) -> u64 {
        self.tokens += 1;
        let (actor, traceparent) = (String::new(), String::new());
        let token = self.tokens;
        self.writer.offer(Request { token, command, validate_only, actor, traceparent });
        token
    }

    /// Hands reports over and lets the writer step, once.
    pub(crate) fn step_writer(&mut self) -> Option<i64> {
        self.now += 1_000;
        for report in std::mem::take(&mut *self.reports.lock().unwrap()) {
            self.writer.report(report);
        }
        let wake = self.writer.step(self.now);
        self.replies.extend(self.writer.take_replies());
        wake
    }

    pub(crate) fn follow(&mut self) {
        while self.follower.step().unwrap() > 0 {}
    }

    /// Everything that can be done is done, with a log that takes all. Nothing becomes due by it.
    pub(crate) fn pump(&mut self) {
        for _ in 0..1_000 {
            let wake = self.step_writer();
            if let Some(wake) = wake.filter(|wake| self.writer.state().next_due() != Some(*wake)) {
                self.now = self.now.max(wake);
                continue;
            }
            let busy = self.log.pending(0) > 0;
            self.log.flush(0);
            let followed = self.follower.step().unwrap();
            if !busy && followed == 0 && self.writer.is_idle() {
                self.step_writer();
                return;
            }
        }
        panic!("does not come to rest: {:?}", self.writer.status());
    }

    pub(crate) fn reply(&mut self, token: u64) -> Reply {
        let replied = self.replies.remove(&token).expect("a reply");
        readback::complete(&*self.log, replied).unwrap()
    }

    pub(crate) fn ask(&mut self, command: Command) -> Reply {
        let token = self.offer(command);
        self.pump();
        self.reply(token)
    }

    /// The answer to one transfer, as a line.
    pub(crate) fn post(&mut self, transfer: Transfer) -> String {
        line(&self.ask(batch(None, vec![transfer])))
    }

    /// A ledger "bank", asset USD of scale 2, accounts "world" (may go negative), "a" and "b".
    pub(crate) fn with_bank(mut self) -> Self {
        for command in bank() {
            assert!(matches!(self.ask(command), Reply::One(Answer::Accepted(_))));
        }
        self
    }

    pub(crate) fn assert_replay_is_live(&mut self) {
        self.pump();
        assert_eq!(self.writer.fingerprint(), self.follower.fingerprint());
        assert_eq!(self.writer.state(), self.follower.state());
        assert_eq!(ledger_domain::invariants::check(self.writer.state()), []);
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of a process")]
fn start(
    flaky: &Arc<Flaky<Simulated>>,
    log_id: LogId,
    ids: &Arc<MemoryIds>,
    snapshots: &MemorySnapshots,
    reports: &Arc<Mutex<Vec<Report>>>,
    limits: WriterLimits,
    policy: SnapshotPolicy,
    seed: u64,
) -> Result<(Writer, Follower, Arc<Link>), FollowError> {
    let link = Arc::new(Link::default());
    let follower = Follower::open(FollowerParts {
        backend: flaky.log.clone(),
        log_id,
        partition: 0,
        ids: ids.clone(),
        snapshots: Box::new(snapshots.clone()),
        policy,
        link: link.clone(),
    })?;
    let mut rng = fastrand::Rng::with_seed(seed);
    let sink = reports.clone();
    let parts = WriterParts {
        backend: flaky.clone(),
        log_id,
        partition: 0,
        ids: ids.clone(),
        link: link.clone(),
        entropy: Box::new(move || rng.u128(..).to_le_bytes()),
        sinks: Box::new(move || {
            let sink = sink.clone();
            Box::new(move |report| sink.lock().unwrap().push(report))
        }),
    };
    let mut writer = Writer::new(parts, limits);
    writer.assign();
    Ok((writer, follower, link))
}

pub(crate) fn command(request_id: Option<&str>, body: CommandBody) -> Command {
    let ledger = LedgerName::parse("bank").unwrap();
    let request_id = request_id.map(|id| Id::parse(id).unwrap());
    Command { ledger, request_id, conditions: Vec::new(), body }
}

pub(crate) fn open_account(request_id: Option<&str>, name: &str, may_go_negative: bool) -> Command {
    let body = CommandBody::OpenAccount {
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Liability,
        rules: AskedRules::without_limits(may_go_negative),
        metadata: Default::default(),
    };
    command(request_id, body)
}

pub(crate) fn set_rules(request_id: Option<&str>, name: &str, limits: &[(&str, &str)]) -> Command {
    let limit = |(code, amount): &(&str, &str)| {
        (AssetCode::parse(code).unwrap(), Decimal::parse(amount).unwrap())
    };
    let credit_limits = limits.iter().map(limit).collect();
    let rules = AskedRules { may_go_negative: false, credit_limits };
    let name = AccountName::parse(name).unwrap();
    command(request_id, CommandBody::SetAccountRules { name, rules })
}

pub(crate) fn lock_books(request_id: Option<&str>, locked_before: Option<i64>) -> Command {
    command(request_id, CommandBody::LockBooks { locked_before })
}

pub(crate) fn create_asset(request_id: Option<&str>, code: &str, scale: u8) -> Command {
    let code = AssetCode::parse(code).unwrap();
    command(request_id, CommandBody::CreateAsset { code, scale })
}

pub(crate) fn bank() -> Vec<Command> {
    vec![
        command(Some("bank"), CommandBody::CreateLedger { metadata: Default::default() }),
        create_asset(Some("usd"), "USD", 2),
        open_account(Some("world"), "world", true),
        open_account(None, "a", false),
        open_account(None, "b", false),
    ]
}

pub(crate) fn transfer(id: &str, debit: &str, credit: &str, amount: &str) -> Transfer {
    moves(id, Movement::Post(leg(debit, credit, amount)))
}

pub(crate) fn moves(id: &str, movement: Movement) -> Transfer {
    Transfer {
        id: Id::parse(id).unwrap(),
        movement,
        reference: "".into(),
        effective_at: None,
        link: ledger_domain::Link::Alone,
        metadata: Default::default(),
    }
}

pub(crate) fn leg(debit: &str, credit: &str, amount: &str) -> Leg {
    Leg {
        debit_account: AccountName::parse(debit).unwrap(),
        credit_account: AccountName::parse(credit).unwrap(),
        asset: AssetCode::parse("USD").unwrap(),
        amount: Decimal::parse(amount).unwrap(),
        up_to: false,
    }
}

pub(crate) fn batch(request_id: Option<&str>, transfers: Vec<Transfer>) -> Command {
    command(request_id, CommandBody::PostTransfers { transfers })
}

/// A reply as one line, items separated by ", ".
pub(crate) fn line(reply: &Reply) -> String {
    let answer = |answer: &Answer| {
        let place = |answer: &Answer| match answer.receipt() {
            Some(receipt) => {
                let at = receipt.position.map_or("nowhere".into(), |at| at.to_string());
                format!(" {at}{}", if receipt.replayed { " replayed" } else { "" })
            }
            None => String::new(),
        };
        match answer {
            Answer::Accepted(_) => format!("ok{}", place(answer)),
            Answer::Refused { rejection, .. } => format!("{rejection}{}", place(answer)),
        }
    };
    match reply {
        Reply::One(one) => answer(one),
        Reply::Items(items) => items.iter().map(answer).collect::<Vec<_>>().join(", "),
        Reply::NotRecorded { reason } => format!("not recorded: {reason}"),
        Reply::Overloaded { retry_after_ms } => format!("overloaded: {retry_after_ms}"),
        Reply::NotOwner => "not the owner".into(),
        Reply::Unknown { reason } => format!("unknown: {reason}"),
    }
}
