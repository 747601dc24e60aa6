//! Accounts, their balances and their entries.

use std::collections::BTreeMap;

use ledger_domain::amount::{format_difference, format_minor};
use ledger_domain::{
    AccountName, AccountStatus, AccountType, AssetCode, AssetHandle, Balance, LedgerHandle,
    LedgerName, Metadata, MetadataTarget, Side,
};
use ledger_proto::{answer, resource, v1};
use ledger_views::{
    AccountRow, AssetCodeRow, EntryKind, EntryRow, LedgerRow, Page, Place, StoreError,
    TransferOutcome,
};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::token::{Paging, bad};

/// Accounts that one page of a filter of several terms looks at. It may so be short, or empty, and still have a
/// next.
const ACCOUNTS_EXAMINED_MAX: usize = 1_000;

impl Query {
    /// One account.
    ///
    /// # Errors
    /// [`QueryError`]; so for every query below.
    pub fn get_account(
        &self,
        request: &v1::GetAccountRequest,
    ) -> Result<v1::GetAccountResponse, QueryError> {
        let (ledger, name) = resource::account_read("name", &request.name)?;
        let read = self.fix(&ledger, request.consistency.as_ref(), None)?;
        let (book, row) = read.account(&ledger, &name)?;
        let account = Some(read.wire_account(&ledger, &book, name.as_str(), &row)?);
        Ok(v1::GetAccountResponse { account, read_at: Some(read.read_at) })
    }

    /// The accounts of a ledger, by name; those that a filter finds in the order in which they were opened.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_accounts(
        &self,
        request: &v1::ListAccountsRequest,
    ) -> Result<v1::ListAccountsResponse, QueryError> {
        let ledger = resource::ledger("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let filter = Filter::parse(&request.filter)?;
        let parts = [request.parent.as_str(), request.filter.as_str()];
        // A list without a filter keeps the tokens that it had before there were filters.
        let parts = if filter.is_none() { &parts[..1] } else { &parts[..] };
        let paging = Paging::read(self.log_id, "ListAccounts", parts, consistency, page)?;
        let read = self.fix(&ledger, consistency, paging.place()?)?;
        let row = read.ledger(&ledger)?;
        let page = match &filter {
            None => read.view.accounts(read.place, row.handle, paging.after()?, paging.limit)?,
            Some(filter) => read.found(&row, filter, paging.after()?, paging.limit)?,
        };
        let wire = |(name, account): &(Box<str>, AccountRow)| {
            read.wire_account(&ledger, &row, name, account)
        };
        let next = page.after.as_ref().map(|name| paging.next(&[read.place], name.as_bytes()));
        Ok(v1::ListAccountsResponse {
            accounts: page.items.iter().map(wire).collect::<Result<_, _>>()?,
            next_page_token: next.unwrap_or_default(),
            read_at: Some(read.read_at),
        })
    }

    /// The balances of one account, by asset code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_balance(
        &self,
        request: &v1::GetBalanceRequest,
    ) -> Result<v1::GetBalanceResponse, QueryError> {
        let (ledger, name) = resource::account_read("name", &request.name)?;
        let read = self.fix(&ledger, request.consistency.as_ref(), None)?;
        let (ledger, account) = read.account(&ledger, &name)?;
        let mut balances = Vec::new();
        let rows = read.view.balances(read.place, account.handle)?;
        for (asset, row) in &rows {
            let asset = read.asset_code(ledger.handle, *asset)?;
            let position = read.at(row.place);
            balances.push(wire_balance(&asset, account.account_type, row.balance, position));
        }
        balances.sort_by(|a, b| a.asset.cmp(&b.asset));
        let status = read.view.account_status(read.place, account.handle)?.map(|(place, _)| place);
        let rules = read.view.account_rules(read.place, account.handle)?.map(|(place, _)| place);
        let noted = MetadataTarget::Account(account.handle);
        let noted = read.view.metadata(read.place, ledger.handle, &noted)?.map(|(place, _)| place);
        let version = read.version(account.changed(status, rules, noted, &rows))?;
        Ok(v1::GetBalanceResponse { balances, read_at: Some(read.read_at), version })
    }

    /// The entries of one account and asset, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_entries(
        &self,
        request: &v1::ListEntriesRequest,
    ) -> Result<v1::ListEntriesResponse, QueryError> {
        let (ledger_name, name) = resource::account_read("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str(), request.asset.as_str()];
        let paging = Paging::read(self.log_id, "ListEntries", &parts, consistency, page)?;
        let read = self.fix(&ledger_name, consistency, paging.place()?)?;
        let (ledger, account) = read.account(&ledger_name, &name)?;
        let Some(asset) = read.asset_of(&ledger, &account, &name, &request.asset)? else {
            return Ok(v1::ListEntriesResponse {
                read_at: Some(read.read_at),
                ..Default::default()
            });
        };
        let from = paging.begins_at(read.place)?;
        // One more than is shown: where the next page begins.
        let mut rows = read.view.entries(from, account.handle, asset, paging.limit + 1)?;
        let next_page_token = paging.cut(read.place, &mut rows);
        let code = read.asset_code(ledger.handle, asset)?;
        let mut statement = Statement {
            read: &read,
            ledger: &ledger_name,
            book: ledger.handle,
            asset: &code,
            account_type: account.account_type,
            updates_transfers: read.view.updates_transfers(ledger.handle)?,
            recorded: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        let entries = rows
            .iter()
            .map(|(place, row)| statement.entry(*place, row))
            .collect::<Result<_, _>>()?;
        Ok(v1::ListEntriesResponse { entries, next_page_token, read_at: Some(read.read_at) })
    }
}

/// What the entries of one page have in common.
struct Statement<'a> {
    read: &'a Fixed<'a>,
    ledger: &'a LedgerName,
    book: LedgerHandle,
    asset: &'a AssetCodeRow,
    account_type: AccountType,
    /// Whether the ledger ever updated metadata of a transfer; most do not.
    updates_transfers: bool,
    recorded: BTreeMap<u64, i64>,
    names: BTreeMap<u64, String>,
}

impl Statement<'_> {
    /// What is noted of the entry's transfer: it stands with that alone.
    fn metadata(&self, place: Place, row: &EntryRow) -> Result<Metadata, QueryError> {
        if row.kind == EntryKind::Expiry {
            return Ok(Metadata::default());
        }
        if self.updates_transfers {
            let target = MetadataTarget::Transfer(row.transfer.clone());
            if let Some((_, row)) = self.read.view.metadata(self.read.place, self.book, &target)? {
                return Ok(row.metadata);
            }
        }
        if !row.noted {
            return Ok(Metadata::default());
        }
        let found = self.read.view.transfer(place, self.book, &row.transfer)?;
        match found.map(|row| row.outcome) {
            Some(TransferOutcome::Accepted(accepted)) => Ok(accepted.metadata),
            Some(TransferOutcome::Refused(..)) | None => {
                let what = format!("transfers: no row of {}", row.transfer);
                Err(StoreError::Damaged { what }.into())
            }
        }
    }

    fn entry(&mut self, place: Place, row: &EntryRow) -> Result<v1::Entry, QueryError> {
        let recorded_at = match self.recorded.get(&place.offset) {
            Some(at) => *at,
            None => {
                let at = commit_row(self.read.view, place.offset)?.recorded_at;
                *self.recorded.entry(place.offset).or_insert(at)
            }
        };
        let counterparty = match self.names.get(&row.counterparty.0) {
            Some(name) => name.clone(),
            None => {
                let name = self.read.account_name(row.counterparty)?.to_string();
                self.names.entry(row.counterparty.0).or_insert(name).clone()
            }
        };
        let position = self.read.at(place);
        let metadata = self.metadata(place, row)?;
        let side = match row.side {
            Side::Debit => v1::Side::Debit,
            Side::Credit => v1::Side::Credit,
        };
        Ok(v1::Entry {
            position: position.clone(),
            recorded_at: Some(answer::timestamp(recorded_at)),
            transfer: resource::transfer_resource(self.ledger.as_str(), &row.transfer),
            side: side.into(),
            amount: format_minor(row.amount, self.asset.scale),
            counterparty,
            reference: row.reference.to_string(),
            effective_time: row.effective_at.map(answer::timestamp),
            balance: Some(wire_balance(self.asset, self.account_type, row.balance, position)),
            kind: v1::EntryKind::try_from(i32::from(row.kind.number())).unwrap_or_default().into(),
            metadata: answer::metadata(&metadata),
            sealed_metadata: self.read.sealed_metadata(self.ledger, &metadata)?,
        })
    }
}

/// Counters with the asset's full scale, and the balance on the account's normal side.
fn wire_balance(
    asset: &AssetCodeRow,
    account_type: AccountType,
    balance: Balance,
    position: String,
) -> v1::Balance {
    let format = |minor| format_minor(minor, asset.scale);
    let (debits, credits) = (balance.debits_posted, balance.credits_posted);
    let (plus, minus) =
        if account_type.is_debit_normal() { (debits, credits) } else { (credits, debits) };
    v1::Balance {
        asset: asset.code.to_string(),
        debits_posted: format(debits),
        credits_posted: format(credits),
        debits_pending: format(balance.debits_pending),
        credits_pending: format(balance.credits_pending),
        balance: format_difference(plus, minus, asset.scale),
        position,
    }
}

impl Fixed<'_> {
    /// At most `limit` accounts that a filter finds, after the one with this name.
    fn found(
        &self,
        book: &LedgerRow,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<AccountRow>, QueryError> {
        let row = |name: &str| {
            let row = self.view.account(self.place, book.handle, name)?;
            let missing = || StoreError::Damaged { what: format!("accounts: no row of {name}") };
            row.ok_or_else(missing)
        };
        let after = match after {
            // A page may end with an account that was not opened yet, of those that have the value now.
            Some(name) => {
                let row = self.view.account(Place::end_of(u64::MAX), book.handle, name)?;
                Some(row.ok_or_else(|| bad("it is of another list"))?.handle)
            }
            None => None,
        };
        // All but the first of its terms are looked at one account after the other.
        let examined = if filter.is_one_term() { limit } else { ACCOUNTS_EXAMINED_MAX };
        let (first, place) = (filter.first(), self.place);
        let holders = self.view.holders(place, book.handle, first, after, examined)?;
        let mut page = Page { items: Vec::new(), after: None };
        let mut next = holders.after;
        let count = holders.accounts.len();
        for (nth, account) in holders.accounts.into_iter().enumerate() {
            let target = MetadataTarget::Account(account);
            let noted = self.view.metadata(place, book.handle, &target)?;
            if !noted.is_some_and(|(_, row)| filter.finds(&row.metadata)) {
                continue;
            }
            let name = self.account_name(account)?;
            page.items.push((name.as_str().into(), row(name.as_str())?));
            if page.items.len() >= limit {
                next = if nth + 1 < count { Some(account) } else { next };
                break;
            }
        }
        let next = next.map(|account| self.account_name(account)).transpose()?;
        page.after = next.map(|name| name.as_str().into());
        Ok(page)
    }

    pub(super) fn account(
        &self,
        ledger: &LedgerName,
        name: &AccountName,
    ) -> Result<(LedgerRow, AccountRow), QueryError> {
        let ledger = self.ledger(ledger)?;
        let row = self.view.account(self.place, ledger.handle, name.as_str())?;
        let row = row.ok_or_else(|| self.not_found("UNKNOWN_ACCOUNT", "account", name.as_str()))?;
        Ok((ledger, row))
    }

    /// The asset with this code, or without one the only asset that the account moved; none where it
    /// moved none.
    fn asset_of(
        &self,
        ledger: &LedgerRow,
        account: &AccountRow,
        name: &AccountName,
        code: &str,
    ) -> Result<Option<AssetHandle>, QueryError> {
        if !code.is_empty() {
            let invalid = |rule: ledger_domain::NameError| {
                QueryError::invalid("MALFORMED", format!("asset: {rule}"))
            };
            let code = AssetCode::parse(code).map_err(invalid)?;
            let row = self.view.asset(self.place, ledger.handle, code.as_str())?;
            let unknown = || self.not_found("UNKNOWN_ASSET", "asset", code.as_str());
            return Ok(Some(row.ok_or_else(unknown)?.handle));
        }
        match self.view.balances(self.place, account.handle)?.as_slice() {
            [] => Ok(None),
            [(asset, _)] => Ok(Some(*asset)),
            several => {
                let mut codes = Vec::new();
                for (asset, _) in several {
                    codes.push(self.asset_code(ledger.handle, *asset)?.code.to_string());
                }
                codes.sort();
                let what =
                    format!("account {name} moved several assets, name one: {}", codes.join(", "));
                Err(QueryError::invalid("ASSET_REQUIRED", what))
            }
        }
    }

    fn wire_account(
        &self,
        ledger: &LedgerName,
        book: &LedgerRow,
        name: &str,
        row: &AccountRow,
    ) -> Result<v1::Account, QueryError> {
        let changed = self.view.account_status(self.place, row.handle)?;
        let status = changed.map_or(AccountStatus::Open, |(_, row)| row.0);
        let ruled = self.view.account_rules(self.place, row.handle)?;
        let rules = ruled.as_ref().map_or(&row.rules, |(_, row)| &row.0);
        let rules = answer::account_rules(rules, |asset| {
            let AssetCodeRow { code, scale } = self.asset_code(book.handle, asset)?;
            Ok::<_, QueryError>((code, scale))
        })?;
        let status_place = changed.map(|(place, _)| place);
        let rules_place = ruled.as_ref().map(|(place, _)| *place);
        let noted = MetadataTarget::Account(row.handle);
        let noted = self.view.metadata(self.place, book.handle, &noted)?;
        let noted_place = noted.as_ref().map(|(place, _)| *place);
        let metadata = noted.map(|(_, row)| row.metadata).unwrap_or_default();
        let balances = self.view.balances(self.place, row.handle)?;
        let changed = row.changed(status_place, rules_place, noted_place, &balances);
        let position = |place: Option<Place>| place.map(|place| self.at(place)).unwrap_or_default();
        let customer = self.view.account_customer(row.handle)?;
        let customer =
            customer.map(|row| resource::customer_resource(ledger.as_str(), row.name.as_str()));
        Ok(v1::Account {
            name: resource::account_resource(ledger.as_str(), name),
            r#type: answer::account_type(row.account_type).into(),
            rules: Some(rules),
            position: self.at(row.place),
            status: answer::account_status(status).into(),
            status_position: position(status_place),
            rules_position: position(rules_place),
            customer: customer.unwrap_or_default(),
            version: self.version(changed)?,
            metadata: answer::metadata(&metadata),
            sealed_metadata: self.sealed_metadata(ledger, &metadata)?,
            metadata_position: position(noted_place),
        })
    }

    /// The version of an account that changed last there: when that commit was recorded.
    fn version(&self, changed: Place) -> Result<u64, QueryError> {
        let recorded_at = commit_row(self.view, changed.offset)?.recorded_at;
        Ok(u64::try_from(recorded_at).unwrap_or(0))
    }
}
