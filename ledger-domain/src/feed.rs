//! The canonical form in which a state is fed to a hash; see [`crate::State::feed`].

use crate::command::Timestamp;
use crate::rules::AccountRules;
use crate::send::{Destination, Outgoing};
use crate::state::{Account, Balance, Hold};

pub(crate) fn feed_text(text: &str, sink: &mut impl FnMut(&[u8])) {
    feed_length(text.len(), sink);
    sink(text.as_bytes());
}

pub(crate) fn feed_instant(at: Option<Timestamp>, sink: &mut impl FnMut(&[u8])) {
    feed_length(usize::from(at.is_some()), sink);
    if let Some(at) = at {
        sink(&at.to_le_bytes());
    }
}

pub(crate) fn feed_length(length: usize, sink: &mut impl FnMut(&[u8])) {
    sink(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
}

impl Hold {
    pub(crate) fn feed(&self, sink: &mut impl FnMut(&[u8])) {
        let Hold { debit_account, credit_account, asset, amount, expires_at, send } = self;
        sink(&debit_account.0.to_le_bytes());
        sink(&credit_account.0.to_le_bytes());
        sink(&asset.0.to_le_bytes());
        sink(&amount.to_le_bytes());
        feed_instant(*expires_at, sink);
        feed_length(usize::from(send.is_some()), sink);
        if let Some(outgoing) = send {
            let Outgoing { to, sent_at, reference } = &**outgoing;
            let Destination { ledger, account, deadline } = to;
            feed_text(ledger.as_str(), sink);
            feed_text(account.as_str(), sink);
            feed_instant(*deadline, sink);
            sink(&sent_at.to_le_bytes());
            feed_text(reference, sink);
        }
    }
}

impl Account {
    pub(crate) fn feed(&self, sink: &mut impl FnMut(&[u8])) {
        let Account { ledger, name, account_type, rules, status, metadata, changed_at, balances } =
            self;
        let AccountRules { may_go_negative, credit_limits } = rules;
        sink(&ledger.0.to_le_bytes());
        feed_text(name.as_str(), sink);
        sink(&[account_type.number(), u8::from(*may_go_negative), status.number()]);
        feed_length(credit_limits.len(), sink);
        for (asset, amount) in credit_limits {
            sink(&asset.0.to_le_bytes());
            sink(&amount.to_le_bytes());
        }
        metadata.feed(sink);
        sink(&changed_at.to_le_bytes());
        feed_length(balances.len(), sink);
        for (asset, balance) in balances {
            let Balance { debits_posted, credits_posted, debits_pending, credits_pending } =
                balance;
            sink(&asset.0.to_le_bytes());
            for counter in [debits_posted, credits_posted, debits_pending, credits_pending] {
                sink(&counter.to_le_bytes());
            }
        }
    }
}
