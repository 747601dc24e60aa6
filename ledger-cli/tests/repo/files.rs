//! Rules on every file: opening lines, sizes, seeds, names that must not stand anywhere, lints.

use std::fs;

use crate::{hold, read, root, tracked, tracked_with};

/// Files that may be longer than [`LINES_MAX`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];
const LINES_MAX: usize = 500;

#[test]
fn every_source_file_opens_with_its_purpose() {
    let broken: Vec<String> = tracked_with(".rs")
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    hold("Every .rs file opens with a `//!` line that says its purpose.", &broken);
}

#[test]
fn no_file_is_longer_than_the_limit_without_a_reason() {
    let mut broken = Vec::new();
    for ending in [".rs", ".proto", ".sh"] {
        for (path, text) in tracked_with(ending) {
            let lines = text.lines().count();
            let listed = LONG_FILES.iter().any(|(long, _)| *long == path);
            if lines > LINES_MAX && !listed {
                broken.push(format!("{path}: {lines} lines"));
            }
            if lines <= LINES_MAX && listed {
                broken.push(format!("{path} is listed as long, with {lines} lines"));
            }
        }
    }
    hold("No file has more than 500 lines, unless listed here with a reason.", &broken);
}

#[test]
fn no_module_is_a_mod_rs() {
    let broken: Vec<String> =
        tracked().into_iter().filter(|path| path.ends_with("/mod.rs")).collect();
    hold("`mod x;` is x.rs with x/ beside it.", &broken);
}

#[test]
fn randomness_in_tests_has_a_fixed_seed() {
    // In two halves, so that this file does not find itself.
    let random = [
        ["fastrand::Rng::", "new()"].concat(),
        ["Uuid::", "new_v4"].concat(),
        ["rand::", "random"].concat(),
        ["ReplaceRandom", "State"].concat(),
    ];
    let mut broken = Vec::new();
    for (path, text) in tracked_with(".rs") {
        let in_tests = path.contains("/tests") || text.contains("#[cfg(test)]\nmod tests {");
        if in_tests && random.iter().any(|call| text.contains(call.as_str())) {
            broken.push(format!("{path}: randomness without a seed"));
        }
    }
    hold("A test that draws at random does so from a fixed seed.", &broken);
    let seeded = read(".cargo/config.toml").lines().any(|l| l.starts_with("PROPTEST_RNG_SEED = "));
    assert!(seeded, "property tests have their seed from .cargo/config.toml");
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    // In two halves, so that this file does not find itself.
    let places = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/ho", "me/"].concat(),
        ["/Us", "ers/"].concat(),
        ["shar", "ed/"].concat(),
        ["DESI", "GN"].concat(),
        ["STY", "LE.md"].concat(),
        ["FAC", "TS"].concat(),
    ];
    // The full data set stands beside the clone: the gate looks there, and says so.
    let data = ["../shar", "ed/data"].concat();
    // A folder of Kafka's image, not of a machine.
    let mounted = ["/mnt/shar", "ed/config"].concat();
    let may_name = [
        (".ci/run", &data),
        ("docs/ci.md", &data),
        ("CONTRIBUTING.md", &data),
        ("deploy/kafka/compose.yaml", &mounted),
    ];
    let mut broken = Vec::new();
    for path in tracked() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = may_name
                .iter()
                .filter(|(named, _)| *named == path)
                .fold(line.to_owned(), |line, (_, place)| line.replace(place.as_str(), ""));
            if places.iter().any(|place| line.contains(place.as_str())) {
                broken.push(format!("{path}:{number}: {line}"));
            }
        }
    }
    hold("No file names a folder or a document of one machine.", &broken);
}

#[test]
fn the_deterministic_crates_have_the_lint_and_the_thresholds_of_the_root() {
    let every_setting = |text: &str, line: &str| text.lines().any(|l| l == line);
    let deterministic = read(".config/clippy-deterministic.toml");
    let domain = read(".config/clippy-domain.toml");
    for line in read("clippy.toml").lines().filter(|line| !line.starts_with('#')) {
        assert!(every_setting(&deterministic, line), "clippy-deterministic.toml lacks {line}");
    }
    for line in deterministic.lines().filter(|line| !line.starts_with('#')) {
        assert!(every_setting(&domain, line), "clippy-domain.toml lacks {line}");
    }
    for name in ["log", "command", "projector", "views", "sim", "audit"] {
        let own = read(&format!("ledger-{name}/clippy.toml"));
        assert_eq!(own, deterministic, "ledger-{name}/clippy.toml is not the shared one");
    }
    assert_eq!(read("ledger-domain/clippy.toml"), domain);
}

#[test]
fn lints_are_silenced_by_expect_with_a_reason() {
    let allow = ["#[al", "low("].concat();
    let allow_all = ["#![al", "low("].concat();
    let mut broken = Vec::new();
    for (path, text) in tracked_with(".rs") {
        for (number, line) in (1..).zip(text.lines()) {
            if line.contains(&allow) || line.contains(&allow_all) {
                broken.push(format!("{path}:{number}"));
            }
        }
    }
    hold("A lint is silenced by `#[expect(.., reason = \"..\")]` only.", &broken);
}

#[test]
fn compose_starts_the_kafka_of_the_script() {
    let pom = read("deploy/kafka/pom.xml");
    let version = pom.split("kafka.version>").nth(1).expect("the pom has its version");
    let version = version.trim_end_matches("</");
    let compose = read("deploy/kafka/compose.yaml");
    let image = format!("image: apache/kafka:{version}");
    let mut broken = Vec::new();
    for line in compose.lines().filter(|line| line.contains("image:")) {
        if line.trim() != image {
            broken.push(format!("{line}: the pom has {version}"));
        }
    }
    // What depends on the number of brokers, as KAFKA_A_B in Compose: with one broker, with three.
    for line in read("deploy/kafka/nodes.sh").lines() {
        let Some((key, value)) = line.split_once("=$") else { continue };
        let three = match value {
            "copies" => 3,
            "in_sync" => 2,
            _ => continue,
        };
        let name = key.to_uppercase().replace('.', "_");
        for count in [1, three] {
            let set = format!("  KAFKA_{name}: {count}");
            if !compose.lines().any(|line| line == set) {
                broken.push(format!("compose.yaml lacks {set}"));
            }
        }
    }
    hold("compose.yaml starts the same Kafka as scripts/kafka.", &broken);
}
