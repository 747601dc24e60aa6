//! One flipped bit anywhere, a torn tail, a hole: refused and located, or of no consequence; never
//! fewer or other records.

use std::collections::BTreeMap;

use super::*;

const PARTITIONS: u32 = 2;

fn small() -> EmbeddedOptions {
    EmbeddedOptions { write_buffer_bytes: 64 << 10, ..options(PARTITIONS) }
}

type Records = Vec<Vec<Vec<u8>>>;

/// A closed log with tables, blob files and a write-ahead log that has records.
fn build(dir: &Path) -> Records {
    let mut rng = fastrand::Rng::with_seed(7);
    let log = Embedded::open(dir, small()).unwrap();
    let mut records: Records = vec![Vec::new(); PARTITIONS as usize];
    let grow = |records: &mut Records, count: usize, bytes_max: usize, rng: &mut fastrand::Rng| {
        for _ in 0..count {
            let partition = rng.u32(0..PARTITIONS);
            let bytes: Vec<u8> = (0..rng.usize(0..bytes_max)).map(|_| rng.u8(..)).collect();
            append(&log, partition, std::slice::from_ref(&bytes));
            records[partition as usize].push(bytes);
        }
    };
    grow(&mut records, 60, 6_000, &mut rng);
    grow(&mut records, 60, 700, &mut rng);
    log.store.flush();
    grow(&mut records, 40, 300, &mut rng);
    records
}

fn read_all(dir: &Path) -> Result<Records, LogError> {
    let log = Embedded::open(dir, small())?;
    let mut records = Vec::new();
    for partition in 0..PARTITIONS {
        let (mut stored, end) = (Vec::new(), log.end(partition)?);
        while (stored.len() as u64) < end {
            let window = log.read(partition, stored.len() as u64, 10_000)?;
            stored.extend(window.into_iter().map(|record| record.bytes));
        }
        records.push(stored);
    }
    Ok(records)
}

/// Every file below a folder, by its path in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["", "store"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let path = Path::new(folder).join(entry.file_name());
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// A folder of these files, one of them with other bytes.
fn folder(files: &BTreeMap<PathBuf, Vec<u8>>, name: &Path, bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("store")).unwrap();
    for (path, whole) in files {
        let bytes = if path == name { bytes } else { whole };
        std::fs::write(dir.path().join(path), bytes).unwrap();
    }
    dir
}

fn is_damage(error: &LogError) -> bool {
    matches!(error, LogError::Damaged { .. } | LogError::DamagedStore { .. })
}

/// Places of a file where a bit is flipped: every byte of what is small or decides much, both ends and
/// some of the middle of the rest.
fn places(kind: &str, length: usize, rng: &mut fastrand::Rng) -> Vec<usize> {
    if ["SHAPE", "HEAD", "CURRENT"].contains(&kind) {
        return (0..length).collect();
    }
    let (ends, middle) = match kind {
        "MANIFEST" | "log" => (120, 60),
        "sst" => (60, 25),
        "blob" => (40, 12),
        _ => (0, 3),
    };
    let mut places: Vec<usize> = (0..length.min(ends)).collect();
    places.extend(length.saturating_sub(ends)..length);
    places.extend((0..middle).filter(|_| length > 0).map(|_| rng.usize(0..length)));
    places.sort_unstable();
    places.dedup();
    places
}

/// `sst`, `blob`, `log`, or the name before a dash.
fn kind(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some(extension) if ["sst", "blob", "log"].contains(&extension) => extension.into(),
        _ => name.split('-').next().unwrap().into(),
    }
}

#[test]
fn one_flipped_bit_anywhere_is_refused_or_of_no_consequence() {
    let dir = tempfile::tempdir().unwrap();
    let expected = build(dir.path());
    let files = files(dir.path());
    let mut rng = fastrand::Rng::with_seed(11);
    let mut refused: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (path, whole) in &files {
        let kind = kind(path);
        for place in places(&kind, whole.len(), &mut rng) {
            let bit = rng.u32(0..8);
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            let folder = folder(&files, path, &flipped);
            let tally = refused.entry(kind.clone()).or_default();
            match read_all(folder.path()) {
                Ok(records) => {
                    assert!(records == expected, "{}: byte {place} bit {bit}", path.display());
                    tally.1 += 1;
                }
                Err(error) => {
                    let at = format!("{}: byte {place} bit {bit}: {error}", path.display());
                    assert!(is_damage(&error), "{at}");
                    tally.0 += 1;
                }
            }
        }
    }
    println!("(refused, of no consequence) by kind of file: {refused:?}");
    for must in ["SHAPE", "CURRENT", "MANIFEST", "sst", "blob", "log"] {
        assert!(refused[must].0 > 0, "no flip in {must} was refused: {refused:?}");
    }
    for must in ["SHAPE", "blob", "log"] {
        let (found, missed) = refused[must];
        assert!(found > missed, "{must}: {refused:?}");
    }
}

#[test]
fn a_torn_tail_costs_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path(), small()).unwrap();
    let record = |i: u8| vec![i; 20 + usize::from(i)];
    append(&log, 0, &(0..10).map(record).collect::<Vec<_>>());
    let acknowledged = std::fs::read(dir.path().join("HEAD")).unwrap();
    // One group each, so that each is a record of the write-ahead log.
    (10..30).for_each(|i| drop(append(&log, 0, &[record(i)])));
    drop(log);
    let mut files = files(dir.path());
    let wal = files.keys().filter(|path| kind(path) == "log").max_by_key(|p| files[*p].len());
    let wal = wal.unwrap().clone();
    let whole = files[&wal].clone();
    let mut seen = std::collections::BTreeSet::new();
    for (known, step) in [(30u64, 97), (10, 23)] {
        if known == 10 {
            files.insert("HEAD".into(), acknowledged.clone());
        }
        for length in (0..=whole.len()).rev().step_by(step) {
            let folder = folder(&files, &wal, &whole[..length]);
            match read_all(folder.path()) {
                Ok(records) => {
                    let count = records[0].len();
                    assert!(count as u64 >= known, "{count} records of {known} acknowledged");
                    assert!(records[0].iter().zip(0..).all(|(bytes, i)| *bytes == record(i)));
                    seen.insert((known, count));
                }
                Err(LogError::Damaged { partition: 0, offset, .. }) => {
                    assert!(offset < known, "nothing acknowledged is missing: {offset}");
                    seen.insert((known, 0));
                }
                Err(error) => panic!("torn at {length}: {error}"),
            }
        }
    }
    let expected = [(10, 0)].into_iter().chain((10..=30).map(|count| (10, count)));
    let expected = expected.chain([(30, 0), (30, 30)]);
    assert!(seen.iter().copied().eq(expected), "{seen:?}");
}

#[test]
fn a_hole_is_found_by_the_count_and_located() {
    let dir = tempfile::tempdir().unwrap();
    let records = build(dir.path());
    let total: u64 = records.iter().map(|r| r.len() as u64).sum();
    let log = Embedded::open(dir.path(), small()).unwrap();
    assert_eq!(log.store.entries(), Some(total), "the count is exact");
    assert_eq!(log.verify(), Ok(total));
    log.store.delete(1, 5);
    let damaged = log.verify().unwrap_err();
    assert!(matches!(damaged, LogError::Damaged { partition: 1, offset: 5, .. }), "{damaged}");
    assert_eq!(log.read(1, 0, usize::MAX).unwrap().len(), 5, "what stands before is readable");
    drop(log);
    let damaged = Embedded::open(dir.path(), small()).unwrap_err();
    assert!(matches!(damaged, LogError::Damaged { partition: 1, offset: 5, .. }), "{damaged}");
}

#[test]
fn a_lost_tail_is_found_by_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let records = build(dir.path());
    let log = Embedded::open(dir.path(), small()).unwrap();
    let end = records[0].len() as u64;
    log.store.delete(0, end - 1);
    drop(log);
    let Err(LogError::Damaged { partition: 0, offset, what }) = Embedded::open(dir.path(), small())
    else {
        panic!("a log that lost its tail is refused");
    };
    assert_eq!(offset, end - 1);
    assert!(what.contains(&format!("HEAD says {end}")), "{what}");
}
