//! Over a real socket: what a client of the service sees.

use std::time::Duration;

use ledger_proto::answer;
use ledger_proto::v1::ledger_command_service_client::LedgerCommandServiceClient as Client;
use ledger_proto::v1::transfer_result::Outcome as WireOutcome;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use super::*;
use crate::config::Config;
use crate::run::{self, Handle};
use crate::tests::embedded::{environment, serve};
use crate::tests::memory_keys;

struct Server {
    _folder: tempfile::TempDir,
    handle: Handle,
    client: Client<Channel>,
}

#[expect(clippy::disallowed_methods, reason = "a stop on a thread of its own")]
impl Server {
    async fn start(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = environment(folder.path(), 1);
        let handle = run::start(&environment, config).unwrap();
        handle.assign(0..1);
        handle.ready().await.unwrap();
        let mut services = tonic::transport::Server::builder();
        let router = Router::alone(handle.clone(), memory_keys());
        let address = serve(services.add_service(server(router))).await;
        let channel =
            Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let client = Client::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Server { _folder: folder, handle, client }
    }

    async fn with_bank(mut self) -> Self {
        let ledger_id = "bank".to_owned();
        let created = v1::CreateLedgerRequest { ledger_id, ..Default::default() };
        let created = self.client.create_ledger(created).await.unwrap().into_inner();
        assert_eq!(created.name, "ledgers/bank");
        let asset = v1::CreateAssetRequest {
            parent: "ledgers/bank".into(),
            asset_id: "USD".into(),
            scale: 2,
            ..Default::default()
        };
        assert_eq!(
            self.client.create_asset(asset).await.unwrap().into_inner().name,
            "ledgers/bank/assets/USD"
        );
        for (account, may_go_negative) in [("world", true), ("a", false)] {
            let open = v1::OpenAccountRequest {
                parent: "ledgers/bank".into(),
                account_id: account.into(),
                r#type: v1::AccountType::Liability.into(),
                rules: Some(v1::AccountRules::without_limits(may_go_negative)),
                ..Default::default()
            };
            self.client.open_account(open).await.unwrap();
        }
        self
    }

    async fn stop(self) {
        let handle = self.handle;
        tokio::task::spawn_blocking(move || handle.stop()).await.unwrap().unwrap();
    }
}

fn transfer(id: &str, debit: &str, credit: &str, amount: &str) -> v1::Transfer {
    v1::Transfer {
        transfer_id: id.into(),
        debit_account: debit.into(),
        credit_account: credit.into(),
        asset: "USD".into(),
        amount: amount.into(),
        ..Default::default()
    }
}

fn post(transfer: v1::Transfer) -> v1::PostTransferRequest {
    let parent = "ledgers/bank".into();
    v1::PostTransferRequest { parent, transfer: Some(transfer), ..Default::default() }
}

#[tokio::test]
async fn a_transfer_is_acknowledged_replayed_and_refused() {
    let mut server = Server::start(Config::default()).await.with_bank().await;
    let fund = post(transfer("t1", "world", "a", "10.50"));
    let posted = server.client.post_transfer(fund.clone()).await.unwrap().into_inner();
    assert_eq!(posted.name, "ledgers/bank/transfers/t1");
    let first = posted.acknowledgement.unwrap();
    assert!(first.position.starts_with("0@") && first.recorded_at.is_some());
    assert!(!first.replayed);
    let again = server.client.post_transfer(fund).await.unwrap().into_inner();
    let again = again.acknowledgement.unwrap();
    assert_eq!((again.position, again.replayed), (first.position, true));

    for replayed in [false, true] {
        let spend = post(transfer("t2", "a", "world", "11"));
        let status = server.client.post_transfer(spend).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
        let refusal = answer::refusal_of(&status).unwrap();
        assert_eq!(refusal.reason, "INSUFFICIENT_FUNDS");
        assert_eq!(refusal.subject, "a");
        assert_eq!(refusal.replayed, replayed);
    }
    let other = post(transfer("t1", "world", "a", "10.51"));
    let status = server.client.post_transfer(other).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::AlreadyExists);
    assert_eq!(answer::refusal_of(&status).unwrap().subject, "amount");
    server.stop().await;
}

#[tokio::test]
async fn a_batch_answers_in_order_with_the_malformed_ones_at_their_places() {
    let mut server = Server::start(Config::default()).await.with_bank().await;
    let transfers = vec![
        transfer("bad id", "world", "a", "1"),
        transfer("t1", "world", "a", "1"),
        transfer("t2", "a", "world", "5"),
        transfer("t3", "world", "a", "1x"),
        transfer("t4", "world", "a", "0.01"),
        transfer("t5", "world", "world", "1"),
    ];
    let parent = "ledgers/bank".to_owned();
    let request = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
    let answered = server.client.post_transfers(request.clone()).await.unwrap().into_inner();
    let said = |answered: &v1::PostTransfersResponse| -> Vec<String> {
        let outcomes =
            answered.results.iter().map(|result| match result.outcome.as_ref().unwrap() {
                WireOutcome::Acknowledgement(_) => "OK".to_owned(),
                WireOutcome::Refusal(refusal) => refusal.reason.clone(),
            });
        outcomes.collect()
    };
    let expected =
        ["MALFORMED", "OK", "INSUFFICIENT_FUNDS", "MALFORMED_AMOUNT", "OK", "SAME_ACCOUNT"];
    assert_eq!(said(&answered), expected);
    let Some(WireOutcome::Acknowledgement(first)) = &answered.results[1].outcome else {
        panic!("it was posted");
    };
    assert_eq!(answered.position, first.position);
    let again = server.client.post_transfers(request).await.unwrap().into_inner();
    assert_eq!(said(&again), expected);
    assert_eq!(again.position, "", "nothing was recorded now");
    server.stop().await;
}

#[tokio::test]
async fn the_largest_batch_fits() {
    let mut server = Server::start(Config::default()).await.with_bank().await;
    let transfers = (0..8_190u64)
        .map(|n| {
            let uuid = format!("0198c0de-0000-7000-8000-{n:012x}");
            transfer(&uuid, "world", "a", "340282366920938463463374607431.76")
        })
        .collect();
    let parent = "ledgers/bank".to_owned();
    let request = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
    let answered = server.client.post_transfers(request).await.unwrap().into_inner();
    assert_eq!(answered.results.len(), 8_190);
    let ok = |result: &v1::TransferResult| {
        matches!(result.outcome, Some(WireOutcome::Acknowledgement(_)))
    };
    assert!(answered.results.iter().all(ok));
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_the_traceparent_reaches_the_log() {
    let mut server = Server::start(Config::default()).await.with_bank().await;
    let fund = post(transfer("t1", "world", "a", "1"));
    let dry = v1::PostTransferRequest { validate_only: true, ..fund.clone() };
    let answered = server.client.post_transfer(dry).await.unwrap().into_inner();
    assert_eq!(answered.acknowledgement, Some(v1::Acknowledgement::default()));

    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut call = Request::new(fund);
    call.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    let answered = server.client.post_transfer(call).await.unwrap().into_inner();
    let at: ledger_domain::Position = answered.acknowledgement.unwrap().position.parse().unwrap();
    let records = server.handle.backend().read(0, at.offset, 1).unwrap();
    let (_, record) = ledger_log::record::Record::decode(&records[0].bytes).unwrap();
    let ledger_log::record::Record::Commit(commit) = record else { panic!("a commit") };
    let logged = ledger_proto::logged::decode(&commit.commands[0]).unwrap();
    assert_eq!(logged.traceparent, traceparent);
    server.stop().await;
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let mut config = Config::default();
    config.writer.queue_commands_max = 0;
    let mut server = Server::start(config).await;
    let create = v1::CreateLedgerRequest { ledger_id: "bank".into(), ..Default::default() };
    let status = server.client.create_ledger(create).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    let retry = status.get_error_details().retry_info().cloned().unwrap();
    assert_eq!(retry.retry_delay, Some(Duration::from_millis(50)));
    server.stop().await;
}

#[tokio::test]
async fn any_command_goes_through_execute_with_its_outcome_in_the_result() {
    use v1::command_result::Outcome;
    let mut server = Server::start(Config::default()).await.with_bank().await;
    let mut execute = async |request: Option<Asked>| {
        server.client.execute(v1::Command { request }).await.unwrap().into_inner()
    };
    let fund = Asked::PostTransfer(post(transfer("t1", "world", "a", "1")));
    let posted = execute(Some(fund)).await;
    assert_eq!(posted.name, "ledgers/bank/transfers/t1");
    assert!(matches!(posted.outcome, Some(Outcome::Acknowledgement(_))), "{posted:?}");

    let request_id = "r-1".to_owned();
    let mut spend = post(transfer("t2", "a", "world", "2"));
    spend.request_id.clone_from(&request_id);
    let refused = execute(Some(Asked::PostTransfer(spend))).await;
    let Some(Outcome::Refusal(refusal)) = refused.outcome else { panic!("{refused:?}") };
    assert_eq!((refusal.reason.as_str(), refused.request_id), ("INSUFFICIENT_FUNDS", request_id));

    let parent = "ledgers/bank".to_owned();
    let transfers = vec![transfer("t3", "world", "a", "1"), v1::Transfer::default()];
    let batch = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
    let batch = execute(Some(Asked::PostTransfers(batch))).await;
    let Some(Outcome::Transfers(batch)) = batch.outcome else { panic!("{batch:?}") };
    assert_eq!(batch.results.len(), 2, "the malformed one has its place");

    let nothing = execute(None).await;
    let Some(Outcome::Refusal(refusal)) = nothing.outcome else { panic!("{nothing:?}") };
    assert_eq!((refusal.reason.as_str(), refusal.position.as_str()), ("MALFORMED", ""));
    server.stop().await;
}
