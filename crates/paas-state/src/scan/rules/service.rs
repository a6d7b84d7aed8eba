use super::Rule;

/// Payments and shops, and the tokens of web sessions.
pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: "stripe-key",
        // Test keys open test data, which may be a copy of the real.
        source: "https://docs.stripe.com/keys",
        anchors: &["sk_live_", "sk_test_", "rk_live_", "rk_test_"],
        back: 0,
        pattern: r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,247}",
        public: 8,
    },
    Rule {
        kind: "stripe-webhook-secret",
        source: "https://docs.stripe.com/webhooks",
        anchors: &["whsec_"],
        back: 0,
        pattern: r"whsec_[A-Za-z0-9+/]{24,64}=?",
        public: 6,
    },
    Rule {
        kind: "square-token",
        source: "https://developer.squareup.com/docs/build-basics/access-tokens",
        anchors: &["sq0csp-", "sq0atp-"],
        back: 0,
        pattern: r"sq0(?:csp-[A-Za-z0-9_-]{43}|atp-[A-Za-z0-9_-]{22})",
        public: 7,
    },
    Rule {
        kind: "shopify-token",
        source: "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens",
        anchors: &["shpat_", "shpca_", "shppa_", "shpss_"],
        back: 0,
        pattern: r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
        public: 6,
    },
    Rule {
        kind: "telnyx-key",
        source: "https://developers.telnyx.com/docs/account-setup/authentication",
        anchors: &["KEY01"],
        back: 0,
        pattern: r"KEY01[0-9A-F]{30}_[A-Za-z0-9]{20,24}",
        public: 4,
    },
    Rule {
        kind: "jwt",
        // A header and claims, both JSON objects, and a signature; or the five parts of an encrypted one.
        source: "https://www.rfc-editor.org/rfc/rfc7519",
        anchors: &["eyJ"],
        back: 0,
        pattern: r"eyJ[A-Za-z0-9_-]{10,2048}\.(?:e[yw][A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{16,2048}|[A-Za-z0-9_-]{0,1024}\.[A-Za-z0-9_-]{8,64}\.[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{16,64})",
        public: 3,
    },
];
