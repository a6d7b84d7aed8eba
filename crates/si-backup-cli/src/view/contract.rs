use backup_contract::AppSlug;
use backup_contract::profile::Profile;
use serde::Serialize;

/// A row of `contract`: si's fields, and the app where one was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct ContractRow {
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

impl ContractRow {
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
