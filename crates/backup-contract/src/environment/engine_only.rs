use super::check::Environment;
use super::file::Variable;
use super::{STORAGE_NAMES, storage};
use crate::{Checked, ClauseId, Finding, Severity};
use std::collections::BTreeSet;

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

/// The settings with `WALG_` that `walrus` 0.4.1 reads, those of a storage aside, and one that this software reads itself. What
/// else there is of that kind is another engine's, or a slip of the pen.
const READ: [&str; 26] = [
    "WALG_COMPRESSION_LEVEL",
    "WALG_COMPRESSION_METHOD",
    "WALG_DAEMON_WAL_UPLOAD_TIMEOUT",
    "WALG_DELTA_FROM_NAME",
    "WALG_DELTA_FROM_USER_DATA",
    "WALG_DELTA_MAX_STEPS",
    "WALG_DELTA_ORIGIN",
    "WALG_DISK_RATE_LIMIT",
    "WALG_DOWNLOAD_CONCURRENCY",
    "WALG_DOWNLOAD_FILE_RETRIES",
    "WALG_FETCH_TARGET_USER_DATA",
    "WALG_LIBSODIUM_KEY",
    "WALG_LIBSODIUM_KEY_PATH",
    "WALG_LIBSODIUM_KEY_TRANSFORM",
    "WALG_LOG_LEVEL",
    "WALG_NETWORK_RATE_LIMIT",
    "WALG_PG_WAL_SIZE",
    "WALG_PREFETCH_DIR",
    "WALG_PREVENT_WAL_OVERWRITE",
    "WALG_SENTINEL_USER_DATA",
    "WALG_SLOTNAME",
    "WALG_TAR_SIZE_THRESHOLD",
    "WALG_THREADS",
    "WALG_UPLOAD_CONCURRENCY",
    "WALG_UPLOAD_QUEUE",
    "WALG_USE_WAL_DELTA",
];

/// The names of one setting of the store that are wal-g's alone.
const TUNING: [&str; 4] = ["S3_STORAGE_CLASS", "S3_MAX_PART_SIZE", "S3_MAX_RETRIES", "S3_ENDPOINT_SOURCE"];

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
            let remedy = "remove it, or set 'engine = \"wal-g\"'";
            out.findings.push(ignored(env, name, severity, meaning, remedy).about(clause));
        }
    }
    let unread: BTreeSet<&str> =
        env.file.iter().map(Variable::name).filter(|name| is_unknown(name) && env.is_set(name)).collect();
    for name in unread {
        let remedy = "remove it, correct its name, or set 'engine = \"wal-g\"'";
        let finding = ignored(env, name, Severity::Warning, "it has no such setting", remedy);
        out.findings.push(finding.about(ClauseId::AppContract));
    }
}

fn ignored(env: &Environment<'_>, name: &str, severity: Severity, meaning: &str, remedy: &str) -> Finding {
    let detail = format!("means nothing to the engine '{}': {meaning}", env.engine);
    Finding::new("env-engine-ignores", severity, env.place(name), detail, remedy)
}

/// Whether a name is one that engines give to their settings, and neither read by `walrus` nor told of above.
fn is_unknown(name: &str) -> bool {
    let is_of_engines = name.starts_with("WALG_") || name.starts_with("WALE_") || TUNING.contains(&name);
    is_of_engines
        && !READ.contains(&name)
        && !REFUSED.contains(&name)
        && !IGNORED.iter().any(|(names, ..)| names.contains(&name))
        && !storage::STORAGES.iter().flatten().any(|known| *known == name)
        && !STORAGE_NAMES.into_iter().flatten().any(|known| *known == name)
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
        for other in
            ["WALG_STOP_BACKUP_TIMEOUT=10m", "WALG_LIBSODIUM_KEY_TRANSFROM=hex", "S3_STORAGE_CLASS=GLACIER"]
        {
            assert_eq!(codes(other, Embedded, check), ["env-engine-ignores"], "{other}");
        }
        let known = READ.map(|name| format!("{name}=1\n")).concat()
            + "WALG_S3_PREFIX=s3://b/p\nWALG_AWS_ACCESS_KEY_ID=a\nWALE_S3_PREFIX=s3://b/p\nPGHOST=db\nOTHER=1\n";
        assert!(codes(&known, Embedded, check).is_empty());
        assert!(
            codes("WALG_STOP_BACKUP_TIMEOUT=1m\nWALG_S3_SSE=AES256\nAWS_ROLE_ARN=x", WalG, check).is_empty()
        );
    }
}
