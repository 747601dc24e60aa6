//! The bank's file and its oracle: the balance that the bank printed after each row.

use std::collections::HashMap;
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::Ran;
use crate::server::{Server, as_of, runtime};

/// Rows of `examples/berka-slice.csv`.
pub(crate) const SLICE_ROWS: u64 = 1_970;
/// Rows of the whole file.
pub(crate) const ALL_ROWS: u64 = 23_012;

/// The slice in `examples/`.
pub(crate) fn slice() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/berka-slice.csv")
}

/// The whole file, in the folder that LEDGER_DATA names.
pub(crate) fn all() -> Option<PathBuf> {
    let Some(folder) = env::var_os("LEDGER_DATA") else {
        // Not by eprintln!, which the test harness keeps to itself when a test passes.
        let skipped =
            "SKIPPED: LEDGER_DATA names no folder with berka.csv; only the slice is tested";
        let _ = writeln!(io::stderr(), "{skipped}");
        return None;
    };
    let file = PathBuf::from(folder).join("berka.csv");
    assert!(file.is_file(), "LEDGER_DATA is set, but {} is not there", file.display());
    Some(file)
}

/// Words of the import of such a file.
pub(crate) fn import_words<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "import",
        "csv",
        file,
        "--ledger=berka",
        "--asset=CZK",
        "--scale=2",
        "--amount-column=amount_czk",
        "--account-prefix=customers:",
        "--id-prefix=berka-",
        "--reference-column=counterparty_bank",
        "--may-go-negative",
    ];
    words.iter().chain(more).copied().collect()
}

/// Imports a file to its end; the JSON summary.
pub(crate) fn import(server: &Server, file: &Path, more: &[&str]) -> Value {
    server.json(&import_words(file.to_str().unwrap(), more))
}

/// Imports a file, however it ends.
pub(crate) fn try_import(server: &Server, file: &str, more: &[&str]) -> Ran {
    server.run(&import_words(file, more))
}

/// New, replayed, refused and bad rows of a summary.
pub(crate) fn counts(summary: &Value) -> [u64; 4] {
    ["new", "replayed", "refused", "bad"].map(|field| summary[field].as_u64().unwrap())
}

/// Records of a CSV file, by column.
pub(crate) fn records(file: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Reads the balance of every row's account as of the row's position, and compares it with what the bank
/// printed after that row. Returns how many rows were compared.
pub(crate) fn check_printed_balances(server: &Server, file: &Path, positions: &Path) -> u64 {
    let rows = records(file);
    let positions = records(positions);
    assert_eq!(rows.len(), positions.len(), "every row has a position");
    runtime().block_on(async {
        let client = server.client().await;
        // The view may lag behind the import's last acknowledgement.
        let last = &positions.last().unwrap()["position"];
        client.balance("berka", "bank:cash", last).await;
        for (row, at) in rows.iter().zip(&positions) {
            assert_eq!(row["id"], at["id"], "positions stand in the file's order");
            let read = client.balance_with("berka", &at["account"], as_of(&at["position"])).await;
            let balance = read.unwrap().balance;
            let printed = &row["balance_after_czk"];
            assert_eq!(&balance, printed, "row {} at {}", row["id"], at["position"]);
        }
    });
    u64::try_from(rows.len()).unwrap()
}
