//! The searches: with every rule in place all properties hold, and without any of them one fails.

use std::collections::BTreeSet;
use std::io;

use stateright::report::WriteReporter;
use stateright::{Checker, HasDiscoveries, Path};

use super::*;

const SMALL: Size = Size {
    writers: 2,
    records: 6,
    incarnations: 2,
    requests: 2,
    in_flight: 2,
    faults: [0; Fault::ALL.len()],
};

impl Size {
    /// With each of these once more.
    fn with(mut self, faults: &[Fault]) -> Size {
        faults.iter().for_each(|fault| self.faults[*fault as usize] += 1);
        self
    }
}

/// Starts to visit every state: depth first, for then few wait in memory.
fn search(size: Size, in_doubt: InDoubt, change: Change) -> impl Checker<Fence> {
    Fence::new(size, in_doubt, change).checker().threads(2).spawn_dfs()
}

/// Every property holds in every state, and the search met what it is there for.
fn holds(size: Size, in_doubt: InDoubt, met: &[Seen]) {
    // A search that is not joined swallows a panic.
    let search = search(size, in_doubt, Change::None).join();
    println!("{in_doubt:?} {size:?}: {} states", search.unique_state_count());
    search.assert_properties();
    for seen in met {
        assert!(search.model().times(*seen) > 0, "{size:?} {in_doubt:?} never met {seen:?}");
    }
}

const ALWAYS_MET: &[Seen] =
    &[Seen::NewTerm, Seen::Accepted, Seen::Zombie, Seen::ToldOk, Seen::ToldFailed];

#[test]
fn a_writer_that_takes_a_new_term_in_doubt_holds() {
    use Fault::{Copy, Crash, Foreign, Hole, Unknown, WithoutOffset};
    let met = [Seen::Foreign, Seen::Hole, Seen::SettledOk];
    let faults = SMALL.with(&[Foreign, Unknown, WithoutOffset, Hole]);
    holds(faults, InDoubt::Retakes, &[ALWAYS_MET, &met].concat());
    let faults = SMALL.with(&[Unknown, Copy, Crash]);
    holds(faults, InDoubt::Retakes, &[Seen::Duplicate]);
}

#[test]
fn a_writer_that_reads_back_in_doubt_holds() {
    use Fault::{Copy, Crash, Foreign, Hole, Unknown, WithoutOffset};
    let met = [Seen::CountedBehindAGap, Seen::ReadBack, Seen::WentOnAfterUnknown, Seen::Deposed];
    let faults = SMALL.with(&[Foreign, Unknown, WithoutOffset, Hole]);
    holds(faults, InDoubt::ReadsBack, &[ALWAYS_MET, &met].concat());
    let faults = SMALL.with(&[Unknown, Copy, Crash]);
    holds(faults, InDoubt::ReadsBack, &[Seen::Duplicate]);
}

#[test]
fn three_writers_hold() {
    let size = Size { writers: 3, incarnations: 3, records: 5, ..SMALL }.with(&[Fault::Unknown]);
    holds(size, InDoubt::Retakes, ALWAYS_MET);
    holds(size, InDoubt::ReadsBack, ALWAYS_MET);
}

#[test]
fn loss_is_found_and_never_built_upon() {
    use Fault::{Hole, Loss, Unknown};
    let size = SMALL.with(&[Loss, Unknown, Hole]);
    holds(size, InDoubt::Retakes, &[Seen::Stopped, Seen::FoundLoss]);
    holds(size, InDoubt::ReadsBack, &[Seen::Stopped, Seen::FoundLoss]);
}

/// A known limit: a cursor compares only the last record that it counted, and a `TermStarted` does not
/// hold its past.
#[test]
fn a_lost_record_that_lands_again_in_its_place_hides_the_loss_before_it() {
    let size = SMALL.with(&[Fault::LossSentAgain, Fault::Foreign]);
    let history = shortest(size, InDoubt::Retakes, Change::None, L1_VERIFIED);
    println!("{history:?}");
    assert_eq!(history.map(|history| history.len()), Some(10));
}

#[test]
fn some_rules_are_needed_only_where_records_are_lost() {
    let faults = [Fault::Foreign, Fault::Unknown, Fault::Hole];
    for change in [Change::NoPastCheck, Change::NoTermAheadStop] {
        search(SMALL.with(&faults), InDoubt::Retakes, change).join().assert_properties();
    }
}

#[test]
#[ignore = "takes minutes: docs/fence-model.md has the command, and what it gave"]
fn larger_searches_hold() {
    use Fault::{Copy, Crash, Foreign, Hole, Loss, Unknown, WithoutOffset};
    let long = Size { records: 7, incarnations: 3, ..SMALL };
    let sizes = [
        long.with(&[Foreign, Unknown, WithoutOffset]),
        long.with(&[Foreign, Unknown, WithoutOffset, Hole]),
        Size { writers: 3, incarnations: 3, ..SMALL }.with(&[Unknown, WithoutOffset]),
        Size { records: 7, requests: 3, ..SMALL }.with(&[Unknown, Hole]),
        SMALL.with(&[Foreign, Unknown, WithoutOffset, Copy, Hole, Crash]),
        SMALL.with(&[Loss, Foreign, Unknown, Hole]),
    ];
    for size in sizes {
        for in_doubt in [InDoubt::Retakes, InDoubt::ReadsBack] {
            println!("{in_doubt:?} {size:?}");
            let (mut out, search) = (io::stdout(), search(size, in_doubt, Change::None));
            search.report(&mut WriteReporter::new(&mut out)).join().assert_properties();
        }
    }
}

/// The shortest history that breaks this property, as what was done.
///
/// A search goes on for a while behind the first that it finds, and keeps the last: so it is repeated
/// below that one's length until nothing is found.
fn shortest(
    size: Size,
    in_doubt: InDoubt,
    change: Change,
    property: &'static str,
) -> Option<Vec<Action>> {
    let mut found: Option<Path<State, Action>> = None;
    loop {
        let mut search = Fence::new(size, in_doubt, change).checker();
        if let Some(longer) = &found {
            search = search.target_max_depth(longer.clone().into_states().len());
        }
        let until = HasDiscoveries::AnyOf(BTreeSet::from([property]));
        match search.finish_when(until).spawn_bfs().join().discovery(property) {
            None => return found.map(Path::into_actions),
            shorter => found = shorter,
        }
    }
}

/// Without one rule, which property fails, and after how many steps at the least.
const WITHOUT: &[(Change, &[Fault], &str, usize)] = &[
    (Change::NoZombieSkip, &[], S5_ALARM, 7),
    (Change::NoTermAheadStop, &[Fault::Loss], L2_TERM, 8),
    (Change::NoDuplicateSkip, &[Fault::Copy], S5_ALARM, 6),
    (Change::NoHoleSkip, &[Fault::Hole], S5_ALARM, 7),
    (Change::NoPastCheck, &[Fault::Loss], S2_PAST, 13),
    (Change::ServesUnread, &[], S1_ONCE, 11),
    (Change::ServesUnread, &[], S5_ALARM, 7),
    (Change::AcknowledgesAnyOffset, &[], S1_ONCE, 8),
    (Change::KeepsSpeculation, &[Fault::Hole, Fault::Foreign], S1_ONCE, 10),
    (Change::FailsEarly, &[Fault::Unknown], S3_FAILED, 6),
    (Change::ReusesIncarnation, &[Fault::Unknown], S3_FAILED, 8),
    (Change::ReusesIncarnation, &[Fault::Unknown], S4_ALONE, 2),
    (Change::NoVerification, &[Fault::Loss], L1_VERIFIED, 6),
    (Change::ChainOverOffset, &[Fault::Foreign], S5_ALARM, 8),
    (Change::StickyHole, &[Fault::Hole], S6_RESTART, 8),
    (Change::GoesOnAfterUnknown, &[Fault::Unknown], S5_ALARM, 10),
];

#[test]
fn without_any_rule_a_writer_that_takes_a_new_term_fails() {
    for (change, faults, property, steps) in WITHOUT {
        let history = shortest(SMALL.with(faults), InDoubt::Retakes, *change, property);
        println!("{change:?} breaks {property}: {history:?}");
        assert_eq!(history.map(|history| history.len()), Some(*steps), "{change:?}");
    }
}

/// As above; in doubt, such a writer stands on these rules alone.
const WITHOUT_WHERE_IT_READS_BACK: &[(Change, &[Fault], &str, usize)] = &[
    (Change::OwnCopyDoesNotDepose, &[Fault::Copy], S1_ONCE, 7),
    (Change::GoesOnAfterUnknown, &[Fault::Unknown], S1_ONCE, 9),
    (Change::ReusesIncarnation, &[Fault::Unknown], S1_ONCE, 11),
];

#[test]
fn without_any_rule_a_writer_that_reads_back_fails() {
    for (change, faults, property, steps) in WITHOUT.iter().chain(WITHOUT_WHERE_IT_READS_BACK) {
        let history = shortest(SMALL.with(faults), InDoubt::ReadsBack, *change, property);
        println!("{change:?} breaks {property}: {history:?}");
        assert_eq!(history.map(|history| history.len()), Some(*steps), "{change:?}");
    }
}
