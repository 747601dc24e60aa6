//! An asset is created once in its ledger; its scale never changes.

use super::named;
use crate::apply::next_asset;
use crate::event::Event;
use crate::limits::ASSETS_MAX;
use crate::name::{AssetCode, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    code: &AssetCode,
    scale: u8,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    if book.asset_by_code(code).is_some() {
        return Err(Rejection::new(Code::AssetExists, code.as_str()));
    }
    let asset = next_asset(book)
        .filter(|next| next.0 < ASSETS_MAX)
        .ok_or_else(|| Rejection::new(Code::TooMany, "assets of the ledger"))?;
    Ok(Event::AssetCreated { ledger: handle, asset, code: code.clone(), scale })
}
