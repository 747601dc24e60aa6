//! Threads, by name.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts a named thread; the name shows in debuggers and profiles.
///
/// # Errors
/// When the operating system starts no more threads.
pub fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(run)
}
