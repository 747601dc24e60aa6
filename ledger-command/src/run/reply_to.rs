//! Who waits for a reply: a call, or a sink that takes the replies of many requests.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::reply::{Replied, Reply};

/// Takes replies on the writer's thread: it must not block.
pub trait ReplySink: Send + Sync {
    /// The reply to the request that was submitted with this tag. Each is told once.
    fn replied(&self, tag: u64, replied: Replied);
}

/// Where one reply goes.
pub(super) enum ReplyTo {
    Call(oneshot::Sender<Replied>),
    Sink(Tagged),
}

impl ReplyTo {
    pub(super) fn sink(sink: Arc<dyn ReplySink>, tag: u64) -> Self {
        ReplyTo::Sink(Tagged { sink: Some(sink), tag })
    }

    /// The tag of a request that was not sent after all.
    pub(super) fn take_back(self) -> Option<u64> {
        match self {
            ReplyTo::Call(_) => None,
            ReplyTo::Sink(mut tagged) => tagged.sink.take().map(|_| tagged.tag),
        }
    }

    pub(super) fn tell(self, replied: Replied) {
        match self {
            // A client that is gone hears nothing.
            ReplyTo::Call(call) => drop(call.send(replied)),
            ReplyTo::Sink(mut tagged) => tagged.tell(replied),
        }
    }
}

/// A request of a sink; dropped untold, as by a thread that panicked, nobody knows what became of it.
pub(super) struct Tagged {
    sink: Option<Arc<dyn ReplySink>>,
    tag: u64,
}

impl Tagged {
    fn tell(&mut self, replied: Replied) {
        if let Some(sink) = self.sink.take() {
            sink.replied(self.tag, replied);
        }
    }
}

impl Drop for Tagged {
    fn drop(&mut self) {
        let reason = "the partition's writer ended".to_owned();
        self.tell(Replied::of(Reply::Unknown { reason }));
    }
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyTo::Call(_) => f.write_str("Call"),
            ReplyTo::Sink(Tagged { tag, .. }) => f.debug_tuple("Sink").field(tag).finish(),
        }
    }
}
