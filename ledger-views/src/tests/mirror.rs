//! A view that is written here and read through a secondary, as another process reads it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;

use super::check::{all_rows, check_at, check_everywhere};
use super::{LOG, World, cursor, open, random_world};
use crate::row::AppliedRow;
use crate::store::{StoreError, ViewStore};
use crate::writer::{APPLIED, read_meta};
use crate::*;

fn shared() -> RocksShared {
    RocksShared::new(8 << 20, 4 << 20)
}

/// A store that only its own process reads.
pub(super) fn private(folder: &Path, shared: &RocksShared) -> Arc<dyn ViewStore> {
    Arc::new(open_view(folder, shared, Readers::ThisProcess).unwrap())
}

fn public(folder: &Path) -> Arc<dyn ViewStore> {
    Arc::new(open_view(folder, &shared(), Readers::OtherProcesses).unwrap())
}

fn mirror(folder: &Path) -> Mirror {
    Mirror::open(folder, &shared()).unwrap().unwrap()
}

/// Applies the next so many records, each in a write of its own.
fn apply(writer: &mut ViewWriter, world: &World, count: usize) {
    for record in world.records.iter().skip(writer.next() as usize).take(count) {
        writer.stage(record).unwrap();
        writer.commit(&cursor(record.offset + 1)).unwrap();
    }
}

fn offset(mirror: &Mirror) -> Option<u64> {
    mirror.reader().state().applied.map(|applied| applied.offset)
}

/// Everything at the newest place that readers were told of.
fn check_newest(reader: &ViewReader, world: &World) -> Result<(), StoreError> {
    let end = Place::end_of(reader.state().applied.unwrap().offset);
    let truth = world.truths.iter().find(|truth| truth.place == end).unwrap();
    check_at(reader, truth, world)
}

#[test]
fn another_process_reads_what_was_written_through_restarts_flushes_and_kills() {
    for seed in 0..4 {
        let mut rng = Rng::with_seed(seed);
        let world = random_world(&mut rng, 80);
        let folder = tempfile::tempdir().unwrap();
        assert!(Mirror::open(folder.path(), &shared()).unwrap().is_none(), "no view yet");
        let mut store = public(folder.path());
        assert!(Mirror::open(folder.path(), &shared()).unwrap().is_none(), "no record yet");
        let mut writer = open(&store);
        apply(&mut writer, &world, 1);
        let mut mirror = mirror(folder.path());
        let reader = mirror.reader();
        assert_eq!(reader.log(), LOG);
        while (writer.next() as usize) < world.records.len() {
            apply(&mut writer, &world, rng.usize(1..8));
            match rng.u32(..6) {
                0 => writer.flush().unwrap(),
                1 => {
                    drop((writer, store));
                    store = public(folder.path());
                    writer = open(&store);
                }
                _ => {}
            }
            mirror.follow().unwrap();
            assert_eq!(offset(&mirror), Some(writer.next() - 1));
            check_newest(&reader, &world).unwrap();
        }
        check_everywhere(&reader, &world);
        assert_eq!(all_rows(&reader), all_rows(&writer.reader()), "seed {seed}");
        drop((writer, store));
        mirror.follow().unwrap();
        check_everywhere(&reader, &world);
    }
}

/// Readers of the newest place beside a writer that flushes, a store that compacts and a mirror that follows.
#[test]
fn what_was_read_at_a_place_stays_while_the_store_is_followed() {
    for seed in 0..2 {
        let mut rng = Rng::with_seed(40 + seed);
        let world = random_world(&mut rng, 160);
        let folder = tempfile::tempdir().unwrap();
        let store = public(folder.path());
        let mut writer = open(&store);
        apply(&mut writer, &world, 20);
        let mut mirror = mirror(folder.path());
        let (reader, done) = (mirror.reader(), AtomicBool::new(false));
        #[expect(clippy::disallowed_methods, reason = "a test of readers beside a writer")]
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    match check_newest(&reader, &world) {
                        Ok(()) | Err(StoreError::Unavailable { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            threads.spawn(|| {
                let mut followed = 0;
                while !done.load(Ordering::Relaxed) {
                    // So many flushes may leave it no moment.
                    followed += u32::from(mirror.follow().is_ok());
                }
                assert!(followed > 0);
            });
            while (writer.next() as usize) < world.records.len() {
                apply(&mut writer, &world, 1);
                if rng.u32(..10) == 0 {
                    writer.flush().unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        while mirror.follow().is_err() {}
        assert_eq!(offset(&mirror), Some(159));
        check_everywhere(&reader, &world);
    }
}

/// The one before is read on while the database is opened anew, each with a folder of its own.
#[test]
fn nobody_waits_while_the_store_is_opened_anew() {
    let world = random_world(&mut Rng::with_seed(44), 40);
    let folder = tempfile::tempdir().unwrap();
    let store = public(folder.path());
    let mut writer = open(&store);
    apply(&mut writer, &world, 5);
    let read = SecondaryStore::open(&folder.path().join(VIEW_VERSION), &shared()).unwrap();
    let applied = |store: &dyn ViewStore| {
        let row = read_meta::<AppliedRow>(store, APPLIED).unwrap();
        row.map(|row| row.offset)
    };
    for (count, lines) in [(10, "reader-2"), (15, "reader"), (20, "reader-2")] {
        let before = applied(&read);
        apply(&mut writer, &world, 5);
        writer.flush().unwrap();
        let lines = folder.path().join(lines).join("LOG");
        let written = || fs::metadata(&lines).and_then(|lines| lines.modified()).ok();
        let written_before = written();
        let mut opened = 0;
        while opened == 0 {
            let seen = std::cell::Cell::new(0);
            let accept = |anew: &dyn ViewStore| {
                assert_eq!((applied(&read), applied(anew)), (before, Some(count - 1)));
                assert_ne!(written(), written_before, "it has a folder of its own");
                seen.set(seen.get() + 1);
                Ok(())
            };
            // Its manifest may be written at any moment.
            match read.catch_up(&accept) {
                Ok(()) | Err(StoreError::Unavailable { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            opened = seen.get();
        }
        assert_eq!(applied(&read), Some(count - 1));
    }
}

#[test]
fn what_readers_are_told_is_told_to_other_processes() {
    let world = random_world(&mut Rng::with_seed(41), 20);
    let folder = tempfile::tempdir().unwrap();
    let store = public(folder.path());
    let mut writer = open(&store);
    apply(&mut writer, &world, 5);
    let mut mirror = mirror(folder.path());
    let told = |mirror: &mut Mirror| {
        mirror.follow().unwrap();
        mirror.reader().state()
    };
    assert_eq!(told(&mut mirror), writer.reader().state());
    let second = 1_000_000_000;
    writer.tell(Freshness { caught_up_at: Some(7), known_end: 9 }, second);
    assert_eq!(told(&mut mirror), writer.reader().state());
    // Not at every step of a busy projector, but soon.
    writer.tell(Freshness { caught_up_at: Some(8), known_end: 9 }, second + 1);
    assert_eq!(told(&mut mirror).fresh.caught_up_at, Some(7));
    writer.tell(Freshness { caught_up_at: Some(9), known_end: 9 }, 2 * second);
    assert_eq!(told(&mut mirror), writer.reader().state());
    writer.park(5, "poison");
    let parked = told(&mut mirror);
    assert_eq!(parked.parked.clone().map(|parked| parked.offset), Some(5));
    assert_eq!(parked, writer.reader().state());
    drop((writer, store));
    assert_eq!(told(&mut mirror), parked, "nobody says anything else");

    // One that only its own process reads tells others nothing that will not be kept true.
    drop(open(&private(folder.path(), &shared())));
    let state = told(&mut mirror);
    assert_eq!(
        (state.applied, state.parked, state.fresh),
        (parked.applied, None, Freshness::default())
    );
}

#[test]
fn a_view_that_is_made_anew_is_read_once_it_is_as_far() {
    let world = random_world(&mut Rng::with_seed(42), 40);
    let folder = tempfile::tempdir().unwrap();
    let store = public(folder.path());
    let mut writer = open(&store);
    apply(&mut writer, &world, 20);
    let mut mirror = mirror(folder.path());
    let reader = mirror.reader();
    drop((writer, store));
    fs::remove_dir_all(folder.path().join(VIEW_VERSION)).unwrap();
    let follow = |mirror: &mut Mirror| {
        // Whether it is another folder is looked at now and then.
        (0..100).map(|_| mirror.follow()).find_map(Result::err)
    };
    let error = follow(&mut mirror).unwrap();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    check_newest(&reader, &world).unwrap();

    let store = public(folder.path());
    let mut writer = open(&store);
    apply(&mut writer, &world, 10);
    let error = follow(&mut mirror).unwrap().to_string();
    assert!(error.contains("made anew, up to Some(9) of Some(19)"), "{error}");
    check_newest(&reader, &world).unwrap();
    apply(&mut writer, &world, 30);
    mirror.follow().unwrap();
    assert_eq!(offset(&mirror), Some(39));
    check_everywhere(&reader, &world);
}

#[test]
fn a_version_that_is_not_known_is_noticed_and_not_read() {
    let world = random_world(&mut Rng::with_seed(43), 20);
    let folder = tempfile::tempdir().unwrap();
    let store = public(folder.path());
    let mut writer = open(&store);
    apply(&mut writer, &world, 20);
    let mut mirror = mirror(folder.path());
    fs::write(folder.path().join("MANIFEST.json"), "{\"view\":\"v9\"}").unwrap();
    let error = (0..100).map(|_| mirror.follow()).find_map(Result::err).unwrap();
    assert!(matches!(error, StoreError::UnknownVersion { .. }), "{error}");
    check_newest(&mirror.reader(), &world).unwrap();
    let error = Mirror::open(folder.path(), &shared()).unwrap_err();
    assert!(matches!(error, StoreError::UnknownVersion { .. }), "{error}");
}
