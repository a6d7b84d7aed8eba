//! Compose projects: a model of what the contract asks, readers into it, and the rules.
//!
//! A [`Project`] comes from `docker compose config --format json --no-interpolate` or, where there is no Docker, from
//! the files themselves. [`check`] holds it against what a profile asks, and says both what is wrong and what it could
//! not judge.
//!
//! ```
//! use backup_contract::ClauseId;
//! use backup_contract::compose::{ComposeFile, Expected, Project, check};
//!
//! let text = "
//! services:
//!   databasus:
//!     image: databasus/databasus:v3.53.0
//!     ports: ['127.0.0.1:4005:4005']
//! ";
//! let file = ComposeFile { name: "compose.yaml", bytes: text.as_bytes() };
//! let project = Project::from_files("/srv/shop", &[file])?;
//! let checked = check(&project, &Expected::default());
//! let published = checked.findings.iter().find(|finding| finding.code == "compose-databasus-published").unwrap();
//! assert_eq!(published.clause, Some(ClauseId::DatabasusPrivate));
//! assert_eq!(published.place.to_string(), "service databasus ports");
//! # Ok::<(), backup_contract::compose::ComposeError>(())
//! ```

mod at;
mod error;
mod facts;
mod image;
mod merge;
mod model;
mod node;
mod project;
mod reach;
mod read;
mod roles;
mod rules;
mod server;
mod spot;
mod syntax;
mod value;

pub use error::ComposeError;
pub(crate) use facts::DataPlace;
pub use model::Project;
pub use project::ComposeFile;
pub use roles::Roles;
pub use rules::{Expected, check, unreadable};

/// Where `PostgreSQL` images have their data, unless `PGDATA` says otherwise.
const PGDATA: &str = "/var/lib/postgresql/data";
