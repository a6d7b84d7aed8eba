use serde::{Deserialize, Serialize};

/// Which rules hold for a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The only copy of somebody's data may live here: every rule holds.
    Production,
    /// A trial, a rehearsal or a developer's machine: a loopback endpoint and a local directory are allowed.
    NonProduction,
}
