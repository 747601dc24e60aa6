//! The service over a real connection: waits, deadlines and error details.

use std::net::SocketAddr;
use std::time::Duration;

use ledger_proto::v1;
use ledger_proto::v1::ledger_query_service_client::LedgerQueryServiceClient;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::bank::Bank;
use super::{as_of, at_least, balance_request};
use crate::LedgerQuery;

async fn serve(bank: &Bank) -> LedgerQueryServiceClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let service = LedgerQuery::new(bank.query()).into_service();
    let server = Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    LedgerQueryServiceClient::connect(format!("http://{address}")).await.unwrap()
}

/// Reason and metadata of a status, by key.
fn info(status: &Status) -> (String, Vec<(String, String)>) {
    let info = status.get_error_details().error_info().cloned().unwrap();
    assert_eq!(info.domain, "ledger.v1");
    let mut metadata: Vec<_> = info.metadata.into_iter().collect();
    metadata.sort();
    (info.reason, metadata)
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_read_waits_for_its_own_write() {
    let mut bank = Bank::new(1);
    bank.open("bank");
    let mut client = serve(&bank).await;
    let asked = "0@2.0";
    let mut second = client.clone();
    let waiting = tokio::spawn(async move {
        second.get_balance(balance_request("wallet", at_least(asked))).await
    });
    // A list waits the same way.
    let mut third = client.clone();
    let list = v1::ListEntriesRequest {
        parent: "ledgers/bank/accounts/wallet".into(),
        consistency: at_least(asked),
        ..Default::default()
    };
    let listing = tokio::spawn(async move { third.list_entries(list).await });
    // The connection serves in the meantime.
    let now = client.get_balance(balance_request("wallet", None)).await.unwrap().into_inner();
    assert_eq!(now.balances, vec![]);
    bank.transfers("bank", &[("till", "wallet", "7")]);
    let answer = waiting.await.unwrap().unwrap().into_inner();
    assert_eq!(answer.balances[0].balance, "7.00");
    assert_eq!(answer.read_at.unwrap().position, "0@2");
    assert_eq!(listing.await.unwrap().unwrap().into_inner().entries.len(), 1);
}

#[tokio::test]
async fn a_deadline_names_how_far_the_view_is() {
    let mut bank = Bank::new(1);
    bank.open("bank");
    let mut client = serve(&bank).await;
    let mut request = Request::new(balance_request("wallet", at_least("0@99")));
    request.set_timeout(Duration::from_millis(500));
    let status = client.get_balance(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let expected = vec![pair("applied", "0@1"), pair("asked", "0@99")];
    assert_eq!(info(&status), ("VIEW_BEHIND".to_owned(), expected));
    assert!(status.message().contains("0@99") && status.message().contains("0@1"), "{status}");
}

#[tokio::test]
async fn refusals_carry_their_reason() {
    let mut bank = Bank::new(1);
    bank.open("bank");
    let mut client = serve(&bank).await;
    let status = client.get_balance(balance_request("nobody", None)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(info(&status), ("UNKNOWN_ACCOUNT".to_owned(), vec![pair("read_at", "0@1")]));

    let status = client.get_balance(balance_request("till", as_of("0@2"))).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let expected = vec![pair("applied", "0@1"), pair("asked", "0@2")];
    assert_eq!(info(&status), ("FUTURE_POSITION".to_owned(), expected));

    let status = client.get_balance(balance_request("till", as_of("1@0"))).await.unwrap_err();
    assert_eq!(
        (status.code(), info(&status).0.as_str()),
        (Code::InvalidArgument, "WRONG_PARTITION")
    );

    let name = "accounts/till".to_owned();
    let request = v1::GetAccountRequest { name, consistency: None };
    let status = client.get_account(request).await.unwrap_err();
    assert_eq!((status.code(), info(&status).0.as_str()), (Code::InvalidArgument, "MALFORMED"));

    bank.park();
    let status = client.get_balance(balance_request("till", at_least("0@2"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let expected = vec![pair("asked", "0@2"), pair("stopped_at", "0@2")];
    assert_eq!(info(&status), ("VIEW_PARKED".to_owned(), expected));
    let request = balance_request("till", as_of("0@1"));
    assert!(client.get_balance(request).await.is_ok(), "reads of what was applied go on");
}

#[tokio::test]
async fn nobody_waits_for_a_view_that_is_followed_no_more() {
    let mut bank = Bank::new(1);
    bank.open("bank");
    let mut client = serve(&bank).await;
    let mut second = client.clone();
    let waiting =
        tokio::spawn(
            async move { second.get_balance(balance_request("till", at_least("0@9"))).await },
        );
    drop(bank);
    let status = waiting.await.unwrap().unwrap_err();
    let expected = vec![pair("applied", "0@1")];
    assert_eq!(
        (status.code(), info(&status)),
        (Code::Unavailable, ("SHUTTING_DOWN".into(), expected))
    );
    assert!(client.get_balance(balance_request("till", None)).await.is_ok());
}
