use super::check::Environment;
use crate::{Checked, ClauseId, Finding, Severity};

/// How backups and WAL are pushed: deltas every hour from the day's full, no WAL written over, compressed.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let findings =
        [delta_steps(env), delta_origin(env), overwrite(env), compression(env), retention_period(env)];
    out.findings.extend(findings.into_iter().flatten());
}

fn delta_steps(env: &Environment<'_>) -> Option<Finding> {
    const NAME: &str = "WALG_DELTA_MAX_STEPS";
    let text = if env.is_set(NAME) { env.text(NAME)? } else { "0" };
    let detail = match text.parse::<u32>() {
        Ok(0) => "is not above 0: every backup is a full one, also those of every hour",
        Ok(_) => return None,
        Err(_) => "is no number: the engine takes it for 0 or does not start",
    };
    let severity = if text == "0" { Severity::Warning } else { Severity::Error };
    let hint = "set it to the number of deltas between two fulls, such as 24";
    Some(
        Finding::new("env-deltas-off", severity, env.place(NAME), detail, hint)
            .about(ClauseId::HourlyIncremental),
    )
}

fn delta_origin(env: &Environment<'_>) -> Option<Finding> {
    const NAME: &str = "WALG_DELTA_ORIGIN";
    let text = if env.is_set(NAME) { env.text(NAME)? } else { "LATEST" };
    let (severity, detail) = match text {
        "LATEST_FULL" => return None,
        "LATEST" => (
            Severity::Warning,
            "is LATEST: each delta needs the one before it, and one bad link costs the rest of the day",
        ),
        _ => (Severity::Error, "is neither LATEST nor LATEST_FULL: the engine does not start"),
    };
    let hint = "set it to LATEST_FULL";
    Some(
        Finding::new("env-delta-origin", severity, env.place(NAME), detail, hint)
            .about(ClauseId::HourlyIncremental),
    )
}

fn overwrite(env: &Environment<'_>) -> Option<Finding> {
    const NAME: &str = "WALG_PREVENT_WAL_OVERWRITE";
    let text = if env.is_set(NAME) { env.text(NAME)? } else { "false" };
    if ["1", "t", "T", "TRUE", "true", "True"].contains(&text) {
        return None;
    }
    Some(
        Finding::new(
            "env-wal-overwrite",
            Severity::Warning,
            env.place(NAME),
            "is not true: a second server that archives to the same place replaces WAL that a restore needs",
            "set it to true",
        )
        .about(ClauseId::AppContract),
    )
}

fn compression(env: &Environment<'_>) -> Option<Finding> {
    const NAME: &str = "WALG_COMPRESSION_METHOD";
    let text = if env.is_set(NAME) { env.text(NAME)? } else { "lz4" };
    let (severity, detail) = match text {
        "zstd" | "brotli" | "lzma" => return None,
        "lz4" => (Severity::Info, "is lz4, the default: zstd takes less space"),
        "none" if env.engine.is_walrus() => (Severity::Warning, "is none: nothing is compressed"),
        "none" => (
            Severity::Warning,
            "is none: nothing is compressed, and wal-g before 3.0.9 does not start, or cannot encrypt what is not compressed",
        ),
        "gz" | "gzip" if env.engine.is_walrus() => {
            (Severity::Info, "is gzip: zstd takes less time and less space")
        }
        _ => (Severity::Error, "is no compression that the engine knows: it does not start"),
    };
    let hint = "set it to zstd; what is stored already stays readable";
    Some(
        Finding::new("env-compression", severity, env.place(NAME), detail, hint).about(ClauseId::AppContract),
    )
}

fn retention_period(env: &Environment<'_>) -> Option<Finding> {
    let names = ["S3_RETENTION_PERIOD", "WALG_S3_RETENTION_PERIOD", "WALE_S3_RETENTION_PERIOD"];
    let name = *env.set_among(&names).first()?;
    if env.engine.is_walrus() || env.text(name).is_some_and(|text| text.starts_with('-')) {
        return None;
    }
    Some(
        Finding::new(
            "env-fixed-lock",
            Severity::Warning,
            env.place(name),
            "locks all that is uploaded, WAL too, for one fixed time: retention cannot delete what it drops",
            "remove it; the immutable copy is the offsite store's, with a lock for as long as each copy is kept",
        )
        .about(ClauseId::Retention),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::engine::EngineKind::{Embedded, WalG};
    use crate::environment::check::tests::{codes, found};

    const GOOD: &str = "WALG_DELTA_MAX_STEPS=24\nWALG_DELTA_ORIGIN=LATEST_FULL\nWALG_PREVENT_WAL_OVERWRITE=true\n\
                        WALG_COMPRESSION_METHOD=zstd\n";

    #[test]
    fn what_the_policy_asks_for_is_fine() {
        assert!(codes(GOOD, WalG, check).is_empty());
        assert!(codes(GOOD, Embedded, check).is_empty());
    }

    #[test]
    fn nothing_said_is_the_engines_default() {
        let all = ["env-deltas-off", "env-delta-origin", "env-wal-overwrite", "env-compression"];
        assert_eq!(codes("", WalG, check), all);
    }

    #[test]
    fn each_setting_is_judged_alone() {
        for (from, to, code, severity) in [
            ("STEPS=24", "STEPS=0", "env-deltas-off", Severity::Warning),
            ("STEPS=24", "STEPS=-1", "env-deltas-off", Severity::Error),
            ("STEPS=24", "STEPS=many", "env-deltas-off", Severity::Error),
            ("LATEST_FULL", "LATEST", "env-delta-origin", Severity::Warning),
            ("LATEST_FULL", "latest_full", "env-delta-origin", Severity::Error),
            ("OVERWRITE=true", "OVERWRITE=yes", "env-wal-overwrite", Severity::Warning),
            ("=zstd", "=lz4", "env-compression", Severity::Info),
            ("=zstd", "=none", "env-compression", Severity::Warning),
            ("=zstd", "=snappy", "env-compression", Severity::Error),
        ] {
            let findings = found(&GOOD.replace(from, to), WalG, Stage::Production, check);
            let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.severity)).collect();
            assert_eq!(told, [(code, severity)], "{to}");
        }
    }

    #[test]
    fn a_fixed_lock_stands_in_the_way_of_retention() {
        assert_eq!(codes(&format!("{GOOD}S3_RETENTION_PERIOD=86400"), WalG, check), ["env-fixed-lock"]);
        assert!(codes(&format!("{GOOD}S3_RETENTION_PERIOD=-1"), WalG, check).is_empty());
    }
}
