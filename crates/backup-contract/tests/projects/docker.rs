//! Compose itself, where the machine has it: as a plug-in of Docker, or as a program alone. It needs no daemon here.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Compose, started in one of these ways.
pub(crate) struct Compose(Vec<PathBuf>);

/// Compose; nothing, after a line that says so, where the machine has none.
pub(crate) fn compose() -> Option<Compose> {
    let plugin = std::env::home_dir().map(|home| vec![home.join(".docker/cli-plugins/docker-compose")]);
    let ways =
        [vec!["docker".into(), "compose".into()], vec!["docker-compose".into()]].into_iter().chain(plugin);
    let found = ways.map(Compose).find(|way| {
        let version = way.command().arg("version").output();
        version.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
    });
    if found.is_none() {
        assert!(
            std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(),
            "there is no docker compose: scripts/setup builds it"
        );
        eprintln!("skipped: there is no docker compose");
    }
    found
}

impl Compose {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).env("COMPOSE_PROFILES", "*");
        command
    }

    fn run(&self, texts: &[String], arguments: &[&str]) -> Output {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("si-backup-compose-{}-{at}", std::process::id()));
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let mut command = self.command();
        command.current_dir(&dir).arg("--project-directory").arg(&dir);
        for (at, text) in texts.iter().enumerate() {
            let file = dir.join(format!("{at}.yaml"));
            fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            command.arg("-f").arg(file);
        }
        let output = command.arg("config").args(arguments).output();
        let _ = fs::remove_dir_all(&dir);
        output.unwrap_or_else(|error| panic!("docker compose: {error}"))
    }

    /// The project that files make, as compose resolves it without filling anything in.
    pub(crate) fn resolve(&self, texts: &[String]) -> String {
        let output = self.run(texts, &["--format", "json", "--no-interpolate", "--no-env-resolution"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{texts:#?}");
        String::from_utf8(output.stdout).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Whether compose takes the files.
    pub(crate) fn takes(&self, texts: &[String]) -> bool {
        self.run(texts, &["--format", "json", "--no-interpolate", "--no-env-resolution"]).status.success()
    }
}
