//! What the reader of compose files takes, how it merges, and what it refuses: fast, and without repeating a value.

#![cfg(feature = "compose")]
#![expect(clippy::disallowed_methods, reason = "the memory of the process is read from the system")]

use backup_contract::compose::{ComposeError, ComposeFile, Project};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn read(texts: &[&str]) -> Result<Project, ComposeError> {
    let files: Vec<ComposeFile> =
        texts.iter().map(|text| ComposeFile { name: "c.yaml", bytes: text.as_bytes() }).collect();
    Project::from_files("", &files)
}

/// Two ways to write one thing.
#[test]
fn short_and_long_forms_are_one() {
    for (one, other) in [
        (
            "services: {a: {ports: ['127.0.0.1:80:4005/udp']}}",
            "services: {a: {ports: [{target: 4005, published: 80, host_ip: 127.0.0.1, protocol: udp}]}}",
        ),
        ("services: {a: {ports: [80]}}", "services: {a: {ports: ['80']}}"),
        (
            "services: {a: {volumes: ['./x:/y:ro,z']}}",
            "services: {a: {volumes: [{type: bind, source: x, target: /y/, read_only: true}]}}",
        ),
        (
            "services: {a: {volumes: ['x:/y']}}",
            "services: {a: {volumes: [{type: volume, source: x, target: /y}]}}",
        ),
        ("services: {a: {tmpfs: /y}}", "services: {a: {volumes: [{type: tmpfs, target: /y}]}}"),
        (
            "services: {a: {environment: [A=1, B, 'C=']}}",
            "services: {a: {environment: {A: 1, B: null, C: ''}}}",
        ),
        ("services: {a: {labels: [a.b=c, d]}}", "services: {a: {labels: {a.b: c, d: ''}}}"),
        ("services: {a: {env_file: x.env}}", "services: {a: {env_file: [{path: ./x.env}]}}"),
        ("services: {a: {networks: [x, y]}}", "services: {a: {networks: {x: null, y: {}}}}"),
        (
            "services: {a: {depends_on: [b]}}",
            "services: {a: {depends_on: {b: {condition: service_healthy}}}}",
        ),
        ("services: {a: {command: a 'b c' \"d\"}}", "services: {a: {command: [a, b c, d]}}"),
        ("services: {a: {restart: any}}", "services: {a: {deploy: {restart_policy: {}}}}"),
        ("networks: {x: {external: true, name: y}}", "networks: {x: {external: {name: y}}}"),
        (
            "x-a: &a {image: i, environment: {A: 1}}\nservices: {s: {<<: *a, environment: {B: 2}}}",
            "services: {s: {image: i, environment: {B: 2}}}",
        ),
        (
            "x-a: &a {A: 1, B: 1}\nservices: {s: {environment: {<<: [*a, {C: 3}], B: 2}}}",
            "services: {s: {environment: {A: 1, B: 2, C: 3}}}",
        ),
        ("services: {a: {expose: [4005]}}", "services: {a: {expose: ['4005']}}"),
        ("\u{feff}services: {}", ""),
        ("# nothing but a comment", "services:\n"),
        (
            "services: {a: {environment: {A: yes, B: 0123, C: 1_000}}}",
            "services: {a: {environment: {A: 'yes', B: '0123', C: '1_000'}}}",
        ),
    ] {
        assert_eq!(read(&[one]).unwrap(), read(&[other]).unwrap(), "{one}");
    }
}

/// Two files, and the one that they make.
#[test]
fn files_are_merged_as_compose_merges_them() {
    for (first, second, merged) in [
        ("a: {image: x, command: c}", "a: {image: y}", "a: {image: y, command: c}"),
        (
            "a: {ports: ['80:80', '81:81']}",
            "a: {ports: ['81:81', '82:82']}",
            "a: {ports: ['80:80', '81:81', '82:82']}",
        ),
        ("a: {ports: ['80:80']}", "a: {ports: null}", "a: {ports: ['80:80']}"),
        (
            "a: {command: [x, y], entrypoint: e}",
            "a: {command: [z], entrypoint: null}",
            "a: {command: [z], entrypoint: []}",
        ),
        (
            "a: {environment: [A=1, B=2]}",
            "a: {environment: {B: 3, C: 4}}",
            "a: {environment: {A: 1, B: 3, C: 4}}",
        ),
        (
            "a: {volumes: ['./x:/d', './y:/e']}",
            "a: {volumes: ['./z:/d']}",
            "a: {volumes: ['./z:/d', './y:/e']}",
        ),
        (
            "a: {networks: [x]}",
            "a: {networks: {y: {aliases: [q]}}}",
            "a: {networks: {x: null, y: {aliases: [q]}}}",
        ),
        ("a: {env_file: x}", "a: {env_file: [x, y]}", "a: {env_file: [x, y]}"),
        ("a: {profiles: [p]}", "a: {profiles: [q]}", "a: {profiles: [p, q]}"),
        ("a: {image: x}", "b: {image: y}", "{a: {image: x}, b: {image: y}}"),
    ] {
        let [first, second, merged] = [first, second, merged].map(|text| {
            let text = if text.starts_with('{') { text.to_owned() } else { format!("{{{text}}}") };
            format!("services: {text}")
        });
        let wanted = read(&[&merged]).unwrap();
        assert_eq!(read(&[&first, &second]).unwrap(), wanted, "{first} + {second}");
        assert_eq!(read(&[&format!("{first}\n---\n{second}")]).unwrap(), wanted, "{first} --- {second}");
    }
    let named = read(&["networks: {n: {driver: x}}", "networks: {n: {name: y}}"]).unwrap();
    assert_eq!(named, read(&["networks: {n: {driver: x, name: y}}"]).unwrap());
}

#[test]
fn what_compose_does_not_take_is_refused_with_its_place() {
    for (text, code, place) in [
        ("services: [a]", "compose-shape", "/services is not a mapping"),
        ("- a", "compose-shape", "/ is not a mapping"),
        ("services: {a: b}", "compose-shape", "/services/a is not a mapping"),
        ("services: {a: {ports: '80:80'}}", "compose-shape", "/services/a/ports is not a list"),
        ("services: {a: {ports: [[80]]}}", "compose-shape", "/services/a/ports/0 is not a port"),
        ("services: {a: {ports: [{published: 80}]}}", "compose-shape", "/services/a/ports/0 has no target"),
        ("services: {a/b~c: {image: [x]}}", "compose-shape", "/services/a~1b~0c/image is not a text"),
        ("services: {a: {volumes: [':']}}", "compose-shape", "/services/a/volumes/0 is not a mount"),
        ("services: {a: {env_file: [{}]}}", "compose-shape", "/services/a/env_file/0 has no path"),
        ("a: {", "compose-malformed", "c.yaml:"),
        ("a: 1\na: 2", "compose-malformed", "c.yaml:2:"),
        ("a: *b", "compose-malformed", "an alias names no anchor"),
        ("a: &a {b: *a}", "compose-malformed", "c.yaml:1:"),
        ("<<: 3", "compose-malformed", "merge"),
        ("a: \t- b\n\tc", "compose-malformed", "c.yaml:"),
    ] {
        let error = read(&[text]).unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(place), "{text}: {error}");
        assert!(!error.hint().is_empty());
    }
    assert_eq!(Project::from_files("", &[]).unwrap_err().code(), "compose-no-file");
    assert_eq!(
        Project::from_json(b"{\"a\": 1, \"a\": 2}").unwrap_err().to_string(),
        "the resolved project:1:16: an object has a key twice"
    );
    assert_eq!(Project::from_json(b"{").unwrap_err().code(), "compose-malformed");
}

#[test]
fn errors_repeat_no_value() {
    let secret = ["hun", "ter2"].concat();
    for text in [
        format!("services: {{a: {{environment: {{P: {secret}}}, image: [{secret}]}}}}"),
        format!("services: {{a: {{environment: {{P: [{secret}]}}}}}}"),
        format!("a: {secret}\n b: {secret}: c"),
        format!("a: \"{secret}\\q\""),
        format!("a: !!int {secret}"),
        format!("services: {{a: {{volumes: ['{secret}:a:b:c:d']}}}}"),
    ] {
        let error = read(&[&text]).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains(&secret), "a value is repeated");
        }
    }
}

/// The most that the process has had in memory so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn hostile_files_are_refused_fast_and_in_little_memory() {
    let bomb = |levels: usize, width: usize, seed: &str| {
        let mut text = format!("a0: &a0 {seed}\n");
        for level in 1..levels {
            let aliases = vec![format!("*a{}", level - 1); width].join(", ");
            let _ = writeln!(text, "a{level}: &a{level} [{aliases}]");
        }
        text
    };
    let long = format!("\"{}\\n\"", "x".repeat(500_000));
    let merges = {
        let mut text = "a0: &a0 {k: v}\n".to_owned();
        for level in 1..40 {
            let _ = writeln!(text, "a{level}: &a{level} {{<<: [*a{0}, *a{0}], x{level}: *a{0}}}", level - 1);
        }
        text
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a bomb of aliases",
            bomb(9, 9, "[lol, lol, lol, lol, lol, lol, lol, lol, lol]").into_bytes(),
            "compose-malformed",
        ),
        ("a bomb of long texts", bomb(6, 20, &long).into_bytes(), "compose-malformed"),
        (
            "many aliases of one long text",
            format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 9000].join(", ")).into_bytes(),
            "compose-malformed",
        ),
        ("a bomb of merge keys", merges.into_bytes(), "compose-malformed"),
        (
            "depth in brackets",
            format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
            "compose-malformed",
        ),
        (
            "depth in lines",
            (0..2000)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect::<Vec<_>>()
                .concat()
                .into_bytes(),
            "compose-too-large",
        ),
        (
            "depth in few lines",
            (0..300)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect::<Vec<_>>()
                .concat()
                .into_bytes(),
            "compose-malformed",
        ),
        ("depth in dashes", "- ".repeat(400_000).into_bytes(), "compose-malformed"),
        ("10 MB of a text", format!("a: {}", "x".repeat(10 << 20)).into_bytes(), "compose-too-large"),
        ("10 MB of entries", "- a\n".repeat((10 << 20) / 4).into_bytes(), "compose-too-large"),
        ("1 MB of entries", format!("a:\n{}", "- a\n".repeat(250_000)).into_bytes(), "compose-malformed"),
        ("1 MB of documents", "---\n".repeat(250_000).into_bytes(), "compose-malformed"),
        (
            "1 MB of anchors",
            (0..50_000).map(|i| format!("a{i}: &a{i} b\n")).collect::<Vec<_>>().concat().into_bytes(),
            "compose-malformed",
        ),
        ("not UTF-8", b"a: \xff".to_vec(), "compose-not-utf8"),
        ("UTF-16", [0xff, 0xfe, b'a', 0, b':', 0].to_vec(), "compose-not-utf8"),
        ("a NUL", b"a: \0".to_vec(), "compose-malformed"),
    ];
    let before = peak();
    for (what, bytes, code) in cases {
        let started = Instant::now();
        let error = Project::from_files("", &[ComposeFile { name: "c", bytes: &bytes }]).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{what} took {:?}", started.elapsed());
    }
    let json = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Project::from_json(json.as_bytes()).unwrap_err().code(), "compose-malformed");
    assert_eq!(Project::from_json(&vec![b' '; 9 << 20]).unwrap_err().code(), "compose-too-large");
    // The inputs themselves are some 25 MB.
    assert!(peak() - before < 256 * 1024, "it took {} KiB", peak() - before);
}

/// What is as deep as is taken needs no more stack than a small thread has.
#[test]
fn depth_is_bounded_by_the_limit_and_not_by_the_stack() {
    let yaml = |depth: usize| format!("a: {}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let json = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        assert!(read(&[&yaml(24)]).is_ok() && Project::from_json(json(24).as_bytes()).is_ok());
        assert_eq!(read(&[&yaml(25)]).unwrap_err().code(), "compose-malformed");
        assert_eq!(Project::from_json(json(25).as_bytes()).unwrap_err().code(), "compose-malformed");
        // Brackets within a text are none.
        assert!(Project::from_json(format!("{{\"a\": \"\\\"{}\"}}", "[".repeat(99)).as_bytes()).is_ok());
    });
    thread.unwrap().join().unwrap();
}

/// A file that is large and honest is read.
#[test]
fn a_large_project_is_read() {
    let services = (0..2000)
        .map(|i| format!("  s{i}:\n    <<: *common\n    image: a/b:{i}\n    ports: ['{}:80']\n", 1000 + i))
        .collect::<Vec<_>>()
        .concat();
    let text = format!(
        "x-common: &common\n  restart: always\n  environment: {{A: 1, B: 2}}\n  labels: [a=b]\nservices:\n{services}"
    );
    let project = read(&[&text]).unwrap();
    assert_eq!(project.services().count(), 2000);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Project::from_files("", &[ComposeFile { name: "c", bytes: &bytes }]);
        let _ = Project::from_json(&bytes);
    }

    #[test]
    fn no_yaml_makes_it_panic(text in "(services|networks|volumes|include): ?[\\[{]?([a-z]{1,3}|ports|environment|volumes|!reset|&a|\\*a|<<|[:,{}\\[\\]\" '\n-]){0,40}") {
        let _ = read(&[&text]);
    }
}
