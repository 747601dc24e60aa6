//! What a client was told against the log and the model.

use ledger_command::{Answer, Receipt, Reply};
use ledger_domain::Position;

use super::{Attempt, Logged, Oracle, Told};
use crate::model::{First, Place, Verdict, Verdicts};
use crate::summary::Summary;

/// What a verdict must be told as.
#[derive(Debug)]
struct Due {
    /// Where it is recorded; nowhere for a dry run or a reused id.
    place: Option<Place>,
    recorded_at: Option<i64>,
    refused: Option<u32>,
    replayed: bool,
}

const ID_REUSED: u32 = 301;

impl Oracle {
    /// Takes an answer. The log was walked to its end before: all that it was decided upon is there.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        reply: &Reply,
        summary: &mut Summary,
    ) -> Result<(), String> {
        let attempt = self.attempts.get(&number).ok_or("an answer that nobody asked for")?;
        if attempt.told != Told::Nothing {
            return Err("a second answer".into());
        }
        let told = match reply {
            Reply::NotRecorded { .. } | Reply::Overloaded { .. } | Reply::NotOwner => {
                Told::NotRecorded
            }
            Reply::Unknown { .. } => Told::Unknown,
            Reply::One(_) | Reply::Items(_) => Told::Answer,
        };
        match told {
            Told::NotRecorded | Told::Unknown | Told::Nothing => {
                if told == Told::NotRecorded && self.logged.contains_key(&number) {
                    return Err("told that it is not recorded, but it is in the log".into());
                }
                summary.note(match reply {
                    Reply::Overloaded { .. } => "answer.overloaded",
                    Reply::NotOwner => "answer.not_owner",
                    Reply::Unknown { .. } => "answer.unknown",
                    _ => "answer.not_recorded",
                });
            }
            Told::Answer => self.judge(number, attempt, reply, summary)?,
        }
        self.open.remove(&number);
        if let Some(attempt) = self.attempts.get_mut(&number) {
            attempt.told = told;
        }
        Ok(())
    }

    fn judge(
        &self,
        number: u64,
        attempt: &Attempt,
        reply: &Reply,
        summary: &mut Summary,
    ) -> Result<(), String> {
        if let Some(logged) = self.logged.get(&number) {
            return self.compare(Some(logged), &logged.verdicts, reply, summary);
        }
        let dry = attempt.request.validate_only;
        let candidates = self.open.get(&number).ok_or("neither open nor in the log")?;
        let mut last = "all that it may come to is new, and not in the log".to_owned();
        for (at, verdicts) in candidates {
            // Its writer's clock has never been there.
            if *at > self.clock {
                continue;
            }
            // What is not in the log was decided before, every part of it.
            if !dry && verdicts.has_news() {
                continue;
            }
            let mut noted = Summary::default();
            match self.compare(None, verdicts, reply, &mut noted) {
                Ok(()) => {
                    summary.note_all(&noted);
                    if dry {
                        summary.note("answer.dry");
                    }
                    return Ok(());
                }
                Err(what) => last = what,
            }
        }
        // A writer learns that it was deposed when it writes: a dry run may show what was before.
        if dry && !attempt.current {
            summary.note("answer.dry_of_a_deposed_writer");
            return Ok(());
        }
        Err(format!("in none of {} states: {last}", candidates.len()))
    }

    fn compare(
        &self,
        logged: Option<&Logged>,
        verdicts: &Verdicts,
        reply: &Reply,
        summary: &mut Summary,
    ) -> Result<(), String> {
        match (verdicts, reply) {
            (Verdicts::Whole(verdict), Reply::One(answer)) => {
                let place = logged.map(|logged| logged.place);
                self.compare_one(&due(verdict, logged, place), answer, summary)
            }
            (Verdicts::Items(items), Reply::Items(answers)) if items.len() == answers.len() => {
                let mut next = logged.map(|logged| logged.rows);
                let mut places: Vec<Due> = Vec::new();
                for (verdict, answer) in items.iter().zip(answers) {
                    let due = match verdict {
                        Verdict::Repeats(above) => {
                            let Due { place, recorded_at, refused, .. } = places[*above];
                            // What was not recorded is no first outcome.
                            let replayed = !matches!(items[*above], Verdict::NotRecorded(_));
                            Due { place, recorded_at, refused, replayed }
                        }
                        verdict => due(verdict, logged, next),
                    };
                    self.compare_one(&due, answer, summary)?;
                    if verdict.is_new() {
                        next = next.map(|(offset, index)| (offset, index + 1));
                    }
                    places.push(due);
                }
                Ok(())
            }
            _ => Err(format!("the model says {verdicts:?}, the client was told {reply:?}")),
        }
    }

    fn compare_one(&self, due: &Due, answer: &Answer, summary: &mut Summary) -> Result<(), String> {
        let (code, receipt) = match answer {
            Answer::Accepted(receipt) => (None, Some(receipt)),
            Answer::Refused { rejection, receipt } => (Some(rejection), receipt.as_ref()),
        };
        let position = receipt.and_then(|receipt| receipt.position);
        let at = |(offset, index)| Position::event(self.partition, offset, index);
        let mut same = code.map(|rejection| rejection.code.number()) == due.refused
            && position == due.place.map(at)
            && receipt.is_some_and(|receipt| receipt.replayed) == due.replayed;
        if let (Some(Receipt { recorded_at, .. }), Some(expected)) =
            (receipt, due.recorded_at.or_else(|| self.recorded_at(due.place?)))
        {
            same &= *recorded_at == expected;
        }
        // What it is about is as the log has it, be it the first answer or a later one.
        if let (Some(rejection), Some(place)) = (code, due.place) {
            same &= self.rejections.get(&place) == Some(rejection);
        }
        if !same {
            return Err(format!("due is {due:?}, the client was told {answer:?}"));
        }
        match code {
            Some(rejection) => summary.note(&format!("refused.{}", rejection.code.name())),
            None => summary.note("answer.accepted"),
        }
        if due.replayed {
            summary.note("answer.replayed");
        }
        Ok(())
    }

    fn recorded_at(&self, place: Place) -> Option<i64> {
        let at = self.commits.binary_search_by_key(&place.0, |commit| commit.offset).ok()?;
        Some(self.commits[at].recorded_at)
    }
}

fn due(verdict: &Verdict, logged: Option<&Logged>, place: Option<Place>) -> Due {
    let recorded_at = logged.map(|logged| logged.recorded_at);
    let fresh = |refused| Due { place, recorded_at, refused, replayed: false };
    match verdict {
        Verdict::Done | Verdict::Moves(_) => fresh(None),
        Verdict::Refused(code) => fresh(Some(*code)),
        Verdict::Before(First { place, refused }) => {
            Due { place: Some(*place), recorded_at: None, refused: *refused, replayed: true }
        }
        Verdict::Reused => {
            Due { place: None, recorded_at: None, refused: Some(ID_REUSED), replayed: false }
        }
        Verdict::NotRecorded(code) => {
            Due { place: None, recorded_at: None, refused: Some(*code), replayed: false }
        }
        Verdict::Repeats(_) => Due { place, recorded_at, refused: None, replayed: true },
    }
}
