use super::{ProductionUse, Profile, StorageKind};

/// Every profile that there is; the first one is the default of settings.
pub(super) const PROFILES: [Profile; 2] = [
    Profile {
        name: "supabase-self-hosted",
        description: "Self-hosted Supabase: PostgreSQL backed up by WAL-G into a bucket, Databasus for private dumps beside it",
        recommended_addon_packs: &["supabase-walg", "databasus"],
        default_run_service: Some("supabase-walg-backup"),
        default_restore_service: Some("supabase-walg-restore"),
        required_env: &[
            "WALG_S3_PREFIX",
            "WALG_AWS_ACCESS_KEY_ID",
            "WALG_AWS_SECRET_ACCESS_KEY",
            "WALG_AWS_ENDPOINT",
        ],
        storage: StorageKind::S3,
        production: ProductionUse::Allowed,
    },
    Profile {
        name: "local-directory",
        description: "PostgreSQL backed up into a directory of the same host: for trials and rehearsals, never for production",
        recommended_addon_packs: &[],
        default_run_service: None,
        default_restore_service: None,
        required_env: &["WALG_FILE_PREFIX"],
        storage: StorageKind::Directory,
        production: ProductionUse::Refused,
    },
];
