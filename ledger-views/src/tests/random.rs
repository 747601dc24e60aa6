//! Commands at random, of few names, so that many of them meet.

use fastrand::Rng;
use ledger_domain::{
    AccountChange, AccountName, AccountRules, AccountType, AssetCode, Command, CommandBody,
    Decimal, Id, LedgerName, Leg, Movement, Timestamp, Transfer,
};

use super::pick;

pub(super) fn random_command(rng: &mut Rng, ids: &mut u64, now: Timestamp) -> Command {
    let ledger = LedgerName::parse(pick(rng, &["bank", "shop"])).unwrap();
    let account =
        |rng: &mut Rng| AccountName::parse(pick(rng, &["a", "a:b", "b", "world", "till"])).unwrap();
    let asset = |rng: &mut Rng| AssetCode::parse(pick(rng, &["EUR", "USD", "XAU"])).unwrap();
    let body = match rng.u32(..11) {
        0 => CommandBody::CreateLedger,
        1 => CommandBody::CreateAsset { code: asset(rng), scale: rng.u8(..4) },
        2 | 3 => CommandBody::OpenAccount {
            name: account(rng),
            account_type: [AccountType::Asset, AccountType::Liability][rng.usize(..2)],
            rules: AccountRules { may_go_negative: rng.bool() },
        },
        4 => CommandBody::ChangeAccount {
            name: account(rng),
            change: *[AccountChange::Freeze, AccountChange::Unfreeze, AccountChange::Close]
                .get(rng.usize(..3))
                .unwrap(),
        },
        _ => CommandBody::PostTransfers {
            transfers: (0..rng.usize(1..6))
                .map(|_| random_transfer(rng, ids, now, account, asset))
                .collect(),
        },
    };
    Command { ledger, request_id: None, conditions: Vec::new(), body }
}

fn random_transfer(
    rng: &mut Rng,
    ids: &mut u64,
    now: Timestamp,
    account: impl Fn(&mut Rng) -> AccountName,
    asset: impl Fn(&mut Rng) -> AssetCode,
) -> Transfer {
    *ids += 1;
    let debit_account = account(rng);
    let mut credit_account = account(rng);
    while credit_account == debit_account {
        credit_account = account(rng);
    }
    let leg = Leg {
        debit_account,
        credit_account,
        asset: asset(rng),
        amount: Decimal::parse(&rng.u32(1..2_000).to_string()).unwrap(),
        up_to: rng.u8(..4) == 0,
    };
    let earlier = id_of(rng.u64(ids.saturating_sub(12).max(1)..=*ids));
    let movement = match rng.u32(..10) {
        0..3 => Movement::Hold { leg, expires_at: rng.bool().then(|| now + rng.i64(..60)) },
        3..5 => {
            let amount = rng.bool().then(|| Decimal::parse(&rng.u32(1..900).to_string()).unwrap());
            Movement::Capture { hold: earlier, amount }
        }
        5 => Movement::Void { hold: earlier },
        _ => Movement::Post(leg),
    };
    Transfer {
        id: id_of(*ids),
        movement,
        reference: if rng.bool() { "rent".into() } else { "".into() },
        effective_at: rng.bool().then(|| rng.i64(-5..5)),
    }
}

fn id_of(number: u64) -> Id {
    if number.is_multiple_of(2) {
        Id::Uuid(u128::from(number).to_be_bytes())
    } else {
        Id::Text(format!("t{number}").into())
    }
}
