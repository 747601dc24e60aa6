//! Transfers are decided in order, each upon the balances that those before it left.

use super::{Decision, ItemOutcome, Known, Outcome, Seen};
use crate::amount::AmountError;
use crate::command::{AccountStatus, Transfer};
use crate::event::{Event, PostedTransfer, RefusedTransfer, TransferBatch};
use crate::index::Index;
use crate::name::{AccountName, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::state::{Account, AccountHandle, AssetHandle, Balance, Ledger, State};

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    transfers: &[Transfer],
    known: Known<'_>,
) -> Result<Decision, Rejection> {
    assert!(known.is_empty() || known.len() == transfers.len(), "one entry for each transfer");
    let unknown = || Rejection::new(Code::UnknownLedger, ledger.as_str());
    let handle = state.ledger_by_name(ledger).ok_or_else(unknown)?;
    let book = state.ledger(handle).ok_or_else(unknown)?;

    let mut draft = Draft { state, book, touched: Index::default() };
    let mut batch = TransferBatch { ledger: handle, posted: Vec::new(), refused: Vec::new() };
    batch.posted.reserve(transfers.len());
    let mut items = Vec::with_capacity(transfers.len());
    for (place, transfer) in transfers.iter().enumerate() {
        items.push(match known.get(place).unwrap_or(&Seen::New) {
            Seen::Before(prior) => ItemOutcome::Before(prior.clone()),
            Seen::Above { item, same_content: true } => ItemOutcome::Repeats { item: *item },
            Seen::Above { item, same_content: false } => {
                let first = transfers.get(*item);
                let field = first.and_then(|first| first.first_difference(transfer));
                ItemOutcome::Reuses { item: *item, field: field.unwrap_or("transfer_id") }
            }
            Seen::New => draft.post(transfer, &mut batch),
        });
    }
    let nothing_new = batch.rows() == 0;
    let events = if nothing_new { Vec::new() } else { vec![Event::TransferBatch(batch)] };
    Ok(Decision { events, outcome: Outcome::Items(items) })
}

/// The state as it would be after the transfers decided so far.
struct Draft<'a> {
    state: &'a State,
    book: &'a Ledger,
    touched: Index<(AccountHandle, AssetHandle), Balance>,
}

impl<'a> Draft<'a> {
    fn post(&mut self, transfer: &Transfer, batch: &mut TransferBatch) -> ItemOutcome {
        let row = batch.rows();
        match self.check(transfer) {
            Ok(posted) => {
                batch.posted.push(posted);
                ItemOutcome::Posted { row }
            }
            Err(rejection) => {
                let refused = RefusedTransfer {
                    row,
                    transfer: transfer.clone(),
                    rejection: rejection.clone(),
                };
                batch.refused.push(refused);
                ItemOutcome::Refused { row, rejection }
            }
        }
    }

    /// A flat chain of checks in the order of `Code`, then the one change.
    fn check(&mut self, transfer: &Transfer) -> Result<PostedTransfer, Rejection> {
        let reject = |code, subject: &str| Rejection::new(code, subject);
        let (debit_handle, debit_account) = self
            .account(&transfer.debit_account)
            .ok_or_else(|| reject(Code::UnknownDebitAccount, transfer.debit_account.as_str()))?;
        let (credit_handle, credit_account) = self
            .account(&transfer.credit_account)
            .ok_or_else(|| reject(Code::UnknownCreditAccount, transfer.credit_account.as_str()))?;
        both_open(debit_account, credit_account)?;
        let unknown_asset = || reject(Code::UnknownAsset, transfer.asset.as_str());
        let asset = self.book.asset_by_code(&transfer.asset).ok_or_else(unknown_asset)?;
        let scale = self.book.asset(asset).ok_or_else(unknown_asset)?.scale;
        let amount = transfer.amount.to_minor(scale).map_err(|error| match error {
            AmountError::TooManyDecimals => reject(Code::TooManyDecimals, "amount"),
            AmountError::Malformed | AmountError::Overflow => reject(Code::Overflow, "amount"),
        })?;

        let overflow = |name: &str| reject(Code::Overflow, name);
        let debited = self
            .balance(debit_handle, debit_account, asset)
            .debited(amount)
            .ok_or_else(|| overflow(transfer.debit_account.as_str()))?;
        let credited = self
            .balance(credit_handle, credit_account, asset)
            .credited(amount)
            .ok_or_else(|| overflow(transfer.credit_account.as_str()))?;
        let debit_shrinks = !debit_account.account_type.is_debit_normal();
        if debit_shrinks && !debit_account.allows(debited) {
            return Err(reject(Code::InsufficientFunds, transfer.debit_account.as_str()));
        }
        let credit_shrinks = credit_account.account_type.is_debit_normal();
        if credit_shrinks && !credit_account.allows(credited) {
            return Err(reject(Code::InsufficientFunds, transfer.credit_account.as_str()));
        }

        self.touched.insert((debit_handle, asset), debited);
        self.touched.insert((credit_handle, asset), credited);
        Ok(PostedTransfer {
            id: transfer.id.clone(),
            debit_account: debit_handle,
            credit_account: credit_handle,
            asset,
            amount,
            reference: transfer.reference.clone(),
            effective_at: transfer.effective_at,
        })
    }

    fn account(&self, name: &AccountName) -> Option<(AccountHandle, &'a Account)> {
        let handle = self.book.account_by_name(name)?;
        self.state.account(handle).map(|account| (handle, account))
    }

    fn balance(&self, handle: AccountHandle, account: &Account, asset: AssetHandle) -> Balance {
        let touched = self.touched.get(&(handle, asset));
        touched.copied().unwrap_or_else(|| account.balance(asset))
    }
}

/// Nothing moves in an account that is not open.
fn both_open(debit: &Account, credit: &Account) -> Result<(), Rejection> {
    let refused = [
        (AccountStatus::Closed, Code::AccountClosed),
        (AccountStatus::Frozen, Code::AccountFrozen),
    ];
    for (status, code) in refused {
        if let Some(account) = [debit, credit].into_iter().find(|it| it.status == status) {
            return Err(Rejection::new(code, account.name.as_str()));
        }
    }
    Ok(())
}
