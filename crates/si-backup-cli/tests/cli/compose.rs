//! The contract over an app's compose files, and the fragments that make it fit.

use crate::harness::{Host, NOON, Ran};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A project in Supabase's shape that pushes its WAL; uploads are elsewhere.
const BASE: &str = "\
services:
  kong:
    image: kong:2.8.1
    restart: unless-stopped
    ports: ['${KONG_HTTP_PORT}:8000']
  db:
    image: supabase/postgres:15.8.1.085
    restart: unless-stopped
    volumes:
      - ./data/pg:/var/lib/postgresql/data
      - db-config:/etc/postgresql-custom
    environment: {POSTGRES_PASSWORD: '${POSTGRES_PASSWORD}'}
    command: postgres -c archive_mode=on -c archive_timeout=60 -c archive_command='wal-g wal-push %p'
volumes: {db-config: {}}
";

/// A host with an app `shop` in containers, whose release has these files.
fn with_files(files: &[(&str, &str)]) -> Host {
    let host = Host::bare();
    fs::create_dir_all(host.home()).unwrap();
    fs::create_dir_all(host.path("release")).unwrap();
    let env = host.path("shop.env");
    let names =
        ["WALG_S3_PREFIX", "WALG_AWS_ACCESS_KEY_ID", "WALG_AWS_SECRET_ACCESS_KEY", "WALG_AWS_ENDPOINT"];
    fs::write(&env, names.map(|name| format!("{name}=x\n")).concat()).unwrap();
    fs::set_permissions(&env, Permissions::from_mode(0o600)).unwrap();
    for (name, text) in files {
        fs::write(host.path("release").join(name), text).unwrap();
    }
    let names: Vec<String> = files.iter().map(|(name, _)| format!("{name:?}")).collect();
    fs::write(
        host.config(),
        format!(
            "[contexts.default]\nproduction = true\n[contexts.default.apps.shop]\nenv_file = \"{}\"\n\
             runner = {{ kind = \"compose\", dir = \"{}\", files = [{}] }}\n",
            env.display(),
            host.path("release").display(),
            names.join(", ")
        ),
    )
    .unwrap();
    host
}

/// What was found about compose files, but for what is only worth knowing.
fn codes(ran: &Ran) -> Vec<String> {
    let rows = ran.data();
    let wrong = rows.iter().filter(|row| row["severity"] != "info");
    let codes = wrong.map(|row| row["code"].as_str().unwrap().to_owned());
    codes.filter(|code| code.starts_with("compose-")).collect()
}

fn fragment(host: &Host, pack: &str) -> String {
    host.inside(NOON, ["contract", "--app", "shop", "--render", pack]).expect(0).stdout
}

/// Adds a file to the release of `shop`.
fn add(host: &Host, name: &str, text: &str) {
    fs::write(host.path("release").join(name), text).unwrap();
    host.edit_settings("files = [", &format!("files = [\"{name}\", "));
    // The first file is the base.
    host.edit_settings(&format!("\"{name}\", \"base.yaml\""), &format!("\"base.yaml\", \"{name}\""));
}

#[test]
fn fragments_are_printed_for_people_and_for_scripts() {
    let host = Host::bare();
    for pack in ["supabase-walg", "databasus"] {
        let text = host.inside(NOON, ["contract", "--render", pack]).expect(0).stdout;
        assert!(text.starts_with(&format!("# Add-on pack {pack}")), "{text}");
        let row = host.json(["contract", "--render", pack]).expect(0).row();
        assert_eq!((row["pack"].as_str(), row["fragment"].as_str()), (Some(pack), Some(text.as_str())));
        assert_eq!(row["merge_strategy"], "additive_no_override");
    }
    let set = ["contract", "--render", "supabase-walg", "--set", "database=pg", "--set", "receiver=none"];
    let text = host.inside(NOON, set).expect(0).stdout;
    assert!(text.contains("PGHOST: \"pg\"") && !text.contains("wal-receive"), "{text}");
}

#[test]
fn what_no_fragment_can_be_made_of_is_refused() {
    let host = Host::bare();
    for set in ["image=supabase/postgres", "image=${IMAGE}", "port=4005", "data=/data"] {
        let said = host
            .json(["contract", "--render", "supabase-walg", "--set", set])
            .expect(2)
            .error("invalid-pack-parameter");
        assert!(said.len() > 20, "{said}");
    }
    host.inside(NOON, ["contract", "--render", "walg"]).expect(2);
    host.inside(NOON, ["contract", "--set", "a=b"]).expect(2);
    host.inside(NOON, ["contract", "--render", "databasus", "--check"]).expect(2);
    host.inside(NOON, ["contract", "--render", "databasus", "--set", "relay"]).expect(2);
}

#[test]
fn an_app_with_the_packs_that_were_rendered_for_it_is_not_accused() {
    let host = with_files(&[("base.yaml", BASE)]);
    let before = codes(&host.json(["contract", "--check"]).expect(10));
    assert_eq!(
        before,
        ["compose-databasus-missing", "compose-walg-service-missing", "compose-walg-service-missing"]
    );
    let (walg, databasus) = (fragment(&host, "supabase-walg"), fragment(&host, "databasus"));
    // It is fitted: to the server that pushes, and to where the data is.
    assert!(walg.contains("release/data/pg\"") && !walg.contains("wal-receive"), "{walg}");
    add(&host, "walg.yaml", &walg);
    add(&host, "databasus.yaml", &databasus);
    let ran = host.json(["contract", "--check"]);
    assert_eq!(codes(&ran), Vec::<String>::new(), "{:#?}", ran.data());
    // Nobody looked at the running containers.
    let left = |row: &&serde_json::Value| row["code"] == "not-judged" && row["clause"] == "databasus-private";
    assert!(ran.data().iter().any(|row| left(&row)));
}

#[test]
fn databasus_on_a_port_of_the_host_is_refused() {
    let published = "services: {databasus: {image: 'databasus/databasus:v3', restart: always, ports: ['127.0.0.1:4005:4005']}}";
    let host = with_files(&[("base.yaml", BASE), ("databasus.yaml", published)]);
    let ran = host.json(["contract", "--check", "--app", "shop"]).expect(10);
    ran.error("contract-findings");
    let rows = ran.data();
    let row = rows.iter().find(|row| row["code"] == "compose-databasus-published").unwrap();
    assert_eq!(row["severity"], "error");
    assert_eq!(row["clause"], "databasus-private");
    assert_eq!(row["place"], "service databasus ports");
    assert_eq!(row["app"], "shop");
}

#[test]
fn files_that_are_none_are_told_by_name_and_judge_nothing() {
    let secret = ["never", "Shown", "31"].concat();
    for text in [format!("services: [{secret}"), format!("services: {{a: {{image: [{secret}]}}}}")] {
        let host = with_files(&[("base.yaml", &text)]);
        let ran = host.json(["contract", "--check"]).expect(10);
        let rows = ran.data();
        let row = rows.iter().find(|row| row["code"] == "compose-unreadable").unwrap();
        assert!(row["detail"].as_str().unwrap().contains("base.yaml"), "{row}");
        assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
        assert!(rows.iter().any(|row| row["code"] == "not-judged" && row["clause"] == "databasus-private"));
        host.json(["contract", "--app", "shop", "--render", "databasus"])
            .expect(2)
            .error("compose-unreadable");
    }
    let host = with_files(&[("base.yaml", BASE)]);
    fs::remove_file(host.path("release/base.yaml")).unwrap();
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["compose-unreadable"]);
}

#[expect(clippy::print_stderr, reason = "a test says that it is skipped")]
fn skip() {
    eprintln!("skipped: there is no docker compose");
}

/// Compose itself, behind the one word by which it is started; nothing, after a line that says so, where there is none.
fn docker(host: &Host) -> Option<PathBuf> {
    let dir = host.path("bin");
    let plugin = std::env::home_dir().unwrap_or_default().join(".docker/cli-plugins/docker-compose");
    let there =
        |program: &Path| Command::new(program).arg("version").output().is_ok_and(|out| out.status.success());
    let program = [Path::new("docker-compose"), &plugin].into_iter().find(|program| there(program));
    let line = match program {
        Some(program) => format!("shift\nexec {} \"$@\"", program.display()),
        None if Command::new("docker")
            .args(["compose", "version"])
            .output()
            .is_ok_and(|out| out.status.success()) =>
        {
            "exec docker \"$@\"".to_owned()
        }
        None => {
            assert!(
                std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(),
                "there is no docker compose: scripts/setup builds it"
            );
            skip();
            return None;
        }
    };
    fs::create_dir_all(&dir).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    fs::write(dir.join("docker"), format!("#!/bin/sh\nPATH='{path}'\n{line}\n")).unwrap();
    fs::set_permissions(dir.join("docker"), Permissions::from_mode(0o755)).unwrap();
    Some(dir)
}

#[test]
fn where_compose_is_there_it_resolves_what_the_reader_does_not_follow() {
    let reset = "services: {databasus: {image: 'databasus/databasus:v3', restart: always, networks: [n], ports: !override ['4005:4005']}}\nnetworks: {n: {}}";
    let mut host = with_files(&[("base.yaml", BASE), ("databasus.yaml", reset)]);
    assert!(!codes(&host.json(["contract", "--check"])).contains(&"compose-databasus-published".to_owned()));
    let Some(bin) = docker(&host) else { return };
    host.setenv("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let ran = host.json(["contract", "--check"]).expect(10);
    assert!(codes(&ran).contains(&"compose-databasus-published".to_owned()), "{:#?}", ran.data());
    // What compose refuses is not judged by anybody else.
    fs::write(host.path("release/databasus.yaml"), "services: {databasus: {nonsense: 1}}").unwrap();
    assert_eq!(codes(&host.json(["contract", "--check"]).expect(10)), ["compose-unreadable"]);
}
