//! Customers: registered with their accounts, what is kept of them, and that nothing is once they are erased.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::customer::{AskedAccount, Profile, Sealed};
use crate::name::{CustomerName, MetadataKey};

/// What `register`, `profile` and `erase` ask for. An account is `NAME=TYPE`, with `,KEY=VALUE` of its metadata.
pub(super) fn body(words: &[&str]) -> CommandBody {
    let customer = CustomerName::parse(words[2]).unwrap();
    let of = |separator| words[3..].iter().filter_map(move |word| word.split_once(separator));
    let set: Profile = of(':').map(|(key, value)| (parse_key(key), seal(value))).collect();
    match words[0] {
        "register" => {
            let accounts = of('=').map(|(name, kind)| {
                let mut parts = kind.split(',');
                AskedAccount {
                    name: AccountName::parse(name).unwrap(),
                    account_type: account_type(parts.next().unwrap()),
                    rules: AskedRules::default(),
                    metadata: parts.map(metadata::entry).collect(),
                }
            });
            CommandBody::Register { customer, accounts: accounts.collect(), profile: set }
        }
        "profile" => {
            let remove = words[3..].iter().filter_map(|word| word.strip_prefix('-')).map(parse_key);
            CommandBody::UpdateProfile { customer, set, remove: remove.collect() }
        }
        _ => CommandBody::EraseCustomer { customer },
    }
}

fn parse_key(key: &str) -> MetadataKey {
    MetadataKey::parse(key).unwrap()
}

/// The domain never opens what is sealed, so that any bytes do.
fn seal(value: &str) -> Sealed {
    Sealed::from_bytes(value.as_bytes())
}

/// `ACCOUNT.. KEY:VALUE..`, and `erased`.
pub(super) fn show(state: &State, ledger: &str, name: &str) -> String {
    let book = state.ledger_by_name(&LedgerName::parse(ledger).unwrap()).unwrap();
    let handle = state.ledger(book).unwrap();
    let handle = handle.customer_by_name(&CustomerName::parse(name).unwrap()).unwrap();
    let customer = state.customer(handle).unwrap();
    assert_eq!((customer.ledger, customer.name.as_str()), (book, name));
    let mut words: Vec<String> = Vec::new();
    for account in &customer.accounts {
        let account = state.account(*account).unwrap();
        assert_eq!(account.ledger, book);
        words.push(account.name.as_str().to_owned());
    }
    for (key, sealed) in &customer.profile {
        words.push(format!("{}:{}", key.as_str(), String::from_utf8_lossy(sealed.as_bytes())));
    }
    if customer.erased {
        words.push("erased".into());
    }
    words.join(" ")
}

#[test]
fn a_customer_is_registered_with_all_accounts_or_not_at_all() {
    check(
        "
        register bank c1 w=liability                          => UNKNOWN_LEDGER: bank
        create bank                                           => ok
        asset bank USD 2                                      => ok
        open bank taken liability                             => ok
        register bank c1 w=liability taken=asset email:a@b.c  => ACCOUNT_EXISTS: taken
        register bank c1 w=liability s=liability email:a@b.c  => ok
        customer bank c1                                      => w s email:a@b.c
        register bank c1                                      => CUSTOMER_EXISTS: c1
        register bank c1 taken=asset                          => CUSTOMER_EXISTS: c1
        open bank w liability                                 => ACCOUNT_EXISTS: w
        open bank next equity negative                        => ok
        post bank next w USD 5                                => ok
        balance bank w USD                                    => 0 500
        register bank c2                                      => ok
        customer bank c2                                      =>
        create shop                                           => ok
        register shop c1 w=liability                          => ok
        customer shop c1                                      => w
        ",
    );
}

#[test]
fn what_is_kept_of_a_person_changes_by_key_and_ends_for_ever() {
    check(
        "
        profile bank c1 a:1                => UNKNOWN_LEDGER: bank
        create bank                        => ok
        profile bank c1 a:1                => UNKNOWN_CUSTOMER: c1
        erase bank c1                      => UNKNOWN_CUSTOMER: c1
        register bank c1 w=liability a:1   => ok
        profile bank c1 b:2 c:3            => ok
        customer bank c1                   => w a:1 b:2 c:3
        profile bank c1 b:4 -a -never      => ok
        customer bank c1                   => w b:4 c:3
        erase bank c1                      => ok
        customer bank c1                   => w erased
        profile bank c1 a:1                => CUSTOMER_ERASED: c1
        profile bank c1 -a                 => CUSTOMER_ERASED: c1
        erase bank c1                      => CUSTOMER_ERASED: c1
        register bank c1                   => CUSTOMER_EXISTS: c1
        close bank w                       => ok
        ",
    );
}

#[test]
fn a_profile_has_so_many_values_and_no_more() {
    let values: Vec<String> = (0..32).map(|n| format!("k{n}:v ")).collect();
    check(&format!(
        "
        create bank                          => ok
        register bank c1 {}                  => ok
        profile bank c1 k32:v                => METADATA_FULL: c1
        profile bank c1 -k0 k32:x            => ok
        profile bank c1 k0:y                 => METADATA_FULL: c1
        profile bank c1 k32:z                => ok
        ",
        values.concat(),
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// A model of names and texts, which knows nothing of handles.
    #[test]
    fn decides_as_a_naive_register(
        steps in prop::collection::vec((0u8..4, 0usize..3, 0usize..3, 0usize..3), 1..60),
    ) {
        let mut state = State::default();
        assert_eq!(run(&mut state, &["create", "bank"], 0), "ok");
        let mut people: BTreeMap<usize, Option<BTreeMap<usize, usize>>> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for (what, who, key, value) in steps {
            let (name, account) = (format!("c{who}"), format!("a{key}{value}=asset"));
            let (text, gone) = (format!("k{key}:{value}"), format!("-k{value}"));
            let line: Vec<&str> = match what {
                0 => vec!["register", "bank", &name, &account, &text],
                1 => vec!["profile", "bank", &name, &text],
                2 => vec!["profile", "bank", &name, &gone],
                _ => vec!["erase", "bank", &name],
            };
            let expected = match (what, people.get_mut(&who)) {
                (0, Some(_)) => format!("CUSTOMER_EXISTS: {name}"),
                (0, None) if taken.insert((key, value)) => {
                    people.insert(who, Some(BTreeMap::from([(key, value)])));
                    "ok".into()
                }
                (0, None) => format!("ACCOUNT_EXISTS: a{key}{value}"),
                (_, None) => format!("UNKNOWN_CUSTOMER: {name}"),
                (_, Some(None)) => format!("CUSTOMER_ERASED: {name}"),
                (1, Some(Some(kept))) => { kept.insert(key, value); "ok".into() }
                (2, Some(Some(kept))) => { kept.remove(&value); "ok".into() }
                (_, Some(erased)) => { *erased = None; "ok".into() }
            };
            prop_assert_eq!(run(&mut state, &line, 0), expected);
            for (who, kept) in &people {
                let shown = show(&state, "bank", &format!("c{who}"));
                let kept = match kept {
                    None => " erased".to_owned(),
                    Some(kept) => kept.iter().map(|(key, value)| format!(" k{key}:{value}")).collect(),
                };
                prop_assert!(shown.ends_with(&kept) && shown.starts_with('a'), "{} {}", shown, kept);
            }
            prop_assert_eq!(invariants::check(&state), []);
        }
    }
}
