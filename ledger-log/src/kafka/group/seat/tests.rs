//! The seat without a broker: what a member gets, when fetching pauses, what is committed.

use std::sync::Arc;

use super::*;

/// What a member was told, and what it says.
#[derive(Debug, Default)]
struct Told {
    assigned: Vec<u32>,
    revoked: Vec<(u32, bool)>,
    got: Vec<(u32, u64)>,
    room: usize,
    done: Vec<(u32, u64)>,
}

#[derive(Debug, Default)]
struct Recorder(Arc<Mutex<Told>>);

impl Member for Recorder {
    fn assigned(&mut self, partitions: &[u32]) {
        self.0.lock().unwrap().assigned.extend(partitions);
    }

    fn revoked(&mut self, partitions: &[u32], lost: bool) {
        self.0.lock().unwrap().revoked.extend(partitions.iter().map(|p| (*p, lost)));
    }

    fn records(&mut self, records: Vec<KafkaRecord>) {
        self.0.lock().unwrap().got.extend(records.iter().map(|r| (r.partition, r.offset)));
    }

    fn room(&mut self) -> usize {
        self.0.lock().unwrap().room
    }

    fn done(&mut self) -> Vec<(u32, u64)> {
        std::mem::take(&mut self.0.lock().unwrap().done)
    }
}

fn record(partition: u32, offset: u64) -> KafkaRecord {
    KafkaRecord { partition, offset, value: Some(vec![0; 100]), ..KafkaRecord::default() }
}

/// A seat with partitions 0 and 1.
fn seat() -> (Seat, Arc<Mutex<Told>>) {
    let told = Arc::new(Mutex::new(Told { room: usize::MAX, ..Told::default() }));
    let seat = Seat::new(&GroupOptions::new("g", "t"), Box::new(Recorder(told.clone())));
    seat.inner().assigned(&[0, 1]);
    (seat, told)
}

fn uncommitted(seat: &Seat) -> Vec<(u32, u64)> {
    seat.inner().uncommitted()
}

#[test]
fn records_wait_for_room_and_those_of_foreign_partitions_are_left_out() {
    let (seat, told) = seat();
    told.lock().unwrap().room = 2;
    for (partition, offset) in [(0, 5), (1, 0), (2, 0), (0, 6)] {
        seat.hold(record(partition, offset));
    }
    seat.hand_over();
    assert_eq!(told.lock().unwrap().got, [(0, 5), (1, 0)]);
    assert!(seat.holds_some());
    told.lock().unwrap().room = 0;
    seat.hand_over();
    assert_eq!(told.lock().unwrap().got.len(), 2);
    told.lock().unwrap().room = 9;
    seat.hand_over();
    assert_eq!(told.lock().unwrap().got, [(0, 5), (1, 0), (0, 6)]);
    assert!(!seat.holds_some());
    assert_eq!(seat.inner().held_bytes, 0);
}

#[test]
fn fetching_pauses_when_much_waits_and_goes_on_when_a_quarter_is_left() {
    let (seat, told) = seat();
    told.lock().unwrap().room = 0;
    for offset in 0..HELD_RECORDS_MAX as u64 {
        assert_eq!(seat.pace(), None, "{offset}");
        seat.hold(record(0, offset));
    }
    assert_eq!(seat.pace(), Some(true));
    assert_eq!(seat.pace(), None);
    told.lock().unwrap().room = HELD_RECORDS_MAX / 2;
    seat.hand_over();
    assert_eq!(seat.pace(), None, "half is left");
    seat.hand_over();
    assert_eq!(seat.pace(), Some(false));
    seat.hold(KafkaRecord { value: Some(vec![0; HELD_BYTES_MAX]), ..record(0, 1 << 20) });
    assert_eq!(seat.pace(), Some(true), "bytes count too");
}

#[test]
fn a_member_that_reads_nothing_is_never_resumed() {
    let told = Arc::new(Mutex::new(Told::default()));
    let options = GroupOptions { reads: false, ..GroupOptions::new("g", "t") };
    let seat = Seat::new(&options, Box::new(Recorder(told)));
    seat.inner().assigned(&[0]);
    assert!(seat.inner().paused, "each partition is paused as it comes");
    assert_eq!(seat.pace(), None);
}

#[test]
fn what_is_done_is_committed_until_it_was() {
    let (seat, told) = seat();
    assert_eq!(uncommitted(&seat), []);
    told.lock().unwrap().done = vec![(0, 7), (5, 9)];
    assert_eq!(uncommitted(&seat), [(0, 7)], "a partition of others is left out");
    assert_eq!(uncommitted(&seat), [(0, 7)], "it was refused");
    told.lock().unwrap().done = vec![(0, 8)];
    seat.inner().committed(&[(0, 7)]);
    assert_eq!(uncommitted(&seat), [(0, 8)]);
    seat.inner().committed(&[(0, 8)]);
    assert_eq!(uncommitted(&seat), []);
}

#[test]
fn a_partition_given_back_is_committed_and_a_lost_one_is_not() {
    for lost in [false, true] {
        let (seat, told) = seat();
        seat.hold(record(0, 1));
        seat.hold(record(1, 1));
        told.lock().unwrap().done = vec![(0, 3), (1, 4)];
        seat.inner().committed(&[(0, 3)]);
        let committed = seat.inner().revoked(&[0], lost);
        assert_eq!(committed, if lost { vec![] } else { vec![(0, 3)] });
        assert_eq!(told.lock().unwrap().revoked, [(0, lost)]);
        assert_eq!(seat.inner().revoked(&[0], lost), [], "it is told once");
        assert_eq!(told.lock().unwrap().revoked, [(0, lost)]);
        seat.hand_over();
        assert_eq!(told.lock().unwrap().got, [(1, 1)], "what waited is the next owner's");
        seat.hold(record(0, 2));
        assert!(!seat.holds_some());
    }
}

#[test]
fn a_partition_that_goes_back_is_begun_anew() {
    let (seat, told) = seat();
    seat.hold(record(0, 8));
    seat.hold(record(1, 3));
    seat.hold(record(0, 2));
    {
        let told = told.lock().unwrap();
        assert_eq!(
            (told.revoked.as_slice(), told.assigned.as_slice()),
            (&[(0, true)][..], &[0, 1, 0][..])
        );
    }
    seat.hand_over();
    assert_eq!(told.lock().unwrap().got, [(1, 3), (0, 2)]);
}
