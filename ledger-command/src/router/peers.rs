//! Other servers, to which commands are sent on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ledger_proto::v1;
use ledger_proto::v1::ledger_command_service_client::LedgerCommandServiceClient;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{Arrival, TRACEPARENT};
use crate::owners::Owner;
use crate::result::{failed_for, reason};
use crate::service::{FORWARDED, MESSAGE_BYTES_MAX};

/// A server that does not take a connection in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A peer that stands still with its connections open is noticed by what it does not answer.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// What several full batches need on one connection.
const WINDOW_BYTES: u32 = 8 << 20;

/// Connections, by address. A server that left stands idle here until this one ends.
#[derive(Debug, Default)]
pub(super) struct Peers {
    channels: Mutex<HashMap<String, Channel>>,
}

/// What came of asking a peer.
pub(super) enum Tried {
    Answered(v1::CommandResult),
    /// It does not write the partition any more.
    NotOwner,
    /// It is not there, or went away before it answered.
    NotReached {
        may_be_recorded: bool,
        why: String,
    },
    TimedOut,
}

impl Peers {
    pub(super) async fn execute(
        &self,
        owner: &Owner,
        command: v1::Command,
        arrival: &Arrival,
        left: Duration,
    ) -> Tried {
        let channel = match self.channel(&owner.address) {
            Ok(channel) => channel,
            Err(error) => {
                let why = format!("no address: {error}");
                return Tried::NotReached { may_be_recorded: false, why };
            }
        };
        let mut client = LedgerCommandServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let mut request = Request::new(command);
        request.set_timeout(left);
        let token = owner.token.parse().unwrap_or(MetadataValue::from_static("1"));
        request.metadata_mut().insert(FORWARDED, token);
        if let Ok(traceparent) = arrival.traceparent.parse() {
            request.metadata_mut().insert(TRACEPARENT, traceparent);
        }
        match client.execute(request).await {
            Ok(result) => {
                let result = result.into_inner();
                let not_owner = failed_for(&result, reason::NOT_OWNER);
                if not_owner { Tried::NotOwner } else { Tried::Answered(result) }
            }
            Err(status) => not_answered(&status),
        }
    }

    /// Connects when it is used first, and again when the connection broke.
    fn channel(&self, address: &str) -> Result<Channel, tonic::transport::Error> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let channel = endpoint.connect_lazy();
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn not_answered(status: &Status) -> Tried {
    let timed_out = status.code() == Code::DeadlineExceeded
        || (status.code() == Code::Cancelled && status.message() == "Timeout expired");
    if timed_out {
        return Tried::TimedOut;
    }
    // Refused connections were never sent; of everything else nobody knows how far it came.
    let connecting = std::error::Error::source(status)
        .is_some_and(|source| format!("{source:?}").contains("ConnectError"));
    Tried::NotReached { may_be_recorded: !connecting, why: status.message().to_owned() }
}
