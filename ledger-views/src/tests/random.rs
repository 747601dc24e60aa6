//! Commands at random, of few names, so that many of them meet.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use ledger_domain::{
    AccountChange, AccountName, AccountType, AskedAccount, AskedRules, AssetCode, BalanceCondition,
    BalanceFigure, Code, Command, CommandBody, Comparison, CustomerName, Decimal, Destination,
    Event, Id, LedgerHandle, LedgerName, Leg, Link, Metadata, MetadataKey, MetadataOf,
    MetadataTarget, MetadataUpdate, MetadataValue, Movement, Origin, Original, Plan, Posted,
    Rejection, Sealed, Seen, SignedDecimal, State, Timestamp, Transfer, When,
};

use super::pick;

pub(super) fn random_command(rng: &mut Rng, ids: &mut u64, now: Timestamp) -> Command {
    let ledger = LedgerName::parse(pick(rng, &["bank", "shop"])).unwrap();
    let account =
        |rng: &mut Rng| AccountName::parse(pick(rng, &["a", "a:b", "b", "world", "till"])).unwrap();
    let asset = |rng: &mut Rng| AssetCode::parse(pick(rng, &["EUR", "USD", "XAU"])).unwrap();
    let rules = |rng: &mut Rng| match rng.u32(..3) {
        0 => AskedRules {
            may_go_negative: false,
            credit_limits: [(asset(rng), Decimal::parse("500").unwrap())].into(),
        },
        _ => AskedRules::without_limits(rng.bool()),
    };
    let body = match rng.u32(..22) {
        0 => CommandBody::CreateLedger { metadata: some_metadata(rng) },
        1 => CommandBody::CreateAsset { code: asset(rng), scale: rng.u8(..4) },
        2 | 3 => CommandBody::OpenAccount {
            name: account(rng),
            account_type: [AccountType::Asset, AccountType::Liability][rng.usize(..2)],
            rules: rules(rng),
            metadata: some_metadata(rng),
        },
        4 => CommandBody::ChangeAccount {
            name: account(rng),
            change: *[AccountChange::Freeze, AccountChange::Unfreeze, AccountChange::Close]
                .get(rng.usize(..3))
                .unwrap(),
        },
        5 => CommandBody::SetAccountRules { name: account(rng), rules: rules(rng) },
        6 => CommandBody::LockBooks { locked_before: rng.bool().then(|| rng.i64(-5..5)) },
        7 | 8 => {
            *ids += 1;
            let leg = random_leg(rng, account, asset);
            let when = if rng.bool() { When::Once } else { When::Every(rng.i64(3..40)) };
            let (start, count) = (now + rng.i64(1..30), rng.bool().then(|| rng.u32(1..4)));
            let plan = Plan {
                leg,
                reference: "".into(),
                metadata: some_metadata(rng),
                when,
                start,
                until: None,
                count,
            };
            CommandBody::ScheduleTransfer { schedule: id_of(*ids), plan: Box::new(plan) }
        }
        16 | 17 => about_customer(rng, account),
        9 => CommandBody::CancelSchedule { schedule: id_of(rng.u64(..=*ids)) },
        10 | 11 => an_update(rng, *ids, account),
        12 | 13 => {
            let (account, asset) = (account(rng), asset(rng));
            random_alert(rng, account, asset)
        }
        _ => CommandBody::PostTransfers {
            transfers: {
                let count = rng.usize(1..6);
                let transfers = (0..count).map(|_| random_transfer(rng, ids, now, account, asset));
                let mut transfers: Vec<_> = transfers.collect();
                link(rng, &mut transfers);
                transfers
            },
        },
    };
    Command { ledger, request_id: None, conditions: Vec::new(), body }
}

fn an_update(rng: &mut Rng, ids: u64, account: impl Fn(&mut Rng) -> AccountName) -> CommandBody {
    let of = match rng.u32(..6) {
        0 => MetadataOf::Ledger,
        1 | 2 => MetadataOf::Transfer(id_of(rng.u64(..=ids))),
        _ => MetadataOf::Account(account(rng)),
    };
    let set = some_metadata(rng);
    let removed = ["k", "k1", "l"].map(|key| MetadataKey::parse(key).unwrap());
    let removed = removed.into_iter().filter(|key| set.get(key).is_none());
    let remove = removed.filter(|_| rng.u32(..3) == 0).collect();
    CommandBody::UpdateMetadata { of, update: MetadataUpdate { set, remove } }
}

fn about_customer(rng: &mut Rng, account: impl Fn(&mut Rng) -> AccountName) -> CommandBody {
    let customer = CustomerName::parse(pick(rng, &["ann", "bob", "a"])).unwrap();
    let key = |rng: &mut Rng| MetadataKey::parse(pick(rng, &["email", "name"])).unwrap();
    let set = (0..rng.usize(..3)).map(|_| (key(rng), Sealed::from_bytes(&[rng.u8(..)])));
    let profile = set.collect();
    match rng.u32(..5) {
        0 => CommandBody::EraseCustomer { customer },
        1 | 2 => CommandBody::UpdateProfile { customer, set: profile, remove: [key(rng)].into() },
        _ => {
            let names: BTreeSet<_> = (0..rng.usize(..3)).map(|_| account(rng)).collect();
            let asked = |name| AskedAccount {
                name,
                account_type: AccountType::Liability,
                rules: AskedRules::without_limits(false),
                metadata: some_metadata(rng),
            };
            let accounts = names.into_iter().map(asked).collect();
            CommandBody::Register { customer, accounts, profile }
        }
    }
}

/// Keys and values of which one begins with another, so that an index that runs them together is found out.
fn some_metadata(rng: &mut Rng) -> Metadata {
    let mut entries = Vec::new();
    for key in ["k", "k1", "l"] {
        if rng.u32(..3) == 0 {
            let value = match rng.u32(..4) {
                0 => MetadataValue::Sealed {
                    customer: CustomerName::parse(pick(rng, &["ann", "bob", "a"])).unwrap(),
                    sealed: Sealed::from_bytes(&[rng.u8(..3)]),
                },
                _ => MetadataValue::plain(pick(rng, &["1", "1k", "\0"])).unwrap(),
            };
            entries.push((MetadataKey::parse(key).unwrap(), value));
        }
    }
    entries.into_iter().collect()
}

/// One in four is removed.
fn random_alert(rng: &mut Rng, account: AccountName, asset: AssetCode) -> CommandBody {
    let alert = id_of(rng.u64(..4));
    if rng.u8(..4) == 0 {
        return CommandBody::RemoveBalanceAlert { account, alert };
    }
    let amount = SignedDecimal::parse(&rng.i32(-900..1_500).to_string()).unwrap();
    let figure = BalanceFigure::ALL[rng.usize(..BalanceFigure::ALL.len())];
    let comparison = [Comparison::AtLeast, Comparison::AtMost][rng.usize(..2)];
    let condition = Box::new(BalanceCondition { asset, figure, comparison, amount });
    CommandBody::SetBalanceAlert { account, alert, condition }
}

fn random_leg(
    rng: &mut Rng,
    account: impl Fn(&mut Rng) -> AccountName,
    asset: impl Fn(&mut Rng) -> AssetCode,
) -> Leg {
    let debit_account = account(rng);
    let mut credit_account = account(rng);
    while credit_account == debit_account {
        credit_account = account(rng);
    }
    Leg {
        debit_account,
        credit_account,
        asset: asset(rng),
        amount: Decimal::parse(&rng.u32(1..2_000).to_string()).unwrap(),
        up_to: rng.u8(..4) == 0,
    }
}

fn random_transfer(
    rng: &mut Rng,
    ids: &mut u64,
    now: Timestamp,
    account: impl Fn(&mut Rng) -> AccountName,
    asset: impl Fn(&mut Rng) -> AssetCode,
) -> Transfer {
    *ids += 1;
    let leg = random_leg(rng, account, asset);
    let earlier = id_of(rng.u64(ids.saturating_sub(12).max(1)..=*ids));
    let movement = match rng.u32(..13) {
        0..3 => Movement::Hold { leg, expires_at: rng.bool().then(|| now + rng.i64(..60)) },
        3..5 => {
            let amount = rng.bool().then(|| Decimal::parse(&rng.u32(1..900).to_string()).unwrap());
            Movement::Capture { hold: earlier, amount }
        }
        5 => Movement::Void { hold: earlier, refused: None },
        10 => sent(rng, leg),
        11 => received(leg, earlier),
        12 => return settled(rng, id_of(*ids - 1)),
        6..8 => {
            let amount = rng.bool().then(|| Decimal::parse(&rng.u32(1..900).to_string()).unwrap());
            Movement::Reversal { of: earlier, amount }
        }
        _ => Movement::Post(leg),
    };
    Transfer {
        id: id_of(*ids),
        movement,
        reference: if rng.bool() { "rent".into() } else { "".into() },
        effective_at: rng.bool().then(|| rng.i64(-5..5)),
        link: Link::Alone,
        metadata: if rng.u8(..4) == 0 { some_metadata(rng) } else { Default::default() },
    }
}

fn sent(rng: &mut Rng, mut leg: Leg) -> Movement {
    let ledger = LedgerName::parse(if rng.bool() { "other" } else { "third" }).unwrap();
    leg.credit_account = AccountName::clearing(&ledger);
    let deadline = rng.bool().then_some(i64::MAX);
    let to = Destination { ledger, account: AccountName::parse("there").unwrap(), deadline };
    Movement::Send { leg, to: Box::new(to) }
}

fn received(mut leg: Leg, send: Id) -> Movement {
    let ledger = LedgerName::parse("other").unwrap();
    (leg.debit_account, leg.up_to) = (AccountName::clearing(&ledger), false);
    let from = Origin { ledger, send, scale: 2, deadline: None, sent_at: 0 };
    Movement::Receive { leg, from: Box::new(from) }
}

/// The end of the transfer before, if it is a send.
fn settled(rng: &mut Rng, send: Id) -> Transfer {
    let (id, hold) = (Id::settlement(&send), send);
    let refused = || Some(Box::new(Rejection::new(Code::AccountFrozen, "there")));
    let movement = match rng.bool() {
        true => Movement::Capture { hold, amount: None },
        false => Movement::Void { hold, refused: refused() },
    };
    Transfer {
        id,
        movement,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    }
}

/// Makes one group of some, or two journal entries of all.
fn link(rng: &mut Rng, transfers: &mut [Transfer]) {
    let at = rng.usize(0..transfers.len());
    match rng.u32(..4) {
        0 => transfers[..at].iter_mut().for_each(|transfer| transfer.link = Link::Next),
        1 => {
            let number = rng.u32(..40);
            for (place, transfer) in transfers.iter_mut().enumerate() {
                let entry = Id::Text(format!("e{number}-{}", place < at).into());
                transfer.link = Link::Entry(Box::new(entry));
            }
        }
        _ => {}
    }
}

/// What a writer would know of earlier commands.
#[derive(Default)]
pub(super) struct Past {
    originals: BTreeMap<(LedgerHandle, Id), Original>,
    entries: BTreeSet<(LedgerHandle, Id)>,
    noted: BTreeMap<(LedgerHandle, Id), Metadata>,
}

impl Past {
    pub(super) fn look_up(&self, state: &State, command: &Command) -> Vec<Seen> {
        let Some(ledger) = state.ledger_by_name(&command.ledger) else { return Vec::new() };
        if let CommandBody::UpdateMetadata { of: MetadataOf::Transfer(id), .. } = &command.body {
            let noted = self.noted.get(&(ledger, id.clone()));
            return noted.map(|noted| Seen::Noted(noted.clone())).into_iter().collect();
        }
        let CommandBody::PostTransfers { transfers } = &command.body else { return Vec::new() };
        let seen = transfers.iter().map(|transfer| {
            let entry = transfer.link.entry().map(|entry| (ledger, entry.clone()));
            if entry.is_some_and(|entry| self.entries.contains(&entry)) {
                return Seen::EntryTaken;
            }
            let Some(of) = transfer.movement.reverses() else { return Seen::New };
            let original = self.originals.get(&(ledger, of.clone()));
            Seen::NewReversal(original.copied().unwrap_or(Original::Unknown))
        });
        seen.collect()
    }

    pub(super) fn remember(&mut self, event: &Event) {
        if let Event::MetadataChanged { ledger, target: MetadataTarget::Transfer(id), .. } = event
            && let Event::MetadataChanged { changes, others, .. } = event
        {
            self.noted.insert((*ledger, id.clone()), others.after(changes));
        }
        let Event::TransferBatch(batch) = event else { return };
        for accepted in &batch.accepted {
            self.noted.insert((batch.ledger, accepted.id.clone()), accepted.metadata.clone());
            let original = Original::of(accepted);
            self.originals.insert((batch.ledger, accepted.id.clone()), original);
            self.entries.extend(accepted.link.entry().map(|entry| (batch.ledger, entry.clone())));
            if let Some((of, posted)) = Posted::left_by(accepted) {
                self.originals.insert((batch.ledger, of.clone()), Original::Posted(posted));
            }
        }
    }
}

fn id_of(number: u64) -> Id {
    if number.is_multiple_of(2) {
        Id::Uuid(u128::from(number).to_be_bytes())
    } else {
        Id::Text(format!("t{number}").into())
    }
}
