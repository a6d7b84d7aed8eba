use super::Rule;

/// Clouds.
pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: "aws-access-key-id",
        source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html",
        anchors: &["AKIA", "ASIA", "ABIA", "ACCA"],
        back: 0,
        pattern: r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}\b",
        public: 4,
    },
    Rule {
        kind: "gcp-api-key",
        source: "https://cloud.google.com/docs/authentication/api-keys",
        anchors: &["AIza"],
        back: 0,
        pattern: r"AIza[A-Za-z0-9_-]{35}",
        public: 4,
    },
    Rule {
        kind: "google-oauth-secret",
        source: "https://developers.google.com/identity/protocols/oauth2",
        anchors: &["GOCSPX-"],
        back: 0,
        pattern: r"GOCSPX-[A-Za-z0-9_-]{28}",
        public: 7,
    },
    Rule {
        kind: "google-oauth-token",
        source: "https://cloud.google.com/docs/authentication/token-types",
        anchors: &["ya29."],
        back: 0,
        pattern: r"ya29\.[A-Za-z0-9_-]{30,2048}",
        public: 5,
    },
    Rule {
        kind: "azure-storage-key",
        source: "https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string",
        anchors: &["AccountKey="],
        back: 0,
        pattern: r"AccountKey=([A-Za-z0-9+/]{86}==)",
        public: 0,
    },
    Rule {
        kind: "azure-shared-access-key",
        // Service Bus, Event Hubs, IoT Hub.
        source: "https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-sas",
        anchors: &["SharedAccessKey="],
        back: 0,
        pattern: r"SharedAccessKey=([A-Za-z0-9+/]{42,64}={0,2})",
        public: 0,
    },
    Rule {
        kind: "azure-sas",
        source: "https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas",
        anchors: &["sig="],
        back: 1,
        pattern: r"[?&;]sig=([A-Za-z0-9%+/_-]{40,120}=?)",
        public: 0,
    },
    Rule {
        kind: "azure-client-secret",
        // A digit and `Q~` are its mark; it may hold what breaks a run, so the tilde is looked for.
        source: "https://learn.microsoft.com/en-us/entra/identity-platform/quickstart-register-app",
        anchors: &[],
        back: 4,
        pattern: r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        public: 0,
    },
    Rule {
        kind: "digitalocean-token",
        // Personal, OAuth and refresh tokens.
        source: "https://docs.digitalocean.com/reference/api/create-personal-access-token/",
        anchors: &["dop_v1_", "doo_v1_", "dor_v1_"],
        back: 0,
        pattern: r"do[opr]_v1_[0-9a-f]{64}",
        public: 7,
    },
    Rule {
        kind: "cloudflare-token",
        source: "https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/",
        anchors: &["cfk_", "cfut_", "cfat_"],
        back: 0,
        pattern: r"cf(?:k|ut|at)_[A-Za-z0-9_-]{40,64}",
        public: 4,
    },
    Rule {
        kind: "cloudflare-token",
        // Keys of the origin CA.
        source: "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/",
        anchors: &["v1.0-"],
        back: 0,
        pattern: r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",
        public: 5,
    },
    Rule {
        kind: "heroku-key",
        source: "https://devcenter.heroku.com/articles/authentication",
        anchors: &["HRKU-"],
        back: 0,
        pattern: r"HRKU-[A-Za-z0-9_-]{36,64}",
        public: 5,
    },
    Rule {
        kind: "alibaba-key",
        source: "https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair",
        anchors: &["LTAI"],
        back: 0,
        pattern: r"LTAI[A-Za-z0-9]{12,26}\b",
        public: 4,
    },
];
