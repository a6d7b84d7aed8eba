use super::Rule;

/// Makers of models.
pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: "openai-key",
        // Every key made by OpenAI has its name in base64 in the middle; project and service keys have a prefix too.
        source: "https://platform.openai.com/docs/api-reference/authentication",
        anchors: &["sk-"],
        back: 0,
        pattern: r"sk-(?:[A-Za-z0-9_-]{10,128}T3BlbkFJ[A-Za-z0-9_-]{10,128}|(?:proj|svcacct|admin|service)-[A-Za-z0-9_-]{40,256}|[A-Za-z0-9]{48}\b)",
        public: 3,
    },
    Rule {
        kind: "anthropic-key",
        source: "https://docs.anthropic.com/en/api/overview",
        anchors: &["sk-ant-"],
        back: 0,
        pattern: r"sk-ant-(?:[a-z]{2,12}[0-9]{2}-)?[A-Za-z0-9_-]{32,256}",
        public: 7,
    },
    Rule {
        kind: "huggingface-token",
        source: "https://huggingface.co/docs/hub/security-tokens",
        anchors: &["hf_", "api_org_"],
        back: 0,
        pattern: r"(?:hf_|api_org_)[A-Za-z0-9]{34}\b",
        public: 3,
    },
    Rule {
        kind: "replicate-token",
        source: "https://replicate.com/docs/topics/security/api-tokens",
        anchors: &["r8_"],
        back: 0,
        pattern: r"r8_[A-Za-z0-9]{37}\b",
        public: 3,
    },
    Rule {
        kind: "groq-key",
        source: "https://console.groq.com/docs/quickstart",
        anchors: &["gsk_"],
        back: 0,
        pattern: r"gsk_[A-Za-z0-9]{52}",
        public: 4,
    },
    Rule {
        kind: "perplexity-key",
        source: "https://docs.perplexity.ai/guides/api-key-management",
        anchors: &["pplx-"],
        back: 0,
        pattern: r"pplx-[A-Za-z0-9]{48}",
        public: 5,
    },
    Rule {
        kind: "xai-key",
        source: "https://docs.x.ai/docs/tutorial",
        anchors: &["xai-"],
        back: 0,
        pattern: r"xai-[A-Za-z0-9]{80}",
        public: 4,
    },
];
