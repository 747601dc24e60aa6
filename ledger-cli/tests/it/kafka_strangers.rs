//! Somebody else writes into the topic of the log, under load.

use crate::client::Scratch;
use crate::load::{Known, Load, accounts};
use crate::on_kafka::{BANK, Log, reports, with};

/// Garbage, the log's own records once more, and transactions that stay open for a while: each is skipped
/// by every reader and costs the writer no more than a new term.
#[test]
fn foreign_records_count_nowhere_and_hold_nobody_up() {
    let scratch = Scratch::new();
    let known = Known::default();
    with(Log::somewhere("strangers"), async |log| {
        let server = log.serve(&scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let load = Load::start(&[client], &known);
        load.goes_on().await;
        let topic = log.topic();
        // Record 0, a term, then commits.
        let own = topic.read(BANK, 30);
        let own: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
        let garbage: [&[u8]; 3] = [b"", b"not a record", &[0xff; 5_000]];
        let mut foreign = 0;
        for round in 0..3 {
            let open = topic.stranger(Some(&format!("{}-{round}", log.prefix())));
            open.write(BANK, &garbage);
            load.goes_on().await;
            topic.stranger(None).write(BANK, &garbage);
            topic.stranger(None).write(BANK, &own[..1]);
            topic.stranger(None).write(BANK, &own[1..]);
            load.goes_on().await;
            open.end(round == 0);
            load.goes_on().await;
            // The marker of the transaction is one more; the term counts.
            foreign += 2 * garbage.len() + 1 + own[2..].len() + 1;
        }
        load.end().await;
        let skipped = reports(&server)[BANK.unsigned_abs() as usize]["skipped"].clone();
        let skipped: usize = skipped.as_str().unwrap().parse().unwrap();
        assert!(skipped >= foreign, "{skipped} records were skipped, {foreign} are foreign");
        log.holds(server, &known, &scratch.path("anew")).await;
    });
}
