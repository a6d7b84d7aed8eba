use super::check::Environment;
use super::file::{Given, Variable};
use super::placeholder::is_placeholder;
use crate::{Checked, ClauseId, Finding, Severity};

/// Names whose value would be a template's as likely as those that the profile requires.
const SECRETS: [&str; 5] =
    ["WALG_LIBSODIUM_KEY", "WALG_PGP_KEY", "PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Every name that the profile requires has a value, and no value is still the template's.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let required = env.profile.required_env();
    out.findings.extend(required.iter().filter_map(|name| absent(env, name)));
    let secrets = SECRETS.iter().filter(|name| !required.contains(name));
    for name in required.iter().chain(secrets) {
        if env.text(name).is_some_and(is_placeholder) {
            out.findings.push(
                Finding::new(
                    "env-placeholder",
                    Severity::Error,
                    env.place(name),
                    "still holds a template's text, or one that everybody knows",
                    "put the real value there",
                )
                .about(ClauseId::AppContract),
            );
        }
    }
}

fn absent(env: &Environment<'_>, name: &str) -> Option<Finding> {
    let finding = match env.file.get(name).map(Variable::given) {
        Some(Given::Literal(value) | Given::Substituted(value)) if value.is_empty() => Finding::new(
            "env-required-empty",
            Severity::Error,
            env.place(name),
            format!("is empty, and the profile '{}' requires it", env.profile.name()),
            "give it a value",
        ),
        Some(Given::Literal(_) | Given::Substituted(_)) => return None,
        // An inherited one has no value here; there is another finding that says so.
        Some(Given::Inherited) | None => {
            let bare = name.strip_prefix("WALG_").filter(|bare| env.is_set(bare));
            Finding::new(
                "env-required-missing",
                Severity::Error,
                env.place(name),
                format!("is not there, and the profile '{}' requires it", env.profile.name()),
                bare.map_or_else(
                    || format!("add a line {name}=..."),
                    |bare| format!("rename {bare} to {name}"),
                ),
            )
        }
    };
    Some(finding.about(ClauseId::AppContract))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::engine::EngineKind::WalG;
    use crate::environment::check::tests::{codes, found};

    #[test]
    fn each_required_name_is_asked_for() {
        let findings = found("", WalG, Stage::Production, check);
        assert_eq!(findings.len(), 4);
        assert!(findings.iter().all(|finding| finding.code == "env-required-missing"));
        assert_eq!(findings[0].place.to_string(), "shop.env#WALG_S3_PREFIX");
    }

    #[test]
    fn an_empty_value_or_a_template_is_none() {
        let rest =
            "WALG_AWS_ACCESS_KEY_ID=a1\nWALG_AWS_SECRET_ACCESS_KEY=b2\nWALG_AWS_ENDPOINT=https://s3.test\n";
        assert!(codes(&format!("{rest}WALG_S3_PREFIX=s3://a-b/c"), WalG, check).is_empty());
        assert_eq!(codes(&format!("{rest}WALG_S3_PREFIX="), WalG, check), ["env-required-empty"]);
        assert_eq!(codes(&format!("{rest}WALG_S3_PREFIX=''"), WalG, check), ["env-required-empty"]);
        assert_eq!(codes(&format!("{rest}WALG_S3_PREFIX"), WalG, check), ["env-required-missing"]);
        assert_eq!(
            codes(&format!("{rest}WALG_S3_PREFIX=s3://your-bucket/x"), WalG, check),
            ["env-placeholder"]
        );
    }

    #[test]
    fn the_bare_name_is_no_stand_in() {
        let findings = found("AWS_ENDPOINT=https://s3.test", WalG, Stage::Production, check);
        assert!(findings.iter().any(|finding| finding.hint == "rename AWS_ENDPOINT to WALG_AWS_ENDPOINT"));
    }
}
