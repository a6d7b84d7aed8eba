use super::check::Environment;
use super::endpoint;
use crate::{Checked, ClauseId, Finding, Severity};

/// Names for one setting, the one that counts first: the bare name wins over `WALG_`, that over `WALE_`, and the older
/// spelling of a key loses. With these a storage is chosen and reached.
pub const STORAGE_NAMES: [&[&str]; 8] = [
    &["WALG_S3_PREFIX", "WALE_S3_PREFIX"],
    &["WALG_FILE_PREFIX", "WALE_FILE_PREFIX"],
    &endpoint::NAMES,
    &[
        "AWS_ACCESS_KEY_ID",
        "WALG_AWS_ACCESS_KEY_ID",
        "WALE_AWS_ACCESS_KEY_ID",
        "AWS_ACCESS_KEY",
        "WALG_AWS_ACCESS_KEY",
    ],
    &[
        "AWS_SECRET_ACCESS_KEY",
        "WALG_AWS_SECRET_ACCESS_KEY",
        "WALE_AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "WALG_AWS_SECRET_KEY",
    ],
    &["AWS_SESSION_TOKEN", "WALG_AWS_SESSION_TOKEN", "WALE_AWS_SESSION_TOKEN"],
    &["AWS_REGION", "WALG_AWS_REGION", "WALE_AWS_REGION", "WALG_S3_REGION"],
    &["AWS_S3_FORCE_PATH_STYLE", "WALG_AWS_S3_FORCE_PATH_STYLE", "WALE_AWS_S3_FORCE_PATH_STYLE"],
];

/// The same for how it keeps what it gets.
const KEEPING_NAMES: [&[&str]; 4] = [
    &["S3_SSE", "WALG_S3_SSE", "WALE_S3_SSE"],
    &["S3_SSE_KMS_ID", "WALG_S3_SSE_KMS_ID", "WALE_S3_SSE_KMS_ID"],
    &["S3_RETENTION_PERIOD", "WALG_S3_RETENTION_PERIOD", "WALE_S3_RETENTION_PERIOD"],
    &["S3_RETENTION_MODE", "WALG_S3_RETENTION_MODE", "WALE_S3_RETENTION_MODE"],
];

/// No setting is shadowed by another name for it.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    for names in STORAGE_NAMES.into_iter().chain(KEEPING_NAMES) {
        let set = env.set_among(names);
        let [winner, losers @ ..] = &set[..] else { continue };
        for loser in losers {
            let finding = match (env.text(winner), env.text(loser)) {
                (Some(a), Some(b)) if a == b => Finding::new(
                    "env-duplicate-name",
                    Severity::Warning,
                    env.place(winner),
                    format!("says what {loser} says: one day one of them will be changed alone"),
                    format!("keep {} alone", keep(env, winner, loser)),
                ),
                _ => Finding::new(
                    "env-shadowed",
                    Severity::Error,
                    env.place(winner),
                    format!("wins over {loser}, which says something else"),
                    format!("keep {} alone, with the value that is right", keep(env, winner, loser)),
                ),
            };
            out.findings.push(finding.about(ClauseId::AppContract));
        }
    }
}

/// The one that the profile requires, where it is one of them.
fn keep<'n>(env: &Environment<'_>, winner: &'n str, loser: &'n str) -> &'n str {
    if env.profile.required_env().contains(&loser) { loser } else { winner }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::engine::EngineKind::WalG;
    use crate::environment::check::tests::{codes, found};

    #[test]
    fn a_bare_name_shadows_the_one_that_was_checked() {
        let text = "WALG_AWS_ENDPOINT=https://a.test\nAWS_ENDPOINT=https://b.test\n";
        let findings = found(text, WalG, Stage::Production, check);
        assert_eq!(findings[0].code, "env-shadowed");
        assert_eq!(findings[0].place.to_string(), "shop.env:2#AWS_ENDPOINT");
        assert!(findings[0].hint.contains("keep WALG_AWS_ENDPOINT alone"));
        assert_eq!(codes("WALG_AWS_REGION=a\nAWS_REGION=a\n", WalG, check), ["env-duplicate-name"]);
        assert_eq!(codes("WALG_AWS_REGION=a\nAWS_REGION\n", WalG, check), ["env-shadowed"]);
        assert!(codes("WALG_AWS_REGION=a\nAWS_REGION=\n", WalG, check).is_empty());
    }
}
