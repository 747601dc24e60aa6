//! Since when a view is known to hold all that the log had.
//!
//! ```text
//!   the log said: at 10:00:00 it ended at 40 ──┐   marks, oldest first
//!                 at 10:00:02 it ended at 45 ──┤
//!                 at 10:00:04 it ended at 51 ──┘
//!   applied up to 46: caught up as of 10:00:02
//! ```

use std::collections::VecDeque;

use ledger_log::ConfirmedEnd;

/// Marks that are kept while the view is behind them: a storage that is asked every two seconds fills them
/// in half an hour.
const MARKS_MAX: usize = 1_024;

/// Instants at which the log said where it ended.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Not reached yet, oldest first.
    ahead: VecDeque<ConfirmedEnd>,
    newest: Option<ConfirmedEnd>,
    /// The newest that was reached.
    reached: Option<ConfirmedEnd>,
}

impl Marks {
    /// Takes what the log said last; nothing new when it was taken before.
    pub(crate) fn hear(&mut self, confirmed: ConfirmedEnd) {
        if self.newest.replace(confirmed) == Some(confirmed) {
            return;
        }
        if self.ahead.len() == MARKS_MAX {
            // The newest gives way to one that is newer still: those before it are reached first.
            self.ahead.pop_back();
        }
        self.ahead.push_back(confirmed);
    }

    /// The newest instant whose end a view with this next record has applied, in nanoseconds since the Unix
    /// epoch.
    pub(crate) fn reach(&mut self, next: u64) -> Option<u64> {
        while let Some(mark) = self.ahead.pop_front_if(|mark| mark.end <= next) {
            self.reached = Some(mark);
        }
        // A view that went back to an earlier state has not reached it any more.
        self.reached.filter(|mark| mark.end <= next).map(|mark| mark.at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(end: u64, at_ns: u64) -> ConfirmedEnd {
        ConfirmedEnd { end, at_ns }
    }

    #[test]
    fn the_newest_reached_mark_counts_and_one_that_is_ahead_does_not() {
        let mut marks = Marks::default();
        assert_eq!(marks.reach(7), None, "nothing was said");
        marks.hear(mark(40, 1));
        assert_eq!(marks.reach(39), None);
        for (end, at) in [(45, 2), (51, 3)] {
            marks.hear(mark(end, at));
        }
        assert_eq!(marks.reach(44), Some(1));
        assert_eq!(marks.reach(46), Some(2));
        assert_eq!(marks.reach(46), Some(2), "it stands still while nothing is said");
        assert_eq!(marks.reach(51), Some(3));
        marks.hear(mark(51, 4));
        assert_eq!(marks.reach(51), Some(4), "an idle log");
        marks.hear(mark(51, 4));
        assert_eq!((marks.reach(51), marks.ahead.len()), (Some(4), 0));
        assert_eq!(marks.reach(50), None, "a view that went back");
    }

    #[test]
    fn a_view_that_is_far_behind_keeps_the_marks_that_it_meets_first() {
        let mut marks = Marks::default();
        let count = MARKS_MAX as u64 * 2;
        (1..=count).for_each(|at| marks.hear(mark(at, at)));
        assert_eq!(marks.ahead.len(), MARKS_MAX);
        assert_eq!(marks.reach(10), Some(10));
        assert_eq!(marks.reach(count - 1), Some(MARKS_MAX as u64 - 1));
        assert_eq!(marks.reach(count), Some(count));
    }
}
