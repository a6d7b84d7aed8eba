//! Help: every command says what it is for, and shows how it is typed.

use crate::harness::Host;
use clap::{CommandFactory, Parser};
use insta::assert_snapshot;
use si_backup_cli::args::Cli;

/// The words of every command, those that only group others too.
fn commands(of: &clap::Command, words: &[String], into: &mut Vec<Vec<String>>) {
    into.push(words.to_vec());
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let words: Vec<_> = words.iter().cloned().chain([command.get_name().to_owned()]).collect();
        commands(command, &words, into);
    }
}

#[test]
fn every_command_has_a_help_with_an_example() {
    let host = Host::bare();
    let mut all = Vec::new();
    commands(&Cli::command(), &[], &mut all);
    assert!(all.len() > 15, "{all:?}");
    for words in all {
        let help = host.run(words.iter().map(String::as_str).chain(["--help"])).expect(0);
        assert_eq!(help.stderr, "");
        let first = help.stdout.lines().next().unwrap();
        assert!(
            first.len() > 10 && (words.is_empty() || first.starts_with(char::is_uppercase)),
            "{words:?}: {first}"
        );
        assert!(help.stdout.contains("Example"), "{words:?} shows no example:\n{}", help.stdout);
        let typed = format!("si-backup {}", words.join(" "));
        let example = help.stdout.split("Example").nth(1).unwrap();
        assert!(
            example.contains(typed.trim_end()),
            "{words:?}: the example is of something else:\n{example}"
        );
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{words:?}:\n{}", help.stdout);
        let name = format!("help_{}", words.join("_"));
        assert_snapshot!(name.trim_end_matches('_'), help.stdout);
    }
}

#[test]
fn the_short_help_is_one_screen() {
    let help = Host::bare().run(["-h"]).expect(0);
    assert!(help.stdout.lines().count() <= 60, "{}", help.stdout);
}

#[test]
fn the_version_is_the_packages() {
    let version = Host::bare().run(["--version"]).expect(0);
    assert_eq!(version.stdout, concat!("si-backup ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_examples_of_the_help_are_commands() {
    let mut all = Vec::new();
    commands(&Cli::command(), &[], &mut all);
    let host = Host::bare();
    let mut seen = 0;
    for words in all {
        let help = host.run(words.iter().map(String::as_str).chain(["--help"])).stdout;
        let examples = help.split("Example").nth(1).unwrap();
        for line in examples.lines().filter_map(|line| line.trim().strip_prefix("si-backup ")) {
            // Up to the explanation, or to what a shell does with it.
            let line = line.split("  ").next().unwrap().split(['|', '&']).next().unwrap();
            let quoted = line.split('\'').enumerate().flat_map(|(i, part)| {
                if i % 2 == 1 {
                    vec![part.to_owned()]
                } else {
                    part.split_whitespace().map(str::to_owned).collect()
                }
            });
            let typed: Vec<_> = std::iter::once("si-backup".to_owned()).chain(quoted).collect();
            if let Err(e) = Cli::try_parse_from(&typed) {
                panic!("{typed:?}: {e}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} examples were found");
}
