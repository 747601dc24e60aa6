//! What is a command and what is none, how results are written, and by what they are known.

use super::*;

fn record(value: &[u8], headers: &[(&str, &str)]) -> KafkaRecord {
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec()));
    KafkaRecord {
        partition: 2,
        offset: 17,
        value: Some(value.to_vec()),
        headers: headers.collect(),
        ..KafkaRecord::default()
    }
}

fn post(request_id: &str) -> v1::Command {
    let transfer = v1::Transfer { transfer_id: "t-1".into(), ..v1::Transfer::default() };
    let request = v1::PostTransferRequest {
        parent: "ledgers/bank".into(),
        transfer: Some(transfer),
        request_id: request_id.into(),
        validate_only: false,
        conditions: Vec::new(),
    };
    v1::Command { request: Some(Request::PostTransfer(request)) }
}

const POST: &str =
    r#"{"postTransfer":{"parent":"ledgers/bank","transfer":{"transferId":"t-1"},"requestId":"r"}}"#;

#[test]
fn a_command_is_protobuf_or_json_by_its_type_or_by_its_first_byte() {
    let codec = Codec::new().unwrap();
    let protobuf = post("r").encode_to_vec();
    let snake = POST.replace("postTransfer", "post_transfer").replace("transferId", "transfer_id");
    for (value, headers, encoding) in [
        (protobuf.as_slice(), &[][..], Encoding::Protobuf),
        (&protobuf, &[("content-type", "application/x-protobuf")], Encoding::Protobuf),
        (&protobuf, &[("content-type", "application/protobuf; v=1")], Encoding::Protobuf),
        (&protobuf, &[("content-type", "")], Encoding::Protobuf),
        (POST.as_bytes(), &[], Encoding::Json),
        (snake.as_bytes(), &[], Encoding::Json),
        (POST.as_bytes(), &[("content-type", "Application/JSON; charset=utf-8")], Encoding::Json),
        (format!("\n {POST} ").as_bytes(), &[("content-type", "application/json")], Encoding::Json),
    ] {
        let decoded = codec.decode(&record(value, headers));
        assert_eq!(decoded, Ok((post("r"), encoding)), "{headers:?}");
    }
    assert_eq!(codec.decode(&record(b"", &[])), Ok((v1::Command::default(), Encoding::Protobuf)));
}

#[test]
fn what_is_no_command_says_why() {
    let codec = Codec::new().unwrap();
    let tombstone = KafkaRecord { value: None, ..record(b"", &[]) };
    let unknown = POST.replace("requestId", "request_number");
    let json = [("content-type", "application/json")];
    let protobuf = [("content-type", "application/x-protobuf")];
    for (record, encoding, part) in [
        (tombstone, Encoding::Json, "without a value"),
        (record(b"hello", &[]), Encoding::Json, ""),
        (record(b"hello", &protobuf), Encoding::Protobuf, ""),
        (record(b"hello", &json), Encoding::Json, "expected value"),
        (record(b"{", &[]), Encoding::Json, "EOF"),
        (record(b"{} {}", &[]), Encoding::Json, "trailing characters"),
        (record(b"{\"postTransfer\":7}", &[]), Encoding::Json, "invalid type"),
        (record(b"{\xff}", &[]), Encoding::Json, ""),
        (record(unknown.as_bytes(), &[]), Encoding::Json, "request_number"),
        (record(POST.as_bytes(), &protobuf), Encoding::Protobuf, ""),
        (record(b"{}", &[("content-type", "text/plain")]), Encoding::Json, "text/plain"),
        (record(&vec![b'{'; VALUE_BYTES_MAX + 1], &[]), Encoding::Json, "2097153 bytes"),
    ] {
        let refused = codec.decode(&record).expect_err("it is no command");
        assert_eq!(refused.encoding, encoding, "{refused:?}");
        assert!(refused.why.contains(part), "{refused:?}");
    }
    let deep = b"[".repeat(10_000);
    assert!(codec.decode(&record(&deep, &json)).is_err());
}

#[test]
fn a_result_is_written_as_its_command_and_fits() {
    let codec = Codec::new().unwrap();
    let refusal = v1::Refusal {
        code: 211,
        reason: "INSUFFICIENT_FUNDS".into(),
        subject: "users:bob".into(),
        message: "the account may not go so low: users:bob".into(),
        position: "0@7.3".into(),
        replayed: false,
    };
    let item = v1::TransferResult { outcome: Some(ItemOutcome::Refusal(refusal)) };
    let transfers = v1::PostTransfersResponse { results: vec![item; 100], position: String::new() };
    let result = v1::CommandResult {
        request_id: "r".into(),
        name: "ledgers/bank".into(),
        outcome: Some(Outcome::Transfers(transfers)),
    };
    let (whole, json) = (result.encoded_len(), codec.to_json(&result).unwrap().len());
    let encode = |encoding, bytes_max| {
        let (bytes, encoding) = codec.encode(result.clone(), encoding, bytes_max);
        assert!(bytes.len() <= bytes_max);
        (bytes, encoding)
    };
    let (bytes, encoding) = encode(Encoding::Json, json);
    assert_eq!(encoding, Encoding::Json);
    let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read["transfers"]["results"][99]["refusal"]["position"], "0@7.3");
    assert_eq!(encode(Encoding::Json, json - 1), (result.encode_to_vec(), Encoding::Protobuf));
    let (bytes, _) = encode(Encoding::Protobuf, whole - 1);
    let short = v1::CommandResult::decode(bytes.as_slice()).unwrap();
    let Some(Outcome::Transfers(transfers)) = short.outcome else { panic!("a batch") };
    let Some(ItemOutcome::Refusal(refusal)) = &transfers.results[0].outcome else { panic!("it") };
    assert_eq!((refusal.code, refusal.message.as_str()), (211, ""));
    let (bytes, _) = encode(Encoding::Protobuf, 200);
    let failed = v1::CommandResult::decode(bytes.as_slice()).unwrap();
    assert!(matches!(failed.outcome, Some(Outcome::Failure(_))), "{failed:?}");
}

#[test]
fn a_result_is_known_by_what_the_sender_knows() {
    let known = |headers: &[(&str, &str)], command: Option<&v1::Command>| {
        let known = correlation("x.commands", &record(b"", headers), command);
        String::from_utf8(known).unwrap()
    };
    assert_eq!(known(&[("correlation-id", "mine")], Some(&post("r"))), "mine");
    assert_eq!(known(&[], Some(&post("r"))), "r");
    assert_eq!(known(&[("correlation-id", "")], Some(&post(""))), "t-1");
    assert_eq!(known(&[], Some(&v1::Command::default())), "x.commands-2-17");
    assert_eq!(known(&[], None), "x.commands-2-17");
    let long = post(&"r".repeat(65));
    assert_eq!(known(&[], Some(&long)), "x.commands-2-17");
    let id = id_of_record(&"x".repeat(249), &record(b"", &[]));
    assert!(id.len() <= 64 && id.ends_with("-2-17"), "{id}");
    assert_ne!(id, id_of_record(&"y".repeat(249), &record(b"", &[])));
}
