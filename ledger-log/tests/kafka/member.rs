//! Members of a group for tests, in this process or in another, and a diary of what all of them did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger_log::kafka::group::{Group, GroupOptions, Member};
use ledger_log::kafka::records::KafkaRecord;
use ledger_log::kafka::{KafkaOptions, Topic};

use crate::{cluster, options};

const PART: &str = "LEDGER_LOG_TEST_MEMBER";
pub(crate) const SESSION: Duration = Duration::from_secs(3);

/// What a member did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Assigned(u32),
    Revoked(u32),
    Lost(u32),
    Got(u32, u64),
    Died,
}

/// Who did what when, in the order in which it was heard of.
#[derive(Debug, Default)]
pub(crate) struct Diary(Mutex<Vec<(Instant, &'static str, Did)>>);

impl Diary {
    pub(crate) fn note(&self, who: &'static str, did: Did) {
        self.0.lock().unwrap().push((Instant::now(), who, did));
    }

    pub(crate) fn entries(&self) -> Vec<(Instant, &'static str, Did)> {
        self.0.lock().unwrap().clone()
    }

    /// Who holds each partition; more than one where a member does not know yet that it is out.
    pub(crate) fn owners(&self) -> BTreeMap<u32, BTreeSet<&'static str>> {
        let mut owners: BTreeMap<u32, BTreeSet<&'static str>> = BTreeMap::new();
        for (_, who, did) in self.entries() {
            match did {
                Did::Assigned(partition) => drop(owners.entry(partition).or_default().insert(who)),
                Did::Revoked(partition) | Did::Lost(partition) => {
                    assert!(owners.entry(partition).or_default().remove(who), "{who} {did:?}");
                }
                Did::Got(partition, _) => {
                    assert!(owners[&partition].contains(who), "{who} {did:?}: not its own");
                }
                Did::Died => owners.values_mut().for_each(|owners| owners.retain(|of| *of != who)),
            }
        }
        owners
    }

    /// Whether each partition has one owner, and each of these members as many partitions.
    pub(crate) fn shares(&self, shares: &[(&str, usize)]) -> bool {
        let owners = self.owners();
        let of = |who: &str| owners.values().filter(|owners| owners.contains(who)).count();
        owners.values().all(|owners| owners.len() == 1)
            && shares.iter().all(|(who, partitions)| of(who) == *partitions)
    }

    /// How often each record was got.
    pub(crate) fn got(&self) -> BTreeMap<(u32, u64), u32> {
        let mut got = BTreeMap::new();
        for (_, _, did) in self.entries() {
            if let Did::Got(partition, offset) = did {
                *got.entry((partition, offset)).or_default() += 1;
            }
        }
        got
    }

    /// How long partitions had no owner since then, at most; printed, for nothing is promised.
    pub(crate) fn print_handover(&self, what: &str, since: Instant) {
        let (mut free, mut longest) = (BTreeMap::new(), Duration::ZERO);
        let mut last = since;
        for (at, _, did) in self.entries().into_iter().filter(|(at, ..)| *at >= since) {
            match did {
                Did::Revoked(partition) => drop(free.insert(partition, at)),
                Did::Assigned(partition) => {
                    let from = free.remove(&partition).unwrap_or(since);
                    longest = longest.max(at - from);
                    last = at;
                }
                Did::Lost(_) | Did::Got(..) | Did::Died => {}
            }
        }
        let whole = last - since;
        eprintln!("{what}: {whole:?} until all is dealt out, without an owner at most {longest:?}");
    }
}

/// Has some records of each partition in hand, and finishes them when it has to give the partition back.
pub(crate) struct Worker {
    tell: Box<dyn FnMut(Did) + Send>,
    in_hand: BTreeMap<u32, VecDeque<u64>>,
    done: BTreeMap<u32, u64>,
}

const IN_HAND: usize = 5;

impl Worker {
    pub(crate) fn new(tell: impl FnMut(Did) + Send + 'static) -> Box<Self> {
        let (in_hand, done) = (BTreeMap::new(), BTreeMap::new());
        Box::new(Worker { tell: Box::new(tell), in_hand, done })
    }
}

impl Member for Worker {
    fn assigned(&mut self, partitions: &[u32]) {
        partitions.iter().for_each(|partition| (self.tell)(Did::Assigned(*partition)));
    }

    fn revoked(&mut self, partitions: &[u32], lost: bool) {
        for partition in partitions {
            let last = self.in_hand.remove(partition).unwrap_or_default().pop_back();
            if lost {
                self.done.remove(partition);
                (self.tell)(Did::Lost(*partition));
            } else {
                self.done.extend(last.map(|offset| (*partition, offset + 1)));
                (self.tell)(Did::Revoked(*partition));
            }
        }
    }

    fn records(&mut self, records: Vec<KafkaRecord>) {
        for KafkaRecord { partition, offset, .. } in records {
            (self.tell)(Did::Got(partition, offset));
            let in_hand = self.in_hand.entry(partition).or_default();
            in_hand.push_back(offset);
            if in_hand.len() > IN_HAND {
                self.done.extend(in_hand.pop_front().map(|offset| (partition, offset + 1)));
            }
        }
    }

    fn room(&mut self) -> usize {
        100
    }

    fn done(&mut self) -> Vec<(u32, u64)> {
        std::mem::take(&mut self.done).into_iter().collect()
    }
}

pub(crate) fn group_options(options: &KafkaOptions) -> GroupOptions {
    let group = GroupOptions::new(options.command_group(), options.topic(Topic::Commands));
    GroupOptions { session_timeout: SESSION, ..group }
}

/// A member in this process.
pub(crate) fn join(options: &KafkaOptions, diary: &Arc<Diary>, who: &'static str) -> Group {
    let diary = diary.clone();
    let worker = Worker::new(move |did| diary.note(who, did));
    Group::join(&cluster(options), group_options(options), worker).unwrap()
}

/// A member in a process of its own, which this test may stop and kill.
pub(crate) struct Foreign {
    who: &'static str,
    child: Child,
    diary: Arc<Diary>,
}

impl Foreign {
    pub(crate) fn join(options: &KafkaOptions, diary: &Arc<Diary>, who: &'static str) -> Foreign {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "member::child", "--nocapture"])
            .env(PART, format!("{} {}", options.bootstrap, options.prefix))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = diary.clone();
        std::thread::spawn(move || {
            for did in lines.map_while(Result::ok).filter_map(|line| read(&line)) {
                told.note(who, did);
            }
            told.note(who, Did::Died);
        });
        Foreign { who, child, diary: diary.clone() }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// SIGKILL; once its last words are heard.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if self.child.kill().is_ok() && self.child.wait().is_ok() {
            let last_words = (self.who, Did::Died);
            crate::until("heard that it died", || {
                self.diary.entries().iter().any(|(_, who, did)| (*who, *did) == last_words)
            });
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(line: &str) -> Option<Did> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |word: &str| word.parse::<u64>().ok();
    let partition = |word: &str| word.parse::<u32>().ok();
    match words[..] {
        ["ASSIGNED", p] => Some(Did::Assigned(partition(p)?)),
        ["REVOKED", p] => Some(Did::Revoked(partition(p)?)),
        ["LOST", p] => Some(Did::Lost(partition(p)?)),
        ["GOT", p, offset] => Some(Did::Got(partition(p)?, number(offset)?)),
        _ => None,
    }
}

#[expect(clippy::print_stdout, reason = "a part speaks to the test that started it")]
fn say(did: Did) {
    match did {
        Did::Assigned(partition) => println!("\nASSIGNED {partition}"),
        Did::Revoked(partition) => println!("\nREVOKED {partition}"),
        Did::Lost(partition) => println!("\nLOST {partition}"),
        Did::Got(partition, offset) => println!("\nGOT {partition} {offset}"),
        Did::Died => {}
    }
}

/// What another process does; in the parent it is no test of anything.
#[test]
fn child() {
    let Ok(part) = std::env::var(PART) else { return };
    let (bootstrap, prefix) = part.split_once(' ').unwrap();
    let options = KafkaOptions { prefix: prefix.to_owned(), ..options(bootstrap, 1) };
    let _group =
        Group::join(&cluster(&options), group_options(&options), Worker::new(say)).unwrap();
    // Until it is killed.
    loop {
        std::thread::park();
    }
}
