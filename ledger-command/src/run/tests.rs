//! Real threads on the real embedded log.

use ledger_domain::{Command, CommandBody, LedgerName};
use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::{LogId, log};
use tokio::runtime::Runtime;

use super::*;
use crate::reply::Answer;
use crate::tests::rig::{batch, command, create_asset, line, open_account, transfer};

struct Server {
    folder: tempfile::TempDir,
    runtime: Runtime,
    handle: Option<Handle>,
}

fn environment(folder: &Path) -> Environment {
    let options = EmbeddedOptions { partition_count: 2, ..EmbeddedOptions::default() };
    let backend = Embedded::open(&folder.join("log"), options).unwrap();
    let log = log::open(&*backend, LogId([5; 16])).unwrap();
    Environment {
        backend,
        log,
        folder: folder.to_owned(),
        clock: ledger_runtime::clock::now,
        entropy: ledger_runtime::random::bytes_16,
    }
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let mut server = Server { folder, runtime, handle: None };
        server.start();
        for command in [
            command(Some("bank"), CommandBody::CreateLedger),
            create_asset(None, "USD", 2),
            open_account(None, "world", true),
            open_account(None, "a", false),
        ] {
            assert!(server.ask(command).starts_with("ok"));
        }
        server
    }

    fn start(&mut self) {
        let handle = start(&environment(self.folder.path()), Config::default()).unwrap();
        self.runtime.block_on(handle.ready()).unwrap();
        self.handle = Some(handle);
    }

    fn stop(&mut self) {
        self.handle.take().unwrap().stop().unwrap();
    }

    fn handle(&self) -> Handle {
        self.handle.clone().unwrap()
    }

    fn ask(&self, command: Command) -> String {
        line(&self.runtime.block_on(self.handle().submit(command, Submission::default())))
    }
}

fn fund(id: u32) -> Command {
    batch(None, vec![transfer(&format!("t{id}"), "world", "a", "1")])
}

#[test]
fn commands_are_answered_and_outlive_a_clean_stop() {
    let mut server = Server::new();
    let first = server.ask(fund(1));
    assert!(first.starts_with("ok "), "{first}");
    let handle = server.handle();
    server.stop();
    let late = server.runtime.block_on(handle.submit(fund(2), Submission::default()));
    assert_eq!(line(&late), "not recorded: the server is stopping");
    drop(handle);
    server.start();
    assert_eq!(server.ask(fund(1)), format!("{first} replayed"));
    let other = batch(None, vec![transfer("t1", "world", "a", "2")]);
    assert_eq!(server.ask(other), "ID_REUSED: amount");
    server.stop();
    let snapshots = server.folder.path().join("snapshots");
    let kept = (0..2).filter(|p| snapshots.join(p.to_string()).read_dir().unwrap().count() > 0);
    assert_eq!(kept.count(), 2, "a clean stop leaves a snapshot of every partition");
}

#[test]
fn clients_side_by_side_each_have_their_own_position() {
    let mut server = Server::new();
    let clients = 64u32;
    let asked: Vec<_> = (0..clients)
        .map(|id| {
            let handle = server.handle();
            server.runtime.spawn(async move {
                match handle.submit(fund(id), Submission::default()).await {
                    Reply::Items(items) => match items.as_slice() {
                        [Answer::Accepted(receipt)] => receipt.position.unwrap(),
                        other => panic!("{other:?}"),
                    },
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let positions: std::collections::BTreeSet<_> = asked
        .into_iter()
        .map(|task| {
            let at = server.runtime.block_on(task).unwrap();
            (at.offset, at.index)
        })
        .collect();
    assert_eq!(positions.len(), 64);
    server.stop();
}

#[test]
fn ledgers_go_to_their_partitions() {
    let server = Server::new();
    let mut partitions = std::collections::BTreeSet::new();
    for n in 0..8 {
        let ledger = LedgerName::parse(&format!("ledger-{n}")).unwrap();
        let expected = partition_of(ledger.as_str(), 2);
        let create = Command { ledger, request_id: None, body: CommandBody::CreateLedger };
        let said = server.ask(create);
        assert!(said.starts_with(&format!("ok {expected}@")), "{said}");
        partitions.insert(expected);
    }
    assert_eq!(partitions.len(), 2);
}

#[test]
fn a_lost_id_store_and_a_damaged_snapshot_are_made_again() {
    let mut server = Server::new();
    let first = server.ask(fund(1));
    server.stop();
    std::fs::remove_dir_all(server.folder.path().join("ids")).unwrap();
    let bank = partition_of("bank", 2).to_string();
    for file in server.folder.path().join("snapshots").join(bank).read_dir().unwrap() {
        std::fs::write(file.unwrap().path(), b"half a snap").unwrap();
    }
    server.start();
    assert_eq!(server.ask(fund(1)), format!("{first} replayed"));
    server.stop();
}

#[test]
fn stores_of_another_log_are_refused() {
    let mut server = Server::new();
    server.stop();
    std::fs::remove_dir_all(server.folder.path().join("log")).unwrap();
    let options = EmbeddedOptions { partition_count: 2, ..EmbeddedOptions::default() };
    let backend = Embedded::open(&server.folder.path().join("log"), options).unwrap();
    log::open(&*backend, LogId([6; 16])).unwrap();
    drop(backend);
    let error = start(&environment(server.folder.path()), Config::default()).unwrap_err();
    assert!(error.to_string().starts_with("LOG_DIVERGED"), "{error}");
}
