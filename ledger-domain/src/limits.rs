//! Every limit of the domain, by name.

/// Transfers in one batch: some 300 kB in the log with UUIDs and without references, some 6 MB with the
/// longest texts. Reading a log refuses longer batches, so that it may only ever grow.
pub const BATCH_TRANSFERS_MAX: usize = 8_190;
/// Transfers of one journal entry, which is read as one.
pub const ENTRY_TRANSFERS_MAX: usize = 1_000;
/// Bytes of a ledger's name.
pub const LEDGER_NAME_BYTES_MAX: usize = 64;
/// Bytes of an account's name.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 128;
/// Bytes of an asset's code.
pub const ASSET_CODE_BYTES_MAX: usize = 16;
/// Decimal digits of an asset's minor unit. 10^30 leaves eight digits of whole units in 128 bits.
pub const ASSET_SCALE_MAX: u8 = 30;
/// Bytes of a client-made id.
pub const ID_BYTES_MAX: usize = 64;
/// Bytes of an id of the system's, which may hold a ledger's name and a client's id.
pub const SYSTEM_ID_BYTES_MAX: usize = 160;
/// Bytes of a transfer's reference.
pub const REFERENCE_BYTES_MAX: usize = 256;
/// Bytes of a customer's name.
pub const CUSTOMER_NAME_BYTES_MAX: usize = 64;
/// Bytes of a sealed value: what it holds, and what its key adds.
pub const SEALED_BYTES_MAX: usize = METADATA_VALUE_BYTES_MAX + 64;
/// Accounts that are opened with their customer.
pub const CUSTOMER_ACCOUNTS_MAX: usize = 16;
/// Bytes of a key of metadata, or of a profile.
pub const METADATA_KEY_BYTES_MAX: usize = 64;
/// Bytes of a value of metadata, or of a profile.
pub const METADATA_VALUE_BYTES_MAX: usize = 256;
/// Keys of the metadata of one thing, or of a profile, and of one update of it.
pub const METADATA_KEYS_MAX: usize = 32;
/// Conditions of one command.
pub const CONDITIONS_MAX: usize = 16;
/// Alerts of one account.
pub const BALANCE_ALERTS_MAX: usize = 16;
/// Nanoseconds from one transfer of a schedule to the next, at least: a second.
pub const INTERVAL_NS_MIN: i64 = 1_000_000_000;
/// Nanoseconds from one transfer of a schedule to the next, at most: 100 years of 365 days.
pub const INTERVAL_NS_MAX: i64 = 36_500 * 86_400_000_000_000;
/// Ledgers of one partition.
pub const LEDGERS_MAX: u32 = 1_000_000;
/// Credit limits of one account.
pub const CREDIT_LIMITS_MAX: usize = 100;
/// Assets of one ledger.
pub const ASSETS_MAX: u32 = 10_000;

const _: () = assert!(SYSTEM_ID_BYTES_MAX >= LEDGER_NAME_BYTES_MAX + ID_BYTES_MAX + 16);
const _: () = assert!(ACCOUNT_NAME_BYTES_MAX >= LEDGER_NAME_BYTES_MAX);
const _: () = assert!(BALANCE_ALERTS_MAX < 256, "they are counted in a byte");
const _: () = assert!(ASSET_SCALE_MAX <= 38, "10^scale must fit in 128 bits");
