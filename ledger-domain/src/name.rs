//! Names, codes and ids: checked once, when they are made.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{
    ACCOUNT_NAME_BYTES_MAX, ASSET_CODE_BYTES_MAX, CUSTOMER_NAME_BYTES_MAX, ID_BYTES_MAX,
    LEDGER_NAME_BYTES_MAX, METADATA_KEY_BYTES_MAX, SYSTEM_ID_BYTES_MAX,
};

/// A name that its rule refuses; the text says the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError(pub &'static str);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $max:expr, $extra:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $type(Box<str>);

        impl $type {
            /// A name as a client may give it.
            ///
            /// # Errors
            /// [`NameError`] with the rule that it breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let readable = |b: u8| b.is_ascii_alphanumeric() || $extra.contains(&b);
                let length_fits = !text.is_empty() && text.len() <= $max;
                if length_fits && text.bytes().all(readable) && text != "-" {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError($rule))
                }
            }

            /// A name as the log holds it: it was checked when it was written.
            #[must_use]
            pub fn from_log(text: &str) -> Self {
                Self(text.into())
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Name of a ledger: "bank".
    LedgerName, LEDGER_NAME_BYTES_MAX, b"_.-",
    "a ledger's name is 1-64 of [A-Za-z0-9_.-] and not \"-\" alone"
);
name!(
    /// Name of an account in its ledger: "users:alice:wallet". A leading "~" is the system's, so that
    /// a client's name cannot begin with it.
    AccountName, ACCOUNT_NAME_BYTES_MAX, b"_.:-",
    "an account's name is 1-128 of [A-Za-z0-9_.:-] and not \"-\" alone"
);
name!(
    /// Code of an asset in its ledger: "USD".
    AssetCode, ASSET_CODE_BYTES_MAX, b"_.-",
    "an asset's code is 1-16 of [A-Za-z0-9_.-] and not \"-\" alone"
);

name!(
    /// Name of a customer in its ledger: "c-1042". It stays when the person is erased, so that it must not
    /// say who that is.
    CustomerName, CUSTOMER_NAME_BYTES_MAX, b"_.:-",
    "a customer's name is 1-64 of [A-Za-z0-9_.:-] and not \"-\" alone"
);
name!(
    /// Key of a value of metadata or of a profile: "tier", "email".
    MetadataKey, METADATA_KEY_BYTES_MAX, b"_.:-",
    "a key of metadata is 1-64 of [A-Za-z0-9_.:-] and not \"-\" alone"
);

impl AccountName {
    /// A name as a client may read it: also one of the system's.
    ///
    /// # Errors
    /// As [`AccountName::parse`].
    pub fn parse_read(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix('~') {
            Some(own) => AccountName::parse(own).map(|_| AccountName::from_log(text)),
            None => AccountName::parse(text),
        }
    }
}

/// A client-made id: a UUID is 16 bytes inside, everything else 1-64 readable characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Id {
    /// A UUID, most significant byte first.
    Uuid([u8; 16]),
    /// Any other id.
    Text(Box<str>),
}

impl Id {
    /// Reads an id. Text of the UUID form (8-4-4-4-12 hexadecimal, either case) is a UUID.
    ///
    /// # Errors
    /// [`NameError`] when it is not 1-64 visible ASCII characters, has a "/" or begins with "~".
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(uuid) = parse_uuid(text) {
            return Ok(Id::Uuid(uuid));
        }
        let visible = |b: u8| b.is_ascii_graphic() && b != b'/';
        let length_fits = !text.is_empty() && text.len() <= ID_BYTES_MAX;
        if length_fits && !text.starts_with('~') && text.bytes().all(visible) {
            Ok(Id::Text(text.into()))
        } else {
            Err(NameError(
                "an id is a UUID or 1-64 visible ASCII characters without \"/\" or a leading \"~\"",
            ))
        }
    }

    /// The id of a schedule's transfer that has this number: "~at:rent:3".
    #[must_use]
    pub fn scheduled(schedule: &Id, number: u32) -> Self {
        // No number holds a colon, so that no other schedule's transfer has it.
        Id::Text(format!("~at:{schedule}:{number}").into())
    }

    /// An id as a client may read it: also one of the system's, which is longer.
    ///
    /// # Errors
    /// As [`Id::parse`].
    pub fn parse_read(text: &str) -> Result<Self, NameError> {
        let visible = |b: u8| b.is_ascii_graphic() && b != b'/';
        if text.len() <= SYSTEM_ID_BYTES_MAX && text.starts_with('~') && text.bytes().all(visible) {
            return Ok(Id::Text(text.into()));
        }
        Id::parse(text)
    }

    /// Key form: a kind byte, then the bytes. Distinct ids have distinct keys.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        match self {
            Id::Uuid(bytes) => {
                key.push(0);
                key.extend_from_slice(bytes);
            }
            Id::Text(text) => {
                key.push(1);
                key.extend_from_slice(text.as_bytes());
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Uuid(bytes) => {
                for (i, byte) in bytes.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
            Id::Text(text) => f.write_str(text),
        }
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut uuid = [0u8; 16];
    let mut nibbles = 0usize;
    for (i, byte) in text.bytes().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
        let slot = uuid.get_mut(nibbles / 2)?;
        *slot = (*slot << 4) | digit;
        nibbles = nibbles.checked_add(1)?;
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_rule() {
        for good in ["a", "users:alice:wallet", "A-b_c.9", &"x".repeat(128)] {
            assert!(AccountName::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "-", "~clearing", "a b", "a/b", "é", &"x".repeat(129)] {
            assert!(AccountName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(LedgerName::parse("a:b").is_err());
        assert!(AssetCode::parse("USD").is_ok());
        assert!(AssetCode::parse("SEVENTEEN_LETTERS").is_err());
    }

    #[test]
    fn a_uuid_is_one_id_in_either_case() {
        let text = "0198c0de-1234-7abc-8def-0123456789ab";
        let id = Id::parse(text).unwrap();
        assert!(matches!(id, Id::Uuid(_)));
        assert_eq!(id, Id::parse(&text.to_uppercase()).unwrap());
        assert_eq!(id.to_string(), text);
    }

    #[test]
    fn what_is_the_systems_can_be_read_and_not_asked_for() {
        assert_eq!(AccountName::parse_read("~clearing:a").unwrap().as_str(), "~clearing:a");
        assert!(AccountName::parse_read("~").is_err() && AccountName::parse_read("~~a").is_err());
        assert_eq!(Id::parse_read("~from:a:b").unwrap().to_string(), "~from:a:b");
        assert!(Id::parse_read("~a/b").is_err() && Id::parse_read(&"~".repeat(161)).is_err());
        let (ledger, send) = ("x".repeat(64), Id::parse(&"y".repeat(64)).unwrap());
        let longest = Id::receipt(&LedgerName::parse(&ledger).unwrap(), &send).to_string();
        assert_eq!(Id::parse_read(&longest).unwrap().to_string(), longest);
    }

    #[test]
    fn other_ids_are_readable_text() {
        assert_eq!(Id::parse("invoice-17").unwrap().to_string(), "invoice-17");
        for bad in ["", "~step", "a b", "a/b", "tab\t", &"x".repeat(65)] {
            assert!(Id::parse(bad).is_err(), "{bad:?}");
        }
        // 36 characters that are nearly a UUID are text.
        assert!(matches!(Id::parse("0198c0de-1234-7abc-8def-0123456789ag").unwrap(), Id::Text(_)));
    }
}
