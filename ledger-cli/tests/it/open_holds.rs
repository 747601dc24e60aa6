//! Lists of open holds: as they were at every position, after kills, in pages, and what is refused.

use ledger_proto::v1;
use ledger_proto::v1::transfer_result::Outcome;
use serde_json::Value;
use tonic::Code;

use crate::client::Scratch;
use crate::holds::bank;
use crate::server::{Client, Server, as_of, at_least_of, runtime};

/// Holds of one batch.
const BATCH: usize = 500;
/// More changes of the list than two keyframes are apart.
const HOLDS: usize = 3_500;

fn held(server: &Server, id: &str, credit: &str, amount: &str, flags: &[&str]) -> String {
    let [id, credit] = [format!("--id={id}"), format!("--credit={credit}")];
    let amount = format!("--amount={amount}");
    let words = ["transfer", "hold", "bank", "--debit=alice", "--asset=USD", &id, &credit, &amount];
    position(&server.json(&[&words, flags].concat()))
}

fn position(answered: &Value) -> String {
    answered["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

/// Ids and what is left, as the command line lists them.
fn listed(server: &Server, flags: &[&str]) -> Vec<String> {
    let list = server.json(&[&["hold", "list", "bank"], flags].concat());
    let holds = list["holds"].as_array().cloned().unwrap_or_default();
    let text = |hold: &Value, field: &str| hold[field].as_str().unwrap_or("-").to_owned();
    let row = |hold: &Value| {
        let name = text(hold, "name");
        let id = name.strip_prefix("ledgers/bank/transfers/").unwrap().to_owned();
        format!("{id} {} {}", text(hold, "remaining"), text(hold, "expireTime"))
    };
    holds.iter().map(row).collect()
}

#[test]
fn open_holds_are_listed_as_they_were_also_after_a_kill() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let never = server.json(&["account", "get", "bank", "cash"]);
    let empty = format!("--as-of={}", never["readAt"]["position"].as_str().unwrap());
    let first = held(&server, "h", "shop", "7", &["--expire-time=2200-01-01", "--reference=hotel"]);
    let second = held(&server, "i", "cash", "2", &[]);
    let part =
        position(&server.json(&["transfer", "capture", "bank", "h", "--amount=2.50", "--id=c"]));
    let void = position(&server.json(&["transfer", "void", "bank", "i"]));
    let rest = position(&server.json(&["transfer", "capture", "bank", "h"]));

    let check = |server: &Server| {
        let at_least = format!("--at-least={rest}");
        assert_eq!(listed(server, &[&at_least]), [""; 0]);
        let h = |left: &str| format!("h {left} 2200-01-01T00:00:00Z");
        let i = "i 2.00 -".to_owned();
        let as_of = |at: &str, flags: &[&str]| {
            listed(server, &[&[format!("--as-of={at}").as_str()], flags].concat())
        };
        assert_eq!(listed(server, &[&empty]), [""; 0]);
        assert_eq!(as_of(&first, &[]), [h("7.00")]);
        assert_eq!(as_of(&second, &[]), [h("7.00"), i.clone()]);
        assert_eq!(as_of(&part, &[]), [h("4.50"), i.clone()]);
        assert_eq!(as_of(&part, &["--account=alice"]), [h("4.50"), i.clone()]);
        assert_eq!(as_of(&part, &["--account=cash"]), [i]);
        assert_eq!(as_of(&void, &[]), [h("4.50")]);
    };
    check(&server);
    server.kill();
    let server = Server::start(&scratch.data());
    check(&server);

    let read = server.run(&["hold", "list", "bank", &format!("--as-of={first}")]).stdout;
    assert!(read.contains("REMAINING") && read.contains("hotel"), "{read}");
    for (flags, reason) in [
        (["--account=nobody", "bank"], "UNKNOWN_ACCOUNT"),
        (["--account=no body", "bank"], "MALFORMED"),
        (["--account=shop", "nowhere"], "UNKNOWN_LEDGER"),
        (["--as-of=7@99999", "bank"], ""),
    ] {
        let ran = server.run(&[&["hold", "list"], &flags[..]].concat());
        assert!(ran.code == Some(1) && ran.stderr.contains(reason), "{flags:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panic"), "{}", ran.stderr);
    }
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

fn transfer(id: String, kind: v1::TransferKind, hold_id: String) -> v1::Transfer {
    let of_hold = !hold_id.is_empty();
    let named = |name: &str| if of_hold { String::new() } else { name.to_owned() };
    v1::Transfer {
        transfer_id: id,
        debit_account: named("cash"),
        credit_account: named("shop"),
        asset: named("USD"),
        amount: named("0.01"),
        kind: kind.into(),
        hold_id,
        ..Default::default()
    }
}

/// Posts them in batches; the position of the last of each batch.
async fn post(client: &Client, transfers: Vec<v1::Transfer>) -> Vec<String> {
    let mut positions = Vec::new();
    for batch in transfers.chunks(BATCH) {
        let results = client.post("bank", batch.to_vec()).await.unwrap();
        match results.last().unwrap().outcome.clone().unwrap() {
            Outcome::Acknowledgement(done) => positions.push(done.position),
            Outcome::Refusal(refusal) => panic!("{refusal:?}"),
        }
    }
    positions
}

/// How many there are, in pages of this size.
async fn count(client: &Client, consistency: Option<v1::Consistency>, page_size: i32) -> usize {
    let mut request = v1::ListHoldsRequest {
        parent: "ledgers/bank".to_owned(),
        account: String::new(),
        consistency,
        page_size,
        page_token: String::new(),
    };
    let mut names = Vec::new();
    loop {
        let page = client.queries.clone().list_holds(request.clone()).await.unwrap().into_inner();
        assert!(page.holds.len() <= page_size as usize);
        names.extend(page.holds.into_iter().map(|hold| hold.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(names.is_sorted_by(|a, b| a < b), "none twice");
    names.len()
}

#[test]
fn thousands_of_open_holds_are_listed_across_keyframes_and_a_kill() {
    use v1::TransferKind::{Hold, Void};
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    server.json(&["account", "set-rules", "bank", "cash", "--may-go-negative"]);
    let holds = (0..HOLDS).map(|n| transfer(format!("h{n:05}"), Hold, String::new())).collect();
    let voids = (0..HOLDS).map(|n| transfer(format!("v{n:05}"), Void, format!("h{n:05}")));
    let (opened, closed) = runtime().block_on(async {
        let client = server.client().await;
        (post(&client, holds).await, post(&client, voids.collect()).await)
    });
    let check = async |client: &Client| {
        let last = at_least_of(closed.last().unwrap());
        assert_eq!(count(client, last, 100).await, 0);
        for (batches, position) in (1..).zip(&opened) {
            assert_eq!(count(client, as_of(position), 1_000).await, batches * BATCH);
        }
        for (batches, position) in (1..).zip(&closed) {
            assert_eq!(count(client, as_of(position), 333).await, HOLDS - batches * BATCH);
        }
    };
    runtime().block_on(async { check(&server.client().await).await });
    server.kill();
    let server = Server::start(&scratch.data());
    runtime().block_on(async {
        let client = server.client().await;
        check(&client).await;
        let (parent, page_token) = ("ledgers/bank".to_owned(), "zz".to_owned());
        let request = v1::ListHoldsRequest { parent, page_token, ..Default::default() };
        let status = client.queries.clone().list_holds(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    });
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}
