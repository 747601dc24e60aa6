//! SIGKILL at 100 random moments under load: every acknowledged transfer is there exactly once, every
//! other one at most once, the chain and the audit are clean, the views equal a rebuild.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::load::{CLIENTS, Known, accounts, check, post_until_it_fails};
use crate::server::{Server, runtime};

const KILLS: u32 = 100;

#[test]
fn acknowledged_transfers_survive_100_kills() {
    let data = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(20_261_123);
    let known = Known::default();
    runtime().block_on(async {
        for round in 0..KILLS {
            let server = Server::start(data.path());
            let client = server.client().await;
            if round == 0 {
                client.make_book("bank", "USD", 2, &accounts()).await;
            }
            let kill_after = Duration::from_millis(random.u64(1..120));
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                let seed = random.u64(..);
                clients.spawn(post_until_it_fails(client.clone(), seed, number, known.clone()));
            }
            tokio::time::sleep(kill_after).await;
            server.kill();
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        }
        let server = Server::start(data.path());
        let acknowledged = check(&server, &known).await;
        assert!(acknowledged > KILLS, "the load was real");
    });
}
