//! Which records of a partition are answered: they are in any order, offsets are committed in theirs.

use std::collections::VecDeque;

/// The records of one partition that were begun, and which of them are done.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// Ascending by offset, which need not be dense: a transaction's markers take some.
    open: VecDeque<(u64, bool)>,
    /// Behind everything that is done; `None` before the first record.
    place: Option<u64>,
}

impl Tracker {
    /// A record begins. Later ones have higher offsets.
    pub(super) fn begin(&mut self, offset: u64) {
        debug_assert!(self.open.back().is_none_or(|(last, _)| *last < offset));
        self.place.get_or_insert(offset);
        self.open.push_back((offset, false));
    }

    /// A record is done. One that is not open is left alone.
    pub(super) fn done(&mut self, offset: u64) {
        if let Ok(found) = self.open.binary_search_by_key(&offset, |(offset, _)| *offset) {
            self.open[found].1 = true;
        }
        while let Some((offset, _)) = self.open.pop_front_if(|(_, done)| *done) {
            self.place = Some(offset + 1);
        }
    }

    /// How many offsets cannot be committed yet: open ones, and done ones behind them.
    pub(super) fn held(&self) -> usize {
        self.open.len()
    }

    /// Everything before it is done.
    pub(super) fn place(&self) -> Option<u64> {
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_before_the_first_that_is_open() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.place(), None);
        [7, 8, 9, 12, 13].into_iter().for_each(|offset| tracker.begin(offset));
        assert_eq!(tracker.place(), Some(7));
        for (done, place) in [(8, 7), (12, 7), (7, 9), (7, 9), (99, 9), (10, 9), (9, 13), (13, 14)]
        {
            tracker.done(done);
            assert_eq!(tracker.place(), Some(place), "{done} is done");
        }
        assert_eq!(tracker.held(), 0);
        tracker.begin(20);
        tracker.begin(21);
        tracker.done(21);
        assert_eq!(tracker.held(), 2, "what is done behind one that is open is held, too");
        assert_eq!(tracker.place(), Some(14));
        tracker.done(20);
        assert_eq!((tracker.place(), tracker.held()), (Some(22), 0));
    }

    #[test]
    fn in_any_order_the_end_is_reached_and_never_before() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let mut tracker = Tracker::default();
            let offsets: Vec<u64> = (0..50).filter(|_| rng.bool()).collect();
            offsets.iter().for_each(|offset| tracker.begin(*offset));
            let mut order = offsets.clone();
            rng.shuffle(&mut order);
            for done in 0..order.len() {
                tracker.done(order[done]);
                let open = offsets.iter().find(|offset| !order[..=done].contains(offset));
                let last = offsets.last().map(|last| last + 1);
                let place = tracker.place();
                match open {
                    None => assert_eq!(place, last),
                    // Nothing open is before it, and what is done right before it is.
                    Some(open) => assert!(place.is_some_and(|place| place <= *open)),
                }
            }
        }
    }
}
