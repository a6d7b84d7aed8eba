//! Writes a realistic state of si, for benches, trials and the quick start.

use si_backup_tests::StateSpec;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

const USAGE: &str = "\
usage: si-state-gen --root DIR [--context NAME] [--seed N] [--apps N] [--targets N] [--releases N]
                    [--events-bytes N] [--cache-bytes N] [--no-vault] [--no-never-taken]

Writes contexts/NAME (default: default) beneath DIR and selects it. Equal options give equal bytes.
N may end in K, M or G (1024, 1024^2, 1024^3).
";

fn main() -> Result<(), Box<dyn Error>> {
    let mut spec = StateSpec::default();
    let (mut root, mut context) = (None, String::from("default"));
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value\n{USAGE}"));
        match option.as_str() {
            "--root" => root = Some(PathBuf::from(value()?)),
            "--context" => context = value()?,
            "--seed" => spec.seed = number(&value()?)?,
            "--apps" => spec.apps = number(&value()?)?,
            "--targets" => spec.targets = number(&value()?)?,
            "--releases" => spec.releases = number(&value()?)?,
            "--events-bytes" => spec.events_bytes = number(&value()?)?,
            "--cache-bytes" => spec.cache_bytes = number(&value()?)?,
            "--no-vault" => spec.vault = false,
            "--no-never-taken" => spec.never_taken = false,
            "--help" | "-h" => {
                std::io::stdout().write_all(USAGE.as_bytes())?;
                return Ok(());
            }
            _ => return Err(format!("unknown option {option}\n{USAGE}").into()),
        }
    }
    let root = root.ok_or_else(|| format!("--root is missing\n{USAGE}"))?;
    let state = spec.write(&root, &context)?;
    writeln!(std::io::stdout(), "{}", state.context_dir.display())?;
    Ok(())
}

fn number<T: FromStr + TryFrom<u64>>(text: &str) -> Result<T, Box<dyn Error>> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1_u64),
    };
    let number = digits.parse::<u64>()?.checked_mul(unit).ok_or("too large a number")?;
    T::try_from(number).map_err(|_| "too large a number".into())
}
