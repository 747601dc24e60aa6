//! The connection to a server, and what its errors mean in one sentence.

use std::error::Error;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ledger_proto::answer::refusal_of;
use ledger_proto::v1::audit_service_client::AuditServiceClient;
use ledger_proto::v1::ledger_command_service_client::LedgerCommandServiceClient;
use ledger_proto::v1::ledger_query_service_client::LedgerQueryServiceClient;
use ledger_proto::v1::topology_service_client::TopologyServiceClient;
use ledger_proto::v1::{
    self, OpenAccountRequest, OpenAccountResponse, PostTransfersRequest, PostTransfersResponse,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A page of 1,000 entries or a batch's 8,190 results stay far below it.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Windows that a batch of 8,190 transfers fits into, so that it is sent without a stop.
const WINDOW_BYTES: u32 = 4 << 20;
/// How often an overloaded server is asked again, and the first wait; each wait is twice the last.
const OVERLOAD_RETRIES_MAX: u32 = 8;
const OVERLOAD_WAIT: Duration = Duration::from_millis(20);

/// One connection. A clone shares it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    server: String,
    timeout: Duration,
    channel: Channel,
}

impl Client {
    /// Connects to `server`: a URL such as `http://127.0.0.1:7070`, or its host and port alone.
    pub(crate) async fn connect(server: &str, timeout: Duration) -> anyhow::Result<Self> {
        let url =
            if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let server = url.as_str();
        let endpoint = Endpoint::from_shared(server.to_owned())
            .ok()
            .filter(|endpoint| endpoint.uri().scheme_str() == Some("http"))
            .with_context(|| {
                format!("--server {server:?} is not a URL such as http://127.0.0.1:7070")
            })?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .tcp_nodelay(true);
        let connected = endpoint.connect().await;
        let channel = connected.map_err(|error| unreachable(server, &innermost(&error)))?;
        Ok(Client { server: server.to_owned(), timeout, channel })
    }

    pub(crate) fn commands(&self) -> LedgerCommandServiceClient<Channel> {
        LedgerCommandServiceClient::new(self.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn queries(&self) -> LedgerQueryServiceClient<Channel> {
        LedgerQueryServiceClient::new(self.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn topology(&self) -> TopologyServiceClient<Channel> {
        TopologyServiceClient::new(self.channel.clone())
    }

    /// A call with the deadline that was asked for; the server hears it too.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// Opens an account: asks again while the server is overloaded.
    pub(crate) async fn open_account(
        &self,
        request: &OpenAccountRequest,
    ) -> Result<OpenAccountResponse, Status> {
        patiently(|| {
            let (mut commands, request) = (self.commands(), self.request(request.clone()));
            async move { commands.open_account(request).await.map(Response::into_inner) }
        })
        .await
    }

    /// Posts a batch, which `make` makes for each attempt: asks again while the server is overloaded.
    pub(crate) async fn post_transfers(
        &self,
        mut make: impl FnMut() -> PostTransfersRequest,
    ) -> Result<PostTransfersResponse, Status> {
        patiently(|| {
            let (mut commands, request) = (self.commands(), self.request(make()));
            async move { commands.post_transfers(request).await.map(Response::into_inner) }
        })
        .await
    }

    /// What a failed call means, in one sentence.
    #[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
    pub(crate) fn explain(&self, status: Status) -> anyhow::Error {
        explain(&self.server, self.timeout, &status)
    }
}

/// Calls again while the server is overloaded, which the ids of what is posted make safe.
pub(crate) async fn patiently<T, Call>(mut call: impl FnMut() -> Call) -> Result<T, Status>
where
    Call: Future<Output = Result<T, Status>>,
{
    let mut wait = OVERLOAD_WAIT;
    for _ in 0..OVERLOAD_RETRIES_MAX {
        match call().await {
            Err(status) if is_overload(&status) => {
                let hint = status.get_details_retry_info().and_then(|info| info.retry_delay);
                tokio::time::sleep(hint.unwrap_or(wait)).await;
                wait *= 2;
            }
            answer => return answer,
        }
    }
    call().await
}

/// Whether the server had no room for the call: `RESOURCE_EXHAUSTED` without a refusal of the domain.
fn is_overload(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted && refusal_of(status).is_none()
}

/// A refusal in one sentence.
pub(crate) fn refused(refusal: &v1::Refusal) -> String {
    let v1::Refusal { reason, message, position, replayed, .. } = refusal;
    let recorded = match (position.as_str(), replayed) {
        ("", _) => String::new(),
        (position, false) => format!(" (recorded at {position})"),
        (position, true) => {
            format!(" (recorded at {position}, the first outcome of an earlier request)")
        }
    };
    format!("{reason}: {message}{recorded}")
}

fn explain(server: &str, timeout: Duration, status: &Status) -> anyhow::Error {
    if let Some(refusal) = refusal_of(status) {
        return anyhow!(refused(&refusal));
    }
    let message = status.message();
    if let Some(info) = status.get_details_error_info() {
        let untold = info.metadata.iter().filter(|(_, fact)| !message.contains(fact.as_str()));
        let mut facts: Vec<String> = untold.map(|(k, fact)| format!("{k} {fact}")).collect();
        facts.sort();
        let facts =
            if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
        return anyhow!("{}: {message}{facts}", info.reason);
    }
    let timed_out = message.eq_ignore_ascii_case("timeout expired");
    match status.code() {
        // What the server itself says, of a full disk or its clock, has no error behind it.
        Code::Unavailable if status.source().is_some() => unreachable(server, message),
        Code::DeadlineExceeded | Code::Cancelled if timed_out => {
            anyhow!("{server} did not answer within {} s: see --timeout-seconds", timeout.as_secs())
        }
        Code::Unimplemented => {
            anyhow!("the server at {server} does not know this call: it may be of another version")
        }
        Code::Unknown if message.is_empty() || message == "transport error" => {
            let cause = status.source().map_or_else(|| "no reason given".to_owned(), innermost);
            anyhow!("the connection to {server} broke: {cause}")
        }
        code => anyhow!("{}: {message}", code.description()),
    }
}

fn unreachable(server: &str, cause: &str) -> anyhow::Error {
    anyhow!(
        "no ledger server answers at {server} ({cause}): start one with `ledger up`, or name \
         another with --server"
    )
}

/// The first cause of an error.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use ledger_domain::{Code as Reason, Position, Rejection};
    use ledger_proto::answer;
    use tonic_types::ErrorDetails;

    use super::*;

    fn sentence(status: &Status) -> String {
        format!("{:#}", explain("http://there:7070", Duration::from_secs(30), status))
    }

    #[test]
    fn a_refusal_names_reason_subject_and_record() {
        let rejection = Rejection::new(Reason::InsufficientFunds, "users:bob");
        let at = Some(Position::event(0, 7, 3));
        let text = sentence(&answer::status(&rejection, at, false));
        let expected =
            "INSUFFICIENT_FUNDS: the account may not go so low: users:bob (recorded at 0@7.3)";
        assert_eq!(text, expected);
        let text = sentence(&answer::status(&rejection, at, true));
        assert!(text.ends_with("(recorded at 0@7.3, the first outcome of an earlier request)"));
        let text =
            sentence(&answer::status(&Rejection::new(Reason::ZeroAmount, "amount"), None, false));
        assert_eq!(text, "ZERO_AMOUNT: a transfer moves more than nothing: amount");
    }

    #[test]
    fn error_info_and_bare_codes_keep_what_the_server_said() {
        let facts =
            [("horizon".to_owned(), "0@9".to_owned()), ("asked".to_owned(), "0@3".to_owned())];
        let info = ErrorDetails::with_error_info("HISTORY_TRIMMED", "ledger.v1", facts);
        let status = Status::with_error_details(Code::OutOfRange, "it is gone", info);
        assert_eq!(sentence(&status), "HISTORY_TRIMMED: it is gone (asked 0@3, horizon 0@9)");
        let asked = [("asked".to_owned(), "0@9".to_owned())];
        let info = ErrorDetails::with_error_info("FUTURE_POSITION", "ledger.v1", asked);
        let status = Status::with_error_details(Code::OutOfRange, "0@9 is a future position", info);
        assert_eq!(sentence(&status), "FUTURE_POSITION: 0@9 is a future position");
        let check = |status: Status, part: &str| {
            let text = sentence(&status);
            assert!(text.contains(part), "{text:?} should say {part:?}");
        };
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let mut unreached = Status::unavailable("tcp connect error");
        unreached.set_source(std::sync::Arc::new(refused));
        check(unreached, "start one with `ledger up`");
        let full = sentence(&Status::unavailable("not recorded, safe to retry: DISK_FULL: x"));
        assert!(full.ends_with("safe to retry: DISK_FULL: x"), "{full}");
        assert!(!full.contains("ledger up"), "{full}");
        check(Status::cancelled("Timeout expired"), "did not answer within 30 s");
        check(Status::deadline_exceeded("the view is at 0@3"), "the view is at 0@3");
        check(Status::unimplemented(""), "another version");
        check(Status::not_found("no such account"), "no such account");
    }

    #[test]
    fn only_a_full_queue_is_worth_asking_again() {
        assert!(is_overload(&Status::resource_exhausted("queue full")));
        let too_many = Rejection::new(Reason::TooMany, "ledgers");
        assert!(!is_overload(&answer::status(&too_many, None, false)));
        assert!(!is_overload(&Status::unavailable("")));
    }

    #[tokio::test]
    async fn an_absent_server_is_named_with_what_to_do() {
        // A port that was free a moment ago and that nobody listens on.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = format!("http://127.0.0.1:{port}");
        let error = Client::connect(&server, Duration::from_secs(1)).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains(&server) && text.contains("`ledger up`"), "{text}");
        assert!(text.contains("refused"), "{text}");
    }

    #[tokio::test]
    async fn a_server_that_is_no_url_is_refused() {
        for bad in ["", "not a host", "ftp://x", "https://x", "http://"] {
            let error = Client::connect(bad, Duration::from_secs(1)).await.unwrap_err();
            assert!(format!("{error:#}").contains("is not a URL"), "{bad:?}: {error:#}");
        }
    }
}
