use super::Rule;

/// Chats, mail and telephony.
pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: "slack-token",
        source: "https://docs.slack.dev/authentication/tokens",
        anchors: &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xapp-"],
        back: 0,
        pattern: r"(?:xox[abprscde][.-]|xapp-)[A-Za-z0-9.%-]{20,512}",
        public: 5,
    },
    Rule {
        kind: "slack-webhook",
        source: "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
        anchors: &["/services/T"],
        back: 20,
        pattern: r"hooks\.slack(?:-gov)?\.com(/services/T[A-Z0-9]{6,16}/B[A-Z0-9]{6,16}/[A-Za-z0-9]{18,32})",
        public: 10,
    },
    Rule {
        kind: "slack-webhook",
        // Workflow triggers.
        source: "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
        anchors: &["/workflows/T", "/triggers/T"],
        back: 20,
        pattern: r"hooks\.slack(?:-gov)?\.com(/(?:workflows|triggers)/T[A-Z0-9]{6,16}/[A-Za-z0-9/]{20,80})",
        public: 0,
    },
    Rule {
        kind: "discord-webhook",
        source: "https://discord.com/developers/docs/resources/webhook",
        anchors: &["/api/webhooks/"],
        back: 24,
        pattern: r"discord(?:app)?\.com(/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80})",
        public: 14,
    },
    Rule {
        kind: "twilio-key",
        source: "https://www.twilio.com/docs/iam/api-keys",
        anchors: &["SK"],
        back: 0,
        pattern: r"SK[0-9a-f]{32}\b",
        public: 2,
    },
    Rule {
        kind: "sendgrid-key",
        source: "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys",
        anchors: &["SG."],
        back: 0,
        pattern: r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",
        public: 3,
    },
    Rule {
        kind: "mailgun-key",
        source: "https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth",
        anchors: &["key-"],
        back: 0,
        pattern: r"key-[0-9a-f]{32}\b",
        public: 4,
    },
    Rule {
        kind: "brevo-key",
        source: "https://developers.brevo.com/docs/getting-started",
        anchors: &["xkeysib-", "xsmtpsib-"],
        back: 0,
        pattern: r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
        public: 8,
    },
    Rule {
        kind: "mailchimp-key",
        source: "https://mailchimp.com/help/about-api-keys/",
        anchors: &["-us"],
        back: 33,
        pattern: r"\b[0-9a-f]{32}-us[0-9]{1,2}\b",
        public: 0,
    },
    Rule {
        kind: "mailgun-key",
        // Private keys of the newer form: nothing but hexadecimal, so its lengths are its anchor.
        source: "https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth",
        anchors: &[],
        back: 0,
        pattern: r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b",
        public: 0,
    },
    Rule {
        kind: "telegram-bot-token",
        source: "https://core.telegram.org/bots/api#authorizing-your-bot",
        anchors: &[],
        back: 16,
        pattern: r"(?:\b|bot)([0-9]{8,12}:A[A-Za-z0-9_-]{33,35})",
        public: 0,
    },
    Rule {
        kind: "discord-bot-token",
        // The first part is the base64 of the bot's number.
        source: "https://discord.com/developers/docs/reference#authentication",
        anchors: &[],
        back: 0,
        pattern: r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}",
        public: 0,
    },
];
