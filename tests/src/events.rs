use crate::Random;
use crate::time::{Moment, digits};
use std::io::{self, Write};

/// The event logs of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventLog {
    /// `events/deployments.jsonl`.
    Deployments,
    /// `events/alerts.jsonl`.
    Alerts,
    /// `events/audit.jsonl`.
    Audit,
}

impl EventLog {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deployments, Self::Alerts, Self::Audit];

    /// The log's path within a context.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Deployments => "events/deployments.jsonl",
            Self::Alerts => "events/alerts.jsonl",
            Self::Audit => "events/audit.jsonl",
        }
    }

    const fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Deployments => &[
                "deploy run",
                "deploy rollback",
                "bluegreen switch",
                "bluegreen promote",
                "deploy health",
                "addon apply",
                "webhook deliver",
            ],
            Self::Alerts => &["alert send", "alert test", "alert resolve", "alert acknowledge"],
            Self::Audit => &[
                "secrets set",
                "secrets rotate",
                "secrets list",
                "target add",
                "target bootstrap",
                "backup run",
                "backup status",
                "auth login",
                "context use",
                "doctor",
            ],
        }
    }
}

/// Makes the lines of one log, in si's schema, as many as are asked for.
#[derive(Debug, Clone)]
pub struct EventLines {
    log: EventLog,
    context: String,
    apps: Vec<String>,
    targets: Vec<String>,
    random: Random,
    now: Moment,
}

/// What fails, where, and what si says about it. Between them they hold what a scanner for secrets may stumble over.
const FAILURES: &[(&str, &str, &str, &str)] = &[
    (
        "remote-exec-failed",
        "health",
        "container exited with code 137: out of memory",
        "raise the memory limit of the service and deploy again",
    ),
    (
        "db-auth-failed",
        "migrate",
        r#"pq: password authentication failed for user \"postgres\""#,
        "set SUPABASE_DB_PASSWORD with si vault set, then run the migration again",
    ),
    (
        "vault-key-missing",
        "render",
        r#"secret \"SMTP_PASSWORD\" is not in the vault; needed by services.auth.environment.GOTRUE_SMTP_PASS"#,
        "si vault set SMTP_PASSWORD",
    ),
    (
        "token-expired",
        "webhook",
        "401 Unauthorized: token expired at 2026-03-01T10:00:00Z (iat 1767571200)",
        "run si auth login; the token is kept in the vault as GITHUB_TOKEN",
    ),
    (
        "pull-denied",
        "pull",
        "pull access denied for registry.example.com/shop/web, repository does not exist or may require 'docker login'",
        "check DOCKER_CONFIG_AUTH in the vault",
    ),
    (
        "compose-invalid",
        "render",
        r"services.db.environment.POSTGRES_PASSWORD: required variable POSTGRES_PASSWORD is missing a value: set ${POSTGRES_PASSWORD:?} in .env\n  at compose.yaml:14:7",
        "add the key to the vault file; values are never printed (\\u003credacted\\u003e)",
    ),
    (
        "ssh-unreachable",
        "connect",
        "ssh: connect to host 203.0.113.17 port 22: Connection timed out",
        "check the target's firewall: si target check --target prod-1",
    ),
    (
        "dsn-refused",
        "health",
        "dial postgres://postgres:***@db.internal:5432/shop?sslmode=require: connection refused",
        "start the database: docker compose up -d db",
    ),
    (
        "host-key-changed",
        "connect",
        "host key SHA256:",
        "remove the old key from known_hosts after checking it out of band",
    ),
    (
        "alert-undeliverable",
        "send",
        "POST https://api.telegram.org/bot<redacted>/sendMessage: 429 Too Many Requests: retry after 7",
        "wait, or raise the cool-down in alerts/policy.json",
    ),
];

const MESSAGES: &[&str] = &[
    "release is live on all targets",
    "health check passed: 200 OK in 41 ms",
    "pulled layers 12/12, reused 9; image is up to date",
    "switched traffic to the other slot after 3 healthy checks",
    r#"ran docker compose -f compose.yaml -f compose.addon.walg.yaml run --rm walg sh -lc \"backup-list\""#,
    "removed 2 releases older than the five newest",
    "certificate for shop.example.com is valid for 61 more days",
    "nothing to do: the target already runs this release",
];

/// What an operator may read beside them, and a scanner may take for a secret.
const TELLING: &[&str] = &[
    "token: 3 uses left of 5; password: unchanged; secret: rotated",
    "rendered compose.yaml with 14 secrets from the vault, password fields shown as <redacted>",
    "Authorization: Bearer <redacted>",
    "POSTGRES_PASSWORD=${POSTGRES_PASSWORD} JWT_SECRET=$JWT_SECRET",
    "authentication method is key; no password asked",
    "basic authentication is on for the dashboard, credentials from the vault",
];

fn message(r: &mut Random) -> &'static str {
    let messages = if r.percent(20) { TELLING } else { MESSAGES };
    r.pick(messages)
}

impl EventLines {
    /// Lines of a log of the named context, about these apps and targets.
    #[must_use]
    pub fn new(log: EventLog, context: &str, apps: &[String], targets: &[String], seed: u64) -> Self {
        let or_default = |names: &[String], name: &str| match names {
            [] => vec![name.to_owned()],
            names => names.to_vec(),
        };
        Self {
            log,
            context: context.to_owned(),
            apps: or_default(apps, "shop"),
            targets: or_default(targets, "prod-1"),
            random: Random::new(seed).fork(log.path()),
            now: Moment::START,
        }
    }

    /// Appends one line, with its newline.
    pub fn push_line(&mut self, out: &mut Vec<u8>) {
        self.push_line_with(out, None);
    }

    /// Appends one line that carries a generation among its fields.
    pub(crate) fn push_line_with(&mut self, out: &mut Vec<u8>, generation: Option<u64>) {
        let r = &mut self.random;
        self.now = self.now.plus(1 + r.below(40_000_000_000));
        let failed = r.percent(6);
        let command = r.pick(self.log.commands());
        out.extend(br#"{"timestamp":""#);
        self.now.write(out);
        put(out, r#"","context":""#, &self.context);
        put(out, r#"","source":""#, r.pick(&["cli", "webhook", "scheduler", "agent", "api"]));
        put(out, r#"","command":""#, command);
        put(out, r#"","status":""#, if failed { "failed" } else { "ok" });
        put(out, r#"","mode":""#, if r.percent(8) { "dry-run" } else { "live" });
        put(
            out,
            r#"","severity":""#,
            if failed { "error" } else { r.pick(&["info", "info", "notice", "warning"]) },
        );
        let app = r.index(self.apps.len());
        put(out, r#"","fields":{"app":""#, &self.apps[app]);
        let target = r.index(self.targets.len());
        put(out, r#"","target":""#, &self.targets[target]);
        match self.log {
            EventLog::Deployments => deployment(out, r, self.now),
            EventLog::Alerts => alert(out, r),
            EventLog::Audit => audit(out, r),
        }
        if let Some(generation) = generation {
            let _ = write!(out, r#"","generation":"{generation}"#);
        }
        out.extend(br#"","duration_ms":""#);
        let took = r.below(90_000);
        let _ = write!(out, "{took}");
        out.extend(br#""}"#);
        if failed {
            let (code, stage, message, remediation) = r.pick(FAILURES);
            put(out, r#","error_code":""#, code);
            put(out, r#"","error_stage":""#, stage);
            put(out, r#"","error_target":""#, &self.targets[target]);
            put(out, r#"","error_message":""#, message);
            if message.ends_with("SHA256:") {
                r.fill(out, BASE64, 43);
            }
            put(out, r#"","error_remediation":""#, remediation);
            out.push(b'"');
        }
        out.extend(b"}\n");
    }

    /// Writes whole lines until at least `bytes` bytes are written; says how many.
    ///
    /// # Errors
    /// Whatever the writer says.
    pub fn write_bytes(&mut self, bytes: u64, mut to: impl Write) -> io::Result<u64> {
        let mut block = Vec::with_capacity(300 * 1024);
        let mut written = 0;
        while written < bytes {
            block.clear();
            while block.len() < 256 * 1024 && written + (block.len() as u64) < bytes {
                self.push_line(&mut block);
            }
            to.write_all(&block)?;
            written += block.len() as u64;
        }
        Ok(written)
    }

    /// The next `lines` lines.
    #[must_use]
    pub fn take_lines(&mut self, lines: usize) -> Vec<u8> {
        let mut out = Vec::new();
        (0..lines).for_each(|_| self.push_line(&mut out));
        out
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn put(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend(before.as_bytes());
    out.extend(text.as_bytes());
}

fn release(out: &mut Vec<u8>, r: &mut Random, now: Moment) {
    let compact = now.compact();
    out.extend(compact.as_bytes());
    out.push(b'-');
    r.fill_hex(out, 7);
}

fn hex(out: &mut Vec<u8>, r: &mut Random, before: &str, len: usize) {
    out.extend(before.as_bytes());
    r.fill_hex(out, len);
}

fn deployment(out: &mut Vec<u8>, r: &mut Random, now: Moment) {
    out.extend(br#"","release":""#);
    release(out, r, now);
    hex(out, r, r#"","commit":""#, 40);
    put(
        out,
        r#"","ref":"refs/heads/"#,
        r.pick(&["main", "release/2026-q1", "fix/checkout-timeout", "feature/api-tokens"]),
    );
    hex(out, r, r#"","image":"registry.example.com/shop/web@sha256:"#, 64);
    hex(out, r, r#"","bundle_sha256":""#, 64);
    put(
        out,
        r#"","remote_dir":"/srv/apps/"#,
        r.pick(&["shop", "shop/production", "billing_service/current"]),
    );
    put(
        out,
        r#"","url":"https://"#,
        r.pick(&["shop.example", "www.shop.example:8443", "api.shop.example/v1"]),
    );
    put(out, r#"/healthz","strategy":""#, r.pick(&["rolling", "bluegreen", "canary"]));
    put(out, r#"","slot":""#, r.pick(&["blue", "green"]));
    out.extend(br#"","request_id":""#);
    put(out, "", &r.uuid());
    put(out, r#"","message":""#, message(r));
}

fn alert(out: &mut Vec<u8>, r: &mut Random) {
    put(out, r#"","channel":""#, r.pick(&["telegram", "slack-ops", "email"]));
    put(out, r#"","bot_token":"<redacted>","chat_id":"-100"#, "");
    let chat = r.next_u64();
    digits(out, chat, 10);
    put(
        out,
        r#"","rule":""#,
        r.pick(&["deploy-failed", "backup-overdue", "disk-above-90-percent", "certificate-expiry"]),
    );
    hex(out, r, r#"","fingerprint":""#, 32);
    out.extend(br#"","alert_id":""#);
    put(out, "", &r.uuid());
    put(out, r#"","link":"https://status.example.com/incidents/"#, "");
    let number = r.next_u64();
    digits(out, number, 8);
    put(out, r#"?from=alert&severity=high","message":""#, message(r));
}

fn audit(out: &mut Vec<u8>, r: &mut Random) {
    put(out, r#"","operator":""#, r.pick(&["ops@bastion-1", "ci@runner-7", "maria@laptop.example.com"]));
    put(
        out,
        r#"","secret_key":""#,
        r.pick(&["SUPABASE_DB_PASSWORD", "JWT_SECRET", "SMTP_PASSWORD", "vault://shop/prod#STRIPE_API_KEY"]),
    );
    hex(out, r, r#"","value_digest":"sha256:"#, 64);
    match r.below(4) {
        0 => {
            out.extend(br#"","host_public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"#);
            r.fill(out, BASE64, 43);
            out.extend(b" root@prod-1");
        }
        1 => {
            out.extend(br#"","recipient":"age1"#);
            r.fill(out, b"023456789acdefghjklmnpqrstuvwxyz", 58);
        }
        2 => {
            out.extend(br#"","host_fingerprint":"SHA256:"#);
            r.fill(out, BASE64, 43);
        }
        _ => hex(out, r, r#"","snapshot":"state-20261123T201500Z-"#, 8),
    }
    put(
        out,
        r#"","password":""#,
        r.pick(&["<redacted>", "${SUPABASE_DB_PASSWORD}", "***", "", "vault:shop/db"]),
    );
    hex(out, r, r#"","commit":""#, 40);
    out.extend(br#"","session_id":""#);
    put(out, "", &r.uuid());
    put(out, r#"","message":""#, message(r));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_object_of_the_schema() {
        for log in EventLog::ALL {
            let lines = EventLines::new(log, "default", &[], &[], 1).take_lines(2_000);
            let mut failed = 0;
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let event: serde_json::Value = serde_json::from_slice(line).unwrap();
                for key in ["timestamp", "context", "source", "command", "status", "mode", "severity"] {
                    assert!(event[key].is_string(), "{key}");
                }
                assert!(event["fields"].as_object().unwrap().values().all(serde_json::Value::is_string));
                failed += usize::from(event["error_remediation"].is_string());
            }
            assert!(failed > 50);
        }
    }
}
