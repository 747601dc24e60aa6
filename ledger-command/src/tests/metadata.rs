//! Metadata: retried, reused, conditional, tried out, and there again after a crash.

use ledger_domain::{
    AccountName, AskedRules, Command, CommandBody, Condition, Id, LedgerName, Metadata,
    MetadataKey, MetadataOf, MetadataUpdate, MetadataValue, Predicate, Transfer,
};
use ledger_log::simulated::Crash;

use super::rig::{Rig, batch, command, line, transfer};

fn metadata(text: &str) -> Metadata {
    let entry = |word: &str| {
        let (key, value) = word.split_once('=').unwrap();
        (MetadataKey::parse(key).unwrap(), MetadataValue::plain(value).unwrap())
    };
    text.split_whitespace().map(entry).collect()
}

fn note(id: &str, of: &str, set: &str, remove: &str) -> Command {
    let of = match of {
        "-" => MetadataOf::Ledger,
        name if name.starts_with('~') => MetadataOf::Transfer(Id::parse(&name[1..]).unwrap()),
        name => MetadataOf::Account(AccountName::parse(name).unwrap()),
    };
    let remove = remove.split_whitespace().map(|key| MetadataKey::parse(key).unwrap()).collect();
    let update = MetadataUpdate { set: metadata(set), remove };
    command(Some(id), CommandBody::UpdateMetadata { of, update })
}

fn open(id: &str, noted: &str) -> Command {
    let body = CommandBody::OpenAccount {
        name: AccountName::parse("c").unwrap(),
        account_type: ledger_domain::AccountType::Liability,
        rules: AskedRules::default(),
        metadata: metadata(noted),
    };
    command(Some(id), body)
}

fn create(noted: &str) -> Command {
    let body = CommandBody::CreateLedger { metadata: metadata(noted) };
    Command { ledger: LedgerName::parse("shop").unwrap(), ..command(Some("shop"), body) }
}

/// Asks all of it again after a crash that lost the id store, which the follower makes anew from the events alone:
/// what was answered is answered.
fn again_without_ids(rig: &mut Rig, cases: &[(Command, &str)]) {
    rig.ids.lose();
    rig.crash(Crash::Drop);
    for (command, expected) in cases {
        let again = match *expected {
            _ if expected.ends_with("replayed") || expected.starts_with("ID_REUSED") => expected,
            first => &*format!("{first} replayed"),
        };
        assert_eq!(line(&rig.ask(command.clone())), again, "{command:?}");
    }
}

#[test]
fn updates_are_retried_and_an_id_reused_names_its_field() {
    let mut rig = Rig::new().with_bank();
    let many: Vec<String> = (0..32).map(|at| format!("k{at}=v")).collect();
    let many = many.join(" ");
    let cases = [
        (note("n1", "a", "tier=gold", "kyc"), "ok 0@7.0"),
        (note("n1", "a", "tier=gold", "kyc"), "ok 0@7.0 replayed"),
        (note("n1", "a", "tier=silver", "kyc"), "ID_REUSED: set"),
        (note("n1", "-", "tier=gold", "kyc"), "ID_REUSED: name"),
        // The event names its account by handle, and not what was as asked already.
        (note("n1", "b", "tier=gold", "kyc"), "ID_REUSED: request_id"),
        (note("n1", "a", "tier=gold", ""), "ID_REUSED: request_id"),
        (note("n2", "a", "kyc=1", "tier"), "ok 0@8.0"),
        (note("n2", "a", "kyc=1", ""), "ID_REUSED: remove"),
        (note("n3", "a", &many, ""), "METADATA_FULL: a 0@9.0"),
        (note("n3", "a", &many, ""), "METADATA_FULL: a 0@9.0 replayed"),
        (note("n4", "a", "kyc=1", ""), "ok 0@10.0"),
        (open("o1", "tier=gold"), "ok 0@11.0"),
        (open("o1", "tier=gold"), "ok 0@11.0 replayed"),
        (open("o1", "tier=silver"), "ID_REUSED: metadata"),
        (open("o1", ""), "ID_REUSED: metadata"),
        (create("region=eu"), "ok 0@12.0"),
        (create("region=eu"), "ok 0@12.0 replayed"),
        (create(""), "ID_REUSED: metadata"),
    ];
    for (command, expected) in &cases {
        assert_eq!(line(&rig.ask(command.clone())), *expected, "{command:?}");
    }
    again_without_ids(&mut rig, &cases);
    assert_eq!(line(&rig.ask(note("n5", "a", &many, ""))), "METADATA_FULL: a 0@14.0");
    assert_eq!(line(&rig.ask(note("n6", "a", &many, "kyc"))), "ok 0@15.0");
    rig.assert_replay_is_live();
}

#[test]
fn an_update_depends_on_the_version_that_it_makes() {
    let mut rig = Rig::new().with_bank();
    assert_eq!(line(&rig.ask(note("n1", "a", "tier=gold", ""))), "ok 0@7.0");
    let version = u64::try_from(rig.now).unwrap();
    let depends = |id: &str, version| {
        let account = AccountName::parse("a").unwrap();
        let conditions = vec![Condition { account, that: Predicate::Version(version) }];
        Command { conditions, ..note(id, "a", "tier=silver", "") }
    };
    let refused = line(&rig.ask(depends("n2", version + 1)));
    assert!(refused.starts_with("VERSION_MISMATCH: a is "), "{refused}");
    let present = refused.split(' ').nth(3).unwrap().parse().unwrap();
    let dry = rig.offer_as(depends("n3", present), true);
    rig.pump();
    assert_eq!(line(&rig.reply(dry)), "ok nowhere");
    assert_eq!(line(&rig.ask(depends("n3", present))), "ok 0@9.0");
    let again = line(&rig.ask(depends("n4", present)));
    assert!(again.starts_with("VERSION_MISMATCH: a is "), "{again}");
    rig.assert_replay_is_live();
}

#[test]
fn metadata_of_a_transfer_is_part_of_what_its_id_stands_for() {
    let mut rig = Rig::new().with_bank();
    let post = |id: &str, noted: &str| {
        let transfer = Transfer { metadata: metadata(noted), ..transfer(id, "world", "a", "1") };
        batch(None, vec![transfer])
    };
    let refused = |noted: &str| {
        let transfer = Transfer { metadata: metadata(noted), ..transfer("t3", "b", "a", "1") };
        batch(None, vec![transfer])
    };
    let cases = [
        (post("t1", "order=17"), "ok 0@7.0"),
        (post("t1", "order=17"), "ok 0@7.0 replayed"),
        (post("t1", "order=18"), "ID_REUSED: metadata"),
        (post("t1", ""), "ID_REUSED: metadata"),
        (post("t2", ""), "ok 0@8.0"),
        (post("t2", "order=17"), "ID_REUSED: metadata"),
        (refused("order=17"), "INSUFFICIENT_FUNDS: b 0@9.0"),
        (refused("order=17"), "INSUFFICIENT_FUNDS: b 0@9.0 replayed"),
        (refused(""), "ID_REUSED: metadata"),
    ];
    for (command, expected) in &cases {
        assert_eq!(line(&rig.ask(command.clone())), *expected);
    }
    again_without_ids(&mut rig, &cases);
    rig.assert_replay_is_live();
}

#[test]
fn metadata_of_a_transfer_changes_and_its_id_stands_for_what_was_asked() {
    let mut rig = Rig::new().with_bank();
    let post = |id: &str, from: &str, noted: &str| {
        let transfer = Transfer { metadata: metadata(noted), ..transfer(id, from, "a", "1") };
        batch(None, vec![transfer])
    };
    let most: Vec<String> = (0..31).map(|at| format!("k{at}=v")).collect();
    let most = most.join(" ");
    let cases = vec![
        (post("t1", "world", "order=17"), "ok 0@7.0"),
        (note("n1", "~t1", "order=18 case=1", ""), "ok 0@8.0"),
        (note("n1", "~t1", "order=18 case=1", ""), "ok 0@8.0 replayed"),
        (note("n1", "~t1", "order=19 case=1", ""), "ID_REUSED: set"),
        (note("n1", "~t2", "order=18 case=1", ""), "ID_REUSED: name"),
        (note("n1", "a", "order=18 case=1", ""), "ID_REUSED: name"),
        (post("t1", "world", "order=17"), "ok 0@7.0 replayed"),
        (post("t1", "world", "order=18 case=1"), "ID_REUSED: metadata"),
        (post("t2", "world", ""), "ok 0@9.0"),
        (note("n2", "~t2", &most, ""), "ok 0@10.0"),
        (note("n3", "~t2", "a=1 b=2", ""), "METADATA_FULL: t2 0@11.0"),
        (note("n4", "~t2", "a=1", ""), "ok 0@12.0"),
        (post("t3", "b", "why=test"), "INSUFFICIENT_FUNDS: b 0@13.0"),
        (note("n5", "~t3", "a=1", ""), "UNKNOWN_TRANSFER: t3 0@14.0"),
        (note("n6", "~t4", "a=1", ""), "UNKNOWN_TRANSFER: t4 0@15.0"),
    ];
    for (command, expected) in &cases {
        assert_eq!(line(&rig.ask(command.clone())), *expected, "{command:?}");
    }
    again_without_ids(&mut rig, &cases);
    // What is noted now was made again from the events alone.
    assert_eq!(line(&rig.ask(note("n7", "~t2", "b=2", ""))), "METADATA_FULL: t2 0@17.0");
    assert_eq!(line(&rig.ask(note("n8", "~t2", "b=2", "a"))), "ok 0@18.0");
    assert_eq!(line(&rig.ask(note("n9", "~t2", "a=1", ""))), "METADATA_FULL: t2 0@19.0");
    rig.assert_replay_is_live();
}

/// The second update is decided upon the first while that is neither acknowledged nor followed.
#[test]
fn updates_of_one_transfer_that_are_asked_at_once_follow_upon_one_another() {
    let mut rig = Rig::new().with_bank();
    let most: Vec<String> = (0..31).map(|at| format!("k{at}=v")).collect();
    let asked = [
        batch(None, vec![transfer("t1", "world", "a", "1")]),
        note("n1", "~t1", &most.join(" "), ""),
        note("n2", "~t1", "x=1 y=1", ""),
        note("n3", "~t1", "x=1", "k0"),
        note("n4", "~t1", "y=1", ""),
        note("n5", "~t1", "z=1", ""),
    ];
    let tokens = asked.map(|command| rig.offer_as(command, false));
    rig.pump();
    let said = tokens.map(|token| line(&rig.reply(token)));
    let outcome = |said: &String| said.rsplit_once(' ').unwrap().0.to_owned();
    let outcomes: Vec<_> = said.iter().map(outcome).collect();
    let full = "METADATA_FULL: t1";
    assert_eq!(outcomes, ["ok", "ok", full, "ok", "ok", full], "{said:?}");
    rig.assert_replay_is_live();
}
