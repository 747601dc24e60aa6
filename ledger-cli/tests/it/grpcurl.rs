//! What a person types: grpcurl with plain JSON, by reflection.

use std::io::Write as _;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::server::Server;

/// The grpcurl of the PATH or of `LEDGER_GRPCURL`; without one the test is loudly skipped, but
/// not where `LEDGER_GRPCURL_REQUIRED` is set, as the gate does.
fn grpcurl() -> Option<String> {
    let program = std::env::var("LEDGER_GRPCURL").unwrap_or_else(|_| "grpcurl".to_owned());
    if Command::new(&program).arg("-version").output().is_ok() {
        return Some(program);
    }
    let skipped = "SKIPPED: no grpcurl on the PATH and LEDGER_GRPCURL names none";
    assert!(std::env::var_os("LEDGER_GRPCURL_REQUIRED").is_none(), "{skipped}");
    let _ = writeln!(std::io::stderr(), "{skipped}");
    None
}

struct Caller<'a> {
    program: String,
    server: &'a Server,
}

impl Caller<'_> {
    fn run(&self, flags: &[&str], what: &str) -> Output {
        let mut command = Command::new(&self.program);
        command.arg("-plaintext").args(flags).arg(self.server.address()).args(what.split(' '));
        command.output().unwrap()
    }

    fn call(&self, method: &str, request: &Value) -> Value {
        let answered = self.run(&["-d", &request.to_string()], &format!("ledger.v1.{method}"));
        let said = String::from_utf8_lossy(&answered.stderr).into_owned();
        assert!(answered.status.success(), "{method} {request}: {said}");
        serde_json::from_slice(&answered.stdout).unwrap()
    }
}

/// What an example says of its answer.
enum Said {
    Done,
    /// The call fails, for this reason.
    Refused(String),
    /// The call does not fail, and holds refusals for these reasons.
    Holds(String),
}

/// The examples of a page, in order: each a call, and what it says of its answer.
fn examples(page: &str) -> Vec<(String, Said)> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let calls = blocks.flat_map(|block| block.trim().split("\n\n"));
    let behind = |call: &str, word: &str| {
        let (reason, call) = call.strip_prefix(word)?.split_once('\n')?;
        Some((call.to_owned(), reason.to_owned()))
    };
    calls
        .map(|call| {
            if let Some((call, reason)) = behind(call, "# refused: ") {
                (call, Said::Refused(reason))
            } else if let Some((call, reasons)) = behind(call, "# in the answer: ") {
                (call, Said::Holds(reasons))
            } else {
                (call.to_owned(), Said::Done)
            }
        })
        .collect()
}

#[test]
fn the_page_of_commands_runs_as_it_is_written() {
    let Some(program) = grpcurl() else { return };
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md"));
    let examples = examples(&page.unwrap());
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    for (call, expected) in &examples {
        let script = call.replace("localhost:7070", server.address());
        let script = script.replace("grpcurl -plaintext", &format!("{program} -plaintext"));
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        let fails = matches!(expected, Said::Refused(_));
        assert_eq!(ran.status.success(), !fails, "{call}: {said}");
        // Those before the last only read what it needs.
        let is_read = call.lines().next_back().is_some_and(|line| line.contains("QueryService"));
        let answer = if is_read { "readAt" } else { "acknowledgement" };
        let words = match expected {
            Said::Done => answer,
            Said::Refused(reasons) | Said::Holds(reasons) => reasons,
        };
        assert!(words.split(", ").all(|word| said.contains(word)), "{call}: {said}");
        let is_done = matches!(expected, Said::Done);
        assert!(!(is_done && said.contains("\"refusal\"")), "{call}: {said}");
    }
    let proto = include_str!("../../../proto/proto/ledger/v1/command.proto");
    for rpc in proto.lines().filter_map(|line| line.trim().strip_prefix("rpc ")) {
        let rpc = rpc.split('(').next().unwrap();
        let shown = examples.iter().any(|(call, _)| call.ends_with(&format!("/{rpc}")));
        assert!(shown, "docs/commands.md has no example of {rpc}");
    }
}

#[test]
fn grpcurl_feels_natural() {
    let Some(program) = grpcurl() else { return };
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let caller = Caller { program, server: &server };

    let listed = String::from_utf8(caller.run(&[], "list").stdout).unwrap();
    for service in ["LedgerCommandService", "LedgerQueryService", "AuditService"] {
        assert!(listed.contains(&format!("ledger.v1.{service}")), "{listed}");
    }
    let health = caller.run(&[], "grpc.health.v1.Health/Check");
    assert!(String::from_utf8_lossy(&health.stdout).contains("SERVING"));

    caller.call("LedgerCommandService/CreateLedger", &json!({"ledger_id": "bank"}));
    let parent = "ledgers/bank";
    let asset = json!({"parent": parent, "asset_id": "USD", "scale": 2});
    caller.call("LedgerCommandService/CreateAsset", &asset);
    for (account, negative) in [("bank:cash", true), ("users:alice", false)] {
        let request = json!({"parent": parent, "account_id": account,
            "type": "ACCOUNT_TYPE_LIABILITY", "rules": {"may_go_negative": negative}});
        caller.call("LedgerCommandService/OpenAccount", &request);
    }
    let transfer = |id: &str, debit: &str, credit: &str| {
        json!({"parent": parent, "transfer": {"transfer_id": id, "debit_account": debit,
            "credit_account": credit, "asset": "USD", "amount": "12.34"}})
    };
    let posted = caller
        .call("LedgerCommandService/PostTransfer", &transfer("t-1", "bank:cash", "users:alice"));
    let position = posted["acknowledgement"]["position"].as_str().unwrap();
    let read = json!({"name": "ledgers/bank/accounts/users:alice",
        "consistency": {"at_least": position}});
    let balance = caller.call("LedgerQueryService/GetBalance", &read);
    assert_eq!(balance["balances"][0]["balance"], "12.34");

    // A refusal is readable: its reason, what it is about, and where it is recorded.
    let request = transfer("t-2", "users:alice", "bank:cash").to_string().replace("12.34", "99");
    let refused = caller.run(&["-d", &request], "ledger.v1.LedgerCommandService/PostTransfer");
    let said = String::from_utf8(refused.stderr).unwrap();
    for part in ["FailedPrecondition", "INSUFFICIENT_FUNDS", "users:alice", "\"code\": 211"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(said.contains("google.rpc.ErrorInfo") && said.contains("ledger.v1"), "{said}");
}
