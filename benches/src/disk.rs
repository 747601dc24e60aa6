//! What the disk does alone: the floor under every durable answer.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;

const WRITES: u32 = 1_000;

/// 4 kB + fdatasync, one after the other.
pub(crate) fn measure(dir: &Path) -> anyhow::Result<()> {
    let mut file = File::create(dir.join("fdatasync"))?;
    let mut micros = Histogram::<u64>::new(3)?;
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        micros.saturating_record(u64::try_from(started.elapsed().as_micros())?);
    }
    crate::report(&format!(
        "| 4 kB + fdatasync | p50 {} us, p99 {} us |",
        micros.value_at_quantile(0.5),
        micros.value_at_quantile(0.99)
    ));
    Ok(())
}
