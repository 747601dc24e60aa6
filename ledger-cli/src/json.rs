//! Canonical protobuf JSON, as grpcurl prints it, from the descriptors that reflection serves.

use std::sync::OnceLock;

use anyhow::Context as _;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

/// The JSON form of a message of package `ledger.v1`; `name` is its name in that package.
///
/// # Errors
/// When `name` is not that of `message`.
pub(crate) fn of(name: &str, message: &impl Message) -> anyhow::Result<Value> {
    // Made once: a file of commands is made of many messages.
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = match POOL.get() {
        Some(pool) => pool,
        None => {
            let pool = DescriptorPool::decode(ledger_proto::FILE_DESCRIPTOR_SET)
                .context("reading the descriptors that were built in")?;
            POOL.get_or_init(|| pool)
        }
    };
    let full_name = format!("ledger.v1.{name}");
    let descriptor =
        pool.get_message_by_name(&full_name).with_context(|| format!("no message {full_name}"))?;
    let bytes = message.encode_to_vec();
    let dynamic = DynamicMessage::decode(descriptor, bytes.as_slice())
        .with_context(|| format!("reading {full_name}"))?;
    serde_json::to_value(dynamic).with_context(|| format!("writing {full_name} as JSON"))
}

#[cfg(test)]
mod tests {
    use ledger_proto::v1;
    use serde_json::json;

    use super::*;

    #[test]
    fn is_canonical_and_leaves_defaults_out() {
        let acknowledgement = v1::Acknowledgement {
            position: "0@7.1".to_owned(),
            recorded_at: Some(prost_types::Timestamp { seconds: 1, nanos: 5_000_000 }),
            replayed: false,
        };
        let response = v1::OpenAccountResponse {
            name: "ledgers/bank/accounts/alice".to_owned(),
            acknowledgement: Some(acknowledgement),
        };
        let expected = json!({
            "name": "ledgers/bank/accounts/alice",
            "acknowledgement": { "position": "0@7.1", "recordedAt": "1970-01-01T00:00:01.005Z" },
        });
        assert_eq!(of("OpenAccountResponse", &response).unwrap(), expected);
        let account =
            v1::Account { r#type: v1::AccountType::Liability.into(), ..Default::default() };
        assert_eq!(of("Account", &account).unwrap(), json!({ "type": "ACCOUNT_TYPE_LIABILITY" }));
        assert!(of("Nothing", &response).is_err());
    }

    /// A record of the feed, as consumers read it: a change here is a change of what was promised to them.
    #[test]
    fn an_event_of_the_feed_is_this_json() {
        use v1::feed_event::{Event, TransferRefused};
        let transfer = v1::Transfer {
            transfer_id: "t-1".to_owned(),
            debit_account: "bank:cash".to_owned(),
            credit_account: "users:alice".to_owned(),
            asset: "USD".to_owned(),
            amount: "12.30".to_owned(),
            kind: v1::TransferKind::Post.into(),
            ..Default::default()
        };
        let event = |event| v1::FeedEvent {
            position: "3@1042.17".to_owned(),
            recorded_at: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
            ledger: "bank".to_owned(),
            request_id: String::new(),
            actor: String::new(),
            event: Some(event),
        };
        let posted = of("FeedEvent", &event(Event::TransferAccepted(transfer.clone()))).unwrap();
        let shown = json!({
            "transferId": "t-1", "debitAccount": "bank:cash", "creditAccount": "users:alice",
            "asset": "USD", "amount": "12.30", "kind": "TRANSFER_KIND_POST",
        });
        let expected = json!({
            "position": "3@1042.17", "recordedAt": "1970-01-01T00:00:01Z", "ledger": "bank",
            "transferAccepted": shown,
        });
        assert_eq!(posted, expected);
        let refusal =
            v1::Refusal { code: 211, reason: "INSUFFICIENT_FUNDS".into(), ..Default::default() };
        let refused = TransferRefused { transfer: Some(transfer), refusal: Some(refusal) };
        let refused = of("FeedEvent", &event(Event::TransferRefused(refused))).unwrap();
        let expected = json!({ "transfer": shown, "refusal": { "code": 211, "reason": "INSUFFICIENT_FUNDS" } });
        assert_eq!(refused["transferRefused"], expected);
    }
}
