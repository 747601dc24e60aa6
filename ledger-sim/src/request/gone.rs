//! What is left of a request once it is sealed with no key.

use ledger_domain::{CustomerName, LedgerName};
use ledger_keys::{Kept, KeyStore, MemoryKeys, Subject};

use super::{Ask, Customer, Request, Texts};

/// In place of every text of which nothing is left.
const GONE: &str = "(gone)";

impl Request {
    /// As it is compared: of what is sealed for who is erased nothing is left, nor in a dry run for who has no key.
    pub(crate) fn once_sealed(mut self, keys: &MemoryKeys) -> Self {
        let (ledger, dry) = (LedgerName::from_log(&self.ledger), self.validate_only);
        let is_gone = |customer: &str| {
            let customer = CustomerName::from_log(customer);
            match keys.find(&Subject { ledger: ledger.clone(), customer }) {
                Ok(Kept::Erased) => true,
                Ok(Kept::Nothing) => dry,
                Ok(Kept::Keys(_)) | Err(_) => false,
            }
        };
        let forget = |texts: &mut Texts| {
            let sealed = texts.values_mut().filter(|it| it.of.as_deref().is_some_and(is_gone));
            sealed.for_each(|it| it.text = GONE.into());
        };
        let forget_profile = |name: &str, values: &mut Vec<(String, String)>| {
            if is_gone(name) {
                values.iter_mut().for_each(|(_, text)| *text = GONE.into());
            }
        };
        match &mut self.ask {
            Ask::OpenAccount { metadata, .. } => forget(metadata),
            Ask::Note(note) => forget(&mut note.set),
            Ask::Schedule(schedule) => forget(&mut schedule.metadata),
            Ask::Post { transfers } => transfers.iter_mut().for_each(|it| forget(&mut it.metadata)),
            Ask::Customer(Customer::Register { name, accounts, profile }) => {
                accounts.iter_mut().for_each(|it| forget(&mut it.metadata));
                forget_profile(name, profile);
            }
            Ask::Customer(Customer::Update { name, set, .. }) => forget_profile(name, set),
            _ => {}
        }
        self
    }
}
