//! `ledger log copy`: a log moved between a folder and a Kafka cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use ledger_keys::{FolderKeys, KeyStore, TopicKeys};
use ledger_log::Backend;
use ledger_log::copy::Progress;
use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::kafka::{Cluster, Kafka, Topic};
use serde_json::json;

use super::Context;
use crate::folder;
use crate::kafka::{KafkaConfig, LogPlace};
use crate::output::{Unit, progress};
use crate::up::config_of;

/// What can be done with a log that no server writes.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Copy a log byte for byte and offset for offset; one that was cut short goes on
    Copy(CopyArgs),
}

/// Flags of `ledger log copy`.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// Data folder, or kafka://HOST:PORT[,HOST:PORT]/PREFIX
    #[arg(value_name = "FROM")]
    from: LogPlace,
    /// Data folder, or kafka://HOST:PORT[,HOST:PORT]/PREFIX; made when it is not there
    #[arg(value_name = "TO")]
    to: LogPlace,
    /// Configuration file, of which section [kafka] is read
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take a topic whose acknowledged records only one broker may have
    #[arg(long)]
    allow_under_replicated: bool,
}

pub(super) async fn run(context: &Context, command: LogCommand) -> anyhow::Result<()> {
    let LogCommand::Copy(args) = command;
    let (from, to) = (args.from.to_string(), args.to.to_string());
    let (partitions, records, written) = tokio::task::spawn_blocking(move || copy(&args)).await??;
    let value = json!({ "partitions": partitions, "records": records, "written": written });
    context.output.value(&value, || {
        format!("copied {from} to {to}: {records} records in {partitions} partitions, {written} of them now")
    })
}

/// Partitions, records of the source, and how many of them were written.
fn copy(args: &CopyArgs) -> anyhow::Result<(u32, u64, u64)> {
    let mut kafka = config_of(args.config.as_deref())?.kafka;
    kafka.allow_under_replicated |= args.allow_under_replicated;
    let from = existing(&args.from, &kafka).with_context(|| format!("source {}", args.from))?;
    let count = from.partition_count();
    let to = open(&args.to, &kafka, count).with_context(|| format!("target {}", args.to))?;
    let bar = progress(0, Unit::Items);
    let written = ledger_log::copy::copy(&*from, &*to, &mut |step| {
        let Progress { partition, records, records_total } = step;
        bar.set_prefix(format!("partition {partition} "));
        bar.set_length(records_total);
        bar.set_position(records);
    })?;
    bar.finish_and_clear();
    copy_keys(&args.from, &args.to, &kafka)?;
    let records = (0..count).map(|partition| from.end(partition));
    let records = records.sum::<Result<u64, _>>()?;
    Ok((count, records, written))
}

/// The keys of customers go with the log, for without them it tells nothing of them.
fn copy_keys(from: &LogPlace, to: &LogPlace, kafka: &KafkaConfig) -> anyhow::Result<()> {
    let folder = |data: &Path| FolderKeys::new(data.join("keys"));
    let topic = |place| Cluster::new(at(place, kafka).options(None));
    let from: Box<dyn KeyStore> = match from {
        LogPlace::Folder(data) if folder(data).is_empty() => return Ok(()),
        LogPlace::Folder(data) => Box::new(folder(data)),
        LogPlace::Kafka { .. } => {
            let cluster = topic(from)?;
            if cluster.partitions(&cluster.options().topic(Topic::Keys))?.is_none() {
                return Ok(());
            }
            Box::new(TopicKeys::open(&cluster)?)
        }
    };
    let to: Box<dyn KeyStore> = match to {
        LogPlace::Folder(data) => Box::new(folder(data)),
        LogPlace::Kafka { .. } => Box::new(TopicKeys::open(&topic(to)?)?),
    };
    let customers = ledger_keys::copy(&*from, &*to)?;
    tracing::info!(customers, "copied their keys");
    if customers > 0 {
        tracing::warn!(
            "remove the keys that were copied once the copy is used: no erasure reaches them"
        );
    }
    Ok(())
}

/// A log that is there.
fn existing(place: &LogPlace, kafka: &KafkaConfig) -> anyhow::Result<Arc<dyn Backend>> {
    Ok(match place {
        LogPlace::Folder(data) => folder::open_log(data)?,
        LogPlace::Kafka { .. } => Kafka::open_existing(at(place, kafka).options(None))?,
    })
}

/// A log with this many partitions, made where there is none.
fn open(place: &LogPlace, kafka: &KafkaConfig, count: u32) -> anyhow::Result<Arc<dyn Backend>> {
    Ok(match place {
        LogPlace::Folder(data) => {
            let options = EmbeddedOptions { partition_count: count, ..EmbeddedOptions::default() };
            Embedded::open(&data.join("log"), options)?
        }
        LogPlace::Kafka { .. } => Kafka::open(at(place, kafka).options(Some(count)))?,
    })
}

/// The settings with the place put in.
fn at(place: &LogPlace, kafka: &KafkaConfig) -> KafkaConfig {
    match place {
        LogPlace::Folder(_) => kafka.clone(),
        LogPlace::Kafka { bootstrap, prefix } => {
            KafkaConfig { bootstrap: bootstrap.clone(), prefix: prefix.clone(), ..kafka.clone() }
        }
    }
}
