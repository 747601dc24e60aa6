//! Rules of the repository: each fails with the sentence that it keeps.

mod documents;
mod edges;
mod files;
mod rejections;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Top of the clone.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a parent").to_owned()
}

/// Text of a file, by its path from the top.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Paths from the top of all files that are tracked, or new and not ignored.
fn tracked() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root())
        .output()
        .expect("git runs: these rules read the list of tracked files");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let paths: Vec<String> =
        listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    assert!(paths.len() > 50, "only {} files are tracked", paths.len());
    paths
}

/// Tracked files with this ending, and their text.
fn tracked_with(ending: &str) -> Vec<(String, String)> {
    tracked()
        .into_iter()
        .filter(|path| path.ends_with(ending))
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// Fails with the rule and everything that breaks it.
fn hold(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  broken by:\n    {}", broken.join("\n    "));
}
