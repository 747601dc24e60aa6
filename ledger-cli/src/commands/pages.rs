//! All pages of a list as one answer.

use ledger_proto::v1;
use tonic::{Response, Status};

/// Items of one page: as many as a server gives.
const PAGE_SIZE: i32 = 1_000;

/// The answer to a list: one page of it, or several.
pub(super) trait Listed: Default {
    /// Adds the page behind it, which shows the same state; the token of the one behind that.
    fn add(&mut self, page: Self) -> String;

    /// How many items it has.
    fn count(&self) -> usize;

    /// Leaves the first so many items.
    fn truncate(&mut self, limit: usize);
}

macro_rules! listed {
    ($($answer:ident $items:ident,)*) => {$(
        impl Listed for v1::$answer {
            fn add(&mut self, mut page: Self) -> String {
                let token = std::mem::take(&mut page.next_page_token);
                self.$items.append(&mut page.$items);
                page.$items = std::mem::take(&mut self.$items);
                *self = page;
                token
            }

            fn count(&self) -> usize {
                self.$items.len()
            }

            fn truncate(&mut self, limit: usize) {
                self.$items.truncate(limit);
            }
        }
    )*};
}

listed! {
    ListLedgersResponse ledgers,
    ListAssetsResponse assets,
    ListAccountsResponse accounts,
    ListMetadataHistoryResponse updates,
    ListEntriesResponse entries,
    ListHoldsResponse holds,
    ListSagasResponse sagas,
    ListSchedulesResponse schedules,
    ListBalanceAlertsResponse alerts,
    ListRaisedAlertsResponse alerts,
    ListAlertCrossingsResponse crossings,
    ListCustomersResponse customers,
    ListProfileChangesResponse changes,
}

/// All pages; `ask` asks for one, by its size and its token.
///
/// # Errors
/// What a page is refused with.
pub(super) async fn all<L: Listed>(
    ask: impl AsyncFnMut(i32, String) -> Result<Response<L>, Status>,
) -> Result<L, Status> {
    up_to(usize::MAX, ask).await
}

/// As [`all`], but no more items than this.
///
/// # Errors
/// What a page is refused with.
pub(super) async fn up_to<L: Listed>(
    limit: usize,
    mut ask: impl AsyncFnMut(i32, String) -> Result<Response<L>, Status>,
) -> Result<L, Status> {
    let mut all = L::default();
    let mut token = String::new();
    loop {
        let missing = i32::try_from(limit.saturating_sub(all.count())).unwrap_or(PAGE_SIZE);
        let page = ask(PAGE_SIZE.min(missing), token).await?;
        token = all.add(page.into_inner());
        if token.is_empty() || all.count() >= limit {
            all.truncate(limit);
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(ids: &[u8], next: &str) -> v1::ListHoldsResponse {
        let hold = |id: &u8| v1::Hold { name: id.to_string(), ..Default::default() };
        let holds = ids.iter().map(hold).collect();
        let read_at = Some(v1::ReadAt { position: next.into(), ..Default::default() });
        v1::ListHoldsResponse { holds, next_page_token: next.into(), read_at }
    }

    /// Pages of two of five holds, each with the number of the next as its token.
    async fn page(size: i32, token: String) -> Result<Response<v1::ListHoldsResponse>, Status> {
        let from: u8 = token.parse().unwrap_or(0);
        let ids: Vec<u8> = (from..5).take(usize::try_from(size.min(2)).unwrap()).collect();
        let next = ids.last().map_or(5, |last| last + 1);
        let next = if next < 5 { next.to_string() } else { String::new() };
        Ok(Response::new(holds(&ids, &next)))
    }

    #[tokio::test]
    async fn pages_are_one_answer() {
        let whole = all(page).await.unwrap();
        assert_eq!(whole, holds(&[0, 1, 2, 3, 4], ""), "all, as of the last page");
        let some: v1::ListHoldsResponse = up_to(3, page).await.unwrap();
        assert_eq!(some.holds, holds(&[0, 1, 2], "").holds);
        let refused = async |_: i32, _: String| Err(Status::not_found("none"));
        let refused: Result<v1::ListHoldsResponse, Status> = all(refused).await;
        assert_eq!(refused.unwrap_err().message(), "none");
    }
}
