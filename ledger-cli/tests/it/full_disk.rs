//! A disk that is really full: a small file system of the test's own, loaded until nothing fits.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ledger_proto::v1;
use tonic::Code;

use crate::client::ledger;
use crate::server::{Client, Server, as_of, at_least_of, runtime};

const DISK_BYTES: u64 = 512 << 20;
/// What somebody else's files take of it, to be removed when there shall be room again: more than what
/// stands in memory and is written once there is.
const BALLAST_BYTES: u64 = 224 << 20;
const BATCH: u64 = 8_190;
/// Long enough for the views to be written out when nothing comes: they try after five seconds.
const IDLE: Duration = Duration::from_secs(8);
/// RocksDB looks every five seconds whether there is room again, and who waits for it less and less often.
const ROOM_SEEN_WITHIN: Duration = Duration::from_secs(60);

/// A file system in memory, gone at the end, also after a panic.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Mounts one; `None`, loudly, for whoever may not.
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "ledger-full-disk"]);
        let said = match mount.arg(folder.path()).output() {
            Ok(output) if output.status.success() => return Some(Disk { folder }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        // Not by eprintln!, which the test harness keeps to itself when a test passes.
        let _ = writeln!(io::stderr(), "SKIPPED: a disk is filled only by root: {said}");
        None
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a file of this size, or as far as there is room.
    fn write(&self, name: &str, bytes: u64) {
        let mut file = File::create(self.folder.path().join(name)).unwrap();
        let block = vec![7; 64 << 10];
        let mut written = 0;
        while written < bytes {
            match file.write(&block) {
                Ok(count) => written += count as u64,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
                    return;
                }
            }
        }
    }

    /// Takes what is left to the last byte, again and again while the server gives some back.
    fn fill(&self) {
        for round in 0..5 {
            self.write(&format!("rest-{round}"), u64::MAX);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn make_room(&self) {
        for file in fs::read_dir(self.folder.path()).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        }
    }
}

fn accounts() -> Vec<String> {
    ["alice".to_owned(), "bob".to_owned()].to_vec()
}

/// Moves 0.01 from alice to bob.
fn transfer(number: u64) -> v1::Transfer {
    v1::Transfer {
        transfer_id: format!("0198c0de-0000-7000-8000-{number:012x}"),
        debit_account: "alice".into(),
        credit_account: "bob".into(),
        asset: "USD".into(),
        amount: "0.01".into(),
        ..Default::default()
    }
}

/// What was acknowledged: how many transfers of 0.01, the first and the last position.
#[derive(Debug, Default)]
struct Acknowledged {
    transfers: u64,
    first: String,
    last: String,
}

impl Acknowledged {
    async fn post(&mut self, client: &Client, count: u64) -> Result<(), tonic::Status> {
        let from = self.transfers;
        let results = client.post("bank", (from..from + count).map(transfer).collect()).await?;
        for result in results {
            let Some(v1::transfer_result::Outcome::Acknowledgement(ack)) = result.outcome else {
                panic!("{result:?}")
            };
            self.transfers += 1;
            if self.first.is_empty() {
                self.first.clone_from(&ack.position);
            }
            self.last = ack.position;
        }
        Ok(())
    }

    /// Posts until the disk is full.
    async fn load(&mut self, client: &Client) {
        loop {
            if let Err(status) = self.post(client, BATCH).await {
                return assert_full(&status);
            }
        }
    }

    /// What was refused is accepted as soon as the server sees that there is room.
    async fn post_once_there_is_room(&mut self, client: &Client) {
        let begun = Instant::now();
        while let Err(status) = self.post(client, 1).await {
            assert_full(&status);
            assert!(begun.elapsed() < ROOM_SEEN_WITHIN, "there is room, but: {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The views, too, see by themselves that there is room: until then they say what they wait for.
    async fn read_once_there_is_room(&self, client: &Client) {
        let begun = Instant::now();
        let last = at_least_of(&self.last);
        while let Err(status) = client.balance_with("bank", "bob", last.clone()).await {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert!(status.message().contains("DISK_FULL"), "{status}");
            assert!(begun.elapsed() < ROOM_SEEN_WITHIN, "there is room, but: {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Every acknowledged transfer is there once, and nothing else is.
    async fn check(&self, client: &Client) {
        let bob = client.balance("bank", "bob", &self.last).await;
        assert_eq!(bob.credits_posted, dollars(self.transfers));
        let first = client.transfer("bank", &transfer(0).transfer_id, &self.last).await.unwrap();
        assert_eq!(first.position, self.first);
    }
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn assert_full(status: &tonic::Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("DISK_FULL"), "{status}");
    assert!(status.message().contains("not recorded, safe to retry"), "{status}");
}

/// Balances, now and of the past, are read while commands are refused for want of room.
async fn reads_go_on_and_commands_are_refused(client: &Client, known: &Acknowledged) {
    let begun = Instant::now();
    while begun.elapsed() < IDLE {
        let now = client.balance_with("bank", "bob", None).await.unwrap();
        assert_ne!(now.credits_posted, "0.00");
        let then = client.balance_with("bank", "bob", as_of(&known.first)).await.unwrap();
        assert_eq!(then.credits_posted, "0.01");
        assert_full(&client.post("bank", vec![transfer(known.transfers)]).await.unwrap_err());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn start(data: &Path, reserve: Option<u64>) -> Result<Server, String> {
    let config = tempfile::NamedTempFile::new().unwrap();
    let reserve = reserve.map(|bytes| format!("[log]\ndisk_reserve_bytes = {bytes}\n"));
    fs::write(config.path(), reserve.unwrap_or_default()).unwrap();
    let config = config.path().to_str().unwrap();
    Server::try_start(data, &["--partitions", "1", "--config", config])
}

/// Loads a server until its disk takes no more, fills what it had kept back, then makes room: it goes on
/// by itself.
fn fill_and_make_room(reserve: Option<u64>) -> Option<(Disk, Server, Acknowledged)> {
    let disk = Disk::mount()?;
    disk.write("ballast", BALLAST_BYTES);
    let server = start(&disk.data(), reserve).unwrap();
    let mut known = Acknowledged::default();
    runtime().block_on(async {
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        known.load(&client).await;
        assert!(known.transfers > 10 * BATCH, "only {} fit", known.transfers);
        disk.fill();
        reads_go_on_and_commands_are_refused(&client, &known).await;
        disk.make_room();
        known.post_once_there_is_room(&client).await;
        known.read_once_there_is_room(&client).await;
        known.check(&client).await;
    });
    Some((disk, server, known))
}

fn audit_at_rest(disk: &Disk, known: &Acknowledged) {
    let data = disk.data();
    let ran = ledger(&["audit", "replay", "--json", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["reports"][0]["transfers"], known.transfers.to_string());
}

#[test]
fn a_full_disk_refuses_commands_and_takes_them_again_once_there_is_room() {
    let Some((disk, server, mut known)) = fill_and_make_room(None) else { return };
    server.stop();
    audit_at_rest(&disk, &known);
    let server = start(&disk.data(), None).unwrap();
    runtime().block_on(async {
        let client = server.client().await;
        known.check(&client).await;
        known.post(&client, 1).await.unwrap();
        known.check(&client).await;
    });
}

#[test]
fn a_disk_filled_without_a_reserve_keeps_what_was_acknowledged_through_a_kill() {
    let Some((disk, server, mut known)) = fill_and_make_room(Some(0)) else { return };
    // Full again, and killed there: a start says why it cannot, and loses nothing.
    disk.fill();
    server.kill();
    match start(&disk.data(), Some(0)) {
        Err(said) => assert!(said.contains("DISK_FULL"), "{said}"),
        Ok(server) => server.kill(),
    }
    disk.make_room();
    audit_at_rest(&disk, &known);
    let server = start(&disk.data(), Some(0)).unwrap();
    runtime().block_on(async {
        let client = server.client().await;
        known.check(&client).await;
        known.post_once_there_is_room(&client).await;
        known.check(&client).await;
    });
}
