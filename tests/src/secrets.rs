//! Secrets that were never anybody's, in their vendors' published forms. Each is put together at run time, so that no
//! complete one stands in this source and trips somebody else's scanner.

use crate::Random;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Secrets of every kind that a scan must find, each with the identifier of its kind; several forms of a kind follow
/// one another. The same seed gives the same ones.
pub fn seeded_secrets(seed: u64) -> impl Iterator<Item = (&'static str, String)> {
    let mut r = Random::new(seed).fork("secrets");
    let r = &mut r;
    let mut all = keys(r);
    all.extend(clouds(r));
    all.extend(forges(r));
    all.extend(chats(r));
    all.extend(services(r));
    all.extend(models(r));
    all.extend(infrastructure(r));
    all.extend(by_context(r));
    all.into_iter()
}

/// The four common base64 forms of some bytes: the standard and the URL-safe alphabet, with and without padding.
#[must_use]
pub fn base64_of(bytes: &[u8]) -> [String; 4] {
    [
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
    ]
}

type Secrets = Vec<(&'static str, String)>;

/// A vendor's prefix, given in parts, before the drawn rest.
fn joined(prefix: &[&str], rest: &str) -> String {
    prefix.concat() + rest
}

fn wrapped(label: &str, body: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let body = STANDARD.encode(body);
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}

/// A private key in PEM.
pub(crate) fn pem(r: &mut Random) -> String {
    let body = [&[0x30, 0x82, 0x04, 0xbd, 0x02, 0x01, 0x00][..], &r.bytes(1_200)].concat();
    wrapped(&["PRIVATE", "KEY"].join(" "), &body)
}

/// The token of a Telegram bot.
pub(crate) fn telegram(r: &mut Random) -> String {
    format!("{}:AA{}", 1_000_000_000 + r.below(8_000_000_000), r.alnum(33))
}

fn keys(r: &mut Random) -> Secrets {
    let private = |before: &str, after: &str| format!("{before}PRIVATE KEY{after}");
    let rsa = [&[0x30, 0x82, 0x04, 0xa4, 0x02, 0x01, 0x00, 0x02, 0x82, 0x01, 0x01, 0x00][..], &r.bytes(900)]
        .concat();
    let openssh = [&b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none"[..], &r.bytes(300)].concat();
    let pkcs8 = [
        &[0x30, 0x82, 0x04, 0xbd, 0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48][..],
        &[0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x04, 0x82, 0x04, 0xa7][..],
        &r.bytes(1_190),
    ]
    .concat();
    let ed25519 = [
        &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20][..],
        &r.bytes(32),
    ]
    .concat();
    vec![
        ("private-key", pem(r)),
        ("private-key", wrapped(&private("RSA ", ""), &rsa)),
        ("private-key", wrapped(&private("EC ", ""), &r.bytes(118))),
        ("private-key", wrapped(&private("ENCRYPTED ", ""), &r.bytes(1_300))),
        ("private-key", wrapped(&private("OPENSSH ", ""), &openssh)),
        ("private-key", wrapped(&private("PGP ", " BLOCK"), &r.bytes(700))),
        ("private-key", STANDARD.encode(&rsa)),
        ("private-key", STANDARD.encode(&openssh)),
        ("private-key", STANDARD.encode(&pkcs8)),
        ("private-key", STANDARD.encode(&ed25519)),
        (
            "putty-private-key",
            format!(
                "{}-2: ssh-rsa\nEncryption: none\nComment: key\nPublic-Lines: 1\n{}\nPrivate-Lines: 1\n{}\nPrivate-MAC: {}\n",
                ["PuTTY", "User", "Key", "File"].join("-"),
                STANDARD.encode(r.bytes(45)),
                STANDARD.encode(r.bytes(45)),
                r.hex(40)
            ),
        ),
        ("age-identity", joined(&["AGE-SECRET", "-KEY-1"], &bech32(r, 58))),
        ("age-identity", joined(&["AGE-SECRET", "-KEY-PQ-1"], &bech32(r, 58))),
    ]
}

fn bech32(r: &mut Random, len: usize) -> String {
    let mut out = Vec::new();
    r.fill(&mut out, b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", len);
    String::from_utf8_lossy(&out).into_owned()
}

fn clouds(r: &mut Random) -> Secrets {
    vec![
        ("aws-access-key-id", joined(&["AK", "IA"], &r.base32(16))),
        ("aws-access-key-id", joined(&["AS", "IA"], &r.base32(16))),
        ("aws-secret-access-key", joined(&["AWS_SECRET", "_ACCESS_KEY="], &STANDARD.encode(r.bytes(30)))),
        ("aws-secret-access-key", joined(&["aws_secret", "_access_key = "], &STANDARD.encode(r.bytes(30)))),
        ("gcp-api-key", joined(&["AI", "za"], &r.alnum(35))),
        ("google-oauth-secret", joined(&["GOC", "SPX-"], &r.alnum(28))),
        ("google-oauth-token", joined(&["ya", "29."], &r.alnum(120))),
        (
            "azure-storage-key",
            format!(
                "DefaultEndpointsProtocol=https;AccountName=shop;Account{}={};EndpointSuffix=core.windows.net",
                "Key",
                STANDARD.encode(r.bytes(64))
            ),
        ),
        (
            "azure-shared-access-key",
            format!(
                "Endpoint=sb://shop.servicebus.windows.net/;SharedAccess{}={}",
                "Key",
                STANDARD.encode(r.bytes(32))
            ),
        ),
        (
            "azure-sas",
            format!(
                "https://shop.blob.core.windows.net/b?sv=2024-11-04&se=2027-01-01&sr=c&si{}={}%3D",
                "g",
                r.alnum(43)
            ),
        ),
        ("azure-client-secret", format!("{}8Q{}{}", r.alnum(3), "~", r.alnum(34))),
        ("digitalocean-token", joined(&["dop", "_v1_"], &r.hex(64))),
        ("digitalocean-token", joined(&["doo", "_v1_"], &r.hex(64))),
        ("cloudflare-token", joined(&["cf", "ut_"], &r.alnum(48))),
        ("cloudflare-token", joined(&["cf", "at_"], &r.alnum(48))),
        ("cloudflare-token", joined(&["cf", "k_"], &r.alnum(48))),
        ("cloudflare-token", format!("v1.{}-{}-{}", 0, r.hex(24), r.hex(146))),
        ("heroku-key", joined(&["HRKU", "-AA"], &r.alnum(58))),
        ("alibaba-key", joined(&["LT", "AI5t"], &r.alnum(20))),
        ("named-secret", format!("SCW_SECRET_{}={}", "KEY", r.uuid())),
    ]
}

fn forges(r: &mut Random) -> Secrets {
    let mut all: Secrets = ["ghp", "gho", "ghu", "ghs", "ghr"]
        .into_iter()
        .map(|prefix| ("github-token", joined(&[prefix, "_"], &r.alnum(36))))
        .collect();
    all.push(("github-token", joined(&["github", "_pat_"], &format!("{}_{}", r.alnum(22), r.alnum(59)))));
    for prefix in ["pat", "dt", "rt", "cbt", "ptt", "ft", "imt", "agent", "oas", "soat"] {
        all.push(("gitlab-token", joined(&["gl", prefix, "-"], &r.alnum(20))));
    }
    all.extend([
        ("npm-token", joined(&["np", "m_"], &r.alnum(36))),
        ("pypi-token", joined(&["py", "pi-", "AgEIcHlwaS5vcmc"], &r.alnum(90))),
        ("rubygems-key", joined(&["ruby", "gems_"], &r.hex(48))),
        ("docker-token", joined(&["dckr", "_pat_"], &r.alnum(27))),
        ("docker-token", joined(&["dckr", "_oat_"], &r.alnum(32))),
        ("atlassian-token", joined(&["ATA", "TT3xFfGF0"], &r.alnum(180))),
        ("linear-key", joined(&["lin", "_api_"], &r.alnum(40))),
        ("linear-key", joined(&["lin", "_oauth_"], &r.hex(64))),
        ("sentry-token", joined(&["snt", "ryu_"], &r.hex(64))),
        ("notion-token", joined(&["nt", "n_"], &r.alnum(46))),
        ("postman-key", joined(&["PM", "AK-"], &format!("{}-{}", r.hex(24), r.hex(34)))),
        ("circleci-token", joined(&["CCI", "PAT_"], &format!("{}_{}", r.alnum(22), r.hex(40)))),
        ("buildkite-token", joined(&["bk", "ua_"], &r.hex(40))),
        ("figma-token", joined(&["fi", "gd_"], &r.alnum(40))),
    ]);
    all
}

fn chats(r: &mut Random) -> Secrets {
    let snowflake = (100_000_000_000_000_000 + r.below(800_000_000_000_000_000)).to_string();
    vec![
        (
            "slack-token",
            joined(
                &["xo", "xb-"],
                &format!("{}-{}-{}", r.below(9) + 1_234_567_890, 2_345_678_901_u64, r.alnum(24)),
            ),
        ),
        (
            "slack-token",
            joined(&["xo", "xp-"], &format!("{}-{}-{}", 1_234_567_890, 2_345_678_901_u64, r.hex(32))),
        ),
        (
            "slack-token",
            joined(&["xa", "pp-"], &format!("1-A{}-{}-{}", r.base32(10), 1_234_567_890, r.hex(64))),
        ),
        (
            "slack-webhook",
            format!(
                "https://hooks.{}.com/services/T{}/B{}/{}",
                "slack",
                r.base32(10),
                r.base32(10),
                r.alnum(24)
            ),
        ),
        ("discord-webhook", format!("https://{}.com/api/webhooks/{snowflake}/{}", "discord", r.alnum(68))),
        (
            "discord-bot-token",
            format!("{}.G{}.{}", STANDARD_NO_PAD.encode(&snowflake), r.alnum(5), r.alnum(38)),
        ),
        ("telegram-bot-token", telegram(r)),
        ("telegram-bot-token", format!("https://api.telegram.org/bot{}/sendMessage?chat_id=1", telegram(r))),
    ]
}

fn services(r: &mut Random) -> Secrets {
    vec![
        ("stripe-key", joined(&["sk", "_live_"], &r.alnum(24))),
        ("stripe-key", joined(&["sk", "_live_"], &r.alnum(99))),
        ("stripe-key", joined(&["rk", "_live_"], &r.alnum(24))),
        ("stripe-key", joined(&["sk", "_test_"], &r.alnum(24))),
        ("stripe-webhook-secret", joined(&["wh", "sec_"], &r.alnum(32))),
        ("square-token", joined(&["sq0", "csp-"], &r.alnum(43))),
        ("sendgrid-key", joined(&["S", "G."], &format!("{}.{}", r.alnum(22), r.alnum(43)))),
        ("twilio-key", joined(&["S", "K"], &r.hex(32))),
        ("mailgun-key", joined(&["key", "-"], &r.hex(32))),
        ("mailgun-key", format!("{}-{}-{}", r.hex(32), r.hex(8), r.hex(8))),
        ("brevo-key", joined(&["xkey", "sib-"], &format!("{}-{}", r.hex(64), r.alnum(16)))),
        ("shopify-token", joined(&["shp", "at_"], &r.hex(32))),
        (
            "telnyx-key",
            joined(&["KEY0", "1"], &format!("{}_{}", r.hex(30).to_ascii_uppercase(), r.alnum(22))),
        ),
    ]
}

fn models(r: &mut Random) -> Secrets {
    vec![
        ("openai-key", format!("sk-{}T3Blbk{}{}", r.alnum(20), "FJ", r.alnum(20))),
        ("openai-key", format!("{}-proj-{}T3BlbkFJ{}", "sk", r.alnum(74), r.alnum(74))),
        ("openai-key", joined(&["sk", "-svcacct-"], &r.alnum(80))),
        ("anthropic-key", joined(&["sk", "-ant-api03-"], &format!("{}AA", r.alnum(93)))),
        ("anthropic-key", joined(&["sk", "-ant-oat01-"], &format!("{}AA", r.alnum(93)))),
        ("huggingface-token", joined(&["h", "f_"], &r.alnum(34))),
        ("replicate-token", joined(&["r", "8_"], &r.alnum(37))),
        ("groq-key", joined(&["gs", "k_"], &r.alnum(52))),
        ("perplexity-key", joined(&["pp", "lx-"], &r.alnum(48))),
        ("xai-key", joined(&["xa", "i-"], &r.alnum(80))),
    ]
}

fn infrastructure(r: &mut Random) -> Secrets {
    vec![
        ("supabase-token", joined(&["sb", "p_"], &r.hex(40))),
        ("supabase-token", joined(&["sb_", "secret_"], &format!("{}_{}", r.alnum(22), r.alnum(8)))),
        ("vault-token", joined(&["hv", "s."], &format!("CAESI{}", r.alnum(90)))),
        ("vault-token", joined(&["hv", "s."], &r.alnum(24))),
        ("vault-token", joined(&["hv", "b."], &r.alnum(150))),
        ("tailscale-key", joined(&["ts", "key-auth-"], &format!("{}-{}", r.alnum(17), r.alnum(32)))),
        ("tailscale-key", joined(&["ts", "key-api-"], &format!("{}-{}", r.alnum(17), r.alnum(32)))),
        ("doppler-token", joined(&["dp", ".pt."], &r.alnum(43))),
        ("doppler-token", joined(&["dp", ".st.prd."], &r.alnum(43))),
        ("grafana-token", joined(&["gl", "sa_"], &format!("{}_{}", r.alnum(32), r.hex(8)))),
        ("newrelic-key", joined(&["NR", "AK-"], &r.base32(27))),
        ("terraform-token", format!("{}.atlas{}.{}", r.alnum(14), "v1", r.alnum(67))),
        ("pulumi-token", joined(&["pu", "l-"], &r.hex(40))),
        ("databricks-token", joined(&["da", "pi"], &r.hex(32))),
        ("fly-token", joined(&["fo", "1_"], &r.alnum(43))),
        ("fly-token", joined(&["fm", "2_"], &r.alnum(200))),
        ("planetscale-token", joined(&["pscale", "_tkn_"], &r.alnum(43))),
        ("netlify-token", joined(&["nf", "p_"], &r.alnum(36))),
        ("render-key", joined(&["rn", "d_"], &r.alnum(32))),
        ("onepassword-token", joined(&["op", "s_"], &format!("eyJ{}", r.alnum(250)))),
        ("jfrog-key", joined(&["AK", "Cp"], &r.alnum(69))),
        ("dynatrace-token", joined(&["dt0", "c01."], &format!("{}.{}", r.base32(24), r.base32(64)))),
    ]
}

fn by_context(r: &mut Random) -> Secrets {
    let claims =
        format!(r#"{{"iss":"supabase","role":"service_role","iat":1767571200,"jti":"{}"}}"#, r.uuid());
    let jwt = |header: &str, signature: &str| {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&claims))
    };
    let signature = r.alnum(43);
    let basic = STANDARD.encode(format!("deploy:{}", r.alnum(16)));
    vec![
        ("jwt", jwt(r#"{"alg":"HS256","typ":"JWT"}"#, &signature)),
        ("jwt", jwt(r#"{"alg":"HS256"}"#, &signature)),
        ("jwt", jwt(r#"{"typ":"JWT","alg":"RS256","kid":"1"}"#, &signature)),
        (
            "url-password",
            format!("postgres://postgres:{}@db.internal:5432/shop?sslmode=require", r.alnum(20)),
        ),
        ("url-password", format!("redis://:{}@cache:6379/0", r.alnum(12))),
        ("url-password", format!("https://deploy:{}@git.example.com/shop.git", r.alnum(14))),
        ("url-password", format!("amqps://shop:pa%40{}@mq.example.com/vhost", r.alnum(8))),
        ("named-secret", format!("host=db port=5432 user=postgres password={} dbname=shop", r.alnum(14))),
        (
            "named-secret",
            format!("host=db user=postgres password='{} {}' dbname=shop", r.alnum(6), r.alnum(6)),
        ),
        ("named-secret", format!("Server=db;Uid=app;Pwd={};Database=shop", r.alnum(14))),
        ("named-secret", format!(r#"{{"db_password": "{}"}}"#, r.alnum(16))),
        ("named-secret", format!("HCLOUD_{}={}", "TOKEN", r.alnum(64))),
        ("named-secret", format!("--api-key {}", r.alnum(32))),
        ("authorization-header", format!("Authorization: Bearer {}", r.alnum(40))),
        ("authorization-header", format!("Authorization: Basic {basic}")),
        (
            "authorization-header",
            format!("curl -H 'Authorization: token {}' https://git.example.com", r.hex(40)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_determined_by_the_seed_and_differ() {
        let all: Vec<_> = seeded_secrets(7).collect();
        assert_eq!(all, seeded_secrets(7).collect::<Vec<_>>());
        let values: std::collections::HashSet<_> = all.iter().map(|(_, value)| value).collect();
        assert_eq!(values.len(), all.len());
        assert!(all.len() > 100);
    }
}
