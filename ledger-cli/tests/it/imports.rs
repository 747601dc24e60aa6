//! Imports of real rows, repeated, with bad lines among them.

use std::fs;
use std::path::Path;

use crate::bank::{
    ALL_ROWS, SLICE_ROWS, all, check_printed_balances, counts, import, slice, try_import,
};
use crate::client::Scratch;
use crate::server::Server;

fn every_printed_balance_comes_back(file: &Path, rows: u64) {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let [first, second] = ["first.csv", "second.csv"].map(|name| scratch.path(name));
    let flag = format!("--positions={}", first.display());
    let summary = import(&server, file, &[&flag]);
    assert_eq!(counts(&summary), [rows, 0, 0, 0]);
    assert_eq!(check_printed_balances(&server, file, &first), rows);

    let flag = format!("--positions={}", second.display());
    let repeated = import(&server, file, &[&flag, "--batch=777"]);
    assert_eq!(counts(&repeated), [0, rows, 0, 0]);
    assert_eq!(repeated["dates"], summary["dates"]);
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap(), "first positions come back");
    server.json(&["audit", "replay"]);
}

#[test]
fn the_slice_comes_back_row_by_row() {
    every_printed_balance_comes_back(&slice(), SLICE_ROWS);
}

#[test]
fn the_whole_file_comes_back_row_by_row() {
    if let Some(file) = all() {
        every_printed_balance_comes_back(&file, ALL_ROWS);
    }
}

#[test]
fn the_last_position_of_each_date_is_printed() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let positions = scratch.path("positions.csv");
    let flag = format!("--positions={}", positions.display());
    let ran = try_import(&server, slice().to_str().unwrap(), &[&flag]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rows = crate::bank::records(&positions);
    let date = "1993-03-27";
    let last = rows.iter().rfind(|row| row["date"] == date).unwrap();
    let line = format!("{date}  {}\n", last["position"]);
    assert!(ran.stdout.contains(&line), "no line {line:?} in\n{}", ran.stdout);
    assert!(ran.stdout.contains("1970 new, 0 replayed, 0 refused, 0 bad"), "{}", ran.stdout);
}

#[test]
fn bad_lines_are_told_by_number_and_can_be_mended() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let text = fs::read_to_string(slice()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let good = [lines[10].clone(), lines[500].clone(), lines[1969].clone()];
    lines[10] = lines[10].replace(',', ";");
    lines[500] = lines[500].replace("credit", "gift").replace("debit", "gift");
    lines[1969] = format!("\"{}", lines[1969]);
    let file = scratch.write("spoilt.csv", &format!("\u{feff}{}\r\n", lines.join("\r\n")));
    let bad = scratch.path("bad.csv");
    let ran = try_import(&server, &file, &["--bad-lines", bad.to_str().unwrap(), "--batch=100"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    for part in
        ["line 11: 1 columns, the header has 7", "line 501: direction", "line 1970: column 1"]
    {
        assert!(ran.stderr.contains(part), "{part:?} is not in\n{}", ran.stderr);
    }
    assert!(ran.stdout.contains("1967 new, 0 replayed, 0 refused, 3 bad"), "{}", ran.stdout);
    assert_eq!(fs::read_to_string(bad).unwrap().lines().count(), 4);

    [lines[10], lines[500], lines[1969]] = good;
    let mended = scratch.write("mended.csv", &lines.join("\n"));
    let summary = import(&server, Path::new(&mended), &[]);
    assert_eq!(counts(&summary), [3, 1_967, 0, 0]);
}

#[test]
fn a_row_that_the_ledger_refuses_does_not_stop_the_others() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let header = "id,date,account,direction,amount\n";
    let rows = "1,2026-01-01,alice,credit,10.00\n2,2026-01-02,alice,debit,10.01\n\
                3,2026-01-03,alice,debit,10.00\n";
    let file = scratch.write("rows.csv", &format!("{header}{rows}"));
    let words = ["import", "csv", &file, "--ledger=small", "--asset=USD"];
    let ran = server.run(&words);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 3: INSUFFICIENT_FUNDS"), "{}", ran.stderr);
    assert!(ran.stdout.contains("2 new, 0 replayed, 1 refused, 0 bad"), "{}", ran.stdout);
    // The refusal is the id's first outcome, for ever.
    let ran = server.run(&words);
    assert!(ran.stdout.contains("0 new, 2 replayed, 1 refused, 0 bad"), "{}", ran.stdout);
}
