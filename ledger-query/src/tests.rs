//! Answers over views of several partitions: each position reads as it was when it was the newest
//! (QY-1), pages show one state, and what cannot be answered says why.

mod alerts;
mod bank;
mod customers;
mod fresh;
mod holds;
mod locks;
mod metadata;
mod rules;
mod schedules;
mod sealed;
mod transfers;
mod wire;

use fastrand::Rng;
use ledger_domain::amount::format_difference;
use ledger_domain::{AccountHandle, Balance, Position};
use ledger_proto::v1;
use ledger_proto::v1::as_of::When;
use ledger_proto::v1::consistency::Level as Wire;

use self::bank::{ACCOUNTS, Bank, LEDGERS};
use crate::{Query, QueryError};

fn as_of(position: &str) -> Option<v1::Consistency> {
    consistency(Wire::AsOf(v1::AsOf { when: Some(When::Position(position.into())) }))
}

fn as_of_time(nanos: i64) -> Option<v1::Consistency> {
    let at = ledger_proto::time::to_wire(nanos);
    consistency(Wire::AsOf(v1::AsOf { when: Some(When::Timestamp(at)) }))
}

fn at_least(position: &str) -> Option<v1::Consistency> {
    consistency(Wire::AtLeast(position.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "the field of a request is optional")]
fn consistency(level: Wire) -> Option<v1::Consistency> {
    Some(v1::Consistency { level: Some(level) })
}

fn balance_request(account: &str, consistency: Option<v1::Consistency>) -> v1::GetBalanceRequest {
    v1::GetBalanceRequest { name: format!("ledgers/bank/accounts/{account}"), consistency }
}

/// Everything that queries say of a ledger in one state, as text, but for whether it is final.
fn everything(query: &Query, ledger: &str, consistency: Option<&v1::Consistency>) -> String {
    let mut all = String::new();
    let parent = format!("ledgers/{ledger}");
    let mut say = |answer: String| {
        all.push_str(&answer.replace("final: true", "final: false"));
        all.push('\n');
    };
    let of = |consistency: Option<&v1::Consistency>| consistency.cloned();
    let name = parent.clone();
    let request = v1::GetLedgerRequest { name, consistency: of(consistency) };
    say(format!("{:?}", query.get_ledger(&request)));
    let request = v1::ListAssetsRequest {
        parent: parent.clone(),
        consistency: of(consistency),
        ..Default::default()
    };
    say(format!("{:?}", query.list_assets(&request)));
    let request = v1::ListAccountsRequest {
        parent: parent.clone(),
        consistency: of(consistency),
        ..Default::default()
    };
    say(format!("{:?}", query.list_accounts(&request)));
    for account in ACCOUNTS {
        let name = format!("{parent}/accounts/{account}");
        let request = v1::GetBalanceRequest { name: name.clone(), consistency: of(consistency) };
        say(format!("{:?}", query.get_balance(&request)));
        for asset in ["", "EUR", "XAU"] {
            let request = v1::ListEntriesRequest {
                parent: name.clone(),
                asset: asset.into(),
                consistency: of(consistency),
                ..Default::default()
            };
            say(format!("{:?}", query.list_entries(&request)));
        }
    }
    for transfer in 1..40 {
        let name = format!("{parent}/transfers/t{transfer}");
        let request = v1::GetTransferRequest { name, consistency: of(consistency) };
        say(format!("{:?}", query.get_transfer(&request)));
    }
    all
}

#[test]
fn a_position_reads_for_ever_as_it_did_when_it_was_the_newest() {
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let mut bank = Bank::new(3);
        let query = bank.query();
        let mut seen = Vec::new();
        for _ in 0..25 {
            let ledger = LEDGERS[rng.usize(..LEDGERS.len())];
            let position = bank.random_commit(&mut rng, ledger);
            seen.push((ledger, position.to_string(), everything(&query, ledger, None)));
        }
        for (ledger, position, then) in seen {
            let now = everything(&query, ledger, as_of(&position).as_ref());
            assert_eq!(now, then, "seed {seed}, {ledger} as of {position}");
        }
    }
}

#[test]
fn balances_are_those_of_the_domain_on_their_normal_side() {
    let mut rng = Rng::with_seed(9);
    let mut bank = Bank::new(1);
    let query = bank.query();
    for _ in 0..40 {
        bank.random_commit(&mut rng, "bank");
    }
    let state = bank.state(0);
    let mut compared = 0;
    for (handle, account) in (0..).map(AccountHandle).zip(state.accounts()) {
        let found = query.get_balance(&balance_request(account.name.as_str(), None)).unwrap();
        let book = state.ledger(account.ledger).unwrap();
        assert_eq!(found.version, account.version(), "{handle:?}");
        assert_eq!(found.balances.len(), account.balances().len(), "{handle:?}");
        for (asset, balance) in account.balances() {
            let asset = book.asset(*asset).unwrap();
            let shown = found.balances.iter().find(|b| b.asset == asset.code.as_str()).unwrap();
            let Balance { debits_posted, credits_posted, .. } = *balance;
            let (plus, minus) = balance.sides(account.account_type);
            assert_eq!(shown.balance, format_difference(plus, minus, asset.scale));
            assert_eq!(shown.debits_posted, format_difference(debits_posted, 0, asset.scale));
            assert_eq!(shown.credits_posted, format_difference(credits_posted, 0, asset.scale));
            compared += 1;
        }
    }
    assert!(compared > 3);
}

#[test]
fn an_event_in_a_commit_is_a_position_of_its_own() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let commit = bank.transfers("bank", &[("till", "wallet", "1"), ("till", "wallet", "2.5")]);
    let wallet = |consistency| {
        let answer = query.get_balance(&balance_request("wallet", consistency)).unwrap();
        (answer.balances.first().map(|b| b.balance.clone()), answer.read_at.unwrap())
    };
    let before = format!("0@{}", commit.offset - 1);
    assert_eq!(wallet(as_of(&before)).0, None);
    let (first, read_at) = wallet(as_of(&format!("{commit}.0")));
    assert_eq!((first.as_deref(), read_at.r#final), (Some("1.00"), true));
    assert_eq!(read_at.position, format!("{commit}.0"));
    assert_eq!(wallet(as_of(&format!("{commit}.1"))).0.as_deref(), Some("3.50"));
    assert_eq!(wallet(as_of(&commit.to_string())).0.as_deref(), Some("3.50"));
    let error = query.get_balance(&balance_request("wallet", as_of(&format!("{commit}.2"))));
    assert!(error.unwrap_err().to_string().contains("there are 2 events"));
    let (newest, read_at) = wallet(None);
    assert_eq!(newest.as_deref(), Some("3.50"));
    assert_eq!((read_at.position, read_at.r#final), (commit.to_string(), false));
}

#[test]
fn an_instant_is_final_once_a_later_commit_was_applied() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let first = bank.transfers("bank", &[("till", "wallet", "1")]);
    let first_at = bank.recorded_at();
    let read = |nanos| {
        let answer = query.get_balance(&balance_request("wallet", as_of_time(nanos))).unwrap();
        let read_at = answer.read_at.unwrap();
        (read_at.position, read_at.r#final)
    };
    assert_eq!(read(first_at), (first.to_string(), false), "a later commit may share the instant");
    assert_eq!(read(i64::MAX), (first.to_string(), false));
    let second = bank.transfers("bank", &[("till", "wallet", "1")]);
    let second_at = bank.recorded_at();
    assert_eq!(read(first_at), (first.to_string(), true));
    assert_eq!(read(second_at - 1), (first.to_string(), true));
    assert_eq!(read(second_at), (second.to_string(), false));
    bank.skip();
    assert_eq!(
        read(second_at),
        (second.to_string(), false),
        "what does not count makes nothing final"
    );
    for before_any in [-1, 0, 1] {
        let request = v1::GetLedgerRequest {
            name: "ledgers/bank".into(),
            consistency: as_of_time(before_any),
        };
        let error = query.get_ledger(&request).unwrap_err();
        assert!(matches!(error, QueryError::NotFound { reason: "UNKNOWN_LEDGER", .. }), "{error}");
    }
}

#[test]
fn positions_that_cannot_be_read_are_refused_by_name() {
    let mut bank = Bank::new(3);
    let query = bank.query();
    bank.open("bank");
    let commit = bank.transfers("bank", &[("till", "wallet", "1")]);
    let ask = |consistency| query.get_balance(&balance_request("wallet", consistency)).map(|_| ());
    let next = format!("{}@{}", commit.partition, commit.offset + 1);
    let invalid = |consistency, reason: &str, what: &str| match ask(consistency).unwrap_err() {
        QueryError::Invalid { reason: found, what: text } => {
            assert_eq!(found, reason);
            assert!(text.contains(what), "{text} has {what}");
        }
        other => panic!("{other}"),
    };
    let error = ask(as_of(&next)).unwrap_err();
    assert!(matches!(error, QueryError::Future { .. }), "{error}");
    assert!(error.to_string().contains(&next) && error.to_string().contains(&commit.to_string()));
    let error = ask(at_least(&next)).unwrap_err();
    assert!(matches!(error, QueryError::Behind { .. }), "{error}");
    assert_eq!(ask(at_least(&commit.to_string())), Ok(()));
    let other = format!("{}@0", (commit.partition + 1) % 3);
    invalid(as_of(&other), "WRONG_PARTITION", "lives on partition");
    invalid(at_least(&other), "WRONG_PARTITION", "lives on partition");
    for malformed in ["", "1042", "0@", "0@-1", "now"] {
        invalid(as_of(malformed), "MALFORMED_POSITION", "partition@offset");
    }
    invalid(consistency(Wire::AsOf(v1::AsOf { when: None })), "MALFORMED_CONSISTENCY", "as_of");
}

#[test]
fn what_is_not_there_is_named() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    let transfer =
        bank.transfers("bank", &[("till", "nobody", "1.5"), ("till", "wallet", "1.500")]);
    let not_found = |result: Result<(), QueryError>, expected: &str| match result.unwrap_err() {
        QueryError::NotFound { reason, .. } => assert_eq!(reason, expected),
        other => panic!("{other}"),
    };
    let name = || "ledgers/shop".to_owned();
    let request = v1::GetLedgerRequest { name: name(), consistency: None };
    not_found(query.get_ledger(&request).map(|_| ()), "UNKNOWN_LEDGER");
    not_found(query.get_balance(&balance_request("nobody", None)).map(|_| ()), "UNKNOWN_ACCOUNT");
    let before = format!("0@{}.1", opened.offset);
    let error = query.get_balance(&balance_request("till", as_of(&before)));
    not_found(error.map(|_| ()), "UNKNOWN_ACCOUNT");
    let get = |id: &str, consistency| {
        let name = format!("ledgers/bank/transfers/{id}");
        query.get_transfer(&v1::GetTransferRequest { name, consistency })
    };
    not_found(get("t99", None).map(|_| ()), "UNKNOWN_TRANSFER");
    not_found(get("t1", as_of(&opened.to_string())).map(|_| ()), "UNKNOWN_TRANSFER");
    assert!(matches!(get("~ t", None), Err(QueryError::Malformed(_))));

    let refused = get("t1", None).unwrap();
    let refusal = refused.refusal.unwrap();
    assert_eq!(
        (refusal.reason.as_str(), refusal.subject.as_str()),
        ("UNKNOWN_CREDIT_ACCOUNT", "nobody")
    );
    assert_eq!(refusal.position, format!("{transfer}.0"));
    assert_eq!(refused.transfer.unwrap().amount, "1.50");
    let posted = get("t2", None).unwrap();
    assert_eq!((posted.refusal, posted.position), (None, format!("{transfer}.1")));
    let shown = posted.transfer.unwrap();
    assert_eq!(
        (shown.debit_account.as_str(), shown.credit_account.as_str(), shown.amount.as_str()),
        ("till", "wallet", "1.50")
    );
}

#[test]
fn pages_of_a_statement_show_one_state_while_the_ledger_moves_on() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    for _ in 0..7 {
        bank.transfers("bank", &[("till", "wallet", "1"), ("till", "wallet", "2")]);
    }
    let newest = bank.transfers("bank", &[("wallet", "till", "0.5")]);
    let mut request = v1::ListEntriesRequest {
        parent: "ledgers/bank/accounts/wallet".into(),
        page_size: 4,
        ..Default::default()
    };
    let mut entries = Vec::new();
    loop {
        let page = query.list_entries(&request).unwrap();
        assert_eq!(page.read_at.unwrap().position, newest.to_string());
        assert!(page.entries.len() <= 4);
        entries.extend(page.entries);
        // Later entries appear on no page of this list.
        bank.transfers("bank", &[("till", "wallet", "100")]);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let shown: Vec<_> =
        entries.iter().map(|e| e.balance.as_ref().unwrap().balance.as_str()).collect();
    let expected = [
        "20.50", "21.00", "19.00", "18.00", "16.00", "15.00", "13.00", "12.00", "10.00", "9.00",
        "7.00", "6.00", "4.00", "3.00", "1.00",
    ];
    assert_eq!(shown, expected);
    let last = &entries[14];
    assert_eq!((last.side(), last.counterparty.as_str()), (v1::Side::Credit, "till"));
    assert_eq!(last.transfer, "ledgers/bank/transfers/t1");
    assert_eq!(entries[0].side(), v1::Side::Debit);

    request.parent = "ledgers/bank/accounts/till".into();
    let error = query.list_entries(&request).unwrap_err();
    assert!(matches!(error, QueryError::Invalid { reason: "MALFORMED_PAGE_TOKEN", .. }), "{error}");
}

#[test]
fn a_later_page_is_final_only_if_its_state_is() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let pinned = bank.transfers("bank", &[("till", "wallet", "1"), ("till", "wallet", "2")]);
    // The next commit is recorded at this instant, and the one after it later.
    let instant = bank.recorded_at() + 10;
    let mut request = v1::ListEntriesRequest {
        parent: "ledgers/bank/accounts/wallet".into(),
        consistency: as_of_time(instant),
        page_size: 1,
        ..Default::default()
    };
    let first = query.list_entries(&request).unwrap();
    let read_at = first.read_at.unwrap();
    assert_eq!((read_at.position, read_at.r#final), (pinned.to_string(), false));
    let newest = bank.transfers("bank", &[("till", "wallet", "4")]);
    bank.transfers("bank", &[("till", "wallet", "8")]);
    let again = query.list_entries(&request).unwrap();
    let read_at = again.read_at.unwrap();
    assert_eq!((read_at.position, read_at.r#final), (newest.to_string(), true));
    for (page, last) in [(first.next_page_token, false), (again.next_page_token, true)] {
        request.page_token = page;
        let second = query.list_entries(&request).unwrap().read_at.unwrap();
        assert_eq!(second.r#final, last, "{}", second.position);
    }
}

#[test]
fn a_statement_over_several_assets_needs_its_asset() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let list = |asset: &str| {
        query.list_entries(&v1::ListEntriesRequest {
            parent: "ledgers/bank/accounts/wallet".into(),
            asset: asset.into(),
            ..Default::default()
        })
    };
    assert_eq!(list("").unwrap().entries, vec![], "nothing moved yet");
    bank.transfers_of("bank", "EUR", &[("till", "wallet", "1")]);
    assert_eq!(list("").unwrap().entries.len(), 1);
    bank.transfers_of("bank", "XAU", &[("till", "wallet", "1")]);
    let error = list("").unwrap_err().to_string();
    assert!(error.contains("EUR, XAU"), "{error}");
    assert_eq!(list("XAU").unwrap().entries[0].amount, "1.0000");
    assert!(matches!(list("GBP"), Err(QueryError::NotFound { reason: "UNKNOWN_ASSET", .. })));
    let invalid = list("not/one");
    assert!(matches!(invalid, Err(QueryError::Invalid { .. })), "{invalid:?}");
}

#[test]
fn ledgers_of_all_partitions_are_listed_by_name() {
    let mut bank = Bank::new(3);
    let query = bank.query();
    let mut names: Vec<String> = (0..25).map(|n| format!("ledger-{n}")).collect();
    names.iter().for_each(|name| {
        bank.open(name);
    });
    names.sort();
    for page_size in [1, 7, 100] {
        let mut request = v1::ListLedgersRequest { page_size, ..Default::default() };
        let (mut found, mut read_at) = (Vec::new(), None);
        loop {
            let page = query.list_ledgers(&request).unwrap();
            assert_eq!(page.read_at.len(), 3);
            assert_eq!(*read_at.get_or_insert_with(|| page.read_at.clone()), page.read_at);
            found.extend(page.ledgers.into_iter().map(|ledger| ledger.name));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let expected: Vec<_> = names.iter().map(|name| format!("ledgers/{name}")).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn an_empty_view_is_waited_for_and_views_of_two_logs_are_refused() {
    let bank = Bank::empty(1);
    let error = bank.query().get_balance(&balance_request("till", None)).unwrap_err();
    assert!(matches!(error, QueryError::Behind { applied: None, .. }), "{error}");
    let views = |bank: &Bank| bank.query().views().to_vec();
    assert!(Query::new(vec![]).is_err());
    assert!(Query::new(views(&Bank::new(2))[..1].to_vec()).is_err(), "a view is missing");
    let mut swapped = views(&Bank::new(2));
    swapped.reverse();
    assert!(Query::new(swapped).is_err());
}
