//! The pure steps of the write path, one core, no I/O: where a transfer's microsecond goes.

use std::hint::black_box;
use std::time::Instant;

use ledger_domain::{
    AccountName, AccountType, AskedRules, AssetCode, Command, CommandBody, LedgerName, State,
    apply, decide,
};
use ledger_proto::logged::{self, LoggedCommand};
use ledger_proto::{hash, request, v1};

const ACCOUNTS: usize = 10_000;
const BATCH: usize = 8_190;
const BATCHES: usize = 40;

/// Nanoseconds a transfer of each step, over batches of 8,190 with 10,000 accounts.
pub(crate) fn measure() -> anyhow::Result<()> {
    let mut state = opened();
    let mut random = fastrand::Rng::with_seed(1);
    let requests: Vec<_> = (0..BATCHES).map(|batch| wire_batch(batch, &mut random)).collect();

    let (nanos, commands) = timed(&requests, request::post_transfers);
    let commands: Vec<Command> = commands
        .into_iter()
        .map(|batch| batch.map(|b| b.command))
        .collect::<Result<_, _>>()
        .map_err(|rejection| anyhow::anyhow!("{rejection}"))?;
    line("shape check: request to command", nanos);

    let (nanos, _) = timed(&commands, |command| match &command.body {
        CommandBody::PostTransfers { transfers } => {
            transfers.iter().map(hash::of_transfer).fold(0u8, |all, hash| all ^ hash[0])
        }
        _ => 0,
    });
    line("content hash", nanos);

    let mut decide_nanos = 0;
    let mut decisions = Vec::new();
    let mut apply_nanos = 0;
    for command in &commands {
        let started = Instant::now();
        let decision = decide(&state, command, &[], 1);
        decide_nanos += started.elapsed().as_nanos();
        let started = Instant::now();
        decision.events.iter().for_each(|event| apply(&mut state, event, 1));
        apply_nanos += started.elapsed().as_nanos();
        decisions.push(decision.events);
    }
    line("decide", decide_nanos);
    line("apply", apply_nanos);

    let logged: Vec<LoggedCommand> = decisions.into_iter().map(logged_command).collect();
    let (nanos, encoded) = timed(&logged, logged::encode);
    line("encode", nanos);
    let bytes: usize = encoded.iter().map(Vec::len).sum();
    crate::report(&format!("| bytes in the log, a transfer | {} |", bytes / (BATCH * BATCHES)));
    let (nanos, _) = timed(&encoded, |bytes| logged::decode(bytes).is_ok());
    line("decode", nanos);
    Ok(())
}

fn timed<I, O>(inputs: &[I], step: impl Fn(&I) -> O) -> (u128, Vec<O>) {
    let started = Instant::now();
    let outputs = inputs.iter().map(|input| black_box(step(black_box(input)))).collect();
    (started.elapsed().as_nanos(), outputs)
}

fn line(what: &str, nanos: u128) {
    let transfers = u128::try_from(BATCH * BATCHES).unwrap_or(1);
    crate::report(&format!("| {what}, a transfer | {} ns |", nanos / transfers));
}

fn logged_command(events: Vec<ledger_domain::Event>) -> LoggedCommand {
    LoggedCommand {
        request_id: None,
        actor: String::new(),
        traceparent: String::new(),
        cause: None,
        source: None,
        content_hash: [0; 16],
        events,
    }
}

fn opened() -> State {
    let mut state = State::default();
    let mut run = |body: CommandBody| {
        let ledger = LedgerName::from_log("bench");
        let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
        let decision = decide(&state, &command, &[], 0);
        decision.events.iter().for_each(|event| apply(&mut state, event, 0));
    };
    run(CommandBody::CreateLedger { metadata: Default::default() });
    run(CommandBody::CreateAsset { code: AssetCode::from_log("USD"), scale: 2 });
    for at in 0..ACCOUNTS {
        let name = AccountName::from_log(&format!("users:{at}:wallet"));
        let (account_type, rules) = (AccountType::Liability, AskedRules::without_limits(true));
        run(CommandBody::OpenAccount { name, account_type, rules, metadata: Default::default() });
    }
    state
}

fn wire_batch(batch: usize, random: &mut fastrand::Rng) -> v1::PostTransfersRequest {
    let mut account = || format!("users:{}:wallet", random.usize(0..ACCOUNTS));
    let transfers = (0..BATCH)
        .map(|row| {
            let debit_account = account();
            let mut credit_account = account();
            while credit_account == debit_account {
                credit_account = account();
            }
            v1::Transfer {
                transfer_id: format!("{batch:08x}-0000-7000-8000-{row:012x}"),
                debit_account,
                credit_account,
                asset: "USD".into(),
                amount: "12.34".into(),
                ..Default::default()
            }
        })
        .collect();
    v1::PostTransfersRequest { parent: "ledgers/bench".into(), transfers, ..Default::default() }
}
