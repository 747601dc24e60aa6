//! Metadata of ledgers, accounts and transfers: what is set, removed, kept and full.

use proptest::prelude::*;

use super::desk::Desk;
use super::*;
use crate::customer::Sealed;
use crate::metadata::{Metadata, MetadataOf, MetadataUpdate, MetadataValue};
use crate::name::{CustomerName, MetadataKey};

/// The words before `with`, and the `KEY=VALUE` behind it.
pub(super) fn split<'a>(words: &'a [&'a str]) -> (&'a [&'a str], Metadata) {
    match words.iter().position(|word| *word == "with") {
        Some(at) => (&words[..at], words[at + 1..].iter().map(|word| entry(word)).collect()),
        None => (words, Metadata::default()),
    }
}

/// `KEY=VALUE`, or `KEY=CUSTOMER/VALUE` of a sealed one: the domain never opens it, so that any bytes do.
pub(super) fn entry(word: &str) -> (MetadataKey, MetadataValue) {
    let (key, value) = word.split_once('=').expect("an entry is KEY=VALUE");
    let value = match value.split_once('/') {
        None => MetadataValue::plain(value).unwrap(),
        Some((customer, text)) => MetadataValue::Sealed {
            customer: CustomerName::parse(customer).unwrap(),
            sealed: Sealed::from_bytes(text.as_bytes()),
        },
    };
    (MetadataKey::parse(key).unwrap(), value)
}

/// `-` is the ledger, and `~ID` a transfer; `!KEY` removes.
pub(super) fn update(of: &str, words: &[&str]) -> CommandBody {
    let of = match of {
        "-" => MetadataOf::Ledger,
        name if name.starts_with('~') => MetadataOf::Transfer(Id::parse(&name[1..]).unwrap()),
        name => MetadataOf::Account(AccountName::parse(name).unwrap()),
    };
    let removed = words.iter().filter_map(|word| word.strip_prefix('!'));
    let remove = removed.map(|key| MetadataKey::parse(key).unwrap()).collect();
    let set = words.iter().filter(|word| !word.starts_with('!')).map(|word| entry(word)).collect();
    CommandBody::UpdateMetadata { of, update: MetadataUpdate { set, remove } }
}

pub(super) fn noted(state: &State, ledger: &str, of: &str) -> String {
    let book = state.ledger_by_name(&LedgerName::parse(ledger).unwrap());
    let book = book.and_then(|book| state.ledger(book)).expect("the ledger is there");
    let metadata = match of {
        "-" => &book.metadata,
        name => {
            let at = book.account_by_name(&AccountName::parse(name).unwrap());
            &at.and_then(|at| state.account(at)).expect("the account is there").metadata
        }
    };
    show(metadata)
}

pub(super) fn show(metadata: &Metadata) -> String {
    let entry = |(key, value): (&MetadataKey, &MetadataValue)| match value {
        MetadataValue::Plain(text) => format!("{key}={text}"),
        MetadataValue::Sealed { customer, sealed } => {
            format!("{key}={customer}/{}", String::from_utf8_lossy(sealed.as_bytes()))
        }
    };
    metadata.iter().map(entry).collect::<Vec<_>>().join(" ")
}

#[test]
fn metadata_is_set_and_removed_key_by_key() {
    check(
        "
        create bank with region=eu                  => ok
        noted bank -                                => region=eu
        open bank a liability                       => ok
        open bank b liability with tier=gold kyc=1  => ok
        noted bank a                                =>
        noted bank b                                => kyc=1 tier=gold
        note bank b tier=silver !kyc branch=7       => ok
        noted bank b                                => branch=7 tier=silver
        note bank b !kyc                            => ok
        note bank b tier=silver                     => ok
        noted bank b                                => branch=7 tier=silver
        note bank a tier=gold                       => ok
        note bank a !tier                           => ok
        noted bank a                                =>
        note bank - owner=ops                       => ok
        noted bank -                                => owner=ops region=eu
        note bank c tier=gold                       => UNKNOWN_ACCOUNT: c
        note shop - tier=gold                       => UNKNOWN_LEDGER: shop
        ",
    );
}

/// What is noted moves no money, and is often noted just because an account was frozen or closed.
#[test]
fn metadata_of_what_is_frozen_or_closed_changes() {
    check(
        "
        create bank                       => ok
        open bank a liability             => ok
        freeze bank a                     => ok
        note bank a case=17               => ok
        unfreeze bank a                   => ok
        close bank a                      => ok
        note bank a !case closed_by=ops   => ok
        noted bank a                      => closed_by=ops
        ",
    );
}

fn keys(range: std::ops::Range<usize>) -> String {
    range.map(|at| format!("k{at}=v ")).collect()
}

#[test]
fn there_is_room_for_32_keys() {
    let (all, some) = (keys(0..32), keys(0..31));
    check(&format!(
        "
        create bank with {all}        => ok
        note bank - x=1               => METADATA_FULL: bank
        note bank - k3=other          => ok
        note bank - !absent x=1       => METADATA_FULL: bank
        note bank - !k3 x=1           => ok
        open bank a liability         => ok
        note bank a {some}            => ok
        note bank a x=1 y=1           => METADATA_FULL: a
        note bank a x=1               => ok
        ",
    ));
}

/// Nothing of it is in the state: whoever decides is told what is noted, and the event tells it on.
#[test]
fn metadata_of_a_transfer_changes_whatever_became_of_it() {
    let most: String = (0..31).map(|at| format!("k{at}=v ")).collect();
    Desk::open().check(&format!(
        "
        t1 post cash a 10 with order=17    => ok
        t2 post cash a 10; t3 hold a b 1   => ok; ok
        t4 post b a 99                     => INSUFFICIENT_FUNDS: b
        noted t1                           => order=17
        note t1 order=18 case=1            => ok
        note t1 !order                     => ok
        note t1 case=1                     => ok
        noted t1                           => case=1
        t5 reverse t1                      => ok
        note t1 case=2                     => ok
        note t5 why=error                  => ok
        noted t1                           => case=2
        note t2 {most}                     => ok
        note t2 a=1 b=2                    => METADATA_FULL: t2
        note t2 k0=w a=1                   => ok
        note t3 x=1                        => ok
        t6 void t3                         => ok
        note t3 !x                         => ok
        noted t3                           =>
        note t4 a=1                        => UNKNOWN_TRANSFER: t4
        note t9 a=1                        => UNKNOWN_TRANSFER: t9
        t1 post cash a 10 with order=17    => first ok
        t1 post cash a 10 with case=2      => other content
        ",
    ));
}

#[test]
fn metadata_is_sealed_for_customers_of_whom_something_may_be_kept() {
    check(
        "
        create bank                                             => ok
        asset bank USD 2                                        => ok
        open bank a liability with iban=c1/DE                   => UNKNOWN_CUSTOMER: c1
        register bank c1 w=liability,iban=c1/DE,tier=gold       => ok
        register bank c2 v=liability,iban=c3/DE                 => UNKNOWN_CUSTOMER: c3
        register bank c2 v=liability,iban=c1/DE                 => ok
        noted bank w                                            => iban=c1/DE tier=gold
        open bank a liability with iban=c1/DE tier=gold         => ok
        noted bank a                                            => iban=c1/DE tier=gold
        note bank a iban=c1/FR                                  => ok
        note bank - owner=c2/Bo                                 => ok
        noted bank -                                            => owner=c2/Bo
        open bank world equity negative                         => ok
        post bank world a USD 5 with who=c1/Ann                 => ok
        schedule bank r a w USD 1 101 with who=c1/Ann           => ok
        erase bank c1                                           => ok
        noted bank a                                            => iban=c1/FR tier=gold
        note bank a iban=c1/DE                                  => CUSTOMER_ERASED: c1
        note bank a iban=c1/DE x=c9/1                           => UNKNOWN_CUSTOMER: c9
        note bank ~t9 x=c9/1                                    => UNKNOWN_CUSTOMER: c9
        note bank ~t9 iban=c1/DE                                => CUSTOMER_ERASED: c1
        note bank ~t9 x=1                                       => UNKNOWN_TRANSFER: t9
        note bank b iban=c9/DE                                  => UNKNOWN_ACCOUNT: b
        note bank a !iban                                       => ok
        noted bank a                                            => tier=gold
        open bank b liability with iban=c1/DE                   => CUSTOMER_ERASED: c1
        register bank c4 u=liability,iban=c1/DE                 => CUSTOMER_ERASED: c1
        register bank c4 u=liability,a=c1/1 t=liability,a=c9/1  => UNKNOWN_CUSTOMER: c9
        post bank nobody a USD 5 with who=c9/Ann                => UNKNOWN_DEBIT_ACCOUNT: nobody
        freeze bank a                                           => ok
        post bank world a USD 5 with who=c9/Ann                 => UNKNOWN_CUSTOMER: c9
        post bank world a USD 5 with who=c1/Ann                 => CUSTOMER_ERASED: c1
        unfreeze bank a                                         => ok
        schedule bank s a w USD 1 1 with who=c1/Ann             => CUSTOMER_ERASED: c1
        create shop                                             => ok
        note shop - owner=c2/Bo                                 => UNKNOWN_CUSTOMER: c2
        ",
    );
}

/// Nobody is there who could leave out what is of an erased customer, and no note stops a payment.
#[test]
fn a_schedule_notes_what_its_plan_says() {
    let mut state = State::default();
    let mut run = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        run(&mut state, &words, 0)
    };
    for line in [
        "create bank",
        "asset bank USD 2",
        "register bank c1",
        "open bank a equity negative",
        "open bank b liability",
        "schedule bank r a b USD 1 101 every 10 with rent=flat7 who=c1/Ann",
        "at 101",
    ] {
        assert_eq!(run(line), "ok", "{line}");
    }
    let due = |state: &State, now| decide_due(state, now, 9);
    let events = due(&state, 101);
    let Some(Event::TransferBatch(batch)) = events.first() else { panic!("{events:?}") };
    assert_eq!(show(&batch.accepted[0].metadata), "rent=flat7 who=c1/Ann");
    events.iter().for_each(|event| apply(&mut state, event, 101));
    let words = ["erase", "bank", "c1"];
    assert_eq!(super::run(&mut state, &words, 0), "ok");
    let events = due(&state, 111);
    let Some(Event::TransferBatch(batch)) = events.first() else { panic!("{events:?}") };
    assert_eq!(show(&batch.accepted[0].metadata), "rent=flat7");
}

/// A change of metadata gives an account a version, as other changes of it do; also one that changes nothing.
#[test]
fn a_version_tells_of_metadata() {
    let mut state = State::default();
    for (now, line) in [
        (1, "create bank"),
        (2, "open bank a liability"),
        (3, "open bank b liability"),
        (4, "note bank a tier=gold"),
        (5, "note bank - tier=gold"),
        (6, "note bank b !tier"),
    ] {
        state.record(now);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
    }
    let versions: Vec<u64> = state.accounts().iter().map(crate::Account::version).collect();
    assert_eq!(versions, [4, 6]);
}

#[test]
fn an_event_tells_what_was_and_what_is() {
    let mut state = State::default();
    run(&mut state, &["create", "bank", "with", "a=1", "b=2", "c=3"], 0);
    let body = update("-", &["b=2", "c=4", "!a", "!x", "d=5"]);
    let (ledger, conditions) = (LedgerName::parse("bank").unwrap(), Vec::new());
    let command = Command { ledger, request_id: None, conditions, body };
    let decision = decide(&state, &command, &[], 0);
    let [Event::MetadataChanged { changes, .. }] = decision.events.as_slice() else {
        panic!("{:?}", decision.events);
    };
    let text = |value: &Option<MetadataValue>| match value {
        Some(value) => value.to_string(),
        None => "none".into(),
    };
    let say = |it: &crate::metadata::MetadataChange| {
        format!("{}: {} to {}", it.key, text(&it.before), text(&it.after))
    };
    let said: Vec<_> = changes.iter().map(say).collect();
    assert_eq!(said, ["a: 1 to none", "c: 3 to 4", "d: none to 5"]);
}

#[test]
#[should_panic(expected = "metadata changes from what it is")]
fn a_change_of_another_state_does_not_apply() {
    let mut state = State::default();
    run(&mut state, &["create", "bank"], 0);
    let change = crate::metadata::MetadataChange {
        key: MetadataKey::parse("a").unwrap(),
        before: Some(MetadataValue::plain("1").unwrap()),
        after: None,
    };
    let (ledger, target) = (crate::LedgerHandle(0), crate::MetadataTarget::Ledger);
    let (changes, others) = (vec![change], Metadata::default());
    apply(&mut state, &Event::MetadataChanged { ledger, target, changes, others }, 0);
}

/// Equal states feed equal bytes, and metadata is a part of them (LD-5).
#[test]
fn a_state_feeds_its_metadata() {
    let fed_after = |lines: &[&str]| {
        let mut state = State::default();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
        }
        fed(&state)
    };
    let opened = ["create bank", "open bank a liability"];
    let others = [
        &["create bank with k=v", "open bank a liability"],
        &["create bank", "open bank a liability with k=v"],
        &["create bank", "open bank a liability with k=w"],
        &["create bank", "open bank a liability with l=v"],
    ];
    let mut all: Vec<_> = others.iter().map(|lines| fed_after(*lines)).collect();
    all.push(fed_after(&opened));
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    let there_and_gone = [opened[0], opened[1], "note bank a k=v", "note bank a !k"];
    assert_eq!(fed_after(&there_and_gone), fed_after(&opened));
}

#[test]
fn values_and_keys_keep_their_rules() {
    assert!(MetadataValue::plain("").is_err());
    assert!(MetadataValue::plain(&"x".repeat(257)).is_err());
    assert!(MetadataValue::plain(&"x".repeat(256)).is_ok());
    for bad in ["", "a b", "a=b", "a/b", "\u{e9}", &"k".repeat(65)] {
        assert!(MetadataKey::parse(bad).is_err(), "{bad:?}");
    }
    assert!(MetadataKey::parse("kyc.level:2_b-1").is_ok());
}

/// Most accounts and transfers have no metadata: it must cost them nothing but a word.
#[test]
fn no_metadata_takes_a_word() {
    assert_eq!(size_of::<Metadata>(), size_of::<usize>());
}

fn updates() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
    prop::collection::vec((0u8..40, prop::option::of(0u8..3)), 1..20)
}

proptest! {
    /// A naive model: a list of pairs, updated one key after the other.
    #[test]
    fn updates_are_as_those_of_a_list(all in prop::collection::vec(updates(), 1..30)) {
        let mut state = State::default();
        run(&mut state, &["create", "bank"], 0);
        let mut model: Vec<(u8, u8)> = Vec::new();
        for mut changes in all {
            changes.sort_unstable();
            changes.dedup_by_key(|(key, _)| *key);
            let say = |(key, value): &(u8, Option<u8>)| match value {
                Some(value) => format!("{key}={value}"),
                None => format!("!{key}"),
            };
            let line: Vec<String> = changes.iter().map(say).collect();
            let mut next = model.clone();
            for (key, value) in changes {
                next.retain(|(there, _)| *there != key);
                next.extend(value.map(|value| (key, value)));
            }
            let words = ["note", "bank", "-"].into_iter().chain(line.iter().map(String::as_str));
            let found = run(&mut state, &words.collect::<Vec<_>>(), 0);
            if next.len() > 32 {
                prop_assert_eq!(found, "METADATA_FULL: bank");
            } else {
                prop_assert_eq!(found, "ok");
                model = next;
            }
            let mut expected: Vec<_> = model.iter().map(|(k, v)| format!("{k}={v}")).collect();
            expected.sort();
            let there = noted(&state, "bank", "-");
            let mut there: Vec<&str> = there.split_whitespace().collect();
            there.sort_unstable();
            prop_assert_eq!(there, expected);
        }
    }
}
