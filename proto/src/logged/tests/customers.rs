//! Events of customers.

use ledger_domain::{
    CustomerHandle, CustomerName, Metadata, MetadataKey, MetadataValue, NewAccount, Profile, Sealed,
};

use super::*;

pub(super) fn events() -> Vec<(&'static str, Event)> {
    let (ledger, customer) = (LedgerHandle(1), CustomerHandle(1 << 33));
    let opened = |account, rules| NewAccount {
        account: AccountHandle(account),
        name: AccountName::from_log("users:1042:wallet"),
        account_type: AccountType::Liability,
        rules,
        metadata: Metadata::default(),
    };
    let noted = |opened: NewAccount| {
        let sealed = Sealed::from_bytes(&[9, 0]);
        let customer = CustomerName::from_log("c-1042");
        let iban = (MetadataKey::from_log("iban"), MetadataValue::Sealed { customer, sealed });
        let tier = (MetadataKey::from_log("tier"), MetadataValue::Plain("gold".into()));
        NewAccount { metadata: [iban, tier].into_iter().collect(), ..opened }
    };
    let limits = [(AssetHandle(3), 1 << 70)].into();
    let limited = AccountRules { may_go_negative: false, credit_limits: limits };
    let accounts = vec![opened(7, AccountRules::without_limits(true)), opened(8, limited)];
    let sealed = |key: &str, bytes: &[u8]| (MetadataKey::from_log(key), Sealed::from_bytes(bytes));
    let profile: Profile = [sealed("email", &[0, 255, 7]), sealed("name", b"sealed")].into();
    let registered = |accounts, profile| Event::CustomerRegistered {
        ledger,
        customer,
        name: CustomerName::from_log("c-1042"),
        accounts,
        profile,
    };
    vec![
        ("customer_registered", registered(accounts, profile.clone())),
        (
            "customer_registered_noted",
            registered(vec![noted(opened(7, AccountRules::default()))], Profile::new()),
        ),
        ("customer_registered_bare", registered(Vec::new(), Profile::new())),
        ("profile_updated", Event::ProfileUpdated { ledger, customer, profile }),
        ("customer_erased", Event::CustomerErased { ledger, customer }),
    ]
}
