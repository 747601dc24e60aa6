//! What clients ask: mostly sound, often not.

mod accounts;
mod alerts;
mod customers;
mod metadata;
mod schedules;
mod sends;

use fastrand::Rng;

use self::accounts::{change, set_rules};
pub(crate) use self::metadata::{KEYS, VALUES};
use crate::model::{CAPTURE, HOLD, POST, REVERSAL, SEND, VOID};
use crate::request::{Ask, Condition, Request, Text, That, Transfer};

pub(crate) const LEDGERS: [&str; 3] = ["bank", "shop", "club"];
const ACCOUNTS: [&str; 7] = ["cash", "alice", "bob", "fees", "till", "world", "users:carol:wallet"];
const ASSETS: [(&str, u32); 3] = [("USD", 2), ("JPY", 0), ("DEEP", 30)];
const AMOUNTS: [&str; 12] = [
    "1",
    "2.50",
    "2.5",
    "0.01",
    "10",
    "99.99",
    "0.001",
    "1000000",
    "340282366920938463463374607431768211455",
    "170141183460469231731687303715884105728",
    "340282366920938463463374607431768211456",
    "0",
];
const MALFORMED_AMOUNTS: [&str; 6] = ["", "01", "1.", "1e3", "-1", "0.00"];
/// Past asks that are drawn from again.
const REMEMBERED_MAX: usize = 64;
/// Past holds that are captured and voided, and past transfers that are reversed.
const IDS_MAX: usize = 24;
/// Versions of accounts that were read and are acted upon.
const VERSIONS_MAX: usize = 24;
const SECOND_NS: i64 = 1_000_000_000;

/// Makes requests.
#[derive(Debug, Default)]
pub(crate) struct Workload {
    made: u64,
    set_up: usize,
    past: Vec<Request>,
    /// Ledger and id of holds that were asked for.
    holds: Vec<(String, String)>,
    /// Likewise of what can be reversed.
    posts: Vec<(String, String)>,
    /// Ledger, account and version that were read, the newest last.
    versions: Vec<(String, String, u64)>,
    /// Ledger and id of the accepted transfer of each ledger that was read first.
    transfers: Vec<(String, String)>,
    /// Ledger and id of schedules that were asked for.
    schedules: Vec<(String, String)>,
    /// Ledger and name of customers who were to be registered.
    people: Vec<(String, String)>,
    now: i64,
}

impl Workload {
    pub(crate) fn next(&mut self, rng: &mut Rng, now: i64) -> Request {
        self.made += 1;
        self.now = now;
        let request = match rng.u32(0..100) {
            0..15 if !self.past.is_empty() => self.again(rng),
            _ => self.fresh(rng),
        };
        if self.past.len() < REMEMBERED_MAX {
            self.past.push(request.clone());
        } else {
            let at = rng.usize(0..REMEMBERED_MAX);
            self.past[at] = request.clone();
        }
        request
    }

    /// A request of the past: the same, or its id with other content.
    fn again(&mut self, rng: &mut Rng) -> Request {
        let first = self.past[rng.usize(0..self.past.len())].clone();
        if rng.u32(0..4) > 0 {
            return Request { validate_only: rng.u32(0..8) == 0, ..first };
        }
        let fresh = self.fresh(rng);
        Request { request_id: first.request_id, ledger: first.ledger, ..fresh }
    }

    fn fresh(&mut self, rng: &mut Rng) -> Request {
        if rng.u32(0..3) > 0
            && let Some((ledger, ask)) = self.set_up(rng)
        {
            let (request_id, ledger) = (String::new(), ledger.to_owned());
            return Request {
                request_id,
                ledger,
                ask,
                conditions: Vec::new(),
                validate_only: false,
            };
        }
        let mut request_id = String::new();
        if rng.bool() {
            request_id = format!("r-{}", self.made);
        }
        let mut ledger = LEDGERS[rng.usize(0..LEDGERS.len())].to_owned();
        let ask = match rng.u32(0..100) {
            0..8 => self.set_up_ask(rng, &ledger),
            8..14 => change(rng),
            14..18 => set_rules(rng),
            18..20 => self.lock(rng),
            20..25 => self.schedule(rng, &ledger),
            25..27 => self.cancel(rng, &ledger),
            27..33 => self.customer(rng, &ledger),
            33..39 => self.alert(rng),
            39 => self.remove_alert(rng),
            40..50 => self.note(rng, &ledger),
            _ => self.post(rng, &ledger),
        };
        match rng.u32(0..200) {
            0..3 => "ghost".clone_into(&mut ledger),
            3 => "no/name".clone_into(&mut ledger),
            4 => "~r".clone_into(&mut request_id),
            _ => {}
        }
        let conditions = self.conditions(rng, &ledger);
        Request { request_id, ledger, ask, conditions, validate_only: rng.u32(0..20) == 0 }
    }

    /// What a command depends on: mostly nothing.
    fn conditions(&self, rng: &mut Rng, ledger: &str) -> Vec<Condition> {
        let count = match rng.u32(0..60) {
            0..8 => 1,
            8..10 => 2,
            10 => rng.usize(15..19),
            _ => 0,
        };
        (0..count).map(|_| self.condition(rng, ledger)).collect()
    }

    fn condition(&self, rng: &mut Rng, ledger: &str) -> Condition {
        let of_ledger = self.versions.iter().filter(|(of, _, _)| of == ledger);
        let read: Vec<_> = of_ledger.map(|(_, account, version)| (account, version)).collect();
        if !read.is_empty() && rng.bool() {
            // The newest are often right, the others stale.
            let at = match rng.bool() {
                true => read.len() - 1,
                false => rng.usize(0..read.len()),
            };
            let (account, version) = read[at];
            return Condition { account: account.clone(), that: That::Version(*version) };
        }
        let account = match rng.u32(0..40) {
            0 => "nobody",
            1 => "no body",
            _ => ACCOUNTS[rng.usize(0..ACCOUNTS.len())],
        };
        let asset = match rng.u32(0..20) {
            0 => "NONE",
            1 => "no asset",
            _ => ASSETS[rng.usize(0..ASSETS.len())].0,
        };
        let amount = match rng.u32(0..12) {
            0 => MALFORMED_AMOUNTS[rng.usize(0..MALFORMED_AMOUNTS.len())],
            1..3 => AMOUNTS[rng.usize(0..AMOUNTS.len())],
            _ => ["0", "100", "1000.0", "20"][rng.usize(0..4)],
        };
        let sign = if rng.u32(0..3) == 0 { "-" } else { "" };
        let figure = if rng.u32(0..30) == 0 { 7 } else { rng.i32(1..7) };
        let comparison = if rng.u32(0..30) == 0 { 0 } else { rng.i32(1..4) };
        let that = match rng.u32(0..20) {
            0 => That::Nothing,
            1 => That::Version(0),
            _ => That::Balance(asset.into(), figure, comparison, format!("{sign}{amount}")),
        };
        Condition { account: account.into(), that }
    }

    /// A client has read an account, and what its version is.
    pub(crate) fn has_read(&mut self, ledger: &str, account: &str, version: u64) {
        if self.versions.len() == VERSIONS_MAX {
            self.versions.remove(0);
        }
        self.versions.push((ledger.to_owned(), account.to_owned(), version));
    }

    /// A client has read a transfer that was accepted.
    pub(crate) fn has_read_transfer(&mut self, ledger: &str, id: &str) {
        let read = (ledger.to_owned(), id.to_owned());
        // One of each ledger, so that it is noted upon again and again.
        if self.transfers.iter().all(|(of, _)| of != ledger) {
            self.transfers.push(read);
        }
    }

    /// Mostly somewhere among the effective times, rarely around now.
    fn lock(&self, rng: &mut Rng) -> Ask {
        let before = match rng.u32(0..10) {
            0..3 => None,
            3 => Some(self.now - rng.i64(0..SECOND_NS)),
            4 => Some(self.now + rng.i64(0..100 * SECOND_NS)),
            _ => Some(rng.i64(-1_000_000..1_000_000_000)),
        };
        Ask::Lock { before }
    }

    fn post(&mut self, rng: &mut Rng, ledger: &str) -> Ask {
        let count = match rng.u32(0..40) {
            0 => 0,
            1..20 => 1,
            20..38 => rng.usize(2..8),
            _ => rng.usize(8..60),
        };
        let mut transfers: Vec<Transfer> = Vec::new();
        let bound = count > 1 && rng.u32(0..3) == 0;
        for row in 0..count {
            let transfer = match rng.u32(0..20) {
                _ if bound && rng.u32(0..8) > 0 => self.sound(rng, row),
                0 if !transfers.is_empty() => transfers[rng.usize(0..transfers.len())].clone(),
                1 => self.past_transfer(rng),
                2..6 => self.end_of_hold(rng, row, ledger),
                6..8 => self.reversal(rng, row, ledger),
                8..10 => self.send(rng, row, ledger),
                _ => self.transfer(rng, row),
            };
            let mut transfer = transfer;
            // Also of captures, voids, reversals and sends.
            if rng.u32(0..8) == 0 {
                transfer.metadata = self.noted(rng, ledger);
            }
            match transfer.kind {
                HOLD | SEND => remember(&mut self.holds, rng, ledger, &transfer.id),
                0 | POST | CAPTURE => remember(&mut self.posts, rng, ledger, &transfer.id),
                _ => {}
            }
            transfers.push(transfer);
        }
        if bound {
            self.bind(rng, &mut transfers);
        }
        Ask::Post { transfers }
    }

    /// A transfer of the past, as it was, written otherwise, or changed.
    fn past_transfer(&self, rng: &mut Rng) -> Transfer {
        let posts: Vec<&Transfer> = self
            .past
            .iter()
            .filter_map(|request| match &request.ask {
                Ask::Post { transfers } => transfers.first(),
                Ask::CreateLedger { .. }
                | Ask::Note(_)
                | Ask::CreateAsset { .. }
                | Ask::OpenAccount { .. }
                | Ask::Change { .. }
                | Ask::SetRules { .. }
                | Ask::Lock { .. }
                | Ask::Schedule(_)
                | Ask::Customer(_)
                | Ask::Cancel { .. }
                | Ask::SetAlert(_)
                | Ask::RemoveAlert { .. } => None,
            })
            .collect();
        if posts.is_empty() {
            return self.transfer(rng, 0);
        }
        let mut transfer = posts[rng.usize(0..posts.len())].clone();
        match rng.u32(0..13) {
            0 => transfer.amount = "7".into(),
            1 => transfer.reference = "other".into(),
            2 => transfer.effective_at = Some(1),
            3 => transfer.id = transfer.id.to_uppercase(),
            4 if transfer.amount.contains('.') => transfer.amount.push('0'),
            5 => transfer.kind = rng.i32(0..6),
            6 => transfer.up_to = !transfer.up_to,
            7 => transfer.expires_at = Some(self.now + SECOND_NS),
            8 => transfer.hold = transfer.hold.to_uppercase(),
            9 => transfer.linked = !transfer.linked,
            10 => transfer.entry = "e-2".into(),
            11 => transfer.metadata = [("tier".to_owned(), Text::plain("other"))].into(),
            _ => {}
        }
        transfer
    }

    /// A transfer that is seldom refused: most groups would fail otherwise.
    fn sound(&self, rng: &mut Rng, row: usize) -> Transfer {
        let mut sides = ["world", "cash"];
        rng.shuffle(&mut sides);
        Transfer {
            id: format!("t-{}-{row}", self.made),
            debit: sides[0].into(),
            credit: sides[1].into(),
            asset: "USD".into(),
            amount: rng.u32(1..30).to_string(),
            kind: if rng.u32(0..6) == 0 { HOLD } else { 0 },
            ..Transfer::default()
        }
    }

    /// Makes some of a batch's transfers stand or fall together, mostly well.
    fn bind(&self, rng: &mut Rng, transfers: &mut [Transfer]) {
        let mut at = 0;
        let mut entries = 0;
        while at < transfers.len() {
            let length = rng.usize(1..5).min(transfers.len() - at);
            let group = &mut transfers[at..at + length];
            match rng.u32(0..4) {
                0 => group[..length - 1].iter_mut().for_each(|transfer| transfer.linked = true),
                1 => {
                    entries += 1;
                    let made = if rng.u32(0..3) == 0 { rng.u64(0..=self.made) } else { self.made };
                    let entry = match rng.u32(0..12) {
                        0 => "no entry".to_owned(),
                        1..6 => format!("0198c0de-0000-7abc-8def-{made:08X}{entries:04x}"),
                        _ => format!("e-{made}-{entries}"),
                    };
                    group.iter_mut().for_each(|transfer| transfer.entry.clone_from(&entry));
                }
                _ => {}
            }
            at += length;
        }
        match rng.u32(0..40) {
            0 => transfers[transfers.len() - 1].linked = true,
            1 => transfers[0].linked = true,
            2 => transfers[0].entry = "e-1".into(),
            3 => transfers[transfers.len() - 1].entry = transfers[0].entry.clone(),
            _ => {}
        }
    }

    /// A reversal, mostly of a transfer that was asked for.
    fn reversal(&self, rng: &mut Rng, row: usize, ledger: &str) -> Transfer {
        let of_ledger = self.posts.iter().filter(|(of, _)| of == ledger);
        let posts: Vec<&String> = of_ledger.map(|(_, id)| id).collect();
        let reverses = match rng.u32(0..20) {
            0 => "no transfer".to_owned(),
            1 => format!("t-{}-0", rng.u64(0..=self.made)),
            2 => format!("t-{}-{}", self.made, rng.usize(0..=row)),
            _ if posts.is_empty() => "unknown".to_owned(),
            3 => posts[rng.usize(0..posts.len())].to_uppercase(),
            _ => posts[rng.usize(0..posts.len())].clone(),
        };
        let amount = match rng.u32(0..10) {
            0..4 => String::new(),
            4 => AMOUNTS[rng.usize(0..AMOUNTS.len())].to_owned(),
            _ => rng.u32(1..60).to_string(),
        };
        let id = self.transfer(rng, row).id;
        let mut transfer = Transfer { id, kind: REVERSAL, reverses, amount, ..Transfer::default() };
        self.spoil(rng, &mut transfer);
        transfer
    }

    /// A capture or a void, mostly of a hold that was asked for.
    fn end_of_hold(&self, rng: &mut Rng, row: usize, ledger: &str) -> Transfer {
        let of_ledger = self.holds.iter().filter(|(of, _)| of == ledger);
        let holds: Vec<&String> = of_ledger.map(|(_, id)| id).collect();
        let hold = match rng.u32(0..20) {
            0 => "no hold".to_owned(),
            1 => format!("t-{}-0", rng.u64(0..=self.made)),
            _ if holds.is_empty() => "unknown".to_owned(),
            2 => holds[rng.usize(0..holds.len())].to_uppercase(),
            _ => holds[rng.usize(0..holds.len())].clone(),
        };
        let kind = if rng.u32(0..4) == 0 { VOID } else { CAPTURE };
        let amount = match rng.u32(0..20) {
            _ if kind == VOID => String::new(),
            0..5 => String::new(),
            5 => MALFORMED_AMOUNTS[rng.usize(0..MALFORMED_AMOUNTS.len())].to_owned(),
            6..8 => AMOUNTS[rng.usize(0..AMOUNTS.len())].to_owned(),
            8..10 => rng.u32(100..300).to_string(),
            _ => rng.u32(1..20).to_string(),
        };
        let id = self.transfer(rng, row).id;
        let mut transfer = Transfer { id, kind, hold, amount, ..Transfer::default() };
        self.spoil(rng, &mut transfer);
        transfer
    }

    /// Rarely sets a field that need not be one of its kind.
    fn spoil(&self, rng: &mut Rng, transfer: &mut Transfer) {
        match rng.u32(0..300) {
            0 => transfer.debit = "cash".into(),
            1 => transfer.credit = "cash".into(),
            2 => transfer.asset = "USD".into(),
            3 => transfer.hold = "t-1-0".into(),
            4 => transfer.amount = "1".into(),
            5 => transfer.up_to = true,
            6 => transfer.expires_at = Some(self.now + SECOND_NS),
            7 => transfer.asked_amount = "1".into(),
            8 => transfer.kind = 7,
            13 => transfer.destination = "ledgers/shop/accounts/till".into(),
            14 => transfer.deadline = Some(self.now + SECOND_NS),
            11 => transfer.reverses = "t-1-0".into(),
            12 => transfer.linked = true,
            9 => transfer.kind = -1,
            10 => transfer.kind = 257,
            _ => {}
        }
    }

    fn transfer(&self, rng: &mut Rng, row: usize) -> Transfer {
        let made = self.made;
        let id = match rng.u32(0..60) {
            0 => "no id".to_owned(),
            1..30 => format!("0198c0de-{:04x}-7abc-8def-{made:08x}{row:04x}", rng.u16(..)),
            _ => format!("t-{made}-{row}"),
        };
        let mut account = || match rng.u32(0..80) {
            0 => "nobody".to_owned(),
            1 => "no body".to_owned(),
            _ => ACCOUNTS[rng.usize(0..ACCOUNTS.len())].to_owned(),
        };
        let (debit, mut credit) = (account(), account());
        if debit == credit && rng.u32(0..8) > 0 {
            "world".clone_into(&mut credit);
        }
        let asset = match rng.u32(0..60) {
            0 => "NONE",
            1..40 => "USD",
            _ => ASSETS[rng.usize(0..ASSETS.len())].0,
        };
        let amount = match rng.u32(0..30) {
            0 => MALFORMED_AMOUNTS[rng.usize(0..MALFORMED_AMOUNTS.len())].to_owned(),
            1..6 => AMOUNTS[rng.usize(0..AMOUNTS.len())].to_owned(),
            _ => rng.u32(1..200).to_string(),
        };
        let reference = match rng.u32(0..40) {
            0 => "x".repeat(257),
            1..10 => format!("invoice {}", rng.u16(..)),
            _ => String::new(),
        };
        let effective_at = (rng.u32(0..10) == 0).then(|| rng.i64(-1_000_000..1_000_000_000));
        let kind = match rng.u32(0..10) {
            0..3 => HOLD,
            3 => POST,
            _ => 0,
        };
        // Most holds last for some steps, some for ever, and some are late.
        let expires_at = match rng.u32(0..10) {
            _ if kind != HOLD => None,
            0..3 => None,
            3 => Some(self.now - rng.i64(-2..SECOND_NS)),
            4 => Some(self.now + rng.i64(0..100 * SECOND_NS)),
            // Several at one instant.
            5 => Some((self.now / 50_000_000 + 2) * 50_000_000),
            _ => Some(self.now + rng.i64(0..SECOND_NS / 4)),
        };
        let mut transfer = Transfer {
            id,
            debit,
            credit,
            asset: asset.into(),
            amount,
            reference,
            effective_at,
            kind,
            expires_at,
            up_to: rng.u32(0..8) == 0,
            ..Transfer::default()
        };
        self.spoil(rng, &mut transfer);
        transfer
    }
}

fn remember(ids: &mut Vec<(String, String)>, rng: &mut Rng, ledger: &str, id: &str) {
    let named = (ledger.to_owned(), id.to_owned());
    if ids.len() < IDS_MAX {
        ids.push(named);
    } else {
        ids[rng.usize(0..IDS_MAX)] = named;
    }
}
