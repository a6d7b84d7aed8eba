use super::check::Environment;
use crate::{Checked, ClauseId, Finding, Severity};

/// What `walrus` refuses to start with.
const REFUSED: [&str; 3] = ["WALG_PGP_KEY", "WALG_PGP_KEY_PATH", "WALG_PGP_KEY_PASSPHRASE"];

/// What `walrus` reads past, and what that means.
const IGNORED: [(&[&str], Severity, ClauseId, &str); 7] = [
    (
        &["WALG_STORAGE_PREFIX"],
        Severity::Error,
        ClauseId::AppContract,
        "its backups go to another place than wal-g's",
    ),
    (
        &[
            "WALG_CSE_KMS_ID",
            "YC_CSE_KMS_KEY_ID",
            "WALG_ENVELOPE_PGP_KEY",
            "WALG_ENVELOPE_PGP_KEY_PATH",
            "WALG_GPG_KEY_ID",
        ],
        Severity::Error,
        ClauseId::EncryptedAtRest,
        "nothing is encrypted with it",
    ),
    (
        &["S3_SSE", "WALG_S3_SSE", "S3_SSE_C", "WALG_S3_SSE_C", "S3_SSE_KMS_ID", "WALG_S3_SSE_KMS_ID"],
        Severity::Warning,
        ClauseId::EncryptedAtRest,
        "the store is not asked to encrypt",
    ),
    (
        &["S3_RETENTION_PERIOD", "WALG_S3_RETENTION_PERIOD", "S3_RETENTION_MODE", "WALG_S3_RETENTION_MODE"],
        Severity::Warning,
        ClauseId::ImmutableOffsite,
        "nothing that it uploads is locked",
    ),
    (
        &[
            "AWS_PROFILE",
            "AWS_ROLE_ARN",
            "WALG_AWS_ROLE_ARN",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_CONFIG_FILE",
        ],
        Severity::Warning,
        ClauseId::AppContract,
        "it works with the static keys alone",
    ),
    (
        &["WALG_S3_CA_CERT_FILE", "S3_CA_CERT_FILE"],
        Severity::Warning,
        ClauseId::EncryptedInTransit,
        "it trusts the system's authorities; SSL_CERT_FILE names others",
    ),
    (
        &["WALG_FAILOVER_STORAGES"],
        Severity::Warning,
        ClauseId::AppContract,
        "there is no second storage to fall back to",
    ),
];

/// What only one engine understands is asked of that engine only, and told of where another one reads it.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    if !env.engine.is_walrus() {
        stop_timeout(env, out);
        return;
    }
    for name in env.set_among(&REFUSED) {
        out.findings.push(
            Finding::new(
                "env-engine-refuses",
                Severity::Error,
                env.place(name),
                format!("keeps the engine '{}' from starting: it knows no PGP", env.engine),
                "encrypt with libsodium, or set 'engine = \"wal-g\"' for what is encrypted with PGP already",
            )
            .about(ClauseId::EncryptedAtRest),
        );
    }
    for (names, severity, clause, meaning) in IGNORED {
        for name in env.set_among(names) {
            out.findings.push(
                Finding::new(
                    "env-engine-ignores",
                    severity,
                    env.place(name),
                    format!("means nothing to the engine '{}': {meaning}", env.engine),
                    "remove it, or set 'engine = \"wal-g\"'",
                )
                .about(clause),
            );
        }
    }
}

/// Without it wal-g waits for ever when the server cannot archive the end of a backup, and with 0 too.
fn stop_timeout(env: &Environment<'_>, out: &mut Checked) {
    const NAME: &str = "WALG_STOP_BACKUP_TIMEOUT";
    let is_nothing = |text: &str| !text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    if env.is_set(NAME) && !env.text(NAME).is_some_and(is_nothing) {
        return;
    }
    out.findings.push(
        Finding::new(
            "env-stop-backup-timeout",
            Severity::Warning,
            env.place(NAME),
            "sets no limit: a backup whose last WAL cannot be archived never ends, and the next one does not begin",
            "set it, for example to 10m",
        )
        .about(ClauseId::HourlyIncremental),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineKind::{Embedded, WalG, Walrus};
    use crate::environment::check::tests::codes;

    #[test]
    fn a_requirement_of_one_engine_is_asked_of_that_one_only() {
        assert_eq!(codes("", WalG, check), ["env-stop-backup-timeout"]);
        for (limit, is_one) in
            [("10m", true), ("0.5h", true), ("0m30s", true), ("0", false), ("0s", false), ("0.0h", false)]
        {
            let found = codes(&format!("WALG_STOP_BACKUP_TIMEOUT={limit}"), WalG, check);
            assert_eq!(found.is_empty(), is_one, "{limit}");
        }
        assert!(codes("", Embedded, check).is_empty());
        assert!(codes("", Walrus, check).is_empty());
    }

    #[test]
    fn what_an_engine_reads_past_is_told() {
        for engine in [Embedded, Walrus] {
            assert_eq!(codes("WALG_PGP_KEY=k", engine, check), ["env-engine-refuses"]);
            for (names, ..) in IGNORED {
                for name in names {
                    assert_eq!(codes(&format!("{name}=x"), engine, check), ["env-engine-ignores"], "{name}");
                }
            }
        }
        assert!(
            codes("WALG_STOP_BACKUP_TIMEOUT=1m\nWALG_S3_SSE=AES256\nAWS_ROLE_ARN=x", WalG, check).is_empty()
        );
    }
}
