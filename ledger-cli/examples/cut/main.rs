//! A wire that can be cut, for `scripts/demo-cut`: it prints its address, then obeys standard input, one
//! word a line: `to HOST:PORT`, `cut`, `mend`, `break`.

mod wire;

use std::io::{self, BufRead as _, Write as _};

use wire::Wire;

fn main() -> anyhow::Result<()> {
    let wire = Wire::new()?;
    writeln!(io::stdout(), "{}", wire.address())?;
    for line in io::stdin().lock().lines() {
        match line?.trim() {
            "cut" => wire.cut(),
            "mend" => wire.mend(),
            "break" => wire.break_connections(),
            other => match other.strip_prefix("to ") {
                Some(server) => wire.lead_to(server.parse()?),
                None => anyhow::bail!("cut, mend, break or to HOST:PORT, not {other:?}"),
            },
        }
    }
    Ok(())
}
