//! Content hashes: equal content as domain values, equal hash.

use ledger_domain::{Command, Transfer};

/// 128 bits of BLAKE3 over a transfer's content, its id left out.
#[must_use]
pub fn of_transfer(transfer: &Transfer) -> [u8; 16] {
    let mut content = Vec::with_capacity(160);
    transfer.write_content(&mut content);
    cut(&content)
}

/// 128 bits of BLAKE3 over a command's content, its request id left out.
#[must_use]
pub fn of_command(command: &Command) -> [u8; 16] {
    let mut content = Vec::with_capacity(256);
    command.write_content(&mut content);
    cut(&content)
}

fn cut(content: &[u8]) -> [u8; 16] {
    let mut hash = [0; 16];
    blake3::Hasher::new().update(content).finalize_xof().fill(&mut hash);
    hash
}
