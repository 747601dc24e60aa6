//! What the id store keeps of one logged command.

use ledger_domain::event::Row;
use ledger_domain::{
    AcceptedTransfer, Decimal, Effect, Event, Id, Ledger, LedgerHandle, LedgerName, Leg, Metadata,
    MetadataTarget, Movement, Original, Posted, State, Timestamp, Transfer, TransferBatch,
};
use ledger_proto::hash::of_transfer;
use ledger_proto::logged::LoggedCommand;

use crate::ids::{IdEntry, entry_key, noted_key, request_key, reversed_key, transfer_key};

/// Where a command stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Offset of its commit.
    pub(crate) offset: u64,
    /// Index of its first event.
    pub(crate) index: u32,
    /// When its commit was recorded.
    pub(crate) recorded_at: Timestamp,
}

impl Place {
    fn entry(self, content_hash: [u8; 16]) -> IdEntry {
        let Place { offset, index, recorded_at } = self;
        let (refused, posted, metadata) = (None, None, Metadata::default());
        IdEntry { offset, index, recorded_at, content_hash, refused, posted, metadata }
    }
}

/// Adds the entries of a command. `state` knows all names of its events.
pub(crate) fn of_command(
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
        let at = Place { index, ..place };
        if let Event::TransferBatch(batch) = event {
            of_batch(state, batch, at, out);
        }
        if let Some((ledger, id, metadata)) = noted_by(event) {
            let kept = IdEntry { metadata, ..at.entry(NO_CONTENT) };
            out.push((key_of(noted_key, ledger, id), kept));
        }
        index += event.width();
    }
}

/// The transfer whose metadata an event updates, and what is noted of it then.
pub(crate) fn noted_by(event: &Event) -> Option<(LedgerHandle, &Id, Metadata)> {
    match event {
        Event::MetadataChanged {
            ledger,
            target: MetadataTarget::Transfer(id),
            changes,
            others,
        } => Some((*ledger, id, others.after(changes))),
        _ => None,
    }
}

fn of_batch(state: &State, batch: &TransferBatch, first: Place, out: &mut Vec<(Vec<u8>, IdEntry)>) {
    let book = ledger(state, batch.ledger);
    let mut entry = None;
    for (row, content) in batch.iter() {
        let at = Place { index: first.index + row, ..first };
        let (id, kept) = match content {
            Row::Accepted(accepted) => {
                let next = accepted.link.entry();
                if let Some(id) = next.filter(|next| entry != Some(*next)) {
                    out.push((key_of(entry_key, batch.ledger, id), at.entry(NO_CONTENT)));
                }
                entry = next;
                if let Some((of, posted)) = Posted::left_by(accepted) {
                    let kept = IdEntry { posted: Some(posted), ..at.entry(NO_CONTENT) };
                    out.push((key_of(reversed_key, batch.ledger, of), kept));
                }
                let content_hash = of_transfer(&as_asked(state, book, accepted));
                let posted = Original::of(accepted).posted();
                let metadata = accepted.metadata.clone();
                (&accepted.id, IdEntry { posted, metadata, ..at.entry(content_hash) })
            }
            Row::Refused(refused) => {
                entry = None;
                let kept = at.entry(of_transfer(&refused.transfer));
                let code = Some(refused.rejection.code);
                (&refused.transfer.id, IdEntry { refused: code, ..kept })
            }
        };
        out.push((key_of(transfer_key, batch.ledger, id), kept));
    }
}

/// Nobody asks for it by content.
const NO_CONTENT: [u8; 16] = [0; 16];

fn key_of(write: fn(LedgerHandle, &Id, &mut Vec<u8>), ledger: LedgerHandle, id: &Id) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    write(ledger, id, &mut key);
    key
}

/// The ledger's name, by which request ids are kept.
fn ledger_of<'a>(state: &'a State, event: &'a Event) -> &'a LedgerName {
    match event {
        Event::LedgerCreated { name, .. } => name,
        Event::AssetCreated { ledger: handle, .. }
        | Event::AccountOpened { ledger: handle, .. }
        | Event::AccountStatusChanged { ledger: handle, .. }
        | Event::AccountRulesChanged { ledger: handle, .. }
        | Event::MetadataChanged { ledger: handle, .. }
        | Event::BooksLocked { ledger: handle, .. }
        | Event::HoldExpired { ledger: handle, .. }
        | Event::ScheduleCreated { ledger: handle, .. }
        | Event::ScheduleCancelled { ledger: handle, .. }
        | Event::ScheduleRan { ledger: handle, .. }
        | Event::CustomerRegistered { ledger: handle, .. }
        | Event::ProfileUpdated { ledger: handle, .. }
        | Event::CustomerErased { ledger: handle, .. }
        | Event::BalanceAlertSet { ledger: handle, .. }
        | Event::BalanceAlertRemoved { ledger: handle, .. }
        | Event::BalanceAlertCrossed { ledger: handle, .. } => &ledger(state, *handle).name,
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
    let part = (!accepted.effect.is_rest()).then_some(amount);
    let leg = || {
        let (asset, up_to) = (asset.code.clone(), accepted.up_to.is_some());
        Leg { debit_account, credit_account, asset, amount, up_to }
    };
    let movement = match &accepted.effect {
        Effect::Post => Movement::Post(leg()),
        Effect::Hold { expires_at } => Movement::Hold { leg: leg(), expires_at: *expires_at },
        Effect::Capture(capture) => Movement::Capture { hold: capture.hold.clone(), amount: part },
        Effect::Void { hold, refused } => {
            Movement::Void { hold: (**hold).clone(), refused: refused.clone() }
        }
        Effect::Send(to) => Movement::Send { leg: leg(), to: to.clone() },
        Effect::Receive(from) => Movement::Receive { leg: leg(), from: from.clone() },
        Effect::Reversal(reversal) => Movement::Reversal { of: reversal.of.clone(), amount: part },
    };
    Transfer {
        id: accepted.id.clone(),
        movement,
        reference: accepted.reference.clone(),
        effective_at: accepted.effective_at,
        link: accepted.link.clone(),
        metadata: accepted.metadata.clone(),
    }
}

fn ledger(state: &State, handle: LedgerHandle) -> &Ledger {
    match state.ledger(handle) {
        Some(ledger) => ledger,
        None => panic!("an event names a ledger that was created before it"),
    }
}
