//! Client processes, and what they answer.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{LEDGER, Server};

impl Server {
    /// Runs a client command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.cli(words))
    }

    /// Runs a client command that must succeed, and reads its JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().chain(&["--json"]).copied().collect();
        let ran = self.run(&words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.stderr, ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }
}

/// A client command without a server.
pub(crate) fn ledger(words: &[&str]) -> Ran {
    let mut command = Command::new(LEDGER);
    Ran::of(&command.env_remove("LEDGER_SERVER").args(words).output().unwrap())
}

/// How a process ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder for one test, and in it one for the server's data.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
