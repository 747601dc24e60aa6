//! Content hashes: equal content as domain values, equal hash.

use ledger_domain::{Command, Transfer};

/// 128 bits of BLAKE3 over a transfer's content, its id left out.
#[must_use]
pub fn of_transfer(transfer: &Transfer) -> [u8; 16] {
    let mut content = Vec::with_capacity(160);
    transfer.write_content(&mut content);
    cut(&content)
}

/// 128 bits of BLAKE3 over a command's content, its request id left out.
#[must_use]
pub fn of_command(command: &Command) -> [u8; 16] {
    let mut content = Vec::with_capacity(256);
    command.write_content(&mut content);
    cut(&content)
}

fn cut(content: &[u8]) -> [u8; 16] {
    let mut hash = [0; 16];
    blake3::Hasher::new().update(content).finalize_xof().fill(&mut hash);
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ledger_domain::{
        AccountName, AccountType, AskedAccount, AskedRules, AssetCode, BalanceCondition,
        BalanceFigure, CommandBody, Comparison, Condition, CustomerName, Decimal, Destination, Id,
        LedgerName, Leg, Link, Metadata, MetadataKey, MetadataOf, MetadataUpdate, MetadataValue,
        Movement, Origin, Plan, Predicate, Profile, Sealed, SignedDecimal, When,
    };

    use super::*;

    fn leg() -> Leg {
        Leg {
            debit_account: AccountName::from_log("a"),
            credit_account: AccountName::from_log("b"),
            asset: AssetCode::from_log("USD"),
            amount: Decimal::parse("1.50").unwrap(),
            up_to: false,
        }
    }

    fn transfer() -> Transfer {
        Transfer {
            id: Id::Text("t-1".into()),
            movement: Movement::Post(leg()),
            reference: "rent".into(),
            effective_at: Some(-5),
            link: Link::Alone,
            metadata: Default::default(),
        }
    }

    fn in_bank(body: CommandBody) -> Command {
        let (ledger, conditions) = (LedgerName::from_log("bank"), Vec::new());
        Command { ledger, request_id: None, conditions, body }
    }

    fn posting(transfers: Vec<Transfer>) -> Command {
        in_bank(CommandBody::PostTransfers { transfers })
    }

    fn opening(name: &str, account_type: AccountType, may_go_negative: bool) -> Command {
        let rules = AskedRules::without_limits(may_go_negative);
        let name = AccountName::from_log(name);
        in_bank(CommandBody::OpenAccount {
            name,
            account_type,
            rules,
            metadata: Metadata::default(),
        })
    }

    fn metadata(entries: &[(&str, &str)]) -> Metadata {
        let entry = |(key, value): &(&str, &str)| {
            (MetadataKey::from_log(key), MetadataValue::plain(value).unwrap())
        };
        entries.iter().map(entry).collect()
    }

    fn noting(of: MetadataOf, set: &[(&str, &str)], remove: &[&str]) -> Command {
        let remove = remove.iter().map(|key| MetadataKey::from_log(key)).collect();
        let update = MetadataUpdate { set: metadata(set), remove };
        in_bank(CommandBody::UpdateMetadata { of, update })
    }

    fn sealed(customer: &str, byte: u8) -> Metadata {
        let (customer, sealed) = (CustomerName::from_log(customer), Sealed::from_bytes(&[byte]));
        let value = MetadataValue::Sealed { customer, sealed };
        [(MetadataKey::from_log("k"), value)].into_iter().collect()
    }

    fn noting_sealed(customer: &str, byte: u8) -> Command {
        let (set, remove) = (sealed(customer, byte), <_>::default());
        let of = MetadataOf::Transfer(Id::Text("t".into()));
        in_bank(CommandBody::UpdateMetadata { of, update: MetadataUpdate { set, remove } })
    }

    fn scheduling(metadata: Metadata) -> Command {
        let (reference, when, until) = ("rent".into(), When::Every(7), Some(9));
        let plan = Plan { leg: leg(), reference, metadata, when, start: -5, until, count: None };
        let (schedule, plan) = (Id::Text("s".into()), Box::new(plan));
        in_bank(CommandBody::ScheduleTransfer { schedule, plan })
    }

    fn registering_noted(metadata: Metadata) -> Command {
        let (name, account_type) = (AccountName::from_log("a"), AccountType::Asset);
        let account = AskedAccount { name, account_type, rules: AskedRules::default(), metadata };
        let (customer, accounts) = (CustomerName::from_log("c"), vec![account]);
        in_bank(CommandBody::Register { customer, accounts, profile: Profile::new() })
    }

    fn of(account: &str) -> MetadataOf {
        MetadataOf::Account(AccountName::from_log(account))
    }

    fn opening_noted(entries: &[(&str, &str)]) -> Command {
        let (name, account_type) = (AccountName::from_log("a"), AccountType::Asset);
        let (rules, metadata) = (AskedRules::default(), metadata(entries));
        in_bank(CommandBody::OpenAccount { name, account_type, rules, metadata })
    }

    fn limits(limits: &[(&str, &str)]) -> AskedRules {
        let limit = |(code, amount): &(&str, &str)| {
            (AssetCode::from_log(code), Decimal::parse(amount).unwrap())
        };
        let credit_limits = limits.iter().map(limit).collect();
        AskedRules { may_go_negative: false, credit_limits }
    }

    fn limited(rules: AskedRules) -> Command {
        let (name, account_type) = (AccountName::from_log("a"), AccountType::Asset);
        in_bank(CommandBody::OpenAccount {
            name,
            account_type,
            rules,
            metadata: Metadata::default(),
        })
    }

    fn ruling(name: &str, rules: AskedRules) -> Command {
        in_bank(CommandBody::SetAccountRules { name: AccountName::from_log(name), rules })
    }

    fn locking(locked_before: Option<i64>) -> Command {
        in_bank(CommandBody::LockBooks { locked_before })
    }

    fn creating(code: &str, scale: u8) -> Command {
        in_bank(CommandBody::CreateAsset { code: AssetCode::from_log(code), scale })
    }

    fn profile(values: &[(&str, u8)]) -> Profile {
        let value =
            |(key, byte): &(&str, u8)| (MetadataKey::from_log(key), Sealed::from_bytes(&[*byte]));
        values.iter().map(value).collect()
    }

    fn registering(name: &str, accounts: &[&str], values: &[(&str, u8)]) -> Command {
        let account = |name: &&str| AskedAccount {
            name: AccountName::from_log(name),
            account_type: AccountType::Liability,
            rules: limits(&[("USD", "1.50")]),
            metadata: Metadata::default(),
        };
        let accounts = accounts.iter().map(account).collect();
        let customer = CustomerName::from_log(name);
        in_bank(CommandBody::Register { customer, accounts, profile: profile(values) })
    }

    fn updating(name: &str, values: &[(&str, u8)], remove: &[&str]) -> Command {
        let remove = remove.iter().map(|key| MetadataKey::from_log(key)).collect();
        let customer = CustomerName::from_log(name);
        in_bank(CommandBody::UpdateProfile { customer, set: profile(values), remove })
    }

    fn erasing(name: &str) -> Command {
        in_bank(CommandBody::EraseCustomer { customer: CustomerName::from_log(name) })
    }

    /// Each differs from all others.
    fn conditions() -> Vec<Condition> {
        let on = |account: &str, that| Condition { account: AccountName::from_log(account), that };
        let balance = |asset: &str, figure, comparison, amount: &str| {
            let asset = AssetCode::from_log(asset);
            let amount = SignedDecimal::parse(amount).unwrap();
            let of = BalanceCondition { asset, figure, comparison, amount };
            on("a", Predicate::Balance(of))
        };
        let (posted, least) = (BalanceFigure::Posted, Comparison::AtLeast);
        vec![
            on("a", Predicate::Version(7)),
            on("b", Predicate::Version(7)),
            on("a", Predicate::Version(0)),
            balance("USD", posted, least, "1.50"),
            balance("EUR", posted, least, "1.50"),
            balance("USD", BalanceFigure::Available, least, "1.50"),
            balance("USD", posted, Comparison::Equal, "1.50"),
            balance("USD", posted, least, "15"),
            balance("USD", posted, least, "-1.50"),
        ]
    }

    /// Each balance condition as what an alert watches for, and what else an alert has.
    fn alerts() -> Vec<Command> {
        let (account, alert) = (AccountName::from_log("a"), Id::Text("low".into()));
        let set = |account: &str, alert: &str, condition: &BalanceCondition| {
            let (account, alert) = (AccountName::from_log(account), Id::Text(alert.into()));
            let condition = Box::new(condition.clone());
            in_bank(CommandBody::SetBalanceAlert { account, alert, condition })
        };
        let of_balance = |condition: Condition| match condition.that {
            Predicate::Balance(of) => Some(of),
            Predicate::Version(_) => None,
        };
        let watched: Vec<_> = conditions().into_iter().filter_map(of_balance).collect();
        let mut commands: Vec<_> = watched.iter().map(|of| set("a", "low", of)).collect();
        commands.push(set("b", "low", &watched[0]));
        commands.push(set("a", "high", &watched[0]));
        commands.push(in_bank(CommandBody::RemoveBalanceAlert { account, alert: alert.clone() }));
        let account = AccountName::from_log("b");
        commands.push(in_bank(CommandBody::RemoveBalanceAlert { account, alert }));
        commands
    }

    /// Metadata of transfers, what is sealed, and where else there is metadata.
    fn noted() -> Vec<Command> {
        vec![
            noting(MetadataOf::Transfer(Id::Text("a".into())), &[("k", "v")], &[]),
            noting(MetadataOf::Transfer(Id::Text("b".into())), &[("k", "v")], &[]),
            noting_sealed("c", 1),
            noting_sealed("d", 1),
            noting_sealed("c", 2),
            scheduling(Metadata::default()),
            scheduling(metadata(&[("k", "v")])),
            scheduling(sealed("c", 1)),
            registering_noted(Metadata::default()),
            registering_noted(metadata(&[("k", "v")])),
            registering_noted(sealed("c", 1)),
        ]
    }

    fn changed() -> Vec<(&'static str, Transfer)> {
        let account = AccountName::from_log("c");
        let asset = AssetCode::from_log("EUR");
        let amount = Decimal::parse("15").unwrap();
        let post = |leg| Transfer { movement: Movement::Post(leg), ..transfer() };
        vec![
            ("debit_account", post(Leg { debit_account: account.clone(), ..leg() })),
            ("credit_account", post(Leg { credit_account: account, ..leg() })),
            ("asset", post(Leg { asset, ..leg() })),
            ("amount", post(Leg { amount, ..leg() })),
            ("up_to", post(Leg { up_to: true, ..leg() })),
            ("reference", Transfer { reference: "Rent".into(), ..transfer() }),
            ("reference", Transfer { reference: "".into(), ..transfer() }),
            ("effective_time", Transfer { effective_at: Some(5), ..transfer() }),
            ("effective_time", Transfer { effective_at: None, ..transfer() }),
            ("metadata", Transfer { metadata: metadata(&[("k", "v")]), ..transfer() }),
            ("metadata", Transfer { metadata: metadata(&[("k", "w")]), ..transfer() }),
            ("metadata", Transfer { metadata: sealed("c", 1), ..transfer() }),
            ("metadata", Transfer { metadata: sealed("d", 1), ..transfer() }),
            ("metadata", Transfer { metadata: sealed("c", 2), ..transfer() }),
        ]
    }

    /// Each differs from the one before in the field that stands beside it.
    fn kinds() -> Vec<(&'static str, Transfer)> {
        let moves = |movement| Transfer { movement, ..transfer() };
        let linked = |link| Transfer { link, ..transfer() };
        let send = |ledger: &str, account: &str, deadline| {
            let ledger = LedgerName::from_log(ledger);
            let account = AccountName::from_log(account);
            let to = Box::new(Destination { ledger, account, deadline });
            moves(Movement::Send { leg: leg(), to })
        };
        let (hold, other) = (Id::Text("h".into()), Id::Text("i".into()));
        let amount = Some(leg().amount);
        vec![
            ("kind", moves(Movement::Hold { leg: leg(), expires_at: None })),
            ("expire_time", moves(Movement::Hold { leg: leg(), expires_at: Some(-5) })),
            ("kind", moves(Movement::Capture { hold: hold.clone(), amount })),
            ("amount", moves(Movement::Capture { hold: hold.clone(), amount: None })),
            ("hold_id", moves(Movement::Capture { hold: other.clone(), amount: None })),
            ("kind", moves(Movement::Void { hold: other.clone(), refused: None })),
            ("hold_id", moves(Movement::Void { hold: hold.clone(), refused: None })),
            ("kind", moves(Movement::Reversal { of: hold.clone(), amount })),
            ("amount", moves(Movement::Reversal { of: hold, amount: None })),
            ("reversed_id", moves(Movement::Reversal { of: other.clone(), amount: None })),
            ("kind", send("market", "bob", None)),
            ("deadline", send("market", "bob", Some(7))),
            ("destination", send("market", "eve", Some(7))),
            ("destination", send("other", "eve", Some(7))),
            ("kind", linked(Link::Next)),
            ("entry_id", linked(Link::Entry(Box::new(other)))),
            ("entry_id", linked(Link::Entry(Box::new(Id::Text("e".into()))))),
        ]
    }

    fn received() -> Transfer {
        let (ledger, send) = (LedgerName::from_log("market"), Id::Text("s".into()));
        let from = Origin { ledger, send, scale: 2, deadline: Some(9), sent_at: 5 };
        let movement = Movement::Receive { leg: leg(), from: Box::new(from) };
        Transfer { movement, ..transfer() }
    }

    #[test]
    fn every_field_of_a_transfer_counts_but_its_id() {
        let first = transfer();
        let other_id = Transfer { id: Id::Text("t-2".into()), ..transfer() };
        assert_eq!(first.first_difference(&other_id), None);
        assert_eq!(of_transfer(&first), of_transfer(&other_id));
        let mut hashes = BTreeSet::from([of_transfer(&first)]);
        for (field, other) in changed() {
            assert_eq!(first.first_difference(&other), Some(field));
            assert!(hashes.insert(of_transfer(&other)), "{field}");
        }
        let mut before = first;
        for (field, other) in kinds() {
            assert_eq!(before.first_difference(&other), Some(field));
            assert!(hashes.insert(of_transfer(&other)), "{field}");
            before = other;
        }
    }

    #[test]
    fn every_field_of_a_command_counts_but_its_request_id() {
        let again = Command { request_id: Some(Id::Text("r-1".into())), ..creating("USD", 2) };
        assert_eq!(of_command(&again), of_command(&creating("USD", 2)));
        let second = Transfer { id: Id::Text("t-2".into()), ..transfer() };
        let mut commands = vec![
            in_bank(CommandBody::CreateLedger { metadata: Metadata::default() }),
            Command {
                ledger: LedgerName::from_log("shop"),
                ..in_bank(CommandBody::CreateLedger { metadata: Metadata::default() })
            },
            creating("USD", 2),
            creating("EUR", 2),
            creating("USD", 3),
            opening("a", AccountType::Asset, false),
            opening("b", AccountType::Asset, false),
            opening("a", AccountType::Equity, false),
            opening("a", AccountType::Asset, true),
            limited(limits(&[("USD", "1")])),
            limited(limits(&[("USD", "1.5")])),
            limited(limits(&[("EUR", "1")])),
            limited(limits(&[("EUR", "1"), ("USD", "1")])),
            locking(None),
            locking(Some(0)),
            locking(Some(-5)),
            ruling("a", limits(&[])),
            ruling("b", limits(&[])),
            ruling("a", AskedRules::without_limits(true)),
            ruling("a", limits(&[("USD", "1")])),
            registering("c", &["a"], &[("k", 1)]),
            registering("d", &["a"], &[("k", 1)]),
            registering("c", &[], &[("k", 1)]),
            registering("c", &["b"], &[("k", 1)]),
            registering("c", &["a", "b"], &[("k", 1)]),
            registering("c", &["a"], &[]),
            registering("c", &["a"], &[("k", 2)]),
            registering("c", &["a"], &[("l", 1)]),
            updating("c", &[("k", 1)], &["l"]),
            updating("d", &[("k", 1)], &["l"]),
            updating("c", &[("k", 2)], &["l"]),
            updating("c", &[("k", 1)], &[]),
            updating("c", &[], &["l"]),
            erasing("c"),
            erasing("d"),
            noting(MetadataOf::Ledger, &[("k", "v")], &[]),
            noting(MetadataOf::Ledger, &[("k", "w")], &[]),
            noting(MetadataOf::Ledger, &[("l", "v")], &[]),
            noting(MetadataOf::Ledger, &[("k", "v")], &["l"]),
            noting(MetadataOf::Ledger, &[], &["k"]),
            noting(MetadataOf::Ledger, &[], &["k", "l"]),
            noting(of("a"), &[("k", "v")], &[]),
            noting(of("b"), &[("k", "v")], &[]),
            in_bank(CommandBody::CreateLedger { metadata: metadata(&[("k", "v")]) }),
            opening_noted(&[("k", "v")]),
            opening_noted(&[("k", "v"), ("l", "v")]),
            posting(vec![transfer()]),
            posting(vec![second.clone()]),
            posting(vec![transfer(), second.clone()]),
            posting(vec![second, transfer()]),
        ];
        commands.extend(changed().into_iter().map(|(_, transfer)| posting(vec![transfer])));
        let given = |conditions| Command { conditions, ..creating("USD", 2) };
        commands.extend(conditions().into_iter().map(|condition| given(vec![condition])));
        commands.extend(alerts());
        commands.extend(noted());
        commands.push(given(conditions()));
        commands.push(given(conditions().into_iter().rev().collect()));
        let hashes: BTreeSet<_> = commands.iter().map(of_command).collect();
        assert_eq!(hashes.len(), commands.len());
    }

    #[test]
    fn equal_limits_have_equal_hashes_in_any_order_and_spelling() {
        let one = limits(&[("USD", "10"), ("EUR", "0.5")]);
        let other = limits(&[("EUR", "0.50"), ("USD", "10.00")]);
        assert_eq!(of_command(&ruling("a", one)), of_command(&ruling("a", other)));
    }

    /// Golden: hashes stand in the log, so that a change of what is hashed shows here.
    #[test]
    fn the_hashes_never_change_unseen() {
        let hex = |hash: [u8; 16]| hash.map(|byte| format!("{byte:02x}")).concat();
        let plain = Transfer { reference: "".into(), effective_at: None, ..transfer() };
        let kinds: Vec<_> = kinds().into_iter().map(|(_, transfer)| transfer).collect();
        let is_older = |it: &Transfer| it.movement.destination().is_none();
        let sends = kinds.iter().filter(|it| !is_older(it)).cloned().collect();
        let hashes = [
            of_transfer(&transfer()),
            of_transfer(&plain),
            of_command(&in_bank(CommandBody::CreateLedger { metadata: Metadata::default() })),
            of_command(&creating("USD", 2)),
            of_command(&opening("a", AccountType::Liability, true)),
            of_command(&limited(limits(&[("USD", "1.50"), ("EUR", "7")]))),
            of_command(&ruling("a", limits(&[("USD", "1.50")]))),
            of_command(&locking(Some(-5))),
            of_command(&posting(vec![transfer(), plain])),
            of_command(&posting(kinds[..7].to_vec())),
            of_command(&posting(kinds.into_iter().filter(is_older).collect())),
            of_command(&posting(sends)),
            of_transfer(&received()),
            of_command(&Command { conditions: conditions(), ..creating("USD", 2) }),
            of_command(&registering("c", &["a", "b"], &[("k", 1), ("l", 2)])),
            of_command(&updating("c", &[("k", 1)], &["l", "m"])),
            of_command(&erasing("c")),
            of_command(&opening_noted(&[("k", "v"), ("l", "w")])),
            of_command(&noting(of("a"), &[("k", "v")], &["l"])),
            of_transfer(&Transfer { metadata: metadata(&[("k", "v")]), ..transfer() }),
            of_command(&noting_sealed("c", 1)),
            of_command(&scheduling(metadata(&[("k", "v")]))),
            of_command(&registering_noted(sealed("c", 1))),
        ];
        let expected = [
            "3ceaadfe593bf8bd61d3b810ed265825",
            "65ff7e85b55d64932d09158fbe84d71d",
            "d2d5326681c9650875bc5aa83567ac7b",
            "cde6ef0359aef67ee0a1e5ad7c100a94",
            "93e1be4ce3925030e0363c4c72231f6c",
            "31283c663f19b47e923f13fbdd004efd",
            "232c162bbbd9e307f61da6a780cdeae3",
            "b227e58b09b477d021fa8d3aba12e721",
            "92fd3a41619a85b4dda5f0ff86808314",
            "8a421bc7a0c720513802b97ef6e22fe6",
            "974cfdd02a292100ac307ee821f20250",
            "20ebc35751142798b56c4f12de736704",
            "6316eff08cd1c953150a89b4d49eeeb5",
            "b8e9a038a5fb3e99ed8ee667885ba721",
            "bcc6b64247aad21f0c69c87ea9d553d4",
            "bd91782d470ab4f76d79832c5e33f03c",
            "c4deb35edb251c3f275846555be663db",
            "4409944191ecd8015fbd0a3d2977e458",
            "f99d201b1c2f6d4c27465459838f365a",
            "7ba8d30589b77244105bc80d332f9fe8",
            "53d30409996020340247136852b70c8d",
            "d4e85943d1b482a63358bd3bc587af1e",
            "3b05467b2343415ef2b29071bcf592dc",
        ];
        assert_eq!(hashes.map(hex), expected);
    }
}
