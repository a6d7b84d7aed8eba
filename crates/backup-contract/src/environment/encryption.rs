use super::check::Environment;
use super::libsodium;
use crate::{Checked, ClauseId, Finding, Severity};

const LIBSODIUM: [&str; 2] = ["WALG_LIBSODIUM_KEY", "WALG_LIBSODIUM_KEY_PATH"];
/// What wal-g prefers to libsodium, whatever was meant.
const PGP: [&str; 7] = [
    "WALG_PGP_KEY",
    "WALG_PGP_KEY_PATH",
    "WALG_GPG_KEY_ID",
    "WALE_GPG_KEY_ID",
    "GPG_KEY_ID",
    "WALG_ENVELOPE_PGP_KEY",
    "WALG_ENVELOPE_PGP_KEY_PATH",
];
/// Those of them that name a key in a keyring of gpg.
const GPG: [&str; 3] = ["WALG_GPG_KEY_ID", "WALE_GPG_KEY_ID", "GPG_KEY_ID"];
const KMS: [&str; 2] = ["WALG_CSE_KMS_ID", "YC_CSE_KMS_KEY_ID"];
/// The store encrypts, and whoever can read the bucket reads the backups.
const STORE_SIDE: [&str; 6] =
    ["S3_SSE", "WALG_S3_SSE", "WALE_S3_SSE", "S3_SSE_C", "WALG_S3_SSE_C", "WALE_S3_SSE_C"];

/// With what an engine encrypts, before anything leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    None,
    Libsodium,
    /// By PGP or with the key of a KMS.
    EngineOnly,
}

/// With what the engine would encrypt.
pub(super) fn means(env: &Environment<'_>) -> Means {
    let others = PGP.iter().chain(&KMS).any(|name| env.is_set(name));
    if others && !env.engine.is_walrus() {
        Means::EngineOnly
    } else if LIBSODIUM.iter().any(|name| env.is_set(name)) {
        Means::Libsodium
    } else {
        Means::None
    }
}

/// What is stored is encrypted, by one means that is named, and by the one that was meant.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let libsodium = env.set_among(&LIBSODIUM);
    let pgp = env.set_among(&PGP);
    let kms = env.set_among(&KMS);
    let store_side = env.set_among(&STORE_SIDE);

    if env.engine.is_walrus() {
        // What it ignores or refuses of these is told with its other limits.
        if libsodium.is_empty() {
            out.findings
                .push(not_encrypted(env, "the engine knows libsodium alone, and no key of it is set"));
        } else {
            two_keys(env, &libsodium, out);
            libsodium::check(env, out);
        }
        return;
    }
    let client_side: Vec<_> = pgp.iter().chain(&kms).copied().collect();
    match (client_side.first(), libsodium.first(), store_side.first()) {
        (Some(winner), Some(_), _) => out.findings.push(contradiction(
            env,
            winner,
            "wins over the libsodium key beside it: the backups are not encrypted with the key that is kept for them",
        )),
        (Some(_), None, _) => {
            if let Some(name) = only_named(env) {
                out.findings.push(gpg_key_id(env, name));
            } else if !pgp.is_empty() && !kms.is_empty() {
                out.findings.push(contradiction(env, pgp[0], "wins over the key of a KMS beside it"));
            }
        }
        (None, Some(_), _) => {
            two_keys(env, &libsodium, out);
            libsodium::check(env, out);
        }
        (None, None, Some(name)) => match env.text(name) {
            Some("AES256" | "aws:kms" | "aws:kms:dsse") => out.findings.push(
                Finding::new(
                    "env-store-side-encryption",
                    Severity::Info,
                    env.place(name),
                    "is what encrypts: the store holds the keys, and whoever can read the bucket reads the backups",
                    "set WALG_LIBSODIUM_KEY as well, and the store need not be trusted",
                )
                .about(ClauseId::EncryptedAtRest),
            ),
            _ => out.findings.push(not_encrypted(env, format!("{name} holds no encryption that a store knows"))),
        },
        (None, None, None) => out.findings.push(not_encrypted(env, "the engine says nothing of it, and uploads as it reads")),
    }
}

/// A key that is only named, where nothing else says with what to encrypt.
fn only_named(env: &Environment<'_>) -> Option<&'static str> {
    let named = env.set_among(&GPG);
    let others = PGP.iter().chain(&KMS).filter(|name| !GPG.contains(name)).any(|name| env.is_set(name));
    named.first().copied().filter(|_| !others)
}

fn gpg_key_id(env: &Environment<'_>, name: &str) -> Finding {
    Finding::new(
        "env-gpg-key-id",
        Severity::Error,
        env.place(name),
        "names a key of gpg, which wal-g 3 does not look at: it stores the backups in the clear, or does not start",
        "set WALG_PGP_KEY_PATH to the key itself, or encrypt with libsodium",
    )
    .about(ClauseId::EncryptedAtRest)
}

fn not_encrypted(env: &Environment<'_>, why: impl AsRef<str>) -> Finding {
    Finding::new(
        "env-not-encrypted",
        Severity::Error,
        env.place("WALG_LIBSODIUM_KEY"),
        format!("is not set, nor anything in its place: the backups are stored in the clear ({})", why.as_ref()),
        "set it to the output of 'openssl rand -hex 32', with WALG_LIBSODIUM_KEY_TRANSFORM=hex; keep a copy away from the host",
    )
    .about(ClauseId::EncryptedAtRest)
}

fn two_keys(env: &Environment<'_>, libsodium: &[&str], out: &mut Checked) {
    if let [key, path] = libsodium {
        out.findings.push(contradiction(env, key, format!("is used, and {path} beside it is not")));
    }
}

fn contradiction(env: &Environment<'_>, name: &str, detail: impl Into<String>) -> Finding {
    Finding::new(
        "env-encryption-contradiction",
        Severity::Error,
        env.place(name),
        detail,
        "keep the one whose key you can bring back, and remove the others",
    )
    .about(ClauseId::EncryptedAtRest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineKind::{Embedded, WalG, Walrus};
    use crate::environment::check::tests::codes;

    fn key() -> String {
        let hex = "0123456789abcdef".repeat(4);
        format!("WALG_LIBSODIUM_KEY={hex}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n")
    }

    #[test]
    fn something_that_the_engine_knows_encrypts() {
        for engine in [Embedded, Walrus, WalG] {
            assert_eq!(codes("PGHOST=db", engine, check), ["env-not-encrypted"]);
            assert!(codes(&key(), engine, check).is_empty());
        }
        assert!(codes("WALG_PGP_KEY_PATH=/k", WalG, check).is_empty());
        for name in GPG {
            assert_eq!(codes(&format!("{name}=k"), WalG, check), ["env-gpg-key-id"]);
            assert!(codes(&format!("{name}=k\nWALG_PGP_KEY=k"), WalG, check).is_empty());
            assert_eq!(codes(&format!("{name}=k"), Embedded, check), ["env-not-encrypted"]);
        }
        assert_eq!(codes("WALG_PGP_KEY_PATH=/k", Embedded, check), ["env-not-encrypted"]);
        assert_eq!(codes("WALG_S3_SSE=AES256", WalG, check), ["env-store-side-encryption"]);
        assert_eq!(codes("WALG_S3_SSE=aes", WalG, check), ["env-not-encrypted"]);
        assert_eq!(codes("WALG_S3_SSE=AES256", Walrus, check), ["env-not-encrypted"]);
        assert_eq!(codes("WALG_LIBSODIUM_KEY=", WalG, check), ["env-not-encrypted"]);
    }

    #[test]
    fn the_transform_neither_pads_nor_cuts() {
        for transform in ["", "WALG_LIBSODIUM_KEY_TRANSFORM=none", "WALG_LIBSODIUM_KEY_TRANSFORM=Hex"] {
            let text = format!("{}{transform}\n", key().replace("WALG_LIBSODIUM_KEY_TRANSFORM=hex", ""));
            assert_eq!(codes(&text, WalG, check), ["env-libsodium-transform"], "{transform}");
        }
        assert_eq!(codes(&key().replace("=hex", "=base64"), WalG, check), ["env-libsodium-key"]);
    }

    #[test]
    fn two_means_of_encryption_contradict_each_other() {
        for other in ["WALG_PGP_KEY_PATH=/k", "WALG_CSE_KMS_ID=k", "WALG_LIBSODIUM_KEY_PATH=/k"] {
            assert_eq!(
                codes(&format!("{}{other}\n", key()), WalG, check),
                ["env-encryption-contradiction"],
                "{other}"
            );
        }
        assert_eq!(codes("WALG_PGP_KEY=k\nWALG_CSE_KMS_ID=k", WalG, check), ["env-encryption-contradiction"]);
    }
}
