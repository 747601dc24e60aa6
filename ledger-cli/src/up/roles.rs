//! What a server does of all that there is to do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One of the parts that may run in a process of its own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Decides commands, and writes the log.
    Command,
    /// Follows the log into the views of the data folder.
    Projector,
    /// Answers from the views of the data folder.
    Query,
}

/// The roles of one server, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Roles(BTreeSet<Role>);

impl Default for Roles {
    fn default() -> Self {
        Roles([Role::Command, Role::Projector, Role::Query].into())
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Roles(roles.into_iter().collect())
    }
}

impl Roles {
    /// As they are typed.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |role: &Role| match role {
            Role::Command => "command",
            Role::Projector => "projector",
            Role::Query => "query",
        };
        self.0.iter().map(|role| name(role).to_owned()).collect()
    }

    /// Whether it decides commands.
    pub(crate) fn command(&self) -> bool {
        self.0.contains(&Role::Command)
    }

    /// Whether it writes views.
    pub(crate) fn projector(&self) -> bool {
        self.0.contains(&Role::Projector)
    }

    /// Whether it answers queries.
    pub(crate) fn query(&self) -> bool {
        self.0.contains(&Role::Query)
    }

    /// Whether it reads or writes the log: to answer from views that another process writes it does not.
    pub(crate) fn log(&self) -> bool {
        self.command() || self.projector()
    }

    /// Why a server with these roles would be of no use, or none can be started.
    pub(crate) fn refusal(&self, on_kafka: bool) -> Option<&'static str> {
        if self.0.is_empty() {
            return Some("roles is empty: it is one or several of command, projector, query");
        }
        let one_process = *self == Roles::default() || !self.log();
        if !one_process && !on_kafka {
            return Some(
                "some of the roles in a process of their own need a log that several processes \
                 share: set kafka.bootstrap, or leave roles out; only query alone, beside the \
                 server of the same data folder, needs none",
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_apart_need_a_log_that_can_be_shared() {
        use Role::{Command, Projector, Query};
        let refused = |roles: &[Role], on_kafka| {
            let roles: Roles = roles.iter().copied().collect();
            roles.refusal(on_kafka).is_some()
        };
        assert!(refused(&[], true));
        for on_kafka in [false, true] {
            assert!(!refused(&[Command, Projector, Query], on_kafka));
            assert!(!refused(&[Query], on_kafka));
            for apart in [&[Command][..], &[Projector], &[Command, Query], &[Projector, Query]] {
                assert_eq!(refused(apart, on_kafka), !on_kafka, "{apart:?}");
            }
        }
    }
}
