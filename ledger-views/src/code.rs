//! The bytes of keys and rows: big-endian numbers in keys, which sort, and varints in rows.

use ledger_domain::{AccountRules, AssetHandle, Balance, Id};

/// Seven bits a byte, the low ones first.
pub(crate) fn put_number(out: &mut Vec<u8>, number: impl Into<u128>) {
    let mut rest: u128 = number.into();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Small for numbers near zero on either side.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    let zigzag = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
    put_number(out, zigzag);
}

/// Length, then the bytes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Length of its key form, then the key form.
pub(crate) fn put_id(out: &mut Vec<u8>, id: &Id) {
    let at = out.len();
    out.push(0);
    id.write_key(out);
    let length = out.len() - at - 1;
    // An id is at most 64 characters, so that one byte holds its length.
    out[at] = u8::try_from(length).unwrap_or(u8::MAX);
}

pub(crate) fn put_balance(out: &mut Vec<u8>, balance: &Balance) {
    put_number(out, balance.debits_posted);
    put_number(out, balance.credits_posted);
    put_number(out, balance.debits_pending);
    put_number(out, balance.credits_pending);
}

/// Whether there is no bound, how many limits there are, and each with its asset.
pub(crate) fn put_rules(out: &mut Vec<u8>, rules: &AccountRules) {
    let AccountRules { may_go_negative, credit_limits } = rules;
    out.push(u8::from(*may_go_negative));
    put_number(out, credit_limits.len() as u64);
    for (asset, amount) in credit_limits {
        put_number(out, asset.0);
        put_number(out, *amount);
    }
}

/// Reads what the functions above wrote; `None` where the bytes are not that.
#[derive(Debug)]
pub(crate) struct Source<'a>(pub(crate) &'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn number(&mut self) -> Option<u128> {
        let mut number: u128 = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let zigzag = self.u64()?;
        Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()?;
        std::str::from_utf8(self.bytes(usize::try_from(length).ok()?)?).ok()
    }

    pub(crate) fn id(&mut self) -> Option<Id> {
        let length = self.byte()?;
        read_id(self.bytes(usize::from(length))?)
    }

    pub(crate) fn rules(&mut self) -> Option<AccountRules> {
        let may_go_negative = match self.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let limits = (0..self.number()?).map(|_| Some((AssetHandle(self.u32()?), self.number()?)));
        let credit_limits = limits.collect::<Option<_>>()?;
        Some(AccountRules { may_go_negative, credit_limits })
    }

    pub(crate) fn balance(&mut self) -> Option<Balance> {
        Some(Balance {
            debits_posted: self.number()?,
            credits_posted: self.number()?,
            debits_pending: self.number()?,
            credits_pending: self.number()?,
        })
    }

    /// The next byte, which stays; `None` at the end.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, if nothing is left.
    pub(crate) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// Reads an id's key form.
pub(crate) fn read_id(key: &[u8]) -> Option<Id> {
    match key.split_first()? {
        (0, uuid) => Some(Id::Uuid(uuid.try_into().ok()?)),
        (1, text) => Some(Id::Text(std::str::from_utf8(text).ok()?.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_too_long_ones_do_not() {
        for number in [0, 1, 127, 128, u128::from(u64::MAX), u128::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            let mut source = Source(&out);
            assert_eq!(source.number(), Some(number));
            assert!(source.0.is_empty());
            assert_eq!(Source(&out[..out.len() - 1]).number(), None);
        }
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_signed(&mut out, number);
            assert_eq!(Source(&out).signed(), Some(number));
        }
        let mut past = vec![0xff; 18];
        past.push(0x04);
        assert_eq!(Source(&past).number(), None, "129 bits");
        assert_eq!(Source(&[0x80; 40]).number(), None, "no end");
    }
}
