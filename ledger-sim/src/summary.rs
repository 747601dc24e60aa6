//! What happened in a simulation, so that one that exercises nothing is seen.

use std::collections::BTreeMap;
use std::fmt;

/// Counts of what happened, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How often each thing happened: "crash.drop", "refused.INSUFFICIENT_FUNDS", "read.as_of_instant".
    pub counts: BTreeMap<String, u64>,
    /// BLAKE3 over everything that happened, in order.
    pub history: [u8; 32],
    /// Simulations.
    pub runs: u64,
}

impl Summary {
    /// How often this happened.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn note(&mut self, name: &str) {
        match self.counts.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(name.to_owned(), 1)),
        }
    }

    pub(crate) fn note_all(&mut self, other: &Summary) {
        for (name, count) in &other.counts {
            *self.counts.entry(name.clone()).or_default() += count;
        }
    }

    pub(crate) fn add(&mut self, other: &Summary) {
        self.note_all(other);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.history).update(&other.history);
        self.history = hasher.finalize().into();
        self.runs += other.runs;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} simulations", self.runs)?;
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{count:>10}  {name}"))
    }
}

/// Something that must not happen did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Runs it again.
    pub seed: u64,
    /// In which step.
    pub step: u32,
    /// What is wrong.
    pub what: String,
    /// What happened last, oldest first.
    pub recent: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.recent {
            writeln!(f, "  {line}")?;
        }
        write!(f, "seed {} step {}: {}", self.seed, self.step, self.what)
    }
}

impl std::error::Error for Failure {}
