//! The env file of an app: what it means, what is wrong with it, where it says that the bucket is.
#![no_main]

use backup_contract::Stage;
use backup_contract::engine::EngineKind;
use backup_contract::environment::{EnvFile, Environment, KeyFile, parse_failed};
use backup_contract::profile::Profile;
use libfuzzer_sys::fuzz_target;
use si_backup_fuzz::is_fit_to_print;

fuzz_target!(|bytes: &[u8]| {
    let file = match EnvFile::parse(bytes) {
        Ok(file) => file,
        Err(e) => return is_fit_to_print(&parse_failed("x.env", &e).detail),
    };
    for (profile, engine) in [
        ("supabase-self-hosted", EngineKind::WalG),
        ("local-directory", EngineKind::Embedded),
    ] {
        let env = Environment {
            path: "x.env",
            file: &file,
            profile: Profile::find(profile).unwrap(),
            engine,
            stage: Stage::Production,
            key_file: KeyFile::NotLookedAt,
        };
        for finding in env.check().findings {
            is_fit_to_print(&finding.detail);
            is_fit_to_print(&finding.place.to_string());
        }
        for said in [env.bucket().err(), env.bucket_key().err()].into_iter().flatten() {
            is_fit_to_print(&said.to_string());
        }
    }
});
