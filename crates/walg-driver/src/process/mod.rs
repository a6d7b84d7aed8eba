//! A child program, run to its end and no further.
//!
//! Engines hang, ignore signals, leave grandchildren behind that keep a pipe open, print keys, and end with 0 having done
//! nothing. So a child gets exactly the environment that it is given, is ended together with its whole process group when it
//! stalls, takes too long or is interrupted, and what it printed is kept within bounds and without the secrets of its
//! environment. What comes back is what happened ([`Ended`]), never a claim that anything succeeded.
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # #[derive(Debug)]
//! # struct SystemClock(Instant);
//! # impl backup_store::Clock for SystemClock {
//! #     fn monotonic(&self) -> Duration { self.0.elapsed() }
//! #     fn sleep(&self, time: Duration) { std::thread::sleep(time) }
//! # }
//! use walg_driver::process::{Command, Limits, Status, Variables, Watch, run};
//!
//! let environment = Variables::new().plain("PATH", "/usr/bin:/bin").secret("PGPASSWORD", "correct horse");
//! let command = Command::new("sh").args(["-c", "echo \"it is $PGPASSWORD\"; exit 3"]).environment(environment);
//! let ended = run(&command, &Limits::default(), &Watch::none(), &SystemClock(Instant::now()))?;
//! assert_eq!(ended.status, Status::Exited(3));
//! assert_eq!(ended.stdout.text(), "it is <redacted>\n");
//! # Ok::<(), walg_driver::Error>(())
//! ```

mod capture;
mod child;
mod command;
mod ended;
mod limits;
mod meanwhile;
mod parent;
mod redact;
mod user;
mod variables;

pub use capture::Captured;
pub use child::run;
pub(crate) use command::Input;
pub use command::{Command, Leftovers, Output};
pub use ended::{Ended, Status};
pub use limits::{Limits, Watch};
pub use meanwhile::meanwhile;
pub(crate) use parent::PARENT;
#[cfg(feature = "embedded")]
pub(crate) use parent::end_with_parent;
pub use user::User;
pub use variables::Variables;
