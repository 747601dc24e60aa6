//! The tables of the read schema, and the column family that each is kept in.

/// A table: rows in the order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What the store is of, and how far it came.
    Meta,
    /// account ++ asset -> the newest balance.
    Latest,
    /// account ++ asset ++ !offset ++ !index -> one entry and the balance after it, newest first.
    History,
    /// ledger ++ id -> one transfer, accepted or refused.
    Transfers,
    /// ledger ++ id ++ 0 ++ !offset ++ !index -> what a hold is from there on, newest first.
    Holds,
    /// ledger ++ id ++ 0 ++ !offset ++ !index -> one reversal of a transfer, newest first.
    Reversals,
    /// ledger ++ id -> the transfers of a journal entry.
    JournalEntries,
    /// Name -> ledger.
    Ledgers,
    /// Handle -> name of a ledger.
    LedgerNames,
    /// ledger ++ code -> asset.
    Assets,
    /// ledger ++ handle -> code and scale of an asset.
    AssetCodes,
    /// ledger ++ name -> account.
    Accounts,
    /// Handle -> ledger and name of an account.
    AccountNames,
    /// account ++ !offset ++ !index -> the status of an account from there on, newest first.
    AccountStatuses,
    /// account ++ !offset ++ !index -> the rules of an account from there on, newest first.
    AccountRules,
    /// ledger ++ !offset ++ !index -> up to when the books of a ledger are closed from there on, newest first.
    BookLocks,
    /// ledger ++ what it is of ++ !offset ++ !index -> an update of metadata, and all of it from there on, newest
    /// first.
    Metadata,
    /// ledger ++ key ++ value ++ account ++ !offset ++ !index -> whether the metadata of an account has this from
    /// there on, newest first.
    MetadataIndex,
    /// ledger ++ set ++ !offset ++ !index -> a keyframe of a set, newest first.
    SetKeyframes,
    /// ledger ++ set ++ offset ++ index of the keyframe ++ id ++ 0 ++ !offset ++ !index -> what the set has to do
    /// with that member from there on, newest first.
    SetMembers,
    /// account ++ id ++ 0 ++ !offset ++ !index -> what an alert is from there on, newest first.
    Alerts,
    /// account ++ !offset ++ !index -> a crossing of an alert, newest first.
    AlertCrossings,
    /// ledger ++ id as text -> a schedule as it was made.
    Schedules,
    /// ledger ++ id ++ 0 ++ !offset ++ !index -> what became of a schedule there, newest first.
    ScheduleChanges,
    /// ledger ++ name -> a customer as it was registered.
    Customers,
    /// Handle -> ledger and name of a customer.
    CustomerNames,
    /// customer ++ !offset ++ !index -> what is kept of the person from there on, newest first.
    Profiles,
    /// account -> the customer that it was opened with.
    AccountCustomers,
    /// offset -> what the record there is.
    Commits,
    /// !`recorded_at` -> offset of the commit, newest first.
    Times,
}

/// Where rows are kept together. Few families keep an idle partition small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Meta, the directories of ledgers, assets and accounts, and what changes seldom.
    Directory,
    /// [`Table::Latest`].
    Latest,
    /// [`Table::History`].
    History,
    /// [`Table::Transfers`].
    Transfers,
    /// [`Table::Commits`] and [`Table::Times`].
    Commits,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 30] = [
        Table::Meta,
        Table::Latest,
        Table::History,
        Table::Transfers,
        Table::Holds,
        Table::Reversals,
        Table::JournalEntries,
        Table::Ledgers,
        Table::LedgerNames,
        Table::Assets,
        Table::AssetCodes,
        Table::Accounts,
        Table::AccountNames,
        Table::AccountStatuses,
        Table::AccountRules,
        Table::BookLocks,
        Table::Metadata,
        Table::MetadataIndex,
        Table::SetKeyframes,
        Table::SetMembers,
        Table::Alerts,
        Table::AlertCrossings,
        Table::Schedules,
        Table::ScheduleChanges,
        Table::Customers,
        Table::CustomerNames,
        Table::Profiles,
        Table::AccountCustomers,
        Table::Commits,
        Table::Times,
    ];

    /// Its family, and the byte before its keys where tables share one.
    #[must_use]
    pub fn home(self) -> (Family, Option<u8>) {
        match self {
            Table::Meta => (Family::Directory, Some(0)),
            Table::Ledgers => (Family::Directory, Some(1)),
            Table::LedgerNames => (Family::Directory, Some(2)),
            Table::Assets => (Family::Directory, Some(3)),
            Table::AssetCodes => (Family::Directory, Some(4)),
            Table::Accounts => (Family::Directory, Some(5)),
            Table::AccountNames => (Family::Directory, Some(6)),
            Table::AccountStatuses => (Family::Directory, Some(7)),
            Table::Latest => (Family::Latest, None),
            Table::History => (Family::History, None),
            Table::Transfers => (Family::Transfers, None),
            Table::Holds => (Family::Directory, Some(8)),
            Table::AccountRules => (Family::Directory, Some(9)),
            Table::BookLocks => (Family::Directory, Some(10)),
            Table::Reversals => (Family::Directory, Some(11)),
            Table::JournalEntries => (Family::Directory, Some(12)),
            Table::SetKeyframes => (Family::Directory, Some(20)),
            Table::SetMembers => (Family::Directory, Some(21)),
            Table::Alerts => (Family::Directory, Some(22)),
            Table::AlertCrossings => (Family::Directory, Some(23)),
            Table::Schedules => (Family::Directory, Some(25)),
            Table::ScheduleChanges => (Family::Directory, Some(26)),
            Table::Customers => (Family::Directory, Some(50)),
            Table::CustomerNames => (Family::Directory, Some(51)),
            Table::Profiles => (Family::Directory, Some(52)),
            Table::AccountCustomers => (Family::Directory, Some(53)),
            Table::Metadata => (Family::Directory, Some(30)),
            Table::MetadataIndex => (Family::Directory, Some(31)),
            Table::Commits => (Family::Commits, Some(0)),
            Table::Times => (Family::Commits, Some(1)),
        }
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Latest => "latest",
            Table::History => "history",
            Table::Transfers => "transfers",
            Table::Holds => "holds",
            Table::Reversals => "reversals",
            Table::JournalEntries => "journal_entries",
            Table::Ledgers => "ledgers",
            Table::LedgerNames => "ledger_names",
            Table::Assets => "assets",
            Table::AssetCodes => "asset_codes",
            Table::Accounts => "accounts",
            Table::AccountNames => "account_names",
            Table::AccountStatuses => "account_statuses",
            Table::AccountRules => "account_rules",
            Table::BookLocks => "book_locks",
            Table::Metadata => "metadata",
            Table::MetadataIndex => "metadata_index",
            Table::SetKeyframes => "set_keyframes",
            Table::SetMembers => "set_members",
            Table::Alerts => "alerts",
            Table::AlertCrossings => "alert_crossings",
            Table::Schedules => "schedules",
            Table::ScheduleChanges => "schedule_changes",
            Table::Customers => "customers",
            Table::CustomerNames => "customer_names",
            Table::Profiles => "profiles",
            Table::AccountCustomers => "account_customers",
            Table::Commits => "commits",
            Table::Times => "times",
        }
    }
}

impl Family {
    /// All families.
    pub const ALL: [Family; 5] =
        [Family::Directory, Family::Latest, Family::History, Family::Transfers, Family::Commits];

    /// Its name in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Directory => "directory",
            Family::Latest => "latest",
            Family::History => "history",
            Family::Transfers => "transfers",
            Family::Commits => "commits",
        }
    }
}
