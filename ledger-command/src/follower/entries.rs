//! What the id store keeps of one logged command.

use ledger_domain::event::Row;
use ledger_domain::{
    AcceptedTransfer, Decimal, Effect, Event, Ledger, LedgerHandle, LedgerName, Leg, Movement,
    State, Timestamp, Transfer,
};
use ledger_proto::hash::of_transfer;
use ledger_proto::logged::LoggedCommand;

use crate::ids::{IdEntry, request_key, transfer_key};

/// Where a command stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Offset of its commit.
    pub(super) offset: u64,
    /// Index of its first event.
    pub(super) index: u32,
    /// When its commit was recorded.
    pub(super) recorded_at: Timestamp,
}

impl Place {
    fn entry(self, content_hash: [u8; 16]) -> IdEntry {
        let Place { offset, index, recorded_at } = self;
        IdEntry { offset, index, recorded_at, content_hash, refused: None }
    }
}

/// Adds the entries of a command. `state` knows all names of its events.
pub(super) fn of_command(
    state: &State,
    command: &LoggedCommand,
    place: Place,
    out: &mut Vec<(Vec<u8>, IdEntry)>,
) {
    if let (Some(id), Some(first)) = (&command.request_id, command.events.first()) {
        let mut key = Vec::new();
        request_key(ledger_of(state, first), id, &mut key);
        let refused = match first {
            Event::CommandRefused { rejection, .. } => Some(rejection.code),
            _ => None,
        };
        out.push((key, IdEntry { refused, ..place.entry(command.content_hash) }));
    }
    let mut index = place.index;
    for event in &command.events {
        if let Event::TransferBatch(batch) = event {
            let book = ledger(state, batch.ledger);
            for (row, content) in batch.iter() {
                let (id, content_hash, refused) = match content {
                    Row::Accepted(accepted) => {
                        (&accepted.id, of_transfer(&as_asked(state, book, accepted)), None)
                    }
                    Row::Refused(refused) => {
                        let hash = of_transfer(&refused.transfer);
                        (&refused.transfer.id, hash, Some(refused.rejection.code))
                    }
                };
                let mut key = Vec::with_capacity(24);
                transfer_key(batch.ledger, id, &mut key);
                let at = Place { index: index + row, ..place };
                out.push((key, IdEntry { refused, ..at.entry(content_hash) }));
            }
        }
        index += event.width();
    }
}

/// The ledger's name, by which request ids are kept.
fn ledger_of<'a>(state: &'a State, event: &'a Event) -> &'a LedgerName {
    match event {
        Event::LedgerCreated { name, .. } => name,
        Event::AssetCreated { ledger: handle, .. }
        | Event::AccountOpened { ledger: handle, .. }
        | Event::AccountStatusChanged { ledger: handle, .. }
        | Event::AccountRulesChanged { ledger: handle, .. }
        | Event::BooksLocked { ledger: handle, .. }
        | Event::HoldExpired { ledger: handle, .. } => &ledger(state, *handle).name,
        Event::TransferBatch(batch) => &ledger(state, batch.ledger).name,
        Event::CommandRefused { ledger, .. } => ledger,
    }
}

/// The transfer as it was asked for: what its id stands for.
fn as_asked(state: &State, book: &Ledger, accepted: &AcceptedTransfer) -> Transfer {
    let name = |handle| state.account(handle).map(|account| account.name.clone());
    let asset = book.asset(accepted.asset);
    let (Some(debit_account), Some(credit_account), Some(asset)) =
        (name(accepted.debit_account), name(accepted.credit_account), asset)
    else {
        panic!("an accepted transfer names what was opened and created before it");
    };
    let amount = Decimal::from_minor(accepted.asked(), asset.scale);
    let leg = || {
        let (asset, up_to) = (asset.code.clone(), accepted.up_to.is_some());
        Leg { debit_account, credit_account, asset, amount, up_to }
    };
    let movement = match &accepted.effect {
        Effect::Post => Movement::Post(leg()),
        Effect::Hold { expires_at } => Movement::Hold { leg: leg(), expires_at: *expires_at },
        Effect::Capture(capture) => {
            let amount = (!capture.rest).then_some(amount);
            Movement::Capture { hold: capture.hold.clone(), amount }
        }
        Effect::Void { hold } => Movement::Void { hold: (**hold).clone() },
    };
    Transfer {
        id: accepted.id.clone(),
        movement,
        reference: accepted.reference.clone(),
        effective_at: accepted.effective_at,
    }
}

fn ledger(state: &State, handle: LedgerHandle) -> &Ledger {
    match state.ledger(handle) {
        Some(ledger) => ledger,
        None => panic!("an event names a ledger that was created before it"),
    }
}
