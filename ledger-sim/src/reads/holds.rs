//! The open holds of a ledger, at every position.

use ledger_domain::Position;
use ledger_proto::{time, v1};

use super::{Level, Reads, decimal_string};
use crate::model::{Book, is_uuid};

impl Reads<'_> {
    /// All pages of the open holds: of all accounts, or of one.
    pub(super) fn holds(
        &self,
        ledger: &str,
        book: &Book,
        account: Option<&str>,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let made = account.map_or(book.created, |account| book.accounts[account].opened);
        let mut request = v1::ListHoldsRequest {
            parent: format!("ledgers/{ledger}"),
            account: account.unwrap_or_default().to_owned(),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_holds(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, made),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            if response.holds.len() > usize::try_from(page_size).unwrap_or(0) {
                return Err(format!("a page of {page_size} holds has {}", response.holds.len()));
            }
            read.extend(response.holds);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let mut due = Vec::new();
        for (id, hold) in &book.holds {
            let Some(version) = hold.versions.iter().rfind(|version| version.place <= bound) else {
                continue;
            };
            let is_of = |name: &str| hold.debit == name || hold.credit == name;
            if version.remaining == 0 || account.is_some_and(|account| !is_of(account)) {
                continue;
            }
            let first = &hold.versions[0];
            let (offset, index) = first.place;
            let decided = &book.transfers[id];
            let scale = book.assets[&hold.asset].0;
            let recorded = self.oracle.commits.iter().find(|commit| commit.offset == offset);
            let hold = v1::Hold {
                name: format!("ledgers/{ledger}/transfers/{id}"),
                debit_account: hold.debit.clone(),
                credit_account: hold.credit.clone(),
                asset: hold.asset.clone(),
                amount: decimal_string(first.remaining, scale),
                remaining: decimal_string(version.remaining, scale),
                expire_time: hold.expires_at.map(time::to_wire),
                reference: decided.asked.reference.clone(),
                position: Position::event(self.oracle.partition(), offset, index).to_string(),
                recorded_at: recorded.map(|commit| time::to_wire(commit.recorded_at)),
            };
            due.push((!is_uuid(id), id, hold));
        }
        // UUIDs come before other ids.
        due.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let due: Vec<_> = due.into_iter().map(|(_, _, hold)| hold).collect();
        if read != due {
            return Err(format!("open holds of {account:?}: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} open holds of {ledger} at {bound:?}", due.len()))
    }
}
