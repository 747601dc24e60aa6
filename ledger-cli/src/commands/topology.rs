//! `ledger topology`: who writes which partition, and how far behind every server is.

use std::fmt::Write as _;

use clap::Args;
use ledger_proto::{time, v1};
use ledger_runtime::clock;

use super::Context;
use crate::json;
use crate::output::{left, right, table};

/// A server says how it is every second: one that has not for this long is not well.
const SILENT_NS: i64 = 5_000_000_000;

/// Flags of `ledger topology`.
#[derive(Debug, Args)]
pub(crate) struct TopologyArgs {}

pub(super) async fn run(context: &Context, _: TopologyArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = client.request(v1::GetTopologyRequest {});
    let answer = client.topology().get_topology(request).await;
    let answer = answer.map_err(|status| client.explain(status))?.into_inner();
    let value = json::of("GetTopologyResponse", &answer)?;
    context.output.value(&value, || text(&answer, clock::now()))
}

fn text(answer: &v1::GetTopologyResponse, now: i64) -> String {
    let partitions: Vec<Vec<String>> = answer.partitions.iter().map(partition).collect();
    let servers: Vec<Vec<String>> =
        answer.servers.iter().map(|server| row(answer, server, now)).collect();
    let mut text =
        table(&[right("partition"), right("end"), right("term"), left("owner")], &partitions);
    text.push('\n');
    text.push_str(&table(
        &[
            left("server"),
            left("roles"),
            right("owns"),
            right("state behind"),
            right("view behind"),
            left("heard of"),
        ],
        &servers,
    ));
    for server in &answer.servers {
        for state in server.partitions.iter().filter(|state| !state.trouble.is_empty()) {
            let (address, trouble) = (&server.address, &state.trouble);
            let _infallible = writeln!(text, "{address}: partition {}: {trouble}", state.partition);
        }
    }
    text
}

fn partition(partition: &v1::get_topology_response::Partition) -> Vec<String> {
    let (term, owner) = match partition.owner_address.as_str() {
        "" => ("-".to_owned(), "none"),
        owner => (partition.term.to_string(), owner),
    };
    vec![partition.partition.to_string(), partition.end.to_string(), term, owner.to_owned()]
}

fn row(answer: &v1::GetTopologyResponse, server: &v1::ServerState, now: i64) -> Vec<String> {
    let has = |role: &str| server.roles.iter().any(|known| known == role);
    let behind = |role: &str, next: fn(&v1::PartitionState) -> u64| match has(role) {
        true => lag(answer, server, next).to_string(),
        false => "-".to_owned(),
    };
    let owned = server.partitions.iter().filter(|state| state.owned).count();
    let said_at = server.said_at.as_ref().and_then(time::from_wire).unwrap_or(0);
    let heard = match now.saturating_sub(said_at) {
        _ if server.id == answer.answered_by => "this one".to_owned(),
        silent if silent > SILENT_NS => format!("SILENT for {} s", silent / 1_000_000_000),
        _ => "now".to_owned(),
    };
    vec![
        server.address.clone(),
        server.roles.join(","),
        owned.to_string(),
        behind("command", |state| state.followed),
        behind("projector", |state| state.viewed),
        heard,
    ]
}

/// Records that a server has yet to read, of all partitions together.
fn lag(
    answer: &v1::GetTopologyResponse,
    server: &v1::ServerState,
    next: fn(&v1::PartitionState) -> u64,
) -> u64 {
    let ends = answer.partitions.iter().map(|partition| partition.end);
    let behind = ends.zip(&server.partitions).map(|(end, state)| end.saturating_sub(next(state)));
    behind.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_owners_terms_and_how_far_behind() {
        let partition = |partition, end, owner: &str, term| v1::get_topology_response::Partition {
            partition,
            end,
            owner_id: owner.to_owned(),
            owner_address: if owner.is_empty() { String::new() } else { format!("{owner}:7070") },
            term,
        };
        let state = |partition, owned, followed, viewed| v1::PartitionState {
            partition,
            owned,
            followed,
            viewed,
            ..Default::default()
        };
        let server = |id: &str, roles: &[&str], partitions, at| v1::ServerState {
            id: id.to_owned(),
            address: format!("{id}:7070"),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            said_at: Some(prost_types::Timestamp { seconds: at, nanos: 0 }),
            partitions,
            ..Default::default()
        };
        let answer = v1::GetTopologyResponse {
            log_id: "00".into(),
            partitions: vec![partition(0, 40, "a", 7), partition(1, 9, "", 0)],
            servers: vec![
                server("a", &["command"], vec![state(0, true, 40, 0), state(1, false, 8, 0)], 100),
                server("b", &["projector", "query"], vec![state(0, false, 0, 30)], 10),
            ],
            answered_by: "a".into(),
        };
        let text = text(&answer, 100_000_000_000);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["0", "40", "7", "a:7070"]);
        assert_eq!(lines[2], ["1", "9", "-", "none"]);
        assert_eq!(lines[5], ["a:7070", "command", "1", "1", "-", "this", "one"]);
        let silent = ["b:7070", "projector,query", "0", "-", "10", "SILENT", "for", "90", "s"];
        assert_eq!(lines[6], silent);
    }
}
