//! `scripts/kafka`: a real broker, killed and started again.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, bootstrap, kafka_is_there, succeeded};

#[test]
fn a_killed_broker_comes_back_with_its_data() {
    if !kafka_is_there() {
        return;
    }
    let cluster = Cluster::new();
    let printed = cluster.run("up --brokers 1 --port 0");
    let address = bootstrap(&printed);
    let before = cluster.status();
    assert_eq!(before.0, Some(0), "{}", before.1);
    assert_eq!(cluster.run("up"), printed, "up again changes nothing");
    assert_eq!(cluster.status(), before);

    let server = format!("--bootstrap-server {address}");
    cluster.run(&format!("tool topics {server} --create --topic events"));
    let mut producer = cluster
        .command(&format!("tool console-producer {server} --topic events"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    producer.stdin.take().unwrap().write_all(b"first\nsecond\nthird\n").unwrap();
    assert!(producer.wait().unwrap().success());

    cluster.run("kill 1");
    let (code, said) = cluster.status();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("down"), "{said}");
    cluster.run("start 1");
    let kept = cluster.run(&format!(
        "tool console-consumer {server} --topic events --from-beginning --max-messages 3 \
         --timeout-ms 20000"
    ));
    assert_eq!(kept, "first\nsecond\nthird\n");

    let given = cluster.command("up").env("KAFKA_BOOTSTRAP", address).output().unwrap();
    assert_eq!(succeeded("up with KAFKA_BOOTSTRAP", &given), printed);
    let refused = cluster.command("kill 1").env("KAFKA_BOOTSTRAP", address).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));

    // Another program that has the broker's folder in its command line is none of ours to end.
    let properties = cluster.dir().join("node-1/server.properties");
    let mut reader =
        Command::new("tail").arg("-f").arg(properties).stdout(Stdio::null()).spawn().unwrap();
    cluster.run("down --wipe");
    assert!(reader.try_wait().unwrap().is_none(), "down has ended another program");
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert!(TcpStream::connect(address).is_err(), "{address} is still served");
    assert!(!cluster.dir().exists(), "wiped");
}
