//! Which crate may depend on which: the table of rooms in ARCHITECTURE.md.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::{hold, read, root};

/// Crate, what it may depend on, and the sentence that says why nothing else.
const ROOMS: &[(&str, &[&str], &str)] = &[
    ("ledger-domain", &[], "the business rules depend on no crate of ours"),
    ("ledger-log", &[], "the log knows order and durability, no business word and no gRPC"),
    ("ledger-runtime", &[], "the runtime knows no business word"),
    (
        "ledger-keys",
        &["ledger-domain", "ledger-log"],
        "keys know whose they are and where they are kept, not what is decided or shown",
    ),
    ("ledger-proto", &["ledger-domain"], "proto converts wire <-> domain, without I/O or state"),
    ("ledger-views", &["ledger-domain"], "views know neither the log nor gRPC nor decisions"),
    (
        "ledger-command",
        &["ledger-domain", "ledger-keys", "ledger-log", "ledger-proto", "ledger-runtime"],
        "command does not touch views; command, projector and query do not know each other",
    ),
    (
        "ledger-projector",
        &["ledger-domain", "ledger-log", "ledger-proto", "ledger-runtime", "ledger-views"],
        "the projector knows no ingress; command, projector and query do not know each other",
    ),
    (
        "ledger-query",
        &[
            "ledger-audit",
            "ledger-domain",
            "ledger-keys",
            "ledger-proto",
            "ledger-runtime",
            "ledger-views",
        ],
        "query does not write the log; command, projector and query do not know each other",
    ),
    (
        "ledger-audit",
        &["ledger-domain", "ledger-log", "ledger-proto", "ledger-runtime", "ledger-views"],
        "the audit judges the services from outside: it depends on none of them",
    ),
    (
        "ledger-sim",
        &[
            "ledger-audit",
            "ledger-command",
            "ledger-domain",
            "ledger-keys",
            "ledger-log",
            "ledger-projector",
            "ledger-proto",
            "ledger-query",
            "ledger-runtime",
            "ledger-views",
        ],
        "the simulation drives the services, not the binary",
    ),
    (
        "ledger-cli",
        &[
            "ledger-audit",
            "ledger-command",
            "ledger-domain",
            "ledger-keys",
            "ledger-log",
            "ledger-projector",
            "ledger-proto",
            "ledger-query",
            "ledger-runtime",
            "ledger-sim",
            "ledger-views",
        ],
        "the binary ties the rooms together; nothing depends on it",
    ),
    (
        "ledger-benches",
        &[
            "ledger-command",
            "ledger-domain",
            "ledger-log",
            "ledger-projector",
            "ledger-proto",
            "ledger-query",
            "ledger-runtime",
            "ledger-views",
        ],
        "benches measure the rooms; nothing depends on them",
    ),
];

/// Edges that only tests may have, each with its reason.
const TEST_ROOMS: &[(&str, &str, &str)] = &[(
    "ledger-proto",
    "ledger-log",
    "a test holds the two descriptions of a record, proto's and the log's, together",
)];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata runs")
}

/// Edges between members: crate -> the members that it names, in any kind of dependency but the
/// listed ones of tests.
fn edges() -> BTreeMap<String, Vec<String>> {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let is_member = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    packages
        .iter()
        .map(|package| {
            let named = package.dependencies.iter().filter(|dependency| {
                let for_tests = dependency.kind == DependencyKind::Development;
                is_member(&dependency.name)
                    && !(for_tests && is_test_room(&package.name, &dependency.name))
            });
            (package.name.to_string(), named.map(|dependency| dependency.name.clone()).collect())
        })
        .collect()
}

fn is_test_room(member: &str, dependency: &str) -> bool {
    TEST_ROOMS.iter().any(|(from, to, _)| *from == member && *to == dependency)
}

#[test]
fn crates_depend_only_on_what_their_room_allows() {
    let mut broken = Vec::new();
    for (member, dependencies) in edges() {
        let room = ROOMS.iter().find(|(name, ..)| *name == member);
        let Some((_, allowed, why)) = room else {
            broken.push(format!("{member} has no row in this table"));
            continue;
        };
        for dependency in dependencies {
            if !allowed.contains(&dependency.as_str()) {
                broken.push(format!("{member} -> {dependency}: {why}"));
            }
        }
    }
    hold("A crate depends only on what its room in ARCHITECTURE.md allows.", &broken);
}

#[test]
fn the_table_of_rooms_names_members_and_keeps_the_design() {
    let members = edges();
    for (name, allowed, _) in ROOMS {
        assert!(members.contains_key(*name), "{name} is no member of the workspace");
        for top in ["ledger-cli", "ledger-benches"] {
            assert!(!allowed.contains(&top), "nothing depends on {top}: {name}");
        }
        let services = ["ledger-command", "ledger-projector", "ledger-query"];
        if services.contains(name) {
            assert!(services.iter().all(|s| !allowed.contains(s)), "services are apart: {name}");
        }
    }
}

#[test]
fn every_member_inherits_the_lints_and_the_package_data_of_the_workspace() {
    let broken: Vec<String> = members_by_folder()
        .into_iter()
        .map(|(_, folder)| format!("{folder}/Cargo.toml"))
        .filter(|manifest| {
            let text = read(manifest);
            let inherits = |line: &str| text.lines().any(|l| l == line);
            !text.contains("[lints]\nworkspace = true")
                || !["version", "edition", "rust-version", "license", "publish"]
                    .iter()
                    .all(|key| inherits(&format!("{key}.workspace = true")))
        })
        .collect();
    hold("Every member inherits lints, version, edition and licence.", &broken);
}

/// Crate and folder of every member; a folder is named as its crate, but for proto and benches.
pub(crate) fn members_by_folder() -> Vec<(String, String)> {
    let metadata = metadata();
    let folder = |path: &str| path.rsplit('/').nth(1).unwrap_or_default().to_owned();
    metadata
        .workspace_packages()
        .iter()
        .map(|package| (package.name.to_string(), folder(package.manifest_path.as_str())))
        .collect()
}

#[test]
fn a_folder_is_named_as_its_crate() {
    let broken: Vec<String> = members_by_folder()
        .into_iter()
        .filter(|(name, folder)| {
            let short = name.strip_prefix("ledger-").unwrap_or(name);
            name != folder && !(["proto", "benches"].contains(&folder.as_str()) && short == folder)
        })
        .map(|(name, folder)| format!("{name} in {folder}/"))
        .collect();
    hold("A folder is named as its crate; proto/ and benches/ drop the prefix.", &broken);
}
