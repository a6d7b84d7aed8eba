use super::{clean_lines, event};
use crate::scan::{Hit, Scanner};
use proptest::prelude::*;
use si_backup_tests::{Random, seeded_secrets};

/// Every secret somewhere between clean lines.
fn mixed(seed: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, (_, value)) in seeded_secrets(seed).enumerate() {
        text.extend(clean_lines(seed + index as u64, 3));
        text.extend(event("note", &value).as_bytes());
    }
    text
}

fn in_blocks(scanner: &Scanner, lines: bool, text: &[u8], mut size: impl FnMut() -> usize) -> Vec<Hit> {
    let mut scan = if lines { scanner.log() } else { scanner.text() };
    let mut rest = text;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(size().clamp(1, rest.len()));
        scan.feed(block);
        rest = after;
    }
    scan.finish()
}

#[test]
fn blocks_do_not_matter() {
    let scanner = Scanner::new();
    let text = mixed(3);
    let whole = in_blocks(&scanner, true, &text, || text.len());
    assert!(whole.len() >= seeded_secrets(3).count());
    for size in [1, 7, 64, 1_000, 65_536] {
        assert_eq!(in_blocks(&scanner, true, &text, || size), whole, "{size}");
    }
    let whole = in_blocks(&scanner, false, &text, || text.len());
    for size in [1, 1_000, 65_536] {
        assert_eq!(in_blocks(&scanner, false, &text, || size), whole, "{size}");
    }
}

#[test]
fn a_line_without_end_is_searched_in_bounded_memory() {
    let scanner = Scanner::new();
    let filler = "{\"x\":\"lorem ipsum dolor\"},".repeat(40_000);
    let mut text = String::from("[");
    let mut expected = Vec::new();
    for (kind, value) in seeded_secrets(5).filter(|(kind, _)| *kind != "putty-private-key").step_by(9) {
        text += &filler;
        text += &serde_json::to_string(&value).unwrap();
        text.push(',');
        expected.push(kind);
    }
    text += "0]\n";
    text += &event("note", &seeded_secrets(6).find(|(kind, _)| *kind == "npm-token").unwrap().1);
    let whole = in_blocks(&scanner, true, text.as_bytes(), || text.len());
    for kind in expected {
        assert!(whole.iter().any(|hit| hit.kind == kind && hit.line == Some(1)), "{kind}");
    }
    assert!(whole.iter().any(|hit| hit.kind == "npm-token" && hit.line == Some(2)));
    for size in [10_000, 262_144, 3_000_000] {
        assert_eq!(in_blocks(&scanner, true, text.as_bytes(), || size), whole, "{size}");
    }
}

#[test]
fn a_secret_across_two_steps_is_found() {
    let scanner = Scanner::new();
    let (_, token) = seeded_secrets(5).find(|(kind, _)| *kind == "github-token").unwrap();
    for offset in [0, 1, 20, 39, 40, 41] {
        let mut text = vec![b' '; 1024 * 1024 - offset];
        text.extend(token.as_bytes());
        text.extend(vec![b' '; 2 * 1024 * 1024]);
        for lines in [true, false] {
            let hits = in_blocks(&scanner, lines, &text, || 100_000);
            assert_eq!(hits.len(), 1, "{offset} {hits:?}");
            assert_eq!((hits[0].kind, hits[0].repeats), ("github-token", 0), "{offset}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_is_found_to_hold_what_the_whole_holds(seed: u64, cuts: u64, most in 1_u64..5_000) {
        let scanner = Scanner::new();
        let text = mixed(seed % 1_000);
        let mut random = Random::new(cuts);
        let whole = in_blocks(&scanner, true, &text, || text.len());
        let parts = in_blocks(&scanner, true, &text, || usize::try_from(random.below(most)).unwrap() + 1);
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>, block in 1_usize..50) {
        let scanner = Scanner::new();
        scanner.scan_json_document(&bytes);
        for lines in [true, false] {
            in_blocks(&scanner, lines, &bytes, || block);
        }
    }

    #[test]
    fn no_mutation_of_a_secret_is_too_odd(seed: u64, changes: Vec<(prop::sample::Index, u8)>, cut: prop::sample::Index) {
        let scanner = Scanner::new();
        let mut text = mixed(seed % 1_000);
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text.truncate(cut.index(text.len()));
        scanner.scan_json_document(&text);
        in_blocks(&scanner, true, &text, || 777);
        in_blocks(&scanner, false, &text, || 777);
    }

    /// The sweep that decides which lines are parsed must not know less than the parser.
    #[test]
    fn what_the_walk_finds_the_sweep_suspects(
        seed: u64,
        pick: prop::sample::Index,
        change in prop::option::of((any::<prop::sample::Index>(), prop::char::range(' ', '~'))),
        name in prop::sample::select(&["note", "password", "api_key", "Authorization", "a\"b", "token\n"][..]),
        nest: bool,
    ) {
        let all: Vec<_> = seeded_secrets(seed).collect();
        let mut value: Vec<char> = all[pick.index(all.len())].1.chars().collect();
        if let Some((at, to)) = change {
            let at = at.index(value.len());
            value[at] = to;
        }
        let value: String = value.into_iter().collect();
        let value = if nest { serde_json::json!({ name: value }).to_string() } else { value };
        let line = event(name, &value);
        let scanner = Scanner::new();
        let mut hits = super::super::hit::Hits::every_place();
        super::super::document::scan(&scanner.sweeper, line.as_bytes(), None, &mut hits);
        if !hits.finish().is_empty() {
            prop_assert!(super::super::raw::is_suspicious(&scanner.sweeper, line.as_bytes()), "{}", line);
        }
    }
}
