//! Configuration: plain data from a TOML file. An unknown key is refused, by name and line.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("CONFIG_UNREADABLE {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown key, or a value of another type.
    #[error("CONFIG_INVALID {}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and what.
        what: String,
    },
}

/// Reads a configuration file. `T` should deny unknown fields and default the rest.
///
/// # Errors
/// [`ConfigError`] with the file, and the line and key where there is one.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|error| ConfigError::Invalid { path: path.to_owned(), what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        partitions: u32,
    }

    fn load_text(text: &str) -> Result<Sample, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(file.path())
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        assert_eq!(load_text("partitions = 3").unwrap().partitions, 3);
        let error = load_text("partitions = 3\nparitions = 4").unwrap_err().to_string();
        assert!(error.contains("paritions") && error.contains("line 2"), "{error}");
        let error = load_text("partitions = \"x\"").unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<Sample>(Path::new("/nowhere/ledger.toml")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ledger.toml"), "{error}");
    }
}
