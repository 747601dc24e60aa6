//! A command's way to the server that writes its partition.
//!
//! ```text
//!   execute ─► this server's? ──► Handle ─► writer
//!      ▲           │ no
//!      │           ▼
//!      │      Owners: whose? ──► Peers ─► that server's Execute
//!      │           │ nobody's now, or not any more
//!      └── wait ◄──┘
//! ```
//!
//! While a partition changes hands, nobody writes it for a moment: commands wait for the next owner, up
//! to their deadline. What may have been recorded on the way is asked for again with the same ids, which
//! gives its first outcome.

mod peers;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ledger_domain::partition::partition_of;
use ledger_domain::{Command, LedgerName, MetadataKey, Rejection};
use ledger_keys::{KeyError, Keys, Subject};
use ledger_proto::command::{Prepared, Unsealed, identify, prepare, prepare_of_server, request_id};
use ledger_proto::v1;
use ledger_proto::v1::command_result::Outcome;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::owners::Owners;
use crate::reply::Reply;
use crate::result::{self, Answering, failed_for, reason};
use crate::run::{Handle, Submission};
use crate::writer::NOT_RECORDED_PREFIX;
use peers::{Peers, Tried};

/// How long a command looks for an owner when it has no deadline: a crashed owner is replaced within it.
pub const FIND_OWNER_DEFAULT: Duration = Duration::from_secs(15);
/// As above, once its server stops.
const FIND_OWNER_CLOSED: Duration = Duration::from_secs(2);
/// How often it looks again, though nothing was heard.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Commands whose secrets are being sealed at a time, each on a thread that may wait for a disk or the brokers.
const SEALING_MAX: usize = 16;

/// The header, or metadata, that a W3C traceparent comes in.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// A traceparent of version 00 has 55 characters; longer ones are of the future or of no use.
const TRACEPARENT_BYTES_MAX: usize = 128;

/// How a command came, and how long its answer is waited for.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The authenticated principal; empty without authentication.
    pub actor: String,
    /// W3C traceparent; empty when there was none.
    pub traceparent: String,
    /// Who asks.
    pub origin: Origin,
    /// How long an owner is looked for.
    pub at_most: Duration,
}

impl Default for Arrival {
    fn default() -> Self {
        let (actor, traceparent) = Default::default();
        let origin = Origin::Client;
        Arrival { actor, traceparent, origin, at_most: FIND_OWNER_DEFAULT }
    }
}

/// Who asks for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// Whoever says that it sends on what a client asked: it is not sent on again, and trusted no more.
    Forwarder,
    /// Another server, which knows this one's token: likewise, and it may take steps of sends.
    Server,
    /// This server's driver of sends.
    Driver,
}

/// A traceparent as it came, for [`Arrival::traceparent`]: empty when it is no text, or too long.
pub(crate) fn traceparent(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).ok();
    text.filter(|text| text.len() <= TRACEPARENT_BYTES_MAX).unwrap_or_default().to_owned()
}

impl Origin {
    fn is_sent_on(self) -> bool {
        matches!(self, Origin::Forwarder | Origin::Server)
    }

    fn prepare(self, command: &v1::Command) -> Result<Prepared, Rejection> {
        match self {
            Origin::Client | Origin::Forwarder => prepare(command),
            Origin::Server | Origin::Driver => prepare_of_server(command),
        }
    }
}

/// Finds the writer of each command. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The writers of this server; `None` where it has none.
    handle: Option<Handle>,
    partition_count: u32,
    /// Those of customers, whose profiles are sealed before the writer sees them.
    keys: Keys,
    sealing: Arc<Semaphore>,
    /// `None` where this server writes all there is.
    shared: Option<Shared>,
    /// When the server began to stop.
    closed: OnceLock<Instant>,
}

/// What a server that shares the partitions with others needs.
#[derive(Debug)]
struct Shared {
    /// This server, among the owners.
    me: String,
    owners: Owners,
    peers: Peers,
    fresh_id: fn() -> String,
    /// What others know of this server that no client does.
    token: String,
}

/// What came of one try.
enum Attempt {
    Done(v1::CommandResult),
    /// Nobody took it; or, when it `may_be_recorded`, nobody said what became of it.
    Again {
        may_be_recorded: bool,
        why: String,
    },
}

impl Router {
    /// For a server that writes every partition.
    #[must_use]
    pub fn alone(handle: Handle, keys: Keys) -> Self {
        let partition_count = handle.partition_count();
        Router::of(Some(handle), partition_count, keys, None)
    }

    /// For a server that shares the partitions; `handle` is `None` where it writes none. `fresh_id` makes a
    /// request id for what has no id, so that it can be sent again. `token` is what others are told by which they
    /// prove that they are servers.
    #[must_use]
    pub fn shared(
        handle: Option<Handle>,
        partition_count: u32,
        keys: Keys,
        me: &str,
        owners: Owners,
        fresh_id: fn() -> String,
        token: &str,
    ) -> Self {
        let (me, token) = (me.to_owned(), token.to_owned());
        let shared = Shared { me, owners, peers: Peers::default(), fresh_id, token };
        Router::of(handle, partition_count, keys, Some(shared))
    }

    fn of(
        handle: Option<Handle>,
        partition_count: u32,
        keys: Keys,
        shared: Option<Shared>,
    ) -> Self {
        let (sealing, closed) = (Arc::new(Semaphore::new(SEALING_MAX)), OnceLock::new());
        let inner = Inner { handle, partition_count, keys, sealing, shared, closed };
        Router { inner: Arc::new(inner) }
    }

    /// The server stops: a command that finds no owner within a moment is not waited for any longer.
    #[expect(clippy::disallowed_methods, reason = "a deadline, at the edge")]
    pub fn close(&self) {
        let _ = self.inner.closed.set(Instant::now());
    }

    fn until(&self, until: Instant) -> Instant {
        let closed = self.inner.closed.get();
        closed.map_or(until, |closed| until.min(*closed + FIND_OWNER_CLOSED))
    }

    /// Who sends a command on with this token. A server that is alone has none, and nobody to send it any.
    pub(crate) fn forwarder(&self, token: &[u8]) -> Origin {
        let own = self.inner.shared.as_ref().map(|shared| shared.token.as_bytes());
        match own {
            // In one time whatever differs, so that nobody finds it out byte by byte.
            Some(own)
                if !own.is_empty()
                    && own.len() == token.len()
                    && own.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b)) == 0 =>
            {
                Origin::Server
            }
            Some(_) | None => Origin::Forwarder,
        }
    }

    /// The partition that a ledger lives on.
    #[must_use]
    pub fn partition_of(&self, ledger: &LedgerName) -> u32 {
        partition_of(ledger.as_str(), self.inner.partition_count)
    }

    /// The writers of this server.
    #[must_use]
    pub fn handle(&self) -> Option<&Handle> {
        self.inner.handle.as_ref()
    }

    /// Has a command decided, wherever its partition is written.
    #[expect(clippy::disallowed_methods, reason = "a deadline, at the edge")]
    pub async fn execute(&self, mut command: v1::Command, arrival: Arrival) -> v1::CommandResult {
        if let Some(shared) = &self.inner.shared {
            identify(&mut command, shared.fresh_id);
        }
        let prepared = match arrival.origin.prepare(&command) {
            Ok(prepared) => prepared,
            Err(rejection) => return result::malformed(request_id(&command), &rejection),
        };
        if prepared.has_nothing_to_decide() {
            let mut prepared = prepared;
            return Answering::of(&mut prepared).result(Reply::Items(Vec::new()));
        }
        match &self.inner.shared {
            None => self.here(prepared, &arrival).await,
            Some(shared) => {
                let until = Instant::now() + arrival.at_most;
                self.anywhere(shared, command, prepared, &arrival, until).await
            }
        }
    }

    /// By this server's own writer.
    async fn here(&self, mut prepared: Prepared, arrival: &Arrival) -> v1::CommandResult {
        let answering = Answering::of(&mut prepared);
        let Some(handle) = &self.inner.handle else { return answering.result(Reply::NotOwner) };
        let (dry, at_most) = (prepared.validate_only, arrival.at_most);
        let command = match self.sealed(prepared.command, !dry, at_most).await {
            Ok(command) => command,
            Err(why) => {
                let message = format!("{NOT_RECORDED_PREFIX}{why}");
                return answering.failed(reason::NOT_RECORDED, &message);
            }
        };
        let Arrival { actor, traceparent, .. } = arrival.clone();
        let how = Submission { validate_only: dry, actor, traceparent };
        answering.result(handle.submit(command, how).await)
    }

    /// Seals what is kept of a person, or says why it cannot be now.
    #[expect(clippy::disallowed_methods, reason = "the disk or the brokers, at the edge")]
    async fn sealed(
        &self,
        command: Unsealed,
        to_record: bool,
        at_most: Duration,
    ) -> Result<Command, String> {
        let said = |error: KeyError| {
            tracing::error!(%error, "nothing can be sealed");
            error.told().to_owned()
        };
        if !command.has_secrets() {
            return self.seal(command, to_record).map_err(said);
        }
        let router = self.clone();
        let sealed = async {
            // The semaphore is never closed. Who is not waited for any more keeps its turn until it is done.
            let permit = self.inner.sealing.clone().acquire_owned().await;
            let sealed = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                router.seal(command, to_record)
            });
            sealed.await.map_err(|error| error.to_string())?.map_err(said)
        };
        let late = |_| format!("the keys of customers were not there within {at_most:?}");
        tokio::time::timeout(at_most, sealed).await.map_err(late)?
    }

    /// Seals what is kept of a person. It blocks: keys are read from a disk, or made there or at the brokers.
    pub(crate) fn seal(&self, command: Unsealed, to_record: bool) -> Result<Command, KeyError> {
        command.seal(|ledger, customer| {
            let subject = Subject { ledger: ledger.clone(), customer: customer.clone() };
            let sealer = self.inner.keys.sealer(&subject, to_record)?;
            Ok(move |key: &MetadataKey, text: &str| sealer.seal(key, text))
        })
    }

    #[expect(clippy::disallowed_methods, reason = "a deadline, at the edge")]
    async fn anywhere(
        &self,
        shared: &Shared,
        command: v1::Command,
        prepared: Prepared,
        arrival: &Arrival,
        until: Instant,
    ) -> v1::CommandResult {
        let partition = self.partition_of(&prepared.command.ledger);
        let mut prepared = Some(prepared);
        let mut unknown = false;
        loop {
            // Before looking: a change that comes while it is looked at is not missed.
            let mut changes = shared.owners.watch();
            let left = until.saturating_duration_since(Instant::now());
            let tried = self.attempt(shared, partition, &command, &mut prepared, arrival, left);
            let why = match tried.await {
                Attempt::Done(result) if unknown => return in_doubt(result),
                Attempt::Done(result) => return result,
                Attempt::Again { may_be_recorded, why } => {
                    unknown |= may_be_recorded;
                    why
                }
            };
            let (now, until) = (Instant::now(), self.until(until));
            let is_sent_on = arrival.origin.is_sent_on();
            if is_sent_on || now >= until {
                let reason = match (unknown, is_sent_on) {
                    (true, _) => reason::OUTCOME_UNKNOWN,
                    (false, true) => reason::NOT_OWNER,
                    (false, false) => reason::NOT_RECORDED,
                };
                let mut message = format!("nobody writes partition {partition} now: {why}");
                if reason == reason::NOT_RECORDED {
                    message.insert_str(0, NOT_RECORDED_PREFIX);
                }
                return undecided(&command, reason, &message);
            }
            let pause = (now + LOOK_AGAIN).min(until);
            let _ = tokio::time::timeout_at(pause, changes.changed()).await;
        }
    }

    async fn attempt(
        &self,
        shared: &Shared,
        partition: u32,
        command: &v1::Command,
        prepared: &mut Option<Prepared>,
        arrival: &Arrival,
        left: Duration,
    ) -> Attempt {
        let mine = || self.inner.handle.as_ref().is_some_and(|handle| handle.owns(partition));
        if mine() {
            // Once more where this server's writer had it before.
            let prepared = match prepared.take().map_or_else(|| arrival.origin.prepare(command), Ok)
            {
                Ok(prepared) => prepared,
                Err(rejection) => {
                    return Attempt::Done(result::malformed(request_id(command), &rejection));
                }
            };
            let result = self.here(prepared, arrival).await;
            let again = |may_be_recorded| Attempt::Again {
                may_be_recorded,
                why: "it is being given back by this server".into(),
            };
            return if failed_for(&result, reason::NOT_OWNER) {
                again(false)
            } else if failed_for(&result, reason::OUTCOME_UNKNOWN) && !mine() {
                again(true)
            } else {
                Attempt::Done(result)
            };
        }
        let owner = shared.owners.of(partition).filter(|owner| owner.server != shared.me);
        let Some(owner) = owner.filter(|_| !arrival.origin.is_sent_on()) else {
            return Attempt::Again { may_be_recorded: false, why: "no server says so".into() };
        };
        match shared.peers.execute(&owner, command.clone(), arrival, left).await {
            // A partition that it was losing: the next owner knows.
            Tried::Answered(result) if failed_for(&result, reason::OUTCOME_UNKNOWN) => {
                let why = format!("{} does not know what became of it", owner.address);
                Attempt::Again { may_be_recorded: true, why }
            }
            Tried::Answered(result) => Attempt::Done(result),
            Tried::NotOwner => Attempt::Again {
                may_be_recorded: false,
                why: format!("{} gives it back", owner.address),
            },
            Tried::NotReached { may_be_recorded, why } => {
                Attempt::Again { may_be_recorded, why: format!("{}: {why}", owner.address) }
            }
            Tried::TimedOut => {
                let message = format!("{} did not answer in time", owner.address);
                Attempt::Done(undecided(command, reason::OUTCOME_UNKNOWN, &message))
            }
        }
    }
}

/// The result of a command that was prepared before and nobody has decided.
fn undecided(command: &v1::Command, reason: &str, message: &str) -> v1::CommandResult {
    match prepare_of_server(command) {
        Ok(mut prepared) => Answering::of(&mut prepared).failed(reason, message),
        Err(rejection) => result::malformed(request_id(command), &rejection),
    }
}

/// What was asked once may be recorded, though nothing was when it was asked again.
fn in_doubt(mut result: v1::CommandResult) -> v1::CommandResult {
    if let Some(Outcome::Failure(failure)) = &mut result.outcome {
        let then = failure.message.trim_start_matches(NOT_RECORDED_PREFIX);
        let message =
            format!("nobody knows what became of it when it was asked first; then: {then}");
        *failure =
            v1::Failure { reason: reason::OUTCOME_UNKNOWN.to_owned(), message, retry_after_ms: 0 };
    }
    result
}

#[cfg(test)]
mod tests;
