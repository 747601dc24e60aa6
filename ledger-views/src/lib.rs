//! The read schema: keys, rows, and what an event makes of them.
//!
//! ```text
//!  record of the log ──► project_record ──► Rows ──► ViewWriter ──┐ one write: rows + position
//!                             ▲                                   ▼
//!                         Balances ◄────────────────────────── ViewStore (RocksDB, memory)
//!                                                                 ▲
//!  answer as of a place ◄─────────────────────────── ViewReader ──┘
//!                                   in another process: Mirror ──┘
//! ```
//!
//! A balance has one row in `latest` and one in `history` for each entry; the entry's row is the
//! balance's history. Directory rows never vanish and carry the place that made them. So every read
//! can be as of any place, at the cost of one seek.

pub mod table;

pub mod key;
pub mod row;
pub mod rows;

pub mod project;

mod balances;
pub mod noted;
pub mod sets;
pub mod store;
pub mod writer;

pub mod reader;

pub mod manifest;
pub mod mirror;

mod code;

pub use key::{Place, raised_alert, read_raised_alert};
pub use manifest::{VIEW_VERSION, open_view};
pub use mirror::Mirror;
pub use noted::Noted;
pub use project::{
    Balances, ProjectError, Projection, ViewRecord, ViewRecordKind, project, project_record,
};
pub use reader::{AlertPage, AlertView, HolderPage, MemberPage, Page, ViewReader};
pub use row::{
    AccountCustomerRow, AccountNameRow, AccountRow, AlertRow, AssetCodeRow, AssetRow, CommitRow,
    CrossingRow, CustomerNameRow, CustomerRow, EntryKind, EntryRow, Heads, HoldRow, HoldStatus,
    JournalEntryRow, LatestRow, LedgerNameRow, LedgerRow, MetadataIndexRow, MetadataRow,
    ProfileRow, RecordKind, ReversalRow, Row, ScheduleChangeRow, ScheduleRow, ScheduleRun,
    ScheduleView, SetChange, SetKeyframeRow, TimeRow, ToldRow, TransferOutcome, TransferRow,
    ViewLog,
};
pub use rows::Rows;
pub use sets::{Members, SetKind, Sets};
pub use store::memory::MemoryStore;
pub use store::rocks::{Readers, RocksShared, RocksStore};
pub use store::secondary::SecondaryStore;
pub use store::{StoreError, ViewStore};
pub use table::Table;
pub use writer::{Applied, Freshness, Parked, ViewError, ViewState, ViewWriter};

#[cfg(test)]
mod tests;
