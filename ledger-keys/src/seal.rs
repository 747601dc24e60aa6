//! One key, and what it seals and opens: AES-SIV of RFC 5297 with 512-bit keys, which needs no nonce and gives
//! the same bytes for the same text.

use std::fmt;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use ledger_domain::{MetadataKey, Sealed};

use crate::Subject;

/// Bytes of a key: one half authenticates, the other one encrypts.
const KEY_BYTES: usize = 64;
/// Bytes by which a sealed value says which key opens it.
const ID_BYTES: usize = 8;
/// Ends the contexts of these values, so that a key may seal other things one day.
const PURPOSE: &[u8] = b"ledger.v1 profile";

/// A customer's key. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    pub(crate) fn of(random: fn() -> [u8; 16]) -> Self {
        let mut bytes = [0; KEY_BYTES];
        for part in bytes.chunks_exact_mut(16) {
            part.copy_from_slice(&random());
        }
        Key(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Key)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A hash of it, by which it is told apart.
    pub(crate) fn id(&self) -> [u8; ID_BYTES] {
        let mut id = [0; ID_BYTES];
        blake3::Hasher::new().update(&self.0).finalize_xof().fill(&mut id);
        id
    }

    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new(&self.0.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a value is bound to: put elsewhere, it does not open.
fn context(subject: &Subject, name: &MetadataKey) -> [Vec<u8>; 3] {
    [subject.to_string().into_bytes(), name.as_str().into(), PURPOSE.into()]
}

/// Seals the values of one customer.
#[derive(Clone, Debug)]
pub struct Sealer {
    /// None: nothing of a text is left.
    key: Option<Key>,
    subject: Subject,
}

impl Sealer {
    pub(crate) fn new(key: Option<Key>, subject: &Subject) -> Self {
        Sealer { key, subject: subject.clone() }
    }

    /// The sealed form of a value: 8 bytes that name the key, 16 that authenticate, and the text's own length; no
    /// byte where there is no key.
    ///
    /// # Panics
    /// Never for a text within the domain's limits: the cipher refuses only what is far longer.
    #[must_use]
    pub fn seal(&self, name: &MetadataKey, text: &str) -> Sealed {
        let Some(key) = &self.key else { return Sealed::from_bytes(&[]) };
        let sealed = key.cipher().encrypt(context(&self.subject, name), text.as_bytes());
        let Ok(sealed) = sealed else { panic!("a value is short, and has three contexts") };
        Sealed::from_bytes(&[&key.id()[..], &sealed].concat())
    }
}

/// Opens the values of one customer.
#[derive(Clone, Debug)]
pub struct Opener {
    keys: Vec<Key>,
    subject: Subject,
}

impl Opener {
    pub(crate) fn new(keys: Vec<Key>, subject: &Subject) -> Self {
        Opener { keys, subject: subject.clone() }
    }

    /// The text of a value; `None` when its key is not there, or it is no value of this customer and name.
    #[must_use]
    pub fn open(&self, name: &MetadataKey, sealed: &Sealed) -> Option<String> {
        let (id, sealed) = sealed.as_bytes().split_first_chunk::<ID_BYTES>()?;
        let key = self.keys.iter().find(|key| key.id() == *id)?;
        let text = key.cipher().decrypt(context(&self.subject, name), sealed).ok()?;
        String::from_utf8(text).ok()
    }
}
