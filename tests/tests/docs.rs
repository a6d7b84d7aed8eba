//! The documentation names every code that a script can meet.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The source of a crate, without its tests.
fn code_of(crate_dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    sources(&crate_dir.join("src"), &mut files);
    let without_tests = |text: String| text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
    files.iter().map(|file| without_tests(fs::read_to_string(file).unwrap())).collect()
}

/// The source of every library and of the command line, without their tests.
fn code_of_crates() -> Vec<String> {
    crates().iter().flat_map(|dir| code_of(dir)).collect()
}

fn crates() -> Vec<PathBuf> {
    fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn contract() -> PathBuf {
    root().join("crates/backup-contract")
}

fn is_code(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What is between quotation marks, as far as it looks like a code.
fn quoted_codes(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('"').skip(1).step_by(2).filter(|text| is_code(text)).map(str::to_owned)
}

/// What the functions called `code` return.
fn error_codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for text in code_of_crates() {
        for rest in text.split("fn code(&self) -> &'static str {").skip(1) {
            codes.extend(quoted_codes(rest.split("\n    }\n").next().unwrap()));
        }
    }
    for text in code_of_crates() {
        for rest in text.split("problem_codes! {\n").skip(1) {
            codes.extend(quoted_codes(rest.split("\n}\n").next().unwrap()));
        }
    }
    assert!(codes.len() > 40, "the codes were found: {codes:?}");
    assert!(codes.contains("wal-missing"), "the problems of databases were found: {codes:?}");
    codes
}

/// The first argument of everything that `maker` makes, as far as it is a literal.
fn made_with(text: &str, maker: &str) -> Vec<Option<String>> {
    let literal = |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
    text.split(maker).skip(1).map(literal).collect()
}

/// The code of every finding that is made where it can be read off the source, but for those about contracts.
fn finding_codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for dir in crates().iter().filter(|dir| !dir.ends_with("backup-contract")) {
        codes.extend(code_of(dir).iter().flat_map(|text| made_with(text, "Finding::new(")).flatten());
    }
    assert!(codes.len() > 8, "the findings were found: {codes:?}");
    codes
}

/// The codes of the findings that `backup-contract` makes: there, each is written as a literal.
fn contract_codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for text in code_of(&contract()) {
        for maker in ["Finding::new(", "Fault::new("] {
            for code in made_with(&text, maker) {
                let code = code.unwrap_or_else(|| panic!("a code that is no literal, in:\n{text}"));
                assert!(is_code(&code), "'{code}' is not kebab-case");
                codes.insert(code);
            }
        }
    }
    assert!(codes.contains("profile-not-for-production"), "the codes were found: {codes:?}");
    codes
}

#[test]
fn every_error_and_finding_has_its_line() {
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let missing: Vec<_> = error_codes()
        .into_iter()
        .chain(finding_codes())
        .filter(|code| !page.contains(&format!("`{code}`")))
        .collect();
    assert!(missing.is_empty(), "docs/errors.md does not tell of {missing:?}");
}

#[test]
fn every_finding_about_a_contract_has_its_section() {
    let page = fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let mut told = BTreeSet::new();
    for section in page.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap();
        let code = heading.trim().trim_matches('`').to_owned();
        let body = body.split("\n## ").next().unwrap();
        for part in ["Cause", "Risk", "Remedy"] {
            let (_, text) = body
                .split_once(&format!("\n- **{part}:** "))
                .unwrap_or_else(|| panic!("'{code}' does not tell its {part}"));
            assert!(text.lines().next().unwrap().len() > 10, "'{code}' hardly tells its {part}");
        }
        assert!(told.insert(code), "two sections are about '{}'", heading.trim());
    }
    let made = contract_codes();
    let missing: Vec<_> = made.difference(&told).collect();
    assert!(missing.is_empty(), "docs/findings.md does not tell of {missing:?}");
    let orphaned: Vec<_> = told.difference(&made).collect();
    assert!(orphaned.is_empty(), "docs/findings.md tells of what nothing makes: {orphaned:?}");
}

#[test]
fn the_readme_names_every_command() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let verbs = fs::read_to_string(root().join("crates/si-backup-cli/src/args/verbs.rs")).unwrap();
    let commands = verbs.split("pub enum Command {").nth(1).unwrap().split("\n}").next().unwrap();
    let mut count = 0;
    for line in commands
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(',') && line.starts_with(|c: char| c.is_ascii_uppercase()))
    {
        let name = line.split(['(', ',']).next().unwrap().to_lowercase();
        assert!(readme.contains(&format!("`{name}")), "README.md does not name '{name}'");
        count += 1;
    }
    assert!(count >= 14, "the commands were found");
}
