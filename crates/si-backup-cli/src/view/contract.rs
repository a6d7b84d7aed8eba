use super::FindingRow;
use backup_contract::profile::Profile;
use backup_contract::{AppSlug, Finding};
use serde::Serialize;

/// A row of `contract`: a profile, with `--check` something that was found, with `--render` a fragment.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ContractRow {
    /// What an app must have.
    Profile(ProfileRow),
    /// What is wrong or weak in one.
    Finding(ContractFindingRow),
    /// What makes one fit.
    Fragment(FragmentRow),
}

/// Something that was found in an app, or could not be judged.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContractFindingRow {
    /// The app.
    pub app: AppSlug,
    /// What was found.
    #[serde(flatten)]
    pub finding: FindingRow,
}

impl ContractFindingRow {
    /// The row of a finding in an app.
    #[must_use]
    pub fn of(app: &AppSlug, finding: &Finding) -> Self {
        Self { app: app.clone(), finding: FindingRow::from(finding) }
    }
}

/// What the rows of `contract --check` come to.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContractSummary {
    /// How many apps were looked at.
    pub apps: usize,
    /// How many findings are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// How many points could not be judged.
    pub not_judged: usize,
}

/// A profile: si's fields, and the app where one was asked for.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProfileRow {
    /// The profile's name.
    pub profile: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The add-on packs of si that make an app fit it.
    pub recommended_addon_packs: &'static [&'static str],
    /// The service that makes a backup; empty where no container does.
    pub default_run_service: &'static str,
    /// The service that restores one; empty where no container does.
    pub default_restore_service: &'static str,
    /// The names that an app's env file must give a value to.
    pub required_env: &'static [&'static str],
    /// The app whose profile it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppSlug>,
}

impl ProfileRow {
    /// The row of a profile.
    #[must_use]
    pub fn of(profile: &'static Profile, app: Option<&AppSlug>) -> Self {
        Self {
            profile: profile.name(),
            description: profile.description(),
            recommended_addon_packs: profile.recommended_addon_packs(),
            default_run_service: profile.default_run_service().unwrap_or(""),
            default_restore_service: profile.default_restore_service().unwrap_or(""),
            required_env: profile.required_env(),
            app: app.cloned(),
        }
    }
}

/// A profile for people.
#[must_use]
pub fn profile_text(profile: &Profile) -> String {
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!(
        "profile          {}\n                 {}\nadd-on packs     {}\nrun service      {}\nrestore service  {}\nrequired env     {}\n",
        profile.name(),
        profile.description(),
        list(profile.recommended_addon_packs()),
        profile.default_run_service().unwrap_or("none"),
        profile.default_restore_service().unwrap_or("none"),
        profile.required_env().join("\n                 "),
    )
}

/// The row of `contract --render`: a compose fragment that makes an app fit its profile.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FragmentRow {
    /// The add-on pack.
    pub pack: &'static str,
    /// How si puts it beside a release's files: it adds, and overrides nothing.
    pub merge_strategy: &'static str,
    /// The fragment, a compose file.
    pub fragment: String,
    /// The app that it is fitted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppSlug>,
}
