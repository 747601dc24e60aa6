//! Reads of a growing ledger: now, and as of random positions of its past.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use hdrhistogram::Histogram;
use ledger_proto::v1::{
    self, ledger_command_service_client::LedgerCommandServiceClient as Commands,
    ledger_query_service_client::LedgerQueryServiceClient as Queries,
};
use tonic::transport::Channel;

use crate::server::Server;

const ACCOUNTS: u64 = 10_000;
const BATCH: u64 = 8_190;
const READS: u32 = 5_000;

/// Posts transfers up to each of `sizes`; at each, measures reads, then a rebuild of the views.
pub(crate) async fn measure(ledger: &Path, scratch: &Path, sizes: &[u64]) -> anyhow::Result<()> {
    let data = scratch.join("reads");
    let server = Server::start(ledger, &data)?;
    let mut book = Book::create(&server.address).await?;
    for &size in sizes {
        let started = Instant::now();
        let before = book.posted;
        while book.posted < size {
            book.post(BATCH.min(size - book.posted)).await?;
        }
        let posted = started.elapsed();
        book.wait_for_views().await?;
        let lag = started.elapsed() - posted;
        let rate = f64::from(u32::try_from(size - before)?) / posted.as_secs_f64();
        crate::report(&format!(
            "| views after {size} transfers, posted at {rate:.0}/s by one client | {lag:.0?} behind |"
        ));
        book.measure_reads(size).await?;
    }
    let last = book.last.clone();
    drop(server);
    rebuild(ledger, &data, &last, book.posted).await
}

/// One ledger, written and read by one client.
#[derive(Debug)]
struct Book {
    commands: Commands<Channel>,
    queries: Queries<Channel>,
    random: fastrand::Rng,
    posted: u64,
    /// Offset and size of the batches, for reads of the past.
    batches: Vec<(u64, u64)>,
    last: String,
}

impl Book {
    async fn create(address: &str) -> anyhow::Result<Book> {
        let channel = Channel::from_shared(address.to_owned())?.connect().await?;
        let limit = 16 * 1024 * 1024;
        let mut commands = Commands::new(channel.clone()).max_decoding_message_size(limit);
        let ledger_id = "bench".to_owned();
        let request = v1::CreateLedgerRequest { ledger_id, ..Default::default() };
        commands.create_ledger(request).await?;
        let parent = "ledgers/bench".to_owned();
        let request = v1::CreateAssetRequest {
            parent,
            asset_id: "USD".into(),
            scale: 2,
            ..Default::default()
        };
        commands.create_asset(request).await?;
        let mut opened = tokio::task::JoinSet::new();
        for at in 0..ACCOUNTS {
            let mut client = commands.clone();
            opened.spawn(async move { client.open_account(account(at)).await.map(|_| ()) });
            if opened.len() >= 256 {
                opened.join_next().await.context("an account")???;
            }
        }
        while let Some(account) = opened.join_next().await {
            account??;
        }
        let queries = Queries::new(channel);
        let random = fastrand::Rng::with_seed(1);
        let (batches, last) = (Vec::new(), String::new());
        Ok(Book { commands, queries, random, posted: 0, batches, last })
    }

    async fn post(&mut self, count: u64) -> anyhow::Result<()> {
        let transfers = (0..count).map(|row| self.transfer(self.posted + row)).collect();
        let parent = "ledgers/bench".to_owned();
        let request = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
        let answer = self.commands.post_transfers(request).await?.into_inner();
        let refused = answer.results.iter().find_map(|result| match &result.outcome {
            Some(v1::transfer_result::Outcome::Refusal(refusal)) => Some(refusal.message.clone()),
            _ => None,
        });
        anyhow::ensure!(refused.is_none(), "a transfer was refused: {refused:?}");
        self.posted += count;
        let offset = answer.position.split(['@', '.']).nth(1).context("a position")?;
        self.batches.push((offset.parse()?, count));
        self.last = answer.position;
        Ok(())
    }

    fn transfer(&self, number: u64) -> v1::Transfer {
        // A linear step over the accounts: every account moves about equally often.
        let debit = number * 7_919 % ACCOUNTS;
        let credit = (debit + 1 + number * 104_729 % (ACCOUNTS - 1)) % ACCOUNTS;
        v1::Transfer {
            transfer_id: format!("{:08x}-0000-7000-8000-{number:012x}", number >> 16),
            debit_account: name(debit),
            credit_account: name(credit),
            asset: "USD".into(),
            amount: "1.00".into(),
            ..Default::default()
        }
    }

    async fn wait_for_views(&mut self) -> anyhow::Result<()> {
        self.read(v1::consistency::Level::AtLeast(self.last.clone())).await
    }

    async fn measure_reads(&mut self, size: u64) -> anyhow::Result<()> {
        let mut latest = Histogram::<u64>::new(3)?;
        let mut as_of = Histogram::<u64>::new(3)?;
        for _ in 0..READS {
            let started = Instant::now();
            self.read(v1::consistency::Level::Latest(())).await?;
            latest.saturating_record(u64::try_from(started.elapsed().as_micros())?);

            let batch = self.random.choice(&self.batches).copied();
            let (offset, rows) = batch.context("a batch")?;
            let partition = self.last.split('@').next().unwrap_or("0").to_owned();
            let row = self.random.u64(0..rows);
            let when = v1::as_of::When::Position(format!("{partition}@{offset}.{row}"));
            let level = v1::consistency::Level::AsOf(v1::AsOf { when: Some(when) });
            let started = Instant::now();
            self.read(level).await?;
            as_of.saturating_record(u64::try_from(started.elapsed().as_micros())?);
        }
        for (what, micros) in [("now", latest), ("as of a random position", as_of)] {
            crate::report(&format!(
                "| GetBalance {what}, {size} transfers, gRPC unary | p50 {} us, p99 {} us |",
                micros.value_at_quantile(0.5),
                micros.value_at_quantile(0.99)
            ));
        }
        Ok(())
    }

    async fn read(&mut self, level: v1::consistency::Level) -> anyhow::Result<()> {
        let at = self.random.u64(0..ACCOUNTS);
        let mut request = tonic::Request::new(v1::GetBalanceRequest {
            name: format!("ledgers/bench/accounts/{}", name(at)),
            consistency: Some(v1::Consistency { level: Some(level) }),
        });
        request.set_timeout(std::time::Duration::from_secs(600));
        self.queries.get_balance(request).await?;
        Ok(())
    }
}

/// Fresh views over the whole log: how fast they are built.
async fn rebuild(ledger: &Path, data: &Path, last: &str, transfers: u64) -> anyhow::Result<()> {
    std::fs::remove_dir_all(data.join("views"))?;
    let started = Instant::now();
    let server = Server::start(ledger, data)?;
    let listening = started.elapsed();
    let channel = Channel::from_shared(server.address.clone())?.connect().await?;
    let mut request = tonic::Request::new(v1::GetLedgerRequest {
        name: "ledgers/bench".into(),
        consistency: Some(v1::Consistency {
            level: Some(v1::consistency::Level::AtLeast(last.to_owned())),
        }),
    });
    request.set_timeout(std::time::Duration::from_secs(600));
    Queries::new(channel).get_ledger(request).await?;
    let built = started.elapsed();
    let rate = f64::from(u32::try_from(transfers)?) / built.as_secs_f64();
    crate::report(&format!(
        "| start after SIGKILL with {transfers} transfers | listening after {listening:.1?} |"
    ));
    crate::report(&format!("| views rebuilt from the log | {built:.1?}, {rate:.0} transfers/s |"));
    Ok(())
}

fn name(at: u64) -> String {
    format!("accounts:{at}")
}

fn account(at: u64) -> v1::OpenAccountRequest {
    v1::OpenAccountRequest {
        parent: "ledgers/bench".into(),
        account_id: name(at),
        r#type: v1::AccountType::Liability.into(),
        rules: Some(v1::AccountRules::without_limits(true)),
        ..Default::default()
    }
}
