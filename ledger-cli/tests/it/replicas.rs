//! Servers that read while the writer, a broker or one of them is gone, and how stale they say they are.

use std::time::Duration;

use ledger_proto::{time, v1};
use ledger_runtime::clock;
use tonic::{Code, Request};

use crate::client::Scratch;
use crate::load::{Known, Load, a_while, accounts, check};
use crate::on_kafka::{Log, reports, with};
use crate::server::{Client, Server, as_of, at_least_of, runtime};

/// Looks at what changes by itself, each after a pause of this long.
const PAUSE_MS: u64 = 250;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a read of the latest state says of itself, and the balance that it shows.
async fn read(client: &Client) -> (v1::ReadAt, String) {
    let name = "ledgers/bank/accounts/users:1".to_owned();
    let request = v1::GetBalanceRequest { name, consistency: None };
    let answer = client.queries.clone().get_balance(request).await.unwrap().into_inner();
    let balance = answer.balances.first().map(|balance| balance.balance.clone());
    (answer.read_at.unwrap(), balance.unwrap_or_default())
}

/// Since when the view is known to hold all that the log had.
fn since(read_at: &v1::ReadAt) -> i64 {
    read_at.caught_up_at.as_ref().and_then(time::from_wire).unwrap_or(i64::MIN)
}

/// Reads until the view says that it is caught up later than an instant.
async fn caught_up_after(client: &Client, instant: i64) -> v1::ReadAt {
    for _ in 0..PATIENCE.as_millis() as u64 / PAUSE_MS {
        let (read_at, _) = read(client).await;
        if since(&read_at) > instant {
            assert_eq!(read_at.records_behind, 0, "nothing is written");
            return read_at;
        }
        a_while(PAUSE_MS).await;
    }
    panic!("{:?}, and nothing moves", read(client).await.0)
}

/// Reads until two reads in a row say the same: from then on it stands still.
async fn stands_still(client: &Client) -> v1::ReadAt {
    let mut before = read(client).await.0;
    for _ in 0..PATIENCE.as_millis() as u64 / PAUSE_MS {
        a_while(PAUSE_MS * 4).await;
        let now = read(client).await.0;
        if now == before {
            return now;
        }
        before = now;
    }
    panic!("{before:?} does not come to rest")
}

/// Those of the load, and one that only [`post_one`] debits.
fn all_accounts() -> Vec<String> {
    accounts().into_iter().chain(["till".to_owned()]).collect()
}

async fn post_one(client: &Client, id: &str) -> String {
    let transfer = v1::Transfer {
        transfer_id: id.into(),
        debit_account: "till".into(),
        credit_account: "users:1".into(),
        asset: "USD".into(),
        amount: "1.00".into(),
        ..Default::default()
    };
    let results = client.post("bank", vec![transfer]).await.unwrap();
    match results.into_iter().next().unwrap().outcome {
        Some(v1::transfer_result::Outcome::Acknowledgement(posted)) => posted.position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_broker_reads_go_on_and_say_how_stale_they_may_be() {
    let scratch = Scratch::new();
    with(Log::on(1, "", "stale"), async |log| {
        let (cluster, server) = (log.cluster(), log.serve(&scratch.data()));
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &all_accounts()).await;
        let position = post_one(&client, "t-1").await;
        client.balance("bank", "users:1", &position).await;
        // Nobody writes: an idle log is asked where it ends.
        let (started, mut last) = (clock::now(), 0);
        for _ in 0..3 {
            let read_at = caught_up_after(&client, last.max(started)).await;
            last = since(&read_at);
            assert!(last <= clock::now(), "{read_at:?} is of the future");
        }

        cluster.run("kill 1");
        let killed = clock::now();
        let first = stands_still(&client).await;
        assert!(since(&first) >= last && since(&first) < killed, "{first:?}, killed at {killed}");
        a_while(2_000).await;
        let (second, balance) = read(&client).await;
        assert_eq!((&second, balance.as_str()), (&first, "1.00"));
        let said = String::from_utf8(server.cli(&["balance", "bank", "users:1"]).stdout).unwrap();
        assert!(said.contains("s stale"), "{said}");
        let json = server.json(&["balance", "bank", "users:1"]);
        let said = json["readAt"]["caughtUpAt"].as_str().unwrap().parse().ok();
        assert_eq!(said, first.caught_up_at);

        cluster.run("start 1");
        let started = clock::now();
        caught_up_after(&client, started).await;
        let position = post_one(&client, "t-2").await;
        let balance = client.balance("bank", "users:1", &position).await;
        assert_eq!(balance.balance, "2.00");
    });
}

/// Every balance as of a position, once the view has it.
async fn balances(client: &Client, position: &str) -> Vec<String> {
    client.balance("bank", "users:1", position).await;
    let mut all = Vec::new();
    for account in all_accounts() {
        let name = format!("ledgers/bank/accounts/{account}");
        let request = v1::GetBalanceRequest { name, consistency: as_of(position) };
        let answer = client.queries.clone().get_balance(request).await.unwrap().into_inner();
        all.push(format!("{account} {:?}", answer.balances));
    }
    all
}

#[test]
fn replicas_read_on_while_another_or_the_writer_is_dead() {
    let (scratch, known) = (Scratch::new(), Known::default());
    with(Log::somewhere("replicas"), async |log| {
        let serve = |name: &str, roles| log.serve_as(roles, &scratch.path(name));
        let writer = serve("writer", "command");
        let (one, other) = (serve("one", "projector,query"), serve("other", "projector,query"));
        let posting = writer.client().await;
        posting.make_book("bank", "USD", 2, &all_accounts()).await;
        let reading = other.client().await;
        let load = Load::start(std::slice::from_ref(&posting), &known);
        load.goes_on().await;
        one.kill();
        load.goes_on().await;
        load.end().await;
        let position = post_one(&posting, "t-1").await;
        let all = balances(&reading, &position).await;

        // The killed one has what it had, and gets what it missed.
        let one = serve("one", "projector,query");
        let back = one.client().await;
        assert_eq!(balances(&back, &position).await, all);

        writer.kill();
        let dead = clock::now();
        for client in [&back, &reading] {
            let idle = caught_up_after(client, dead).await;
            let later = caught_up_after(client, since(&idle)).await;
            assert_eq!(later.position, idle.position, "nothing is written");
            assert_eq!(balances(client, &position).await, all);
        }

        let writer = serve("writer", "command");
        let posting = writer.client().await;
        let position = post_one(&posting, "t-2").await;
        assert_eq!(balances(&back, &position).await, balances(&reading, &position).await);
        let query = posting.balance_with("bank", "users:1", None).await.unwrap_err();
        assert_eq!(query.code(), Code::Unimplemented, "{query}");
        // Who cannot decide a command sends it on.
        let position = post_one(&back, "t-3").await;
        assert_eq!(balances(&back, &position).await, balances(&reading, &position).await);
        writer.stop();
        let all = serve("all", "command,projector,query");
        assert!(check(&all, &known).await > 8, "the load was real");
    });
}

/// What an `at_least` that comes too early is told.
async fn is_behind(client: &Client, position: &str) {
    let name = "ledgers/bank/accounts/users:1".to_owned();
    let consistency = at_least_of(position);
    let mut request = Request::new(v1::GetBalanceRequest { name, consistency });
    request.set_timeout(Duration::from_millis(500));
    let status = client.queries.clone().get_balance(request).await.unwrap_err();
    assert!(status.message().contains(&format!("has not applied {position}")), "{status}");
}

#[test]
fn a_projector_and_a_query_server_live_without_each_other() {
    let (scratch, known) = (Scratch::new(), Known::default());
    let early = Server::try_start(&scratch.path("views"), &["--roles", "query"]).err().unwrap();
    assert!(early.contains("VIEW_MISSING") && early.contains("projector"), "{early}");
    with(Log::somewhere("split"), async |log| {
        let serve = |name: &str, roles| log.serve_as(roles, &scratch.path(name));
        let writer = serve("writer", "command");
        let posting = writer.client().await;
        posting.make_book("bank", "USD", 2, &all_accounts()).await;
        let projector = serve("views", "projector");
        let query = serve("views", "query");
        let reading = query.client().await;
        for at in 0..20 {
            let position = post_one(&posting, &format!("t-{at}")).await;
            let balance = reading.balance("bank", "users:1", &position).await;
            assert_eq!(balance.balance, format!("{}.00", at + 1), "its own write");
        }
        caught_up_after(&reading, clock::now()).await;

        let load = Load::start(std::slice::from_ref(&posting), &known);
        load.goes_on().await;
        query.kill();
        load.goes_on().await;
        let query = serve("views", "query");
        let reading = query.client().await;
        load.goes_on().await;
        load.end().await;
        let position = post_one(&posting, "t-20").await;
        let all = balances(&reading, &position).await;

        projector.kill();
        let dead = clock::now();
        let still = stands_still(&reading).await;
        assert!(since(&still) < dead, "{still:?}, dead at {dead}");
        let missed = post_one(&posting, "t-21").await;
        is_behind(&reading, &missed).await;
        assert_eq!(read(&reading).await.0, still);
        assert_eq!(balances(&reading, &position).await, all);
        a_while(1_000).await;
        let said = String::from_utf8(query.cli(&["balance", "bank", "users:1"]).stdout).unwrap();
        assert!(said.contains("s stale"), "{said}");

        // The same query server goes on with the next projector.
        let _projector = serve("views", "projector");
        let all = balances(&reading, &missed).await;
        caught_up_after(&reading, clock::now()).await;
        let position = post_one(&reading, "t-22").await;
        balances(&reading, &position).await;
        let replica = serve("replica", "projector,query");
        let replica = replica.client().await;
        assert_eq!(balances(&replica, &missed).await, all);
        assert_eq!(balances(&replica, &position).await, balances(&reading, &position).await);
    });
}

/// With the log in the data folder as well: the views alone are shared.
#[test]
fn a_query_server_reads_beside_a_server_of_the_same_folder() {
    let scratch = Scratch::new();
    let config = scratch.write("ledger.toml", "[views]\nfor_other_processes = true\n");
    let start = || Server::start_with(&scratch.data(), &["--config", &config]);
    runtime().block_on(async {
        let server = start();
        let posting = server.client().await;
        posting.make_book("bank", "USD", 2, &all_accounts()).await;
        let query = Server::start_with(&scratch.data(), &["--roles", "query"]);
        let reading = query.client().await;
        for round in 0..3 {
            let position = post_one(&posting, &format!("t-{round}")).await;
            assert_eq!(
                balances(&reading, &position).await,
                balances(&server.client().await, &position).await
            );
        }
        caught_up_after(&reading, clock::now()).await;
        server.kill();
        let still = stands_still(&reading).await;
        assert_eq!(read(&reading).await.1, "3.00");
        let server = start();
        let position = post_one(&server.client().await, "t-3").await;
        assert_eq!(reading.balance("bank", "users:1", &position).await.balance, "4.00");
        caught_up_after(&reading, since(&still)).await;
        server.stop();
        assert_eq!(read(&reading).await.1, "4.00");
        query.stop();
    });
}

/// What a replay compares with is a view that another process writes, while it writes: every audit is clean,
/// and of a later position than the one before.
#[test]
fn an_audit_over_a_mirror_that_follows_is_clean() {
    let (scratch, known) = (Scratch::new(), Known::default());
    with(Log::somewhere("mirrored"), async |log| {
        let projector = log.serve_as("projector", &scratch.data());
        let server = log.serve_as("command,query", &scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &all_accounts()).await;
        let load = Load::start(std::slice::from_ref(&client), &known);
        let mut compared = 0;
        for _ in 0..5 {
            load.goes_on().await;
            let before = load.acknowledged();
            let rows = clean_audit(&server);
            assert!(rows > compared, "{rows} rows, {compared} before");
            compared = rows;
            // The mirror goes on, and so do reads of it.
            load.goes_on().await;
            assert!(load.acknowledged() > before);
            let position = post_one(&client, &format!("t-{rows}")).await;
            client.balance("bank", "users:1", &position).await;
        }
        load.end().await;
        assert!(check(&server, &known).await > 8, "the load was real");
        // Of a view that stands, as well.
        projector.stop();
        assert!(clean_audit(&server) > compared);
        server.stop();
    });
}

/// Rows that an audit compared with the replayed state, without a finding.
fn clean_audit(server: &Server) -> u64 {
    let mut rows = 0;
    for report in reports(server) {
        assert!(report["findings"].as_array().is_none_or(Vec::is_empty), "{report}");
        rows += report["rowsCompared"].as_str().map_or(0, |rows| rows.parse().unwrap());
    }
    rows
}
