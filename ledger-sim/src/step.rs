//! Steps of sends, which servers take: what is asked of the writer that decides them.

use ledger_command::saga::{Answered, Key, StepKind, refused};
use ledger_command::{Answer, Reply};
use ledger_domain::partition::partition_of;
use ledger_domain::{Command, CommandBody, Movement};

use crate::model::{CAPTURE, RECEIVE, VOID};
use crate::request::{Ask, Request, Source, Transfer};
use crate::world::{PARTITIONS, World};

/// Who waits for the answer to a step.
#[derive(Debug)]
pub(crate) struct Asking {
    node: usize,
    partition: u32,
    send: Key,
    kind: StepKind,
}

impl World {
    /// Lets a driver of sends ask for what it can; how many steps that were.
    pub(crate) fn drive_at(&mut self, node: usize, partition: u32) -> Result<usize, String> {
        let Some(running) = &mut self.nodes[node] else { return Ok(0) };
        let part = &mut running.parts[partition as usize];
        if !part.writer.is_serving() {
            // Whoever writes it drives it.
            part.sagas = <_>::default();
            return Ok(0);
        }
        let steps = part.sagas.step(part.link.outbox(), self.now);
        let count = steps.len();
        for step in steps {
            let number = self.next_attempt();
            let (request, transfers) = as_asked(&step.command);
            let there = self.some_node();
            self.summary.note(match step.kind {
                StepKind::Receive => "step.receive",
                StepKind::Settle => "step.settle",
            });
            let asking = Asking { node, partition, send: step.send, kind: step.kind };
            self.steps.insert(number, asking);
            debug_assert!(partition_of(&request.ledger, PARTITIONS) < PARTITIONS);
            self.offer_at(there, number, request, step.command, transfers)?;
        }
        Ok(count)
    }

    /// Tells the driver what came of its step, if it still runs.
    pub(crate) fn step_answered(&mut self, number: u64, reply: &Reply) {
        let Some(Asking { node, partition, send, kind }) = self.steps.remove(&number) else {
            return;
        };
        let Some(running) = &mut self.nodes[node] else { return };
        let sagas = &mut running.parts[partition as usize].sagas;
        sagas.answered(&send, kind, answered(reply), self.now);
    }
}

fn answered(reply: &Reply) -> Answered {
    let answer = match reply {
        Reply::One(answer) => Some(answer),
        Reply::Items(items) => items.first(),
        Reply::NotRecorded { .. }
        | Reply::Overloaded { .. }
        | Reply::NotOwner
        | Reply::Unknown { .. } => None,
    };
    match answer {
        Some(Answer::Accepted(_)) => Answered::Accepted,
        Some(Answer::Refused { rejection, receipt }) => {
            refused(rejection.clone(), receipt.is_some())
        }
        None => Answered::Again { why: format!("{reply:?}") },
    }
}

/// The step in the words of the model.
fn as_asked(command: &Command) -> (Request, Vec<Transfer>) {
    let CommandBody::PostTransfers { transfers } = &command.body else { panic!("{command:?}") };
    let transfers: Vec<Transfer> = transfers.iter().map(transfer).collect();
    let request = Request {
        request_id: command.request_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        ledger: command.ledger.to_string(),
        ask: Ask::Post { transfers: transfers.clone() },
        conditions: Vec::new(),
        validate_only: false,
    };
    (request, transfers)
}

fn transfer(step: &ledger_domain::Transfer) -> Transfer {
    let (id, reference) = (step.id.to_string(), step.reference.to_string());
    let base = Transfer { id, reference, ..Transfer::default() };
    match &step.movement {
        Movement::Receive { leg, from } => Transfer {
            kind: RECEIVE,
            debit: leg.debit_account.to_string(),
            credit: leg.credit_account.to_string(),
            asset: leg.asset.to_string(),
            amount: leg.amount.to_string(),
            deadline: from.deadline,
            source: Some(Source {
                ledger: from.ledger.to_string(),
                send: from.send.to_string(),
                scale: from.scale.into(),
                sent_at: from.sent_at,
            }),
            ..base
        },
        Movement::Capture { hold, amount: None } => {
            Transfer { kind: CAPTURE, hold: hold.to_string(), ..base }
        }
        Movement::Void { hold, refused } => Transfer {
            kind: VOID,
            hold: hold.to_string(),
            refused: refused.as_ref().map(|it| (it.code.number(), it.subject.to_string())),
            ..base
        },
        other => panic!("no step of a send: {other:?}"),
    }
}
