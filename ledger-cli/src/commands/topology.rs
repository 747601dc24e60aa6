//! `ledger topology`: who writes which partition, and how far behind every server is.

use std::fmt::Write as _;

use clap::Args;
use ledger_proto::{time, v1};
use ledger_runtime::clock;

use super::Context;
use crate::json;

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
    context.output.value(&value, || table(&answer, clock::now()))
}

fn table(answer: &v1::GetTopologyResponse, now: i64) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:<9} {:>12} {:>12}  owner", "partition", "end", "term");
    for partition in &answer.partitions {
        let (term, owner) = match partition.owner_address.as_str() {
            "" => ("-".to_owned(), "none"),
            owner => (partition.term.to_string(), owner),
        };
        let (partition, end) = (partition.partition, partition.end);
        let _ = writeln!(text, "{partition:<9} {end:>12} {term:>12}  {owner}");
    }
    let _ = writeln!(
        text,
        "\n{:<22} {:<24} {:>6} {:>14} {:>14}  {}",
        "server", "roles", "owns", "state behind", "view behind", "heard of"
    );
    for server in &answer.servers {
        text.push_str(&row(answer, server, now));
    }
    text.truncate(text.trim_end().len());
    text
}

fn row(answer: &v1::GetTopologyResponse, server: &v1::ServerState, now: i64) -> String {
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
    let (address, roles) = (&server.address, server.roles.join(","));
    let state = behind("command", |state| state.followed);
    let view = behind("projector", |state| state.viewed);
    let mut text =
        format!("{address:<22} {roles:<24} {owned:>6} {state:>14} {view:>14}  {heard}\n");
    for state in server.partitions.iter().filter(|state| !state.trouble.is_empty()) {
        let _ = writeln!(text, "  partition {}: {}", state.partition, state.trouble);
    }
    text
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
        let text = table(&answer, 100_000_000_000);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["0", "40", "7", "a:7070"]);
        assert_eq!(lines[2], ["1", "9", "-", "none"]);
        assert_eq!(lines[5], ["a:7070", "command", "1", "1", "-", "this", "one"]);
        let silent = ["b:7070", "projector,query", "0", "-", "10", "SILENT", "for", "90", "s"];
        assert_eq!(lines[6], silent);
    }
}
