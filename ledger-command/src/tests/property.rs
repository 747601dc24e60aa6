//! Random commands, faults and crashes against a naive model, each run from one seed.
//!
//! The oracle reads the log by itself: what counts is decided again with plain maps, and every
//! answer that was ever given must be found there.

use std::collections::{BTreeMap, BTreeSet};

use ledger_domain::event::Row;
use ledger_domain::{Code, Event, Position, Transfer};
use ledger_log::simulated::{Crash, Faults};
use ledger_log::{Backend, Decision, Reader};
use ledger_proto::logged;

use super::rig::{Rig, batch, open_account, transfer};
use crate::reply::{Answer, Reply};
use crate::writer::WriterLimits;

const SEEDS: u64 = 300;
const STEPS: usize = 300;
const IDS: u32 = 80;
const ACCOUNTS: [&str; 4] = ["world", "a", "b", "c"];

/// The content of an id in one of its variants: the same id always asks the same.
fn content(id: u32, variant: bool) -> Transfer {
    let mut rng = fastrand::Rng::with_seed(u64::from(id));
    let debit = rng.usize(0..ACCOUNTS.len());
    let credit = (debit + rng.usize(1..ACCOUNTS.len())) % ACCOUNTS.len();
    let amount = rng.u32(1..30).to_string();
    let reference = if variant { "other" } else { "" };
    Transfer {
        reference: reference.into(),
        ..transfer(&format!("id-{id}"), ACCOUNTS[debit], ACCOUNTS[credit], &amount)
    }
}

#[derive(Default)]
struct Heard {
    /// Asked and not answered, by token.
    open: BTreeMap<u64, Vec<Transfer>>,
    answers: Vec<(Transfer, Answer)>,
    /// Ids of which some attempt may have been recorded.
    possible: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Heard {
    fn hear(&mut self, rig: &mut Rig) {
        let tokens: Vec<u64> = rig.replies.keys().copied().collect();
        for token in tokens {
            let transfers = self.open.remove(&token).expect("answered once");
            match rig.reply(token) {
                Reply::Items(answers) => {
                    assert_eq!(answers.len(), transfers.len());
                    self.possible.extend(transfers.iter().map(|t| t.id.to_string()));
                    self.answers.extend(transfers.into_iter().zip(answers));
                }
                Reply::NotRecorded { .. } | Reply::Overloaded { .. } => {}
                Reply::Unknown { .. } => {
                    self.possible.extend(transfers.iter().map(|t| t.id.to_string()));
                }
                other @ (Reply::One(_) | Reply::NotOwner) => panic!("{other:?}"),
            }
        }
    }

    /// The process died: whoever waits never hears.
    fn forget(&mut self) {
        for transfers in std::mem::take(&mut self.open).into_values() {
            self.possible.extend(transfers.iter().map(|t| t.id.to_string()));
        }
    }
}

fn crash(rig: &mut Rig, rng: &mut fastrand::Rng) {
    if rng.u8(..) < 50 {
        rig.ids.lose();
    }
    if rng.u8(..) < 50
        && let Some(mut newest) = rig.snapshots.kept().last_entry()
    {
        let bytes = newest.get_mut();
        let place = rng.usize(..bytes.len());
        bytes[place] ^= 1;
    }
    if rng.bool() {
        crate::ids::IdStore::flush(&*rig.ids).unwrap();
    }
    rig.crash([Crash::Drop, Crash::KeepPrefix, Crash::InFlight][rng.usize(..3)]);
}

fn step(rig: &mut Rig, heard: &mut Heard, rng: &mut fastrand::Rng) {
    match rng.u32(..100) {
        0..40 => {
            let ids: Vec<u32> = (0..rng.usize(1..5)).map(|_| rng.u32(..IDS)).collect();
            let variant = rng.u8(..) < 20;
            let transfers: Vec<_> = ids.into_iter().map(|id| content(id, variant)).collect();
            heard.asked.extend(transfers.iter().map(|t| t.id.to_string()));
            let token = rig.offer(batch(None, transfers.clone()));
            heard.open.insert(token, transfers);
        }
        40..65 => {
            if let Some(wake) = rig.step_writer() {
                rig.now = rig.now.max(wake);
            }
        }
        65..83 => {
            rig.log.tick();
        }
        83..96 => {
            rig.follower.step().unwrap();
        }
        96..98 => rig.now = rig.now.saturating_sub(rng.i64(0..500_000_000)),
        _ => {
            heard.forget();
            crash(rig, rng);
        }
    }
    heard.hear(rig);
}

/// Each id's row: where it stands, what was asked, why it was refused.
type Rows = BTreeMap<String, (Position, Transfer, Option<Code>)>;

/// What an independent reader makes of the log: each id's row, decided again.
fn read(rig: &Rig) -> (Rows, [i128; 4]) {
    let mut reader = Reader::new(rig.log_id, 0);
    let (mut rows, mut balances) = (Rows::new(), [0i128; 4]);
    for record in rig.log.read(0, 0, usize::MAX).unwrap() {
        let Decision::Accepted(commit) = reader.step(record.offset, &record.bytes).unwrap() else {
            continue;
        };
        let mut index = 0;
        for command in &commit.commands {
            for event in logged::decode(command).unwrap().events {
                if let Event::TransferBatch(batch) = &event {
                    for (row, content) in batch.iter() {
                        let at = Position::event(0, record.offset, index + row);
                        let (asked, refused) = check_row(rig, content, &mut balances);
                        let before = rows.insert(asked.id.to_string(), (at, asked, refused));
                        assert_eq!(before, None, "LD-4: one id, one outcome");
                    }
                }
                index += event.width();
            }
        }
    }
    (rows, balances)
}

fn check_row(rig: &Rig, row: Row<'_>, balances: &mut [i128; 4]) -> (Transfer, Option<Code>) {
    let (asked, refused) = match row {
        Row::Accepted(posted) => {
            let name = |at: usize| rig.writer.state().accounts()[at].name.as_str().to_owned();
            let debit = name(usize::try_from(posted.debit_account.0).unwrap());
            let credit = name(usize::try_from(posted.credit_account.0).unwrap());
            let amount = ledger_domain::amount::format_minor(posted.amount, 2);
            let asked = transfer(&posted.id.to_string(), &debit, &credit, &amount);
            (Transfer { reference: posted.reference.clone(), ..asked }, None)
        }
        Row::Refused(refused) => (refused.transfer.clone(), Some(refused.rejection.code)),
    };
    let place = |name: &str| ACCOUNTS.iter().position(|account| *account == name).unwrap();
    let leg = asked.movement.leg().expect("all are posts");
    let (debit, credit) = (place(leg.debit_account.as_str()), place(leg.credit_account.as_str()));
    let amount = i128::try_from(leg.amount.to_minor(2).unwrap()).unwrap();
    let poor = debit != 0 && balances[debit] < amount;
    assert_eq!(refused, poor.then_some(Code::InsufficientFunds), "LD-2");
    if !poor {
        balances[debit] -= amount;
        balances[credit] += amount;
    }
    (asked, refused)
}

fn check(rig: &Rig, heard: &Heard) {
    let (rows, balances) = read(rig);
    for (asked, answer) in &heard.answers {
        let (at, first, refused) = &rows[&asked.id.to_string()];
        match answer {
            Answer::Accepted(receipt) => {
                assert_eq!(receipt.position, Some(*at), "LG-1");
                assert_eq!((first, *refused), (asked, None));
            }
            Answer::Refused { rejection, receipt: Some(receipt) } => {
                assert_eq!(receipt.position, Some(*at));
                assert_eq!((first, *refused), (asked, Some(rejection.code)));
                let debit = asked.movement.leg().map(|leg| leg.debit_account.as_str());
                assert_eq!(Some(&*rejection.subject), debit);
            }
            Answer::Refused { rejection, receipt: None } => {
                assert_eq!(rejection.to_string(), "ID_REUSED: reference");
                assert_ne!(first, asked);
            }
        }
    }
    for id in heard.asked.difference(&heard.possible) {
        assert!(!rows.contains_key(id), "{id}: all heard that it was not recorded");
    }
    for (name, expected) in ACCOUNTS.into_iter().zip(balances) {
        let account = rig.writer.state().accounts().iter().find(|a| a.name.as_str() == name);
        let sum: i128 = account
            .and_then(|account| account.balances().first())
            .map(|(_, b)| {
                i128::try_from(b.credits_posted).unwrap() - i128::try_from(b.debits_posted).unwrap()
            })
            .unwrap_or(0);
        assert_eq!(sum, expected, "{name}");
    }
}

fn run(seed: u64) -> Vec<u8> {
    let limits = WriterLimits {
        commit_commands_max: 4,
        commit_bytes_max: 700,
        recent_ids_max: 30,
        compare_every_commits: 1,
        ..WriterLimits::default()
    };
    let mut rig = Rig::with(limits, seed);
    rig.policy.every_commits = 7;
    rig.restart().unwrap();
    let mut rig = rig.with_bank();
    rig.ask(open_account(None, "c", false));
    let mut rng = fastrand::Rng::with_seed(seed);
    rig.log.set_faults(Faults {
        without_offset: 100,
        ack_lost: 30,
        lost: 30,
        late: 30,
        doubled: 20,
        failed: 20,
        foreign: 20,
        lands: 50,
    });
    let mut heard = Heard::default();
    for _ in 0..STEPS {
        step(&mut rig, &mut heard, &mut rng);
    }
    rig.log.set_faults(Faults::default());
    rig.pump();
    heard.hear(&mut rig);
    assert_eq!(heard.open.len(), 0, "everybody hears in the end");
    while rig.log.land(0).is_some() {}
    rig.assert_replay_is_live();
    check(&rig, &heard);
    let records = rig.log.read(0, 0, usize::MAX).unwrap();
    records.into_iter().flat_map(|record| record.bytes).collect()
}

#[test]
fn every_answer_is_found_in_the_log_whatever_fails() {
    for seed in 0..SEEDS {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("seed {seed}");
        }
    }
}

#[test]
fn one_seed_makes_one_log() {
    assert_eq!(run(7), run(7));
}
