//! What is to be sealed: where it stands aside, where it comes back to, and what of its shape is refused.

use ledger_domain::{
    Command, CommandBody, Metadata, MetadataKey, MetadataOf, MetadataValue, Sealed,
};

use super::customers::values;
use super::*;
use crate::command::{Unsealed, prepare};
use crate::v1::command::Request;

fn sealed(customer: &str, texts: &[(&str, &str)]) -> v1::SealedMetadata {
    let (customer, values) = (customer.to_owned(), values(texts));
    v1::SealedMetadata { customer, values, unreadable: Vec::new() }
}

fn one(customer: &str, texts: &[(&str, &str)]) -> Vec<v1::SealedMetadata> {
    vec![sealed(customer, texts)]
}

fn unsealed(request: Request) -> Unsealed {
    let prepared = prepare(&v1::Command { request: Some(request) }).unwrap();
    assert!(prepared.command.has_secrets());
    assert!(!format!("{prepared:?}").contains("secret"), "shown");
    prepared.command
}

/// Sealed to a text that names all that it is sealed by.
fn seal(command: Unsealed) -> Command {
    let sealer = |ledger: &ledger_domain::LedgerName, customer: &ledger_domain::CustomerName| {
        let by = format!("{ledger} {customer}");
        Ok::<_, ()>(move |key: &MetadataKey, text: &str| {
            Sealed::from_bytes(format!("{by} {key} {text}").as_bytes())
        })
    };
    command.seal(sealer).unwrap()
}

fn show(metadata: &Metadata) -> Vec<String> {
    let value = |value: &MetadataValue| match value {
        MetadataValue::Plain(text) => text.to_string(),
        MetadataValue::Sealed { customer, sealed } => {
            format!("{customer}: {}", String::from_utf8_lossy(sealed.as_bytes()))
        }
    };
    metadata.iter().map(|(key, it)| format!("{key} = {}", value(it))).collect()
}

#[test]
fn what_a_batch_seals_comes_back_to_its_own_transfer() {
    let with = |id: &str, sealed_metadata| v1::Transfer {
        transfer_id: id.into(),
        metadata: values(&[("order", "17")]),
        sealed_metadata,
        ..transfer_with(|_| {})
    };
    let transfers = vec![
        with("t-1", vec![sealed("c-1", &[("who", "secret")])]),
        with("t 2", vec![sealed("c-1", &[("who", "secret")])]),
        with("t-3", vec![]),
        with("t-4", vec![sealed("c-2", &[("b", "secret")]), sealed("c-1", &[("a", "secret")])]),
    ];
    let parent = "ledgers/bank".to_owned();
    let batch = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
    let command = seal(unsealed(Request::PostTransfers(batch)));
    let CommandBody::PostTransfers { transfers } = command.body else { panic!("a batch") };
    let shown: Vec<_> = transfers.iter().map(|it| show(&it.metadata).join(", ")).collect();
    assert_eq!(
        shown,
        [
            "order = 17, who = c-1: bank c-1 who secret",
            "order = 17",
            "a = c-1: bank c-1 a secret, b = c-2: bank c-2 b secret, order = 17",
        ]
    );
}

#[test]
fn each_request_seals_what_it_names() {
    let of = || vec![sealed("c-1", &[("k", "secret")])];
    let opening = v1::OpenAccountRequest {
        parent: "ledgers/bank".into(),
        account_id: "a".into(),
        r#type: 2,
        sealed_metadata: of(),
        ..Default::default()
    };
    let name = "ledgers/bank/transfers/t-1".to_owned();
    let noting = v1::UpdateTransferMetadataRequest { name, set_sealed: of(), ..Default::default() };
    let start_time = Some(prost_types::Timestamp { seconds: 5, nanos: 0 });
    let schedule = v1::Schedule {
        schedule_id: "s".into(),
        debit_account: "a".into(),
        credit_account: "b".into(),
        asset: "USD".into(),
        amount: "1".into(),
        start_time,
        sealed_metadata: of(),
        ..Default::default()
    };
    let scheduling = v1::ScheduleTransferRequest {
        parent: "ledgers/bank".into(),
        schedule: Some(schedule),
        ..Default::default()
    };
    let account = |name: &str, sealed_metadata| v1::NewAccount {
        account_id: name.into(),
        r#type: 2,
        sealed_metadata,
        ..Default::default()
    };
    let registering = v1::RegisterRequest {
        parent: "ledgers/bank".into(),
        customer_id: "c-1".into(),
        accounts: vec![account("a", vec![]), account("b", of())],
        ..Default::default()
    };
    for request in [
        Request::OpenAccount(opening),
        Request::UpdateTransferMetadata(noting),
        Request::ScheduleTransfer(scheduling),
        Request::Register(registering),
    ] {
        let command = seal(unsealed(request));
        let metadata = match &command.body {
            CommandBody::OpenAccount { metadata, .. } => metadata,
            CommandBody::UpdateMetadata { of: MetadataOf::Transfer(_), update } => &update.set,
            CommandBody::ScheduleTransfer { plan, .. } => &plan.metadata,
            CommandBody::Register { accounts, .. } => &accounts[1].metadata,
            other => panic!("{other:?}"),
        };
        assert_eq!(show(metadata), ["k = c-1: bank c-1 k secret"]);
    }
}

#[test]
fn what_is_to_be_sealed_in_another_shape_is_refused() {
    let (long, many) = ("secret".repeat(43), (0..33).map(|n| format!("k{n}")));
    let many: Vec<String> = many.collect();
    let many: Vec<_> = many.iter().map(|key| (key.as_str(), "secret")).collect();
    let opened = |plain: &[(&str, &str)], sealed_metadata: Vec<v1::SealedMetadata>| {
        let request = v1::OpenAccountRequest {
            parent: "ledgers/bank".into(),
            account_id: "a".into(),
            r#type: 2,
            metadata: values(plain),
            sealed_metadata,
            ..Default::default()
        };
        open_account(&request).map_err(|refused| refused.to_string())
    };
    let answered = v1::SealedMetadata { unreadable: vec!["k".into()], ..sealed("c", &[]) };
    for (found, due) in [
        (opened(&[], one("", &[("k", "v")])), "MALFORMED: sealed_metadata.customer"),
        (opened(&[], one("~c", &[("k", "v")])), "MALFORMED: sealed_metadata.customer"),
        (opened(&[], one("c", &[])), "MALFORMED: sealed_metadata.values"),
        (opened(&[], one("c", &[("secret text", "k")])), "MALFORMED: sealed_metadata.values"),
        (opened(&[], one("c", &[("k", "")])), "MALFORMED: sealed_metadata.k"),
        (opened(&[("k", "v")], one("c", &[("k", "v")])), "MALFORMED: sealed_metadata.k"),
        (
            opened(&[], vec![sealed("c", &[("k", "v")]), sealed("d", &[("k", "v")])]),
            "MALFORMED: sealed_metadata.k",
        ),
        (opened(&[], vec![answered]), "MALFORMED: sealed_metadata.unreadable"),
        (opened(&[], one("c", &[("k", &long)])), "TOO_LONG: sealed_metadata.k"),
        (opened(&[], one("c", &many)), "TOO_LONG: metadata has more than 32 keys"),
        (opened(&many[..32], one("c", &many[32..])), "TOO_LONG: metadata has more"),
        (opened(&[], one("c", &[("j", &long), ("k", "")])), "MALFORMED: sealed_metadata.k"),
    ] {
        let found = found.unwrap_err();
        assert!(found.starts_with(due), "{found} is not {due}");
        assert!(!found.contains("secret"), "{found} tells a value");
    }
    assert!(opened(&many[..31], one("c", &many[32..])).is_ok());
    let name = "ledgers/bank/transfers/t-1".to_owned();
    let (remove, set_sealed) = (vec!["k".to_owned()], one("c", &[("k", "v")]));
    let both = v1::UpdateTransferMetadataRequest { name, remove, set_sealed, ..Default::default() };
    let both = update_transfer_metadata(&both).unwrap_err().to_string();
    assert!(both.starts_with("MALFORMED: remove"), "{both}");
}
