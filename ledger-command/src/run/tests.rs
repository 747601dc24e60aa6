//! Real threads on the real embedded log.

use ledger_domain::{Command, CommandBody, LedgerName};
use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::{LogId, log};
use tokio::runtime::Runtime;

use super::*;
use crate::reply::Answer;
use crate::snapshot::SnapshotStore;
use crate::tests::embedded::environment;
use crate::tests::flaky::Flaky;
use crate::tests::rig::{batch, command, create_asset, line, open_account, transfer};

const PARTITIONS: u32 = 2;

struct Server {
    folder: tempfile::TempDir,
    runtime: Runtime,
    handle: Option<Handle>,
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let mut server = Server { folder, runtime, handle: None };
        server.start();
        for command in [
            command(Some("bank"), CommandBody::CreateLedger { metadata: Default::default() }),
            create_asset(None, "USD", 2),
            open_account(None, "world", true),
            open_account(None, "a", false),
        ] {
            assert!(server.ask(command).starts_with("ok"));
        }
        server
    }

    fn start(&mut self) {
        self.handle = Some(serve(&self.runtime, &environment(self.folder.path(), PARTITIONS)));
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
        let create = Command {
            ledger,
            request_id: None,
            conditions: Vec::new(),
            body: CommandBody::CreateLedger { metadata: Default::default() },
        };
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

/// Starts on an environment, and waits until it serves.
fn serve(runtime: &Runtime, environment: &Environment) -> Handle {
    let handle = start(environment, Config::default()).unwrap();
    handle.assign(0..environment.log.partition_count);
    for mut status in handle.watch() {
        let serves = |status: &Status| matches!(status, Status::Serving { .. });
        runtime.block_on(status.wait_for(serves)).unwrap();
    }
    handle
}

#[test]
fn a_writer_that_was_deposed_and_did_not_notice_stops_cleanly() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = Runtime::new().unwrap();
    let environment = environment(here.path(), PARTITIONS);
    let old = serve(&runtime, &environment);
    let elsewhere = Environment { folder: there.path().to_owned(), ..environment };
    let new = serve(&runtime, &elsewhere);
    let create = command(None, CommandBody::CreateLedger { metadata: Default::default() });
    let said = runtime.block_on(new.submit(create, Submission::default()));
    assert!(line(&said).starts_with("ok"));
    old.stop().unwrap();
    new.stop().unwrap();
}

#[test]
fn a_log_that_cannot_be_read_for_a_while_is_followed_again() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let environment = environment(folder.path(), PARTITIONS);
    let flaky = Flaky::new(environment.backend.clone());
    let handle = serve(&runtime, &Environment { backend: flaky.clone(), ..environment });
    flaky.fail_after(0);
    let create = command(None, CommandBody::CreateLedger { metadata: Default::default() });
    let said = runtime.block_on(handle.submit(create, Submission::default()));
    assert!(line(&said).starts_with("ok"));
    while !flaky.has_failed() {
        std::thread::yield_now();
    }
    handle.stop().unwrap();
}

/// Keeps nothing, and does not say so.
#[derive(Debug)]
struct Panics;

impl SnapshotStore for Panics {
    fn save(&mut self, _: u64, _: &[u8]) -> Result<(), SnapshotError> {
        panic!("a defect")
    }

    fn list(&self) -> Result<Vec<u64>, SnapshotError> {
        Ok(Vec::new())
    }

    fn load(&self, _: u64) -> Result<Vec<u8>, SnapshotError> {
        Err(SnapshotError::new("there is none"))
    }
}

#[test]
fn a_follower_that_panics_at_the_end_is_no_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let environment = environment(folder.path(), PARTITIONS);
    let ids: Arc<dyn IdStore> = Arc::new(crate::ids::MemoryIds::default());
    let opened = open(&environment, Config::default(), 0, ids.clone(), Arc::default()).unwrap();
    let follower = Follower::open(FollowerParts {
        backend: environment.backend.clone(),
        log_id: environment.log.id,
        partition: 0,
        ids,
        snapshots: Box::new(Panics),
        policy: crate::SnapshotPolicy::default(),
        link: opened.link.clone(),
    });
    let opened = Opened { follower: follower.unwrap(), ..opened };
    let (mut door, thread) = threads::start(&environment, 0, opened).unwrap();
    door.mailbox.set_ownership(Ownership::Assigned);
    let serves = |status: &Status| matches!(status, Status::Serving { .. });
    runtime.block_on(door.status.wait_for(serves)).unwrap();
    door.mailbox.close();
    let error = thread.join().unwrap().unwrap_err().to_string();
    assert_eq!(error, "partition 0 stopped: a defect: the follower's thread panicked");
}

#[test]
fn stores_of_another_log_are_refused() {
    let mut server = Server::new();
    server.stop();
    std::fs::remove_dir_all(server.folder.path().join("log")).unwrap();
    let options = EmbeddedOptions { partition_count: PARTITIONS, ..EmbeddedOptions::default() };
    let backend = Embedded::open(&server.folder.path().join("log"), options).unwrap();
    log::open(&*backend, LogId([6; 16])).unwrap();
    drop(backend);
    let error =
        start(&environment(server.folder.path(), PARTITIONS), Config::default()).unwrap_err();
    assert!(error.to_string().starts_with("LOG_DIVERGED"), "{error}");
}

/// A log that is another is so for every server: only what is wrong here makes this one unfit.
#[test]
fn a_server_is_unfit_for_reasons_of_its_own() {
    for (reason, is_unfit) in [
        ("ID_STORE_DAMAGED: a file", true),
        ("a defect: the writer's thread panicked", true),
        ("LOG_DIVERGED partition 1: it is another", false),
        ("NOT_A_LOG partition 1: it is empty", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let handle = serve(&runtime, &environment(folder.path(), PARTITIONS));
        assert_eq!(handle.unfit(), None);
        handle.inner.doors[1].mailbox.stop(reason.into());
        let stopped = |status: &Status| matches!(status, Status::Stopped { .. });
        runtime.block_on(handle.watch()[1].wait_for(stopped)).unwrap();
        assert_eq!(handle.unfit(), is_unfit.then(|| reason.to_owned()));
        assert!(handle.stop().is_err());
    }
}
