//! Rows of what is created: ledgers, assets and accounts.

use ledger_domain::{Event, LedgerHandle, MetadataTarget, NewAccount};

use super::{Balances, ProjectError, Projection, in_order, known_ledger, metadata};
use crate::key::{self, Place};
use crate::row::{
    AccountNameRow, AccountRow, AssetCodeRow, AssetRow, LedgerNameRow, LedgerRow, Row,
};
use crate::rows::Rows;
use crate::table::Table;

/// Of an event that creates something; any other makes none here.
pub(super) fn project(
    projection: &mut Projection<impl Balances>,
    place: Place,
    event: &Event,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    match event {
        Event::LedgerCreated { ledger, name, metadata } => {
            let heads = &mut projection.heads;
            in_order("ledger", u64::from(heads.ledgers), u64::from(ledger.0), place)?;
            heads.ledgers += 1;
            let row = LedgerRow { handle: *ledger, place };
            rows.put(Table::Ledgers, name.as_str().as_bytes(), |out| row.encode(out));
            let name = LedgerNameRow(name.clone());
            rows.put(Table::LedgerNames, &ledger.0.to_be_bytes(), |out| name.encode(out));
            let of = (*ledger, MetadataTarget::Ledger);
            metadata::created(projection, place, of, metadata, rows);
        }
        Event::AssetCreated { ledger, asset, code, scale } => {
            known_ledger(projection.heads, *ledger, place)?;
            let row = AssetRow { handle: *asset, scale: *scale, place };
            rows.put(Table::Assets, &key::named(*ledger, code.as_str()), |out| row.encode(out));
            let code = AssetCodeRow { code: code.clone(), scale: *scale };
            rows.put(Table::AssetCodes, &key::asset_code(*ledger, *asset), |out| code.encode(out));
        }
        Event::AccountOpened { ledger, account, name, account_type, rules, metadata } => {
            known_ledger(projection.heads, *ledger, place)?;
            let (account, account_type) = (*account, *account_type);
            let (name, rules, metadata) = (name.clone(), rules.clone(), metadata.clone());
            let opened = NewAccount { account, name, account_type, rules, metadata };
            open_account(projection, *ledger, place, &opened, rows)?;
        }
        _ => {}
    }
    Ok(())
}

/// Rows of an account that is opened there.
pub(super) fn open_account(
    projection: &mut Projection<impl Balances>,
    ledger: LedgerHandle,
    place: Place,
    opened: &NewAccount,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let NewAccount { account, name, account_type, rules, metadata } = opened;
    let heads = &mut projection.heads;
    in_order("account", heads.accounts, account.0, place)?;
    heads.accounts += 1;
    let (handle, account_type, rules) = (*account, *account_type, rules.clone());
    let row = AccountRow { handle, account_type, rules, place };
    rows.put(Table::Accounts, &key::named(ledger, name.as_str()), |out| row.encode(out));
    let name = AccountNameRow { ledger, name: name.clone() };
    rows.put(Table::AccountNames, &account.0.to_be_bytes(), |out| name.encode(out));
    let of = (ledger, MetadataTarget::Account(*account));
    metadata::created(projection, place, of, metadata, rows);
    Ok(())
}
