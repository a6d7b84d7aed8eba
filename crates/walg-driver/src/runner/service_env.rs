use super::{Control, Job, Runner};
use crate::process::Output;
use crate::{Error, Result};
use backup_contract::environment::EnvFile;
use backup_contract::{ClauseId, Finding, Place, Severity};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Tells of each name that it is given the digest of its value, after a salt that comes on standard input, and of every name
/// that an engine may read. No value leaves the place, nor is one in the arguments of a program: `printf` is the shell's own.
/// Names are taken from where variables end in a zero byte: a value of several lines looks like more of them in what `env`
/// prints.
const SCRIPT: &str = "read -r salt\nfor n in \"$@\"; do\n  eval \"v=\\${$n-}\"\n  [ -z \"$v\" ] && continue\n  \
    h=$(printf '%s%s' \"$salt\" \"$v\" | sha256sum) || exit 9\n  [ \"${#h}\" -lt 64 ] && exit 9\n  \
    printf 'value %s %s\\n' \"$n\" \"${h%% *}\"\ndone\n[ -r /proc/self/environ ] || exit 9\n\
    cat /proc/self/environ | tr '\\000\\n' '\\n\\001' | cut -s -d= -f1 | while read -r n; do\n  case $n in\n    \
    WALG_*|WALE_*|AWS_*|S3_*|GPG_*|YC_CSE_*) printf 'name %s\\n' \"$n\" ;;\n  esac\ndone\n";

/// Beginnings of names that engines read, beside those of the server.
const ENGINES: [&str; 6] = ["WALG_", "WALE_", "AWS_", "S3_", "GPG_", "YC_CSE_"];

/// What in such a name says where and how backups are stored, and not how fast.
const DECISIVE: [&str; 9] = ["PREFIX", "KEY", "PGP", "GPG", "SSE", "CSE", "ENDPOINT", "STORAGE", "RETENTION"];

/// Holds the environment of the service that jobs run in against the app's env file: an engine reads the former, everything
/// else is judged by the latter. Names and digests are compared, under a salt that is used once.
///
/// # Errors
/// Where the service cannot be asked, or has no `sha256sum`: what cannot be compared is not taken for equal.
pub fn compare_environment(
    runner: &dyn Runner,
    service: &str,
    file: &EnvFile,
    control: &Control<'_>,
) -> Result<Vec<Finding>> {
    let given = values(file);
    let salt = format!("{:016x}", getrandom::u64().map_err(|error| Error::Random(error.into()))?);
    let job = Job::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .args(given.keys().copied())
        .input(format!("{salt}\n"))
        .output(Output::Raw);
    let ended = runner.run(&job, control)?;
    if !ended.status.is_zero() {
        let said = ended.stderr.last_lines(6);
        return Err(Error::Stopped { program: "sh".to_owned(), status: ended.status, said });
    }
    let bytes = ended.stdout.whole().ok_or(Error::TooMuchOutput)?;
    Ok(Seen::parse(&String::from_utf8_lossy(&bytes)).against(service, &given, &salt))
}

/// What the file gives to the names that a shell can name; an empty value is none to an engine.
fn values(file: &EnvFile) -> BTreeMap<&str, &str> {
    let is_name = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let names = file.iter().map(backup_contract::environment::Variable::name).filter(|name| is_name(name));
    let value = |name| Some(file.get(name)?.literal()?.expose()).filter(|value| !value.is_empty());
    names.filter_map(|name| Some((name, value(name)?))).collect()
}

/// What the service told of its environment.
#[derive(Debug, Default)]
struct Seen {
    digests: BTreeMap<String, String>,
    names: BTreeSet<String>,
}

impl Seen {
    fn parse(text: &str) -> Self {
        let mut seen = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("value"), Some(name), Some(digest)) => {
                    seen.digests.insert(name.to_owned(), digest.to_owned());
                }
                (Some("name"), Some(name), None) => {
                    seen.names.insert(name.to_owned());
                }
                _ => {}
            }
        }
        seen
    }

    fn against(&self, service: &str, given: &BTreeMap<&str, &str>, salt: &str) -> Vec<Finding> {
        let finding = |name: &str, detail: &str| {
            Finding::new(
                "service-env-differs",
                Severity::Error,
                Place::of(format!("service {service}")).pointer(name),
                format!("{detail}: its engine would not store as the env file says"),
                "let the service's 'env_file' be the one that the settings name, and create it anew",
            )
            .about(ClauseId::AppContract)
        };
        let mut findings = Vec::new();
        for (name, value) in given {
            match self.digests.get(*name) {
                None => findings.push(finding(name, &format!("has no {name}, which the env file has"))),
                Some(digest) if *digest != digest_of(salt, value) => {
                    findings.push(finding(name, &format!("has another {name} than the env file")));
                }
                Some(_) => {}
            }
        }
        let is_decisive = |name: &&String| {
            ENGINES.iter().any(|beginning| name.starts_with(beginning))
                && DECISIVE.iter().any(|part| name.contains(part))
        };
        for name in self.names.iter().filter(is_decisive).filter(|name| !given.contains_key(name.as_str())) {
            findings.push(finding(name, &format!("has {name}, which the env file has not")));
        }
        findings
    }
}

fn digest_of(salt: &str, value: &str) -> String {
    Sha256::digest([salt, value].concat()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RealClock;
    use crate::process::{Command, Limits, Variables, Watch, run};
    use crate::runner::{Container, LocalRunner};

    /// A service whose environment is this, and nothing else.
    #[derive(Debug)]
    struct Service(Variables);

    impl Runner for Service {
        fn run(&self, job: &Job, control: &Control<'_>) -> Result<crate::process::Ended> {
            let runner = LocalRunner::new("/", self.0.clone());
            runner.run(job, control)
        }

        fn containers(&self, _: &Control<'_>) -> Result<Option<Vec<Container>>> {
            Ok(None)
        }

        fn project(&self, _: &Control<'_>) -> Result<Option<Vec<u8>>> {
            Ok(None)
        }
    }

    fn told(variables: Variables, file: &str) -> Vec<String> {
        let file = EnvFile::parse(file.as_bytes()).unwrap();
        let clock = RealClock::new();
        let control = Control { limits: Limits::default(), watch: Watch::none(), clock: &clock };
        let findings = compare_environment(&Service(variables), "backup", &file, &control).unwrap();
        findings.iter().map(|finding| format!("{}: {}", finding.place, finding.detail)).collect()
    }

    const FILE: &str =
        "WALG_S3_PREFIX=s3://b/shop\nWALG_LIBSODIUM_KEY=\"a 'b' \\\\ c%s\"\nPGHOST=db\nEMPTY=\nodd-name=x\n";

    fn same() -> Variables {
        Variables::new()
            .plain("WALG_S3_PREFIX", "s3://b/shop")
            .secret("WALG_LIBSODIUM_KEY", "a 'b' \\ c%s")
            .plain("PGHOST", "db")
            .plain("PGDATA", "/data")
            .plain("WALG_UPLOAD_CONCURRENCY", "4")
    }

    #[test]
    fn what_engine_and_judge_read_is_the_same() {
        assert_eq!(told(same(), FILE), [""; 0]);
    }

    #[test]
    fn whatever_differs_is_named_and_no_value_with_it() {
        let found = told(same().secret("WALG_LIBSODIUM_KEY", "hunter22"), FILE);
        assert!(found.len() == 1 && found[0].contains("another WALG_LIBSODIUM_KEY"), "{found:?}");
        assert!(!found[0].contains("hunter22"));
        let found = told(same().without("WALG_LIBSODIUM_KEY").plain("PGHOST", ""), FILE);
        assert!(found.len() == 2 && found.iter().all(|told| told.contains("has no ")), "{found:?}");
        let found = told(same().plain("WALG_PGP_KEY", "x").plain("AWS_ENDPOINT", "y"), FILE);
        assert!(found.len() == 2 && found.iter().all(|told| told.contains("env file has not")), "{found:?}");
    }

    /// The lines of a key are no names, whatever they look like.
    #[test]
    fn nothing_of_a_value_of_several_lines_is_printed() {
        let clock = RealClock::new();
        let key = "-----BEGIN KEY-----\nhunter22\nWALG_SECRET=hunter33\nAWS_hunter44\n=";
        let variables = Variables::new().plain("PATH", "/usr/bin:/bin").plain("WALG_X", "1");
        let asked = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .environment(variables.plain("TLS_KEY", key).plain("WALG_PGP_KEY", key))
            .input("salt\n");
        let ended = run(&asked, &Limits::default(), &Watch::none(), &clock).unwrap();
        assert!(ended.status.is_zero());
        let printed = ended.stdout.text();
        let mut names: Vec<_> = printed.lines().collect();
        names.sort_unstable();
        assert_eq!(names, ["name WALG_PGP_KEY", "name WALG_X"]);
        assert!(!ended.stderr.text().contains("hunter"));
    }

    /// As the child of a shell would see it in `/proc`.
    #[test]
    fn no_value_is_an_argument() {
        let clock = RealClock::new();
        let trace = Command::new("sh")
            .args(["-xc", SCRIPT, "sh", "KEY"])
            .environment(Variables::new().plain("PATH", "/usr/bin:/bin").plain("KEY", "hunter22"))
            .input("salt\n");
        let ended = run(&trace, &Limits::default(), &Watch::none(), &clock).unwrap();
        let printed = ended.stderr.text();
        let with: Vec<_> = printed.lines().filter(|line| line.contains("hunter22")).collect();
        // The shell's own statements alone: an assignment, a test, printf.
        assert!(
            with.iter().all(|line| ["v=", "[ ", "printf "]
                .iter()
                .any(|own| line.trim_start_matches(['+', ' ']).starts_with(own))),
            "{with:?}"
        );
    }
}
