//! Ledgers and assets.

use ledger_domain::{LedgerName, MetadataTarget};
use ledger_proto::{answer, resource, v1};
use ledger_views::{LedgerRow, Page};

use super::{Fixed, Query};
use crate::error::QueryError;
use crate::level::Level;
use crate::token::{Paging, bad};

impl Query {
    /// One ledger.
    ///
    /// # Errors
    /// [`QueryError`]; so for every query below.
    pub fn get_ledger(
        &self,
        request: &v1::GetLedgerRequest,
    ) -> Result<v1::GetLedgerResponse, QueryError> {
        let name = resource::ledger("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let row = read.ledger(&name)?;
        let ledger = Some(read.wire_ledger(name.as_str(), &row)?);
        Ok(v1::GetLedgerResponse { ledger, read_at: Some(read.read_at) })
    }

    /// All ledgers of all partitions, by name.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_ledgers(
        &self,
        request: &v1::ListLedgersRequest,
    ) -> Result<v1::ListLedgersResponse, QueryError> {
        let page = (request.page_size, request.page_token.as_str());
        let paging = Paging::read(self.log_id, "ListLedgers", &[], None, page)?;
        let pinned = paging.pinned.as_ref().map(|pinned| pinned.places.as_slice());
        if pinned.is_some_and(|places| places.len() != self.views.len()) {
            return Err(bad("it is of another list"));
        }
        let mut reads = Vec::with_capacity(self.views.len());
        for (partition, view) in self.views.iter().enumerate() {
            let pinned = pinned.and_then(|places| places.get(partition)).copied();
            reads.push(self.fix_in(view, Level::Latest, pinned)?);
        }
        let mut pages = Vec::with_capacity(reads.len());
        for read in &reads {
            pages.push(read.view.ledgers(read.place, paging.after()?, paging.limit)?);
        }
        let (shown, after) = merge(pages, paging.limit);
        let wire =
            |(partition, name, row): &Listed<LedgerRow>| reads[*partition].wire_ledger(name, row);
        let places: Vec<_> = reads.iter().map(|read| read.place).collect();
        Ok(v1::ListLedgersResponse {
            ledgers: shown.iter().map(wire).collect::<Result<_, _>>()?,
            next_page_token: after
                .map(|name| paging.next(&places, name.as_bytes()))
                .unwrap_or_default(),
            read_at: reads.into_iter().map(|read| read.read_at).collect(),
        })
    }

    /// The assets of a ledger, by code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_assets(
        &self,
        request: &v1::ListAssetsRequest,
    ) -> Result<v1::ListAssetsResponse, QueryError> {
        let name = resource::ledger("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let paging =
            Paging::read(self.log_id, "ListAssets", &[&request.parent], consistency, page)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let ledger = read.ledger(&name)?;
        let page = read.view.assets(read.place, ledger.handle, paging.after()?, paging.limit)?;
        let wire = |(code, row): &(Box<str>, ledger_views::AssetRow)| v1::Asset {
            name: resource::asset_resource(name.as_str(), code),
            code: code.to_string(),
            scale: u32::from(row.scale),
            position: read.at(row.place),
        };
        let next = page.after.as_ref().map(|code| paging.next(&[read.place], code.as_bytes()));
        Ok(v1::ListAssetsResponse {
            assets: page.items.iter().map(wire).collect(),
            next_page_token: next.unwrap_or_default(),
            read_at: Some(read.read_at),
        })
    }
}

impl Fixed<'_> {
    fn wire_ledger(&self, name: &str, row: &LedgerRow) -> Result<v1::Ledger, QueryError> {
        let locked = self.view.book_lock(self.place, row.handle)?;
        let noted = self.view.metadata(self.place, row.handle, &MetadataTarget::Ledger)?;
        let noted_place = noted.as_ref().map(|(place, _)| self.at(*place));
        let metadata = noted.map(|(_, row)| row.metadata).unwrap_or_default();
        Ok(v1::Ledger {
            name: resource::ledger_resource(name),
            position: self.at(row.place),
            locked_before: locked.and_then(|(_, row)| row.0).map(answer::timestamp),
            locked_position: locked.map(|(place, _)| self.at(place)).unwrap_or_default(),
            metadata: answer::metadata(&metadata),
            sealed_metadata: self.sealed_metadata(&LedgerName::from_log(name), &metadata)?,
            metadata_position: noted_place.unwrap_or_default(),
        })
    }
}

/// Number of its page, name and row.
type Listed<R> = (usize, Box<str>, R);

/// The first `limit` of several sorted pages, each with the number of its page; the last name shown
/// where more may follow.
fn merge<R>(pages: Vec<Page<R>>, limit: usize) -> (Vec<Listed<R>>, Option<Box<str>>) {
    // Past the end of a page that goes on, another page's names may come too early.
    let sure_to = pages.iter().filter_map(|page| page.after.clone()).min();
    let mut all: Vec<_> = pages
        .into_iter()
        .enumerate()
        .flat_map(|(of, page)| page.items.into_iter().map(move |(name, row)| (of, name, row)))
        .filter(|(_, name, _)| sure_to.as_ref().is_none_or(|end| name <= end))
        .collect();
    all.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
    let cut = all.len() > limit;
    all.truncate(limit);
    let after = if cut { all.last().map(|(_, name, _)| name.clone()) } else { sure_to };
    (all, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_pages_leave_nothing_out() {
        let page = |names: &[&str], after: Option<&str>| Page {
            items: names.iter().map(|name| (Box::from(*name), ())).collect(),
            after: after.map(Box::from),
        };
        let names = |pages, limit| {
            let (shown, after) = merge(pages, limit);
            let shown: Vec<_> = shown.into_iter().map(|(_, name, ())| name.into_string()).collect();
            (shown.join(" "), after.map(|name: Box<str>| name.into_string()))
        };
        let shown = |names: &str, after: Option<&str>| (names.to_owned(), after.map(str::to_owned));
        assert_eq!(
            names(vec![page(&["b", "d"], None), page(&["a"], None)], 5),
            shown("a b d", None)
        );
        let all = || vec![page(&["b", "d"], Some("d")), page(&["a", "c"], None)];
        assert_eq!(names(all(), 2), shown("a b", Some("b")));
        assert_eq!(names(all(), 4), shown("a b c d", Some("d")));
        // A page that ends early, having shown nothing, holds the others back.
        let early = vec![page(&[], Some("b")), page(&["a", "c"], None)];
        assert_eq!(names(early, 4), shown("a", Some("b")));
    }
}
