//! SIGKILL in the middle, of the server and of the client, and the same command again.

use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::bank::{SLICE_ROWS, check_printed_balances, counts, import, import_words, slice};
use crate::client::{Ran, Scratch};
use crate::server::Server;

/// Waits until the client has posted something, or has ended. It posts bit by bit, so there is much more
/// to come.
fn wait_until(client: &mut Child, posted: impl Fn() -> bool) {
    while !posted() && client.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Before the first row there is no such account; after it there is money in it.
fn has_rows(server: &Server) -> bool {
    server.run(&["balance", "berka", "bank:cash"]).stdout.contains("CZK")
}

fn import_again_and_check(server: &Server, scratch: &Scratch) {
    let positions = scratch.path("positions.csv");
    let flag = format!("--positions={}", positions.display());
    let [new, replayed, refused, bad] = counts(&import(server, &slice(), &[&flag]));
    assert_eq!((new + replayed, refused, bad), (SLICE_ROWS, 0, 0));
    assert!(replayed > 0, "what was imported before the kill is known");
    assert_eq!(check_printed_balances(server, &slice(), &positions), SLICE_ROWS);
    server.json(&["audit", "replay"]);
}

#[test]
fn a_killed_server_has_every_row_once_after_the_same_import() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let file = slice();
    let words = import_words(file.to_str().unwrap(), &["--batch=1"]);
    let mut importing =
        server.cli_command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(&mut importing, || has_rows(&server));
    server.kill();
    let ran = Ran::of(&importing.wait_with_output().unwrap());
    if ran.code != Some(0) {
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("run the same command again to go on"), "{}", ran.stderr);
    }
    import_again_and_check(&Server::start(&scratch.data()), &scratch);
}

#[test]
fn a_killed_import_goes_on_where_it_was() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let file = slice();
    let words = import_words(file.to_str().unwrap(), &["--batch=1"]);
    let mut importing =
        server.cli_command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&mut importing, || has_rows(&server));
    importing.kill().unwrap();
    importing.wait().unwrap();
    import_again_and_check(&server, &scratch);
}
