//! Who does what: what every server says of itself, and `TopologyService` over it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger_command::{Handle, Owner, Status as WriterStatus};
use ledger_domain::Timestamp;
use ledger_log::{Backend, LogInfo};
use ledger_proto::v1::topology_service_server::{TopologyService, TopologyServiceServer};
use ledger_proto::{answer, time, v1};
use ledger_runtime::clock;
use ledger_views::ViewReader;
use tonic::{Request, Response, Status};

/// What is said of this server, made anew each time it is asked for.
#[derive(Debug)]
pub(super) struct Myself {
    pub(super) id: String,
    pub(super) address: String,
    /// What other servers are told, and no client.
    pub(super) token: String,
    /// Of its data folder.
    pub(super) folder_id: String,
    pub(super) roles: Vec<String>,
    pub(super) partition_count: u32,
    /// Its writers and followers.
    pub(super) command: Option<Handle>,
    /// Its views, by partition.
    pub(super) views: Vec<ViewReader>,
}

impl Myself {
    pub(super) fn state(&self) -> v1::ServerState {
        let statuses = self.command.as_ref().map(Handle::statuses).unwrap_or_default();
        let followed = self.command.as_ref().map(Handle::followed).unwrap_or_default();
        let partitions = (0..self.partition_count).map(|partition| {
            let at = usize::try_from(partition).unwrap_or(usize::MAX);
            let (owned, term, trouble) = statuses.get(at).map_or_else(Default::default, said);
            let applied = self.views.get(at).and_then(|view| view.state().applied);
            v1::PartitionState {
                partition,
                owned,
                term,
                followed: followed.get(at).copied().unwrap_or(0),
                viewed: applied.map_or(0, |applied| applied.offset + 1),
                trouble,
            }
        });
        v1::ServerState {
            id: self.id.clone(),
            address: self.address.clone(),
            roles: self.roles.clone(),
            said_at: Some(answer::timestamp(clock::now())),
            partitions: partitions.collect(),
            folder_id: self.folder_id.clone(),
            token: self.token.clone(),
        }
    }
}

/// Whether it writes, in which term, and what is wrong.
fn said(status: &WriterStatus) -> (bool, u64, String) {
    match status {
        WriterStatus::Standby => (false, 0, String::new()),
        WriterStatus::Starting { last_error } => (false, 0, last_error.clone()),
        WriterStatus::Serving { term } => (true, *term, String::new()),
        WriterStatus::ClockBehind { term, by_ns } => {
            (true, *term, format!("the clock is {} ms behind", by_ns / 1_000_000))
        }
        WriterStatus::Stopped { reason } => (false, 0, reason.clone()),
    }
}

/// All servers that were heard of, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    servers: Arc<Mutex<BTreeMap<String, v1::ServerState>>>,
}

impl Known {
    fn servers(&self) -> MutexGuard<'_, BTreeMap<String, v1::ServerState>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now, all of it.
    pub(super) fn set(&self, servers: BTreeMap<String, v1::ServerState>) {
        *self.servers() = servers;
    }

    /// Those that have said nothing since this instant; none while this server's own word is as old, for
    /// then it is the brokers that were away.
    pub(super) fn silent_since(&self, instant: Timestamp, myself: &Myself) -> Vec<String> {
        let said_at = |server: &v1::ServerState| {
            server.said_at.as_ref().and_then(time::from_wire).unwrap_or(Timestamp::MIN)
        };
        let servers = self.servers();
        if servers.get(&myself.id).is_none_or(|me| said_at(me) < instant) {
            return Vec::new();
        }
        let silent = servers.values().filter(|server| said_at(server) < instant);
        silent.map(|server| server.id.clone()).collect()
    }

    /// Partitions whose owner had this folder, and so has ended: the folder is this server's now.
    pub(super) fn inherited(&self, myself: &Myself) -> Vec<u32> {
        let owners = self.owners(myself.partition_count);
        let servers = self.servers();
        let mine = |owner: &Owner| {
            let server = servers.get(&owner.server);
            server.is_some_and(|server| server.folder_id == myself.folder_id)
        };
        let inherited = (0..).zip(owners).filter(|(_, owner)| owner.as_ref().is_some_and(mine));
        inherited.map(|(partition, _)| partition).collect()
    }

    /// Servers that had this folder, and so have ended.
    pub(super) fn before(&self, myself: &Myself) -> Vec<String> {
        let servers = self.servers();
        let before = servers
            .values()
            .filter(|server| server.folder_id == myself.folder_id && server.id != myself.id);
        before.map(|server| server.id.clone()).collect()
    }

    /// For each partition, the server that says it writes it; of several, the one with the latest term.
    pub(super) fn owners(&self, partition_count: u32) -> Vec<Option<Owner>> {
        owners(self.servers().values(), partition_count)
    }
}

fn owners<'a>(
    servers: impl Iterator<Item = &'a v1::ServerState>,
    partition_count: u32,
) -> Vec<Option<Owner>> {
    let mut owners: Vec<Option<Owner>> = Vec::new();
    owners.resize_with(usize::try_from(partition_count).unwrap_or(0), || None);
    for server in servers {
        for state in server.partitions.iter().filter(|state| state.owned) {
            let at = usize::try_from(state.partition).unwrap_or(usize::MAX);
            let Some(owner) = owners.get_mut(at) else { continue };
            if owner.as_ref().is_none_or(|owner| owner.term < state.term) {
                *owner = Some(Owner {
                    server: server.id.clone(),
                    address: server.address.clone(),
                    term: state.term,
                    token: server.token.clone(),
                });
            }
        }
    }
    owners
}

/// `ledger.v1.TopologyService`.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    myself: Arc<Myself>,
    known: Known,
    backend: Arc<dyn Backend>,
    log: LogInfo,
}

impl Topology {
    pub(super) fn service(
        myself: Arc<Myself>,
        known: Known,
        backend: Arc<dyn Backend>,
        log: LogInfo,
    ) -> TopologyServiceServer<Topology> {
        TopologyServiceServer::new(Topology { myself, known, backend, log })
    }

    fn answer(&self) -> Result<v1::GetTopologyResponse, Status> {
        let mut servers = self.known.servers().clone();
        // Of itself it knows more than it has said.
        servers.insert(self.myself.id.clone(), self.myself.state());
        servers.values_mut().for_each(|server| server.token.clear());
        let owners = owners(servers.values(), self.log.partition_count);
        let mut partitions = Vec::with_capacity(owners.len());
        for (partition, owner) in (0..).zip(owners) {
            let end = self.backend.end(partition);
            let end = end.map_err(|error| Status::unavailable(error.to_string()))?;
            let Owner { server, address, term, token: _ } = owner.unwrap_or_default();
            partitions.push(v1::get_topology_response::Partition {
                partition,
                end,
                owner_id: server,
                owner_address: address,
                term,
            });
        }
        Ok(v1::GetTopologyResponse {
            log_id: self.log.id.to_string(),
            partitions,
            servers: servers.into_values().collect(),
            answered_by: self.myself.id.clone(),
        })
    }
}

#[tonic::async_trait]
impl TopologyService for Topology {
    async fn get_topology(
        &self,
        _: Request<v1::GetTopologyRequest>,
    ) -> Result<Response<v1::GetTopologyResponse>, Status> {
        let topology = self.clone();
        // The log is asked for its ends.
        let answer = tokio::task::spawn_blocking(move || topology.answer()).await;
        answer.map_err(|error| Status::internal(error.to_string()))?.map(Response::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, owned: &[(u32, u64)]) -> v1::ServerState {
        let partitions = owned.iter().map(|&(partition, term)| v1::PartitionState {
            partition,
            owned: true,
            term,
            ..Default::default()
        });
        v1::ServerState {
            id: id.to_owned(),
            address: format!("{id}:7070"),
            partitions: partitions.collect(),
            ..Default::default()
        }
    }

    #[test]
    fn the_next_server_on_a_folder_inherits_what_nobody_took_since() {
        let known = Known::default();
        let mut dead = server("dead", &[(0, 5), (1, 9)]);
        dead.folder_id = "here".into();
        let alive = server("alive", &[(1, 12)]);
        known.set([dead, alive].into_iter().map(|server| (server.id.clone(), server)).collect());
        let on = |folder_id: &str| Myself {
            token: String::new(),
            id: "next".into(),
            address: String::new(),
            folder_id: folder_id.into(),
            roles: Vec::new(),
            partition_count: 3,
            command: None,
            views: Vec::new(),
        };
        assert_eq!(known.inherited(&on("here")), [0]);
        assert_eq!(known.before(&on("here")), ["dead"]);
        assert_eq!(known.silent_since(10, &on("here")), [""; 0], "nobody has heard of this one");
        let mut next = server("next", &[]);
        next.said_at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
        known.servers().insert("next".into(), next);
        assert_eq!(known.silent_since(10, &on("here")), ["alive", "dead"]);
        assert_eq!(known.inherited(&on("elsewhere")), [0u32; 0]);
    }

    #[test]
    fn of_two_that_say_they_write_the_later_term_is_right() {
        let servers = [server("a", &[(0, 5), (1, 9)]), server("b", &[(0, 7), (9, 1)])];
        let found = owners(servers.iter(), 3);
        let named: Vec<_> = found
            .iter()
            .map(|owner| owner.as_ref().map(|owner| (owner.server.as_str(), owner.term)))
            .collect();
        assert_eq!(named, [Some(("b", 7)), Some(("a", 9)), None]);
    }
}
