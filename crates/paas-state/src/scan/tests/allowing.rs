use super::{event, log_hits};
use crate::scan::{AllowList, Hit, Scanner};

fn hit() -> Hit {
    log_hits(&Scanner::new(), event("password", "hunter2").as_bytes()).remove(0)
}

fn entry(file: &str, kind: &str, digest: &str, reason: &str) -> String {
    format!("[[allow]]\nfile = {file:?}\nkind = {kind:?}\ndigest = {digest:?}\nreason = {reason:?}\n")
}

#[test]
fn an_exception_holds_for_its_file_kind_and_value_only() {
    let hit = hit();
    let log = "events/audit.jsonl";
    let other = format!("sha256:{}", "3".repeat(64));
    for (text, allowed) in [
        (entry(log, hit.kind, &hit.digest, "a test"), true),
        (entry("events/alerts.jsonl", hit.kind, &hit.digest, "a test"), false),
        (entry(log, "jwt", &hit.digest, "a test"), false),
        (entry(log, hit.kind, &other, "a test"), false),
    ] {
        let list = AllowList::parse(&text).unwrap();
        let mut use_of = list.begin();
        assert_eq!(use_of.allow(log, &hit), allowed, "{text}");
        assert_eq!(use_of.unused().len(), usize::from(!allowed));
        let used = use_of.into_used();
        assert_eq!(used.len(), usize::from(allowed));
        assert!(used.iter().all(|used| used.reason == "a test" && used.digest == hit.digest));
    }
}

#[test]
fn the_hint_of_a_finding_is_an_entry() {
    let hit = hit();
    let finding = hit.finding("events/audit.jsonl");
    assert!(finding.hint.contains(&hit.digest) && finding.hint.contains(hit.kind));
    // The digest is that of the value: anybody can compute it with `sha256sum`.
    assert_eq!(hit.digest, "sha256:f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7");
    assert_eq!(hit.excerpt, "…(7 chars)");
    assert_eq!(finding.place.to_string(), "events/audit.jsonl:1#/fields/password");
}

#[test]
fn a_list_that_is_none_is_refused_with_its_place() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for (text, expected) in [
        ("[[allow]\n".to_owned(), "line 1"),
        (entry("a", "jwt", &digest, "  "), "entry 1: 'reason' is empty"),
        (entry("a", "jwt", "sha256:00", "x"), "entry 1: 'digest'"),
        (entry("a", "jwt", &digest.to_uppercase(), "x"), "entry 1: 'digest'"),
        (entry("", "jwt", &digest, "x"), "entry 1: 'file'"),
        (format!("{}seen = 1\n", entry("a", "jwt", &digest, "x")), "line 6, column 1: unknown field `seen`"),
        ("[[allow]]\nfile = \"a\"\n".to_owned(), "line 1, column 1: missing field"),
    ] {
        let error = AllowList::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(AllowList::parse("").unwrap().begin().unused().is_empty());
}
