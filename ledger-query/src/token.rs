//! Page tokens: opaque to clients, they pin the log, the request and the state of its first page.

use ledger_proto::v1;
use ledger_views::Place;
use prost::Message;

use crate::error::QueryError;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
const PAGE_SIZE_DEFAULT: usize = 100;
const PAGE_SIZE_MAX: usize = 1_000;

/// Where the next page begins, and in which state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pinned {
    /// One for each partition that the list reads.
    pub(crate) places: Vec<Place>,
    /// The last key shown, or the next one, as the list wants it.
    pub(crate) key: Vec<u8>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub(crate) struct Paging {
    scope: [u8; 16],
    log_id: [u8; 16],
    /// At most this many items.
    pub(crate) limit: usize,
    /// Of a later page; none for the first.
    pub(crate) pinned: Option<Pinned>,
}

impl Paging {
    /// Reads a request's page size and token. `list` names the call, `parts` and `consistency` are its
    /// other parameters, which every page must repeat.
    pub(crate) fn read(
        log_id: [u8; 16],
        list: &str,
        parts: &[&str],
        consistency: Option<&v1::Consistency>,
        page: (i32, &str),
    ) -> Result<Self, QueryError> {
        let mut hasher = blake3::Hasher::new();
        for part in [list].iter().chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.update(&consistency.map(Message::encode_to_vec).unwrap_or_default());
        let mut scope = [0; 16];
        scope.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let (size, token) = page;
        let limit = match usize::try_from(size) {
            Ok(0) | Err(_) => PAGE_SIZE_DEFAULT,
            Ok(size) => size.min(PAGE_SIZE_MAX),
        };
        let mut paging = Paging { scope, log_id, limit, pinned: None };
        if !token.is_empty() {
            paging.pinned = Some(paging.parse(token)?);
        }
        Ok(paging)
    }

    /// The token of the page that begins at `key`.
    pub(crate) fn next(&self, places: &[Place], key: &[u8]) -> String {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.log_id);
        out.extend_from_slice(&self.scope);
        out.extend_from_slice(&u32::try_from(places.len()).unwrap_or(u32::MAX).to_le_bytes());
        for place in places {
            out.extend_from_slice(&place.offset.to_le_bytes());
            out.extend_from_slice(&place.index.to_le_bytes());
        }
        out.extend_from_slice(key);
        let checksum = blake3::hash(&out);
        out.extend_from_slice(&checksum.as_bytes()[..CHECKSUM_BYTES]);
        out.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The one pinned place of a list that reads one partition.
    pub(crate) fn place(&self) -> Result<Option<Place>, QueryError> {
        match self.pinned.as_ref().map(|pinned| pinned.places.as_slice()) {
            None => Ok(None),
            Some([place]) => Ok(Some(*place)),
            Some(_) => Err(bad("it is of another list")),
        }
    }

    /// The name after which a later page begins.
    pub(crate) fn after(&self) -> Result<Option<&str>, QueryError> {
        let key = self.pinned.as_ref().map(|pinned| std::str::from_utf8(&pinned.key));
        key.transpose().map_err(|_| bad("it is of another list"))
    }

    /// Where a page of a list that goes back in time begins, in the state at `place`.
    pub(crate) fn begins_at(&self, place: Place) -> Result<Place, QueryError> {
        let Some(pinned) = &self.pinned else { return Ok(place) };
        let from = read_place(&pinned.key).filter(|from| *from <= place);
        from.ok_or_else(|| bad("it is of another list"))
    }

    /// Of such a list: takes the row beyond the limit off, at which the next page begins; the token of that one,
    /// empty where there is none.
    pub(crate) fn cut<R>(&self, place: Place, rows: &mut Vec<(Place, R)>) -> String {
        let next = if rows.len() > self.limit { rows.pop() } else { None };
        next.map(|(from, _)| self.next(&[place], &write_place(from))).unwrap_or_default()
    }

    fn parse(&self, token: &str) -> Result<Pinned, QueryError> {
        let bytes = from_hex(token).ok_or_else(|| bad("it is not one that a page gave"))?;
        let damaged = || bad("it is not one that a page gave");
        let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or_else(damaged)?;
        let (body, checksum) = bytes.split_at(split);
        if blake3::hash(body).as_bytes()[..CHECKSUM_BYTES] != *checksum {
            return Err(damaged());
        }
        let mut rest = body;
        let [version] = take(&mut rest).ok_or_else(damaged)?;
        if version != VERSION {
            return Err(damaged());
        }
        if take(&mut rest).ok_or_else(damaged)? != self.log_id {
            return Err(bad("it is of another log"));
        }
        if take(&mut rest).ok_or_else(damaged)? != self.scope {
            return Err(bad("every page repeats the request of the first"));
        }
        let count = u32::from_le_bytes(take(&mut rest).ok_or_else(damaged)?);
        let mut places = Vec::new();
        for _ in 0..count {
            let offset = u64::from_le_bytes(take(&mut rest).ok_or_else(damaged)?);
            let index = u32::from_le_bytes(take(&mut rest).ok_or_else(damaged)?);
            places.push(Place { offset, index });
        }
        Ok(Pinned { places, key: rest.to_vec() })
    }
}

pub(crate) fn bad(what: &str) -> QueryError {
    QueryError::invalid("MALFORMED_PAGE_TOKEN", format!("the page token: {what}"))
}

/// A place as the key of a token.
fn write_place(place: Place) -> Vec<u8> {
    [&place.offset.to_le_bytes()[..], &place.index.to_le_bytes()].concat()
}

/// Reads [`write_place`].
fn read_place(key: &[u8]) -> Option<Place> {
    let (offset, index) = key.split_first_chunk::<8>()?;
    let offset = u64::from_le_bytes(*offset);
    Some(Place { offset, index: u32::from_le_bytes(index.try_into().ok()?) })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(log: u8, parent: &str, token: &str) -> Result<Paging, QueryError> {
        Paging::read([log; 16], "ListAccounts", &[parent], None, (0, token))
    }

    #[test]
    fn a_token_reads_back_for_its_own_request_alone() {
        let first = paging(1, "ledgers/bank", "").unwrap();
        assert_eq!((first.limit, first.pinned.clone()), (100, None));
        let place = Place { offset: 7, index: 3 };
        let token = first.next(&[place], b"a:b");
        let second = paging(1, "ledgers/bank", &token).unwrap();
        assert_eq!(second.place(), Ok(Some(place)));
        assert_eq!(second.after(), Ok(Some("a:b")));

        let refused = |result: Result<Paging, QueryError>, what: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(what), "{error} has {what}");
        };
        refused(paging(2, "ledgers/bank", &token), "another log");
        refused(paging(1, "ledgers/shop", &token), "repeats the request");
        for length in 0..token.len() {
            assert!(length == 0 || paging(1, "ledgers/bank", &token[..length]).is_err());
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(paging(1, "ledgers/bank", &changed).is_err(), "digit {at}");
        }
        refused(paging(1, "ledgers/bank", &token.to_uppercase()), "not one");
        refused(paging(1, "ledgers/bank", "zz"), "not one");
    }

    #[test]
    fn page_sizes_have_a_default_and_a_limit() {
        for (asked, limit) in [(0, 100), (-5, 100), (1, 1), (1_000, 1_000), (i32::MAX, 1_000)] {
            let page = Paging::read([0; 16], "ListLedgers", &[], None, (asked, ""));
            assert_eq!(page.unwrap().limit, limit);
        }
    }
}
