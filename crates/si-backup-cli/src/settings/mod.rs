//! The settings file: its shape, how it is read, and how it is first written.

mod load;
mod model;
mod nearest;
mod schedule;
mod template;

pub use load::{SettingsError, load, parse};
pub use model::{
    AppSettings, CheckSettings, CheckTime, ContextSettings, EncryptionSettings, GateSettings, LockSettings,
    OffsiteSettings, RehearsalKind, RehearsalSettings, RetentionSettings, RunnerSettings, Settings,
    StoreSettings,
};
pub use schedule::ScheduleSettings;
pub use template::render as render_template;
