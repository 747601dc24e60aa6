//! Metadata, what became of it, and the accounts that are found by it, as of any position.

use ledger_domain::{
    AccountName, AccountType, AskedRules, CommandBody, Id, Link, Metadata, MetadataKey, MetadataOf,
    MetadataUpdate, MetadataValue, Movement, Transfer,
};
use ledger_proto::v1;

use super::as_of;
use super::bank::Bank;
use super::transfers::{hold, moves};
use crate::Query;

pub(super) fn metadata(text: &str) -> Metadata {
    let entry = |word: &str| {
        let (key, value) = word.split_once('=').unwrap();
        (MetadataKey::parse(key).unwrap(), MetadataValue::plain(value).unwrap())
    };
    text.split_whitespace().map(entry).collect()
}

/// "tier=gold !kyc".
pub(super) fn update(of: MetadataOf, text: &str) -> CommandBody {
    let removed = text.split_whitespace().filter_map(|word| word.strip_prefix('!'));
    let remove = removed.map(|key| MetadataKey::parse(key).unwrap()).collect();
    let set: Vec<_> = text.split_whitespace().filter(|word| !word.starts_with('!')).collect();
    CommandBody::UpdateMetadata {
        of,
        update: MetadataUpdate { set: metadata(&set.join(" ")), remove },
    }
}

fn of(account: &str) -> MetadataOf {
    MetadataOf::Account(AccountName::parse(account).unwrap())
}

fn account(name: &str, noted: &str) -> CommandBody {
    CommandBody::OpenAccount {
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Liability,
        rules: AskedRules::default(),
        metadata: metadata(noted),
    }
}

pub(super) fn say(metadata: &std::collections::BTreeMap<String, String>) -> String {
    let entries = metadata.iter().map(|(key, value)| format!("{key}={value}"));
    entries.collect::<Vec<_>>().join(" ")
}

#[test]
fn metadata_is_what_it_was_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    let both = bank.commit(
        "bank",
        vec![update(of("wallet"), "tier=gold kyc=1"), update(MetadataOf::Ledger, "region=eu")],
    );
    let last = bank.commit("bank", vec![update(of("wallet"), "tier=silver !kyc")]);
    let wallet = |at: &str| {
        let (name, consistency) = ("ledgers/bank/accounts/wallet".to_owned(), as_of(at));
        let request =
            v1::GetAccountRequest { name: name.clone(), consistency: consistency.clone() };
        let one = query.get_account(&request).unwrap().account.unwrap();
        let balance = v1::GetBalanceRequest { name, consistency };
        assert_eq!(query.get_balance(&balance).unwrap().version, one.version);
        (format!("{} {}", say(&one.metadata), one.metadata_position), one.version)
    };
    let ledger = |at: &str| {
        let (name, consistency) = ("ledgers/bank".to_owned(), as_of(at));
        let request = v1::GetLedgerRequest { name, consistency };
        let one = query.get_ledger(&request).unwrap().ledger.unwrap();
        format!("{} {}", say(&one.metadata), one.metadata_position)
    };
    let (none, first) = wallet(&opened.to_string());
    assert_eq!(none, " ");
    assert_eq!(ledger(&format!("{both}.0")), " ");
    assert_eq!(ledger(&both.to_string()), format!("region=eu {both}.1"));
    let (gold, second) = wallet(&both.to_string());
    assert_eq!(gold, format!("kyc=1 tier=gold {both}.0"));
    let (silver, third) = wallet(&last.to_string());
    assert_eq!(silver, format!("tier=silver {last}.0"));
    assert!(first < second && second < third, "a version tells of metadata");
}

pub(super) fn history(query: &Query, parent: &str, at: &str, page_size: i32) -> Vec<String> {
    let mut request = v1::ListMetadataHistoryRequest {
        parent: parent.into(),
        consistency: as_of(at),
        page_size,
        page_token: String::new(),
    };
    let mut said = Vec::new();
    loop {
        let page = query.list_metadata_history(&request).unwrap();
        assert!(page.updates.len() <= usize::try_from(page_size).unwrap());
        for update in page.updates {
            assert!(update.recorded_at.is_some());
            let text = |entry: &Option<v1::MetadataEntry>| match entry {
                Some(v1::MetadataEntry {
                    key,
                    value: Some(v1::metadata_entry::Value::Plain(text)),
                }) => format!("{key}={text}"),
                Some(v1::MetadataEntry {
                    key,
                    value: Some(v1::metadata_entry::Value::Sealed(of)),
                }) => format!("{key}={}/{}", of.customer, of.text.as_deref().unwrap_or("?")),
                _ => "none".into(),
            };
            let changes = update.changes.iter();
            let changes = changes.map(|it| format!("{} > {}", text(&it.before), text(&it.after)));
            said.push(format!("{} {}", update.position, changes.collect::<Vec<_>>().join(", ")));
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return said;
        }
    }
}

#[test]
fn what_became_of_metadata_is_listed_newest_first() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    let made = bank.commit("bank", vec![account("alice", "tier=gold")]);
    let first = bank.commit("bank", vec![update(of("alice"), "tier=silver kyc=1")]);
    let same = bank.commit("bank", vec![update(of("alice"), "kyc=1 !x")]);
    let last = bank.commit("bank", vec![update(of("alice"), "!tier !kyc")]);
    let all = [
        format!("{last}.0 kyc=1 > none, tier=silver > none"),
        format!("{same}.0 "),
        format!("{first}.0 none > kyc=1, tier=gold > tier=silver"),
        format!("{made}.0 none > tier=gold"),
    ];
    let alice = "ledgers/bank/accounts/alice";
    for page_size in 1..5 {
        assert_eq!(history(&query, alice, &last.to_string(), page_size), all);
        assert_eq!(history(&query, alice, &first.to_string(), page_size), all[2..]);
    }
    assert_eq!(history(&query, "ledgers/bank", &last.to_string(), 5), [""; 0]);
    assert_eq!(history(&query, "ledgers/bank/accounts/wallet", &last.to_string(), 5), [""; 0]);
    let refused = |parent: &str, at: &str| {
        let (parent, consistency) = (parent.to_owned(), as_of(at));
        let request = v1::ListMetadataHistoryRequest { parent, consistency, ..Default::default() };
        query.list_metadata_history(&request).unwrap_err().to_string()
    };
    assert!(refused(alice, &opened.to_string()).contains("alice"), "not opened yet");
    assert!(refused("bank", "0@1").contains("MALFORMED"));
}

fn found(query: &Query, filter: &str, at: &str, page_size: i32) -> Vec<String> {
    let mut request = v1::ListAccountsRequest {
        parent: "ledgers/bank".into(),
        consistency: as_of(at),
        page_size,
        filter: filter.into(),
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = query.list_accounts(&request).unwrap();
        let name = |it: &v1::Account| it.name.rsplit('/').next().unwrap_or_default().to_owned();
        found.extend(page.accounts.iter().map(name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

#[test]
fn accounts_are_found_by_it_as_of_any_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let made = bank.commit(
        "bank",
        vec![
            account("zoe", "tier=gold region=eu"),
            account("bob", "tier=gold region=us"),
            account("amy", "tier=silver region=eu"),
            account("eve", "tier=gold region=eu"),
        ],
    );
    let changed = bank.commit(
        "bank",
        vec![
            update(of("zoe"), "tier=silver"),
            update(of("amy"), "tier=gold"),
            update(of("eve"), "!region"),
        ],
    );
    let back = bank.commit("bank", vec![update(of("zoe"), "tier=gold")]);
    let (gold, eu) = (r#"metadata.tier = "gold""#, r#"metadata.region="eu""#);
    let both = format!("{gold} AND {eu}");
    for page_size in 1..6 {
        let at = |filter: &str, at: &str| found(&query, filter, at, page_size).join(" ");
        let (made, changed, back) = (made.to_string(), changed.to_string(), back.to_string());
        assert_eq!(at(gold, &format!("{made}.1")), "zoe bob", "as of an event");
        assert_eq!(at(gold, &made), "zoe bob eve", "in the order in which they were opened");
        assert_eq!(at(eu, &made), "zoe amy eve");
        assert_eq!(at(&both, &made), "zoe eve");
        assert_eq!(at(gold, &format!("{changed}.0")), "bob eve");
        assert_eq!(at(gold, &changed), "bob amy eve");
        assert_eq!(at(&both, &changed), "amy");
        assert_eq!(at(gold, &back), "zoe bob amy eve");
        assert_eq!(at(&both, &back), "zoe amy");
        assert_eq!(at(r#"metadata.tier = "gol""#, &back), "", "a part of a value is another");
        assert_eq!(at(r#"metadata.tie = "gold""#, &back), "");
        assert_eq!(at(&format!("{gold} AND {}", r#"metadata.tier = "silver""#), &back), "");
        assert_eq!(at("", &back), "amy bob eve till wallet zoe", "all, by name");
    }
}

/// Every page looks at so many only; all are found all the same.
#[test]
fn a_filter_of_several_terms_turns_empty_pages() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let name = |at: usize| format!("a{at:04}");
    let rare = |at: usize| at.is_multiple_of(900);
    let accounts = (0..2_500)
        .map(|at| account(&name(at), if rare(at) { "tier=gold vip=1" } else { "tier=gold" }));
    let made = bank.commit("bank", accounts.collect());
    let filter = r#"metadata.tier = "gold" AND metadata.vip = "1""#;
    let due: Vec<String> = (0..2_500).filter(|at| rare(*at)).map(name).collect();
    for page_size in [1, 2, 100] {
        assert_eq!(found(&query, filter, &made.to_string(), page_size), due);
    }
}

/// The accounts that have the value now are many more than then, and the pages of then end among them.
#[test]
fn as_of_a_position_before_many_others_had_it_those_of_then_are_found() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let few = ["a", "b", "c"].map(|name| account(name, "tier=gold"));
    let made = bank.commit("bank", few.to_vec());
    let later = (0..10_100).map(|at| account(&format!("later{at}"), "tier=gold"));
    bank.commit("bank", later.collect());
    for page_size in [2, 100] {
        let filter = r#"metadata.tier = "gold""#;
        assert_eq!(found(&query, filter, &made.to_string(), page_size), ["a", "b", "c"]);
    }
}

#[test]
fn a_malformed_filter_is_told_with_its_place_and_a_token_is_of_its_filter() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    bank.commit("bank", vec![account("a", "tier=gold"), account("b", "tier=gold")]);
    let list = |filter: &str, token: &str| {
        query.list_accounts(&v1::ListAccountsRequest {
            parent: "ledgers/bank".into(),
            page_size: 1,
            page_token: token.into(),
            filter: filter.into(),
            ..Default::default()
        })
    };
    let status = tonic::Status::from(list("tier = 1", "").unwrap_err());
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("at byte 0: expected metadata.KEY"), "{status}");
    let token = list(r#"metadata.tier = "gold""#, "").unwrap().next_page_token;
    assert!(list(r#"metadata.tier = "gold""#, &token).is_ok());
    let other = list("", &token).unwrap_err().to_string();
    assert!(other.contains("repeats the request"), "{other}");
}

#[test]
fn what_is_noted_of_a_transfer_is_read_with_it() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let noted = |id: &str, noted: &str| Transfer {
        metadata: metadata(noted),
        link: Link::Entry(Box::new(Id::parse("e").unwrap())),
        ..hold(id, "5", None)
    };
    bank.post("bank", vec![noted("h1", "order=17 by=amy"), noted("h2", "")]);
    let capture = Movement::Capture { hold: Id::parse("h1").unwrap(), amount: None };
    let capture = Transfer { metadata: metadata("shipped=1"), ..moves("c1", capture) };
    let void = Movement::Void { hold: Id::parse("nothing").unwrap(), refused: None };
    let refused = Transfer { metadata: metadata("why=test"), ..moves("v1", void) };
    bank.post("bank", vec![capture, refused]);
    for (id, due) in
        [("h1", "by=amy order=17"), ("h2", ""), ("c1", "shipped=1"), ("v1", "why=test")]
    {
        let name = format!("ledgers/bank/transfers/{id}");
        let request = v1::GetTransferRequest { name, ..Default::default() };
        let found = query.get_transfer(&request).unwrap().transfer.unwrap();
        assert_eq!(say(&found.metadata), due, "{id}");
    }
    let name = "ledgers/bank/journalEntries/e".to_owned();
    let request = v1::GetJournalEntryRequest { name, ..Default::default() };
    let entry = query.get_journal_entry(&request).unwrap();
    let said = entry.transfers.iter().map(|it| say(&it.transfer.as_ref().unwrap().metadata));
    assert_eq!(said.collect::<Vec<_>>(), ["by=amy order=17", ""]);
    let parent = "ledgers/bank/accounts/wallet".to_owned();
    let request = v1::ListEntriesRequest { parent, ..Default::default() };
    let entries = query.list_entries(&request).unwrap().entries;
    let said = entries.iter().map(|it| say(&it.metadata));
    assert_eq!(said.collect::<Vec<_>>(), ["shipped=1", "", "by=amy order=17"]);
}

#[test]
fn metadata_of_a_transfer_is_what_it_was_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let noted = |id: &str, noted: &str| Transfer {
        metadata: metadata(noted),
        link: Link::Entry(Box::new(Id::parse("e").unwrap())),
        ..hold(id, "5", Some(2_000))
    };
    let posted = bank.post("bank", vec![noted("h1", "order=17"), noted("h2", "")]);
    let id = |id: &str| MetadataOf::Transfer(Id::parse(id).unwrap());
    let first = bank.commit("bank", vec![update(id("h1"), "order=18 by=amy")]);
    let both = bank.commit("bank", vec![update(id("h1"), "!order !x"), update(id("h2"), "late=1")]);
    let expired = bank.expire(2_000);
    let read = |of: &str, at: &str| {
        let (name, consistency) = (format!("ledgers/bank/transfers/{of}"), as_of(at));
        let answer = query.get_transfer(&v1::GetTransferRequest { name, consistency }).unwrap();
        format!("{} {}", say(&answer.transfer.unwrap().metadata), answer.metadata_position)
    };
    assert_eq!(read("h1", &posted.to_string()), "order=17 ");
    assert_eq!(read("h1", &first.to_string()), format!("by=amy order=18 {first}.0"));
    assert_eq!(read("h1", &both.to_string()), format!("by=amy {both}.0"));
    assert_eq!(read("h2", &format!("{both}.0")), " ");
    assert_eq!(read("h2", &both.to_string()), format!("late=1 {both}.1"));
    let entry = |at: &str| {
        let (name, consistency) = ("ledgers/bank/journalEntries/e".to_owned(), as_of(at));
        let request = v1::GetJournalEntryRequest { name, consistency };
        let transfers = query.get_journal_entry(&request).unwrap().transfers;
        let said = transfers.into_iter().map(|it| say(&it.transfer.unwrap().metadata));
        said.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(entry(&posted.to_string()), "order=17, ");
    assert_eq!(entry(&both.to_string()), "by=amy, late=1");
    let statement = |at: &str| {
        let (parent, consistency) = ("ledgers/bank/accounts/wallet".to_owned(), as_of(at));
        let request = v1::ListEntriesRequest { parent, consistency, ..Default::default() };
        let entries = query.list_entries(&request).unwrap().entries;
        entries.iter().map(|it| say(&it.metadata)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(statement(&posted.to_string()), ", order=17");
    assert_eq!(statement(&first.to_string()), ", by=amy order=18");
    // That it expired is no transfer of its own.
    assert_eq!(statement(&expired.to_string()), ", , late=1, by=amy");
    let all = [
        format!("{both}.0 order=18 > none"),
        format!("{first}.0 none > by=amy, order=17 > order=18"),
        format!("{posted}.0 none > order=17"),
    ];
    for page_size in 1..5 {
        let h1 = "ledgers/bank/transfers/h1";
        assert_eq!(history(&query, h1, &expired.to_string(), page_size), all);
        assert_eq!(history(&query, h1, &first.to_string(), page_size), all[1..]);
        assert_eq!(history(&query, h1, &posted.to_string(), page_size), all[2..]);
        let h2 = history(&query, "ledgers/bank/transfers/h2", &expired.to_string(), page_size);
        assert_eq!(h2, [format!("{both}.1 none > late=1")]);
    }
    let request = v1::ListMetadataHistoryRequest {
        parent: "ledgers/bank/transfers/h3".into(),
        ..Default::default()
    };
    let unknown = query.list_metadata_history(&request).unwrap_err().to_string();
    assert!(unknown.starts_with("no such transfer"), "{unknown}");
}
