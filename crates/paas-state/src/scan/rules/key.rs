use super::Rule;

/// Private keys.
pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: "private-key",
        // PEM, and the labels of PKCS #1, PKCS #8, SEC 1, OpenSSH and OpenPGP. A mere mention has no body.
        source: "https://www.rfc-editor.org/rfc/rfc7468",
        anchors: &["PRIVATE KEY"],
        back: 32,
        pattern: r"(?s)-{4,5} ?BEGIN (?:[A-Z0-9]{1,10} ){0,3}PRIVATE KEY(?: BLOCK)? ?-{4,5}(?:\s|\\[nrt])*[A-Za-z0-9+/=:,. _-]{16}(?:[^-]{0,16384}-{4,5} ?END [A-Z0-9 ]{1,40}-{4,5}|[^-]{0,16384})",
        public: 0,
    },
    Rule {
        kind: "private-key",
        // The same without their armour: base64 of the DER of RSA, EC and Ed25519 keys, and of OpenSSH's magic.
        source: "https://www.rfc-editor.org/rfc/rfc5958",
        anchors: &["MII", "MIG", "MC4CAQAwBQYDK2VwBCIEI", "MHcCAQEEI", "b3BlbnNzaC1rZXktdjE"],
        back: 0,
        pattern: r"(?:MII[A-Za-z0-9+/]{3}IBAAKCA|MII[A-Za-z0-9+/]{3}IBADANBgkqhkiG9w0BAQEFAASC|MIG[A-Za-z0-9+/]AgEAMBMGByqGSM49AgEG|MIG[A-Za-z0-9+/]{2}IBADAQBgcqhkjOPQIBBg|MC4CAQAwBQYDK2VwBCIEI|MHcCAQEEI|b3BlbnNzaC1rZXktdjE)[A-Za-z0-9+/\s]{32,16384}={0,2}",
        public: 0,
    },
    Rule {
        kind: "putty-private-key",
        source: "https://tartarus.org/~simon/putty-snapshots/htmldoc/AppendixC.html",
        anchors: &["PuTTY-User-Key-File-"],
        back: 0,
        pattern: r"(?s)PuTTY-User-Key-File-[123]: .{0,16384}?Private-Lines: .{0,16384}?(?:Private-MAC: [0-9a-f]{32,64}|\z)",
        public: 0,
    },
    Rule {
        kind: "age-identity",
        source: "https://github.com/C2SP/C2SP/blob/main/age.md",
        anchors: &["AGE-SECRET-KEY-"],
        back: 0,
        pattern: r"AGE-SECRET-KEY-(?:PQ-)?1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58,128}",
        public: 15,
    },
    Rule {
        kind: "age-identity",
        source: "https://github.com/C2SP/C2SP/blob/main/age.md",
        anchors: &["age-secret-key-"],
        back: 0,
        pattern: r"age-secret-key-(?:pq-)?1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58,128}",
        public: 15,
    },
];
