use crate::process::Variables;
use crate::{Error, Result};
use backup_contract::Finding;
use backup_contract::environment::{Environment, STORAGE_NAMES, Variable};
use std::collections::BTreeSet;

/// The name by which both engines read a setting of the storage, of those that it may have.
///
/// wal-g tries each bare, then with `WALG_`, then with `WALE_`; walrus knows only some, and others that wal-g does not know.
pub(super) fn bare(names: &[&'static str]) -> &'static str {
    const ENDPOINT: &str = "AWS_ENDPOINT";
    if names.contains(&ENDPOINT) { ENDPOINT } else { names.first().copied().unwrap_or_default() }
}

/// The findings with which an engine would do something else than the env file says.
const REFUSED: [&str; 5] =
    ["env-engine-refuses", "env-engine-ignores", "env-dollar", "env-shadowed", "env-several-storages"];

/// Endings of names whose values anybody may see, and that are worth seeing when something went wrong.
const OPEN_ENDINGS: [&str; 10] = [
    "_CONCURRENCY",
    "_LEVEL",
    "_METHOD",
    "_ORIGIN",
    "_OVERWRITE",
    "_REGION",
    "_STEPS",
    "_STYLE",
    "_TIMEOUT",
    "_TRANSFORM",
];

/// Names whose values anybody may see.
const OPEN: [&str; 8] =
    ["PGDATA", "PGDATABASE", "PGHOST", "PGPORT", "PGSSLMODE", "PGUSER", "WALG_FILE_PREFIX", "WALG_S3_PREFIX"];

/// What of an app's env file its engine would not do, or do otherwise, than it says there: a key that is ignored, and so a
/// bucket in the clear, is no warning once something is to be run.
///
/// ```
/// use backup_contract::Stage;
/// use backup_contract::engine::EngineKind;
/// use backup_contract::environment::{EnvFile, Environment, KeyFile};
/// use backup_contract::profile::Profile;
///
/// let file = EnvFile::parse(b"WALG_PGP_KEY=abc\n")?;
/// let env = Environment {
///     path: "shop.env",
///     file: &file,
///     profile: Profile::find("supabase-self-hosted")?,
///     engine: EngineKind::Embedded,
///     stage: Stage::Production,
///     key_file: KeyFile::NotLookedAt,
/// };
/// assert_eq!(walg_driver::engine::refused(&env)[0].code, "env-engine-refuses");
/// # Ok::<(), backup_contract::Error>(())
/// ```
#[must_use]
pub fn refused(env: &Environment<'_>) -> Vec<Finding> {
    env.check().findings.into_iter().filter(|finding| REFUSED.contains(&finding.code)).collect()
}

/// The environment of an engine that is run beside its server: what the app's env file says, and nothing else.
///
/// The settings of the storage have the names that every engine understands. A name without a value is given nothing.
///
/// # Errors
/// [`Error::Settings`] with everything that is [`refused`].
pub fn environment(env: &Environment<'_>) -> Result<Variables> {
    let findings = refused(env);
    if !findings.is_empty() {
        return Err(Error::Settings(findings));
    }
    let mut names: BTreeSet<&str> = env.file.iter().map(Variable::name).collect();
    let mut variables = Variables::new();
    // The engines differ in whether an empty value is one.
    let value = |name: &str| Some(env.file.get(name)?.literal()?.expose()).filter(|text| !text.is_empty());
    for others in STORAGE_NAMES {
        if let Some(text) = others.iter().find_map(|name| value(name)) {
            variables = with(variables, bare(others), text);
        }
        for name in others {
            names.remove(name);
        }
    }
    let rest = names.into_iter().filter_map(|name| Some((name, value(name)?)));
    Ok(rest.fold(variables, |variables, (name, text)| with(variables, name, text)))
}

fn with(variables: Variables, name: &str, text: &str) -> Variables {
    if OPEN.contains(&name) || OPEN_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        variables.plain(name, text)
    } else {
        variables.secret(name, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::Stage;
    use backup_contract::engine::EngineKind::{self, Embedded, WalG};
    use backup_contract::environment::{EnvFile, KeyFile};
    use backup_contract::profile::Profile;
    use std::ffi::OsStr;

    fn given(text: &str, engine: EngineKind) -> Result<Variables> {
        let file = EnvFile::parse(text.as_bytes()).unwrap();
        let profile = Profile::find("supabase-self-hosted").unwrap();
        let (stage, key_file) = (Stage::Production, KeyFile::NotLookedAt);
        environment(&Environment { path: "shop.env", file: &file, profile, engine, stage, key_file })
    }

    const FILE: &str = "WALG_S3_PREFIX=s3://b/shop\nWALG_AWS_ENDPOINT=https://s3.test\nWALG_AWS_ACCESS_KEY_ID=id\n\
                        WALG_AWS_SECRET_ACCESS_KEY=abcdefgh\nPGHOST=db\nPGPASSWORD=secret\nEMPTY=\nWALG_DELTA_MAX_STEPS=24\n";

    #[test]
    fn every_engine_gets_the_names_that_it_understands() {
        for engine in [Embedded, WalG] {
            let variables = given(FILE, engine).unwrap();
            let names: Vec<_> = variables.names().map(|name| name.to_str().unwrap()).collect();
            assert_eq!(
                names,
                [
                    "AWS_ACCESS_KEY_ID",
                    "AWS_ENDPOINT",
                    "AWS_SECRET_ACCESS_KEY",
                    "PGHOST",
                    "PGPASSWORD",
                    "WALG_DELTA_MAX_STEPS",
                    "WALG_S3_PREFIX"
                ]
            );
            let all: Vec<_> = variables.exposed().collect();
            assert!(all.contains(&(OsStr::new("AWS_SECRET_ACCESS_KEY"), OsStr::new("abcdefgh"))));
        }
    }

    #[test]
    fn what_is_not_known_to_be_open_is_a_secret() {
        let variables =
            given(&format!("{FILE}WALG_LIBSODIUM_KEY=0123456789\nSOMETHING=else\n"), WalG).unwrap();
        for secret in ["AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "WALG_LIBSODIUM_KEY", "SOMETHING"] {
            assert_eq!(variables.shown(secret), None, "{secret}");
        }
        assert_eq!(variables.shown("PGHOST"), Some(OsStr::new("db")));
    }

    #[test]
    fn what_an_engine_would_not_do_is_an_error_before_anything_runs() {
        let lines = [
            "WALG_PGP_KEY=k",
            "WALG_PGP_KEY_PATH=/k",
            "S3_RETENTION_PERIOD=60",
            "WALG_S3_SSE=AES256",
            "WALG_STORAGE_PREFIX=x",
            "AWS_PROFILE=x",
            "AWS_ROLE_ARN=x",
            "WALG_S3_CA_CERT_FILE=/ca",
            "WALG_FILE_PREFIX=/b",
            "AWS_ACCESS_KEY_ID=other",
            "PGUSER=$USER",
        ];
        for line in lines {
            let Err(Error::Settings(findings)) = given(&format!("{FILE}{line}\n"), Embedded) else {
                panic!("{line} was let through")
            };
            assert_eq!(findings.len(), 1, "{line}");
        }
        // wal-g does what these say.
        for line in &lines[..8] {
            assert!(given(&format!("{FILE}{line}\n"), WalG).is_ok(), "{line}");
        }
    }
}
