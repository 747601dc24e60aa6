//! Who writes which partition, as servers say of themselves: a hint by which commands find their way.

use std::sync::Arc;

use tokio::sync::watch;

/// A server that writes a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Id of the server.
    pub server: String,
    /// Where its gRPC services are reached: "127.0.0.1:7070".
    pub address: String,
    /// Its term: of two that say so, the later one is right.
    pub term: u64,
    /// By which it knows that a command was sent on by another server.
    pub token: String,
}

/// The owners of all partitions, by partition.
#[derive(Clone, Debug)]
pub struct Owners {
    table: Arc<watch::Sender<Vec<Option<Owner>>>>,
}

impl Owners {
    /// Nobody is known to write any of so many partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let none = vec![None; usize::try_from(partitions).unwrap_or(0)];
        Owners { table: Arc::new(watch::Sender::new(none)) }
    }

    /// What is known now, all of it.
    pub fn set(&self, owners: Vec<Option<Owner>>) {
        self.table.send_if_modified(|table| {
            let changed = *table != owners;
            *table = owners;
            changed
        });
    }

    /// Who writes a partition.
    #[must_use]
    pub fn of(&self, partition: u32) -> Option<Owner> {
        let partition = usize::try_from(partition).ok()?;
        self.table.borrow().get(partition)?.clone()
    }

    /// All of it.
    #[must_use]
    pub fn all(&self) -> Vec<Option<Owner>> {
        self.table.borrow().clone()
    }

    /// Tells of changes from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Vec<Option<Owner>>> {
        self.table.subscribe()
    }
}
