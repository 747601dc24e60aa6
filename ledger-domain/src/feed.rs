//! The canonical form in which a state is fed to a hash; see [`crate::State::feed`].

use crate::command::Timestamp;

pub(crate) fn feed_text(text: &str, sink: &mut impl FnMut(&[u8])) {
    feed_length(text.len(), sink);
    sink(text.as_bytes());
}

pub(crate) fn feed_instant(at: Option<Timestamp>, sink: &mut impl FnMut(&[u8])) {
    feed_length(usize::from(at.is_some()), sink);
    if let Some(at) = at {
        sink(&at.to_le_bytes());
    }
}

pub(crate) fn feed_length(length: usize, sink: &mut impl FnMut(&[u8])) {
    sink(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
}
