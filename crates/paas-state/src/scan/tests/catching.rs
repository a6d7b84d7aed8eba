use super::{clean_lines, document, event, log_hits};
use crate::scan::{Hit, Scanner};
use proptest::prelude::*;
use si_backup_tests::{base64_of, seeded_secrets};

const SEEDS: std::ops::Range<u64> = 0..8;

fn each_secret(mut check: impl FnMut(&Scanner, &'static str, &str)) {
    let scanner = Scanner::new();
    for seed in SEEDS {
        for (kind, value) in seeded_secrets(seed) {
            check(&scanner, kind, &value);
        }
    }
}

/// One hit of the kind, at a place that is as expected, and nothing of the value in it.
fn assert_caught(hits: &[Hit], kind: &str, value: &str, place: (Option<u64>, Option<&str>), what: &str) {
    let of_kind = hits.iter().find(|hit| hit.kind == kind);
    let hit = of_kind.unwrap_or_else(|| panic!("{kind} not caught {what}: {value:?} gave {hits:?}"));
    assert_eq!((hit.line, hit.pointer.as_deref()), place, "{kind} {what}: {value}");
}

#[test]
fn as_a_value_deep_in_a_document() {
    each_secret(|scanner, kind, value| {
        let text = format!("{:#}", document("note", value));
        let hits = scanner.scan_json_document(text.as_bytes());
        assert_caught(&hits, kind, value, (None, Some("/apps/shop~1web/1/vars/note")), "in a document");
    });
}

#[test]
fn as_a_field_of_a_log_line() {
    let (before, after) = (clean_lines(1, 30), clean_lines(2, 30));
    let line = memchr::memchr_iter(b'\n', &before).count() as u64 + 1;
    each_secret(|scanner, kind, value| {
        let text = [&before[..], event("note", value).as_bytes(), &after].concat();
        assert_caught(&log_hits(scanner, &text), kind, value, (Some(line), Some("/fields/note")), "in a log");
    });
}

#[test]
fn inside_a_message() {
    each_secret(|scanner, kind, value| {
        for text in [
            format!("upstream said {value} and closed the connection"),
            format!("\"{value}\""),
            format!("(see '{value}')"),
            format!("first line\n{value}\nlast line"),
            format!("a tab\t{value}\tand 'quotes' \"of\" both kinds"),
        ] {
            let hits = log_hits(scanner, event("message", &text).as_bytes());
            assert_caught(&hits, kind, value, (Some(1), Some("/fields/message")), "in a message");
        }
    });
}

#[test]
fn in_base64_once_and_twice() {
    each_secret(|scanner, kind, value| {
        for once in base64_of(value.as_bytes()) {
            for text in [once.clone(), format!("payload={once}"), format!("/{once}"), format!("ab:{once};")] {
                let hits = log_hits(scanner, event("note", &text).as_bytes());
                assert_caught(&hits, kind, value, (Some(1), Some("/fields/note")), "in base64");
                assert!(hits.iter().all(|hit| hit.encoded || hit.kind != kind), "{hits:?}");
            }
            for twice in base64_of(once.as_bytes()) {
                let hits = log_hits(scanner, event("note", &twice).as_bytes());
                assert_caught(&hits, kind, value, (Some(1), Some("/fields/note")), "in base64 twice");
            }
        }
    });
}

#[test]
fn in_a_compose_file() {
    each_secret(|scanner, kind, value| {
        let block = format!("        {}\n", value.trim_end().replace('\n', "\n        "));
        let forms = [
            format!("      NOTE: {}\n", serde_json::to_string(value).unwrap()),
            format!("      NOTE: |\n{block}"),
            format!("      - NOTE={}\n", value.replace('\n', " ")),
            format!("      NOTE: {} # comment\n", value.replace('\n', " ")),
            format!("      NOTE: {}\n", base64_of(value.as_bytes())[0]),
        ];
        for form in forms {
            let text = format!("services:\n  web:\n    environment:\n{form}volumes: {{}}\n");
            let hits = scanner.scan_text(text.as_bytes());
            let line = hits.iter().find(|hit| hit.kind == kind).and_then(|hit| hit.line);
            assert!(line.is_some_and(|line| line >= 4), "{kind} not caught in {form}: {hits:?}");
        }
    });
}

#[test]
fn in_a_log_line_that_is_no_json() {
    each_secret(|scanner, kind, value| {
        let torn = event("note", value);
        let torn = &torn[..torn.len() - 9];
        let hits = log_hits(scanner, torn.as_bytes());
        assert_caught(&hits, kind, value, (Some(1), None), "in a torn line");
    });
}

#[test]
fn as_a_member_with_a_telling_name() {
    let scanner = Scanner::new();
    for (name, value, kind) in [
        ("password", "hunter2", "named-secret"),
        ("password", "swordfish", "named-secret"),
        ("password", "it's \"quoted\"", "named-secret"),
        ("password", "pass\\word", "named-secret"),
        ("password", "${PASSWORD:-hunter2}", "named-secret"),
        ("password", "73501984", "named-secret"),
        ("POSTGRES_PASSWORD", "postgres", "named-secret"),
        ("clientSecret", "swordfish", "named-secret"),
        ("bot_token", "q8w7e6r5t4", "named-secret"),
        ("api_key", "0a1b2c3d4e5f6071", "named-secret"),
        ("private-key", "Zm9vYmFyYmF6cXV4", "named-secret"),
        ("Authorization", "Bearer 0a1b2c3d4e5f", "authorization-header"),
        ("Proxy-Authorization", "Basic ZGVwbG95OnN3b3JkZmlzaA==", "authorization-header"),
        ("auth", "ZGVwbG95OnN3b3JkZmlzaA==", "registry-auth"),
    ] {
        let hits = scanner.scan_json_document(document(name, value).to_string().as_bytes());
        assert_caught(&hits, kind, value, (None, Some(&format!("/apps/shop~1web/1/vars/{name}"))), "by name");
        let hits = log_hits(&scanner, event(name, value).as_bytes());
        assert_caught(&hits, kind, value, (Some(1), Some(&format!("/fields/{name}"))), "by name in a log");
    }
}

#[test]
fn however_the_name_and_the_value_are_laid_out() {
    let scanner = Scanner::new();
    for (document, pointer) in [
        (r#"{"passwords":["hunter2"]}"#, "/passwords/0"),
        (r#"{"db_password":{"value":"hunter2"}}"#, "/db_password/value"),
        (r#"{"env":[{"name":"DB_PASSWORD","value":"hunter2"}]}"#, "/env/0/value"),
        (r#"{"env":[{"value":"hunter2","name":"DB_PASSWORD"}]}"#, "/env/0/value"),
        (r#"{"pass\u0077ord":"hunter2"}"#, "/password"),
        (r#"{"password":"hunt\u0065r2"}"#, "/password"),
        (r#"{"a":"{\"password\":\"hunter2\"}"}"#, "/a"),
        (r#"{"a":"{\"tokens\":[\"q8w7e6r5t4\"]}"}"#, "/a"),
        (r#"{"password":"x","password":"hunter2"}"#, "/password"),
        (r#"{"a":"postgres:\/\/u:hunter2@db\/x"}"#, "/a"),
        (r#"{"a":"postgres://u:hunter2@db/x?a=1\u0026b=2"}"#, "/a"),
        (r#"["--password hunter2"]"#, "/0"),
        (r#"["mysql --password=hunter2 -u root"]"#, "/0"),
    ] {
        let hits = scanner.scan_json_document(document.as_bytes());
        assert_eq!(hits.len(), 1, "{document}: {hits:?}");
        assert_eq!(hits[0].pointer.as_deref(), Some(pointer), "{document}");
        let hits = log_hits(&scanner, document.as_bytes());
        assert_eq!(hits.len(), 1, "{document}: {hits:?}");
        assert_eq!((hits[0].line, hits[0].pointer.as_deref()), (Some(1), Some(pointer)), "{document}");
    }
}

#[test]
fn where_escapes_hide_what_only_its_name_gives_away() {
    let scanner = Scanner::new();
    let encoded = base64_of(b"deploy:x?hunter2")[0].replace('/', "\\/");
    assert!(encoded.contains('\\'));
    for (document, kind) in [
        (format!(r#"{{"auth":"{encoded}"}}"#), "registry-auth"),
        (format!(r#"{{"Authorization":"Basic {encoded}"}}"#), "authorization-header"),
    ] {
        let hits = scanner.scan_json_document(document.as_bytes());
        assert_eq!(hits.iter().map(|hit| hit.kind).collect::<Vec<_>>(), [kind], "{document}");
    }
}

#[test]
fn in_the_fields_of_yaml_and_env_files() {
    let scanner = Scanner::new();
    for line in [
        "POSTGRES_PASSWORD: hunter2",
        "POSTGRES_PASSWORD: 'hunter2'",
        "- POSTGRES_PASSWORD=hunter2",
        "- \"POSTGRES_PASSWORD=hunter2\"",
        "export POSTGRES_PASSWORD=hunter2",
        "command: psql password=hunter2",
        "{ password: hunter2, user: x }",
        "password: \"${PW:-hunter2}\"",
        "POSTGRES_PASSWORD=${PW:-hunter2}",
        "DATABASE_URL: postgres://u:hunter2@db/x",
    ] {
        let text = format!("services:\n    {line}\n  other: true\n");
        let hits = scanner.scan_text(text.as_bytes());
        assert_eq!(hits.iter().map(|hit| hit.line).collect::<Vec<_>>(), [Some(2)], "{line}: {hits:?}");
    }
}

#[test]
fn a_secret_as_a_key_is_not_shown_in_the_pointer() {
    let scanner = Scanner::new();
    let (kind, value) = seeded_secrets(1).find(|(kind, _)| *kind == "github-token").unwrap();
    let document = serde_json::json!({ "a": { &value: { "b": &value } } });
    let hits = scanner.scan_json_document(document.to_string().as_bytes());
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| hit.kind == kind && !format!("{hit:?}").contains(&value)), "{hits:?}");
    assert_eq!(hits[1].pointer.as_deref(), Some("/a/…/b"));
}

proptest! {
    /// Nothing that is said of a hit holds more of its value than the vendor's prefix.
    #[test]
    fn nothing_of_a_value_is_ever_shown(seed: u64, pick: prop::sample::Index, wrap: bool) {
        let all: Vec<_> = seeded_secrets(seed).collect();
        let (_, value) = &all[pick.index(all.len())];
        let text = if wrap { base64_of(value.as_bytes())[0].clone() } else { value.clone() };
        let scanner = Scanner::new();
        let mut hits = log_hits(&scanner, event("note", &text).as_bytes());
        hits.extend(scanner.scan_text(text.as_bytes()));
        hits.extend(scanner.scan_json_document(document("note", &text).to_string().as_bytes()));
        prop_assert!(hits.len() >= 3);
        for hit in hits {
            let finding = hit.finding("events/audit.jsonl");
            let said = format!("{hit:?} {finding:?}");
            // The longest prefix of a vendor has sixteen characters.
            let words = value.as_bytes().windows(17).chain(text.as_bytes().windows(17));
            for window in words {
                prop_assert!(memchr::memmem::find(said.as_bytes(), window).is_none(), "{}", said);
            }
        }
    }
}
