use super::StoreSettings;
use backup_contract::{AppSlug, ContextName};
use std::fmt::Write;

/// The first settings file of a host: the few settings that it needs, and the others as comments.
///
/// `identity` is the file that `init` made, when it made one.
#[must_use]
pub fn render(
    context: &ContextName,
    store: Option<&StoreSettings>,
    recipients: &[String],
    identity: Option<&str>,
    apps: &[AppSlug],
) -> String {
    let mut text = format!(
        "\
# Settings of si-backup. No secret belongs in here, only the names of files that hold them.

[contexts.{context}]
production = false                # true: the rules for production hold
# Who can open the backups. Add one whose identity is kept away from this host.
recipients = [{recipients}]
",
        context = toml_key(context.as_str()),
        recipients = recipients.iter().map(|r| toml_string(r)).collect::<Vec<_>>().join(", "),
    );
    match identity {
        Some(path) => {
            let _ = writeln!(text, "identity = {}", toml_string(path));
        }
        None => {
            text += "# identity = \"~/.si/backup/identity.txt\"   # needed for content checks and for opening backups\n";
        }
    }
    text += "\
# timezone = \"UTC\"
# retention = { daily = 7, weekly = 4, monthly = 3, counting = \"exclusive\", recovery_window = \"7d\" }
# trusted_writers = [\"ed25519:...\"]         # whose evidence counts besides this host's own
# allow_secrets = \"~/.si/backup/allow.toml\" # reviewed exceptions of the secret scan
";
    let _ = write!(text, "\n[contexts.{}.store]\n", toml_key(context.as_str()));
    match store.map(toml::to_string) {
        Some(Ok(settings)) => text += &settings,
        Some(Err(_)) | None => {
            text += "\
url = \"file:///srv/backups/si\"   # an existing directory, best on another disk; or a bucket:
# url = \"s3://bucket/prefix\"
# endpoint = \"https://s3.example.org\"; region = \"...\"; ca_file = \"...\"   # of a server that is not AWS
# credentials_file = \"~/.si/backup/s3-credentials\"   # 0600; else as any AWS SDK finds them
";
        }
    }
    for app in apps {
        let _ = write!(
            text,
            "\n# The database of this app is not backed up by this version of si-backup.\n# [contexts.{}.apps.{}]\n",
            toml_key(context.as_str()),
            toml_key(app.as_str()),
        );
    }
    text
}

/// A name as a TOML key: quoted where a bare key may not hold it.
fn toml_key(name: &str) -> String {
    let bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { name.to_owned() } else { toml_string(name) }
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse;
    use std::path::Path;

    #[test]
    fn what_is_written_first_can_be_read() {
        let context = ContextName::new("my.prod").unwrap();
        let apps = [AppSlug::new("shop").unwrap()];
        let recipients = ["age1abc".to_owned()];
        let store = StoreSettings::at("file:///a \"b\"");
        let text = render(&context, Some(&store), &recipients, Some("/x/identity.txt"), &apps);
        let settings = parse(Path::new("config.toml"), &text).unwrap();
        let written = &settings.contexts[&context];
        assert_eq!(written.recipients, recipients);
        assert_eq!(written.store.as_ref().unwrap().url, "file:///a \"b\"");
        assert!(written.identity.is_some() && written.apps.is_empty());
        let bare = render(&context, None, &[], None, &[]);
        assert!(parse(Path::new("config.toml"), &bare).unwrap().contexts.contains_key(&context));
    }
}
