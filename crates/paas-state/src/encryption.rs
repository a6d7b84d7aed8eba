//! Sealing to recipients and opening with identities: `age`, and nothing of our own.

use crate::{Error, Result};
use age::secrecy::ExposeSecret;
use age::stream::StreamReader;
use backup_contract::Openers;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The most that is read of the header of something sealed, in bytes: hundreds of recipients.
const MAX_HEADER: u64 = 64 * 1024;
/// The most recipients that something is sealed to, so that its header is not longer than that.
const MAX_RECIPIENTS: usize = 256;
/// The most that is read of an identity file, in bytes.
const MAX_IDENTITY_FILE: u64 = 64 * 1024;

/// The public keys that a bundle is sealed to. Any one of their identities opens it.
#[derive(Clone)]
pub struct Recipients(Vec<age::x25519::Recipient>);

impl Recipients {
    /// Takes recipients in age's own spelling, `age1…`.
    ///
    /// # Errors
    /// [`Error::Recipient`] for the first that is none; [`Error::NoRecipient`] for an empty list.
    pub fn parse<S: AsRef<str>>(recipients: impl IntoIterator<Item = S>) -> Result<Self> {
        let parsed: Vec<_> = recipients
            .into_iter()
            .map(|r| r.as_ref().trim().parse().map_err(|_| Error::Recipient(shown(r.as_ref()))))
            .collect::<Result<_>>()?;
        if let Some(one_too_many) = parsed.get(MAX_RECIPIENTS) {
            return Err(Error::Recipient(format!("{one_too_many}, the {}th", MAX_RECIPIENTS + 1)));
        }
        if parsed.is_empty() { Err(Error::NoRecipient) } else { Ok(Self(parsed)) }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Who of them could open what is sealed: how many have no identity among those that are kept here.
    #[must_use]
    pub fn openers(&self, here: Option<&Identities>) -> Openers {
        let own = here.map(Identities::recipients).unwrap_or_default();
        let named: BTreeSet<_> = self.0.iter().map(ToString::to_string).collect();
        Openers {
            recipients: named.len(),
            away: named.iter().filter(|recipient| !own.contains(recipient)).count(),
            identities_here: own.len(),
        }
    }

    pub(crate) fn seal<W: Write>(&self, output: W) -> Result<age::stream::StreamWriter<W>> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| Error::NoRecipient)?;
        encryptor.wrap_output(output).map_err(sealing)
    }

    /// Seals a small text whole, such as settings without secrets.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal_bytes(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut writer = self.seal(Vec::new())?;
        writer.write_all(plain).map_err(sealing)?;
        writer.finish().map_err(sealing)
    }
}

/// A recipient that is none, as it may be shown: somebody may have mixed up the two lines of an identity file.
fn shown(recipient: &str) -> String {
    let is_secret = recipient.trim().to_ascii_uppercase().starts_with("AGE-SECRET-KEY-");
    if is_secret { "AGE-SECRET-KEY-1<redacted>".to_owned() } else { recipient.to_owned() }
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, recipient) in self.0.iter().enumerate() {
            write!(f, "{}{recipient}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({self})")
    }
}

fn sealing(source: io::Error) -> Error {
    Error::Io { operation: "seal", path: "bundle".into(), source }
}

/// The secret keys that open what was sealed to their recipients. Never printed.
pub struct Identities(Vec<age::x25519::Identity>);

impl Identities {
    /// Makes a new identity.
    #[must_use]
    pub fn generate() -> Self {
        Self(vec![age::x25519::Identity::generate()])
    }

    /// Reads an identity file as `age-keygen` writes it.
    ///
    /// # Errors
    /// [`Error::IdentityExposed`] when others may read it; [`Error::Identity`] when it holds none; [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        let io = |operation| move |source| Error::Io { operation, path: path.to_owned(), source };
        let file = File::open(path).map_err(io("open"))?;
        let mode = file.metadata().map_err(io("look at"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::IdentityExposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        BufReader::new(file).take(MAX_IDENTITY_FILE).read_to_string(&mut text).map_err(io("read"))?;
        let identities: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.parse().map_err(|_| Error::Identity(path.to_owned())))
            .collect::<Result<_>>()?;
        if identities.is_empty() { Err(Error::Identity(path.to_owned())) } else { Ok(Self(identities)) }
    }

    /// The text of an identity file, for [`backup_store::durable::write_new`] with mode 0600.
    #[must_use]
    pub fn to_file_text(&self) -> secrecy::SecretString {
        let mut text =
            String::from("# age identity of si-backup: whoever has this file can open the backups\n");
        for identity in &self.0 {
            text += "# public key: ";
            text += &identity.to_public().to_string();
            text.push('\n');
            text += identity.to_string().expose_secret();
            text.push('\n');
        }
        text.into()
    }

    /// The recipients that these identities belong to.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        self.0.iter().map(|identity| identity.to_public().to_string()).collect()
    }

    /// Opens a sealed stream.
    ///
    /// # Errors
    /// age's own, told apart by the caller who knows what was to be opened.
    pub(crate) fn open<R: Read>(
        &self,
        mut sealed: R,
    ) -> std::result::Result<StreamReader<impl Read + use<R>>, age::DecryptError> {
        // A header has no end but its last line, and age reads on until it comes.
        let mut head = Vec::new();
        sealed.by_ref().take(MAX_HEADER).read_to_end(&mut head)?;
        if head.len() as u64 == MAX_HEADER && memchr::memmem::find(&head, b"\n--- ").is_none() {
            return Err(age::DecryptError::InvalidHeader);
        }
        let whole = BufReader::new(Cursor::new(head).chain(sealed));
        age::Decryptor::new_buffered(whole)?
            .decrypt(self.0.iter().map(|identity| identity as &dyn age::Identity))
    }

    /// Opens a small sealed text whole.
    ///
    /// # Errors
    /// [`Error::WrongIdentity`]; [`Error::Malformed`] when it is not what was sealed.
    pub fn open_bytes(&self, sealed: &[u8], what: &str) -> Result<Vec<u8>> {
        let malformed = |reason: String| Error::Malformed { what: what.to_owned(), reason };
        let mut reader = self.open(sealed).map_err(|e| match e {
            age::DecryptError::NoMatchingKeys => Error::WrongIdentity { what: what.to_owned() },
            other => malformed(other.to_string()),
        })?;
        let mut plain = Vec::new();
        reader.read_to_end(&mut plain).map_err(|e| malformed(e.to_string()))?;
        Ok(plain)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} redacted)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn what_is_sealed_opens_with_its_identity_only() {
        let (ours, others) = (Identities::generate(), Identities::generate());
        let sealed = Recipients::parse(ours.recipients()).unwrap().seal_bytes(b"settings").unwrap();
        assert_eq!(ours.open_bytes(&sealed, "settings").unwrap(), b"settings");
        assert_eq!(others.open_bytes(&sealed, "settings").unwrap_err().code(), "wrong-identity");
        assert_eq!(ours.open_bytes(&sealed[..sealed.len() - 1], "settings").unwrap_err().code(), "malformed");
    }

    #[test]
    fn an_identity_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.txt");
        fs::write(&path, Identities::generate().to_file_text().expose_secret()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Identities::read(&path).unwrap_err().code(), "identity-exposed");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Identities::read(&path).unwrap().recipients().len(), 1);
    }

    #[test]
    fn who_is_away_is_counted_without_those_who_are_here() {
        let (here, away) = (Identities::generate(), Identities::generate());
        let name = |identities: &Identities| identities.recipients().remove(0);
        let openers = |recipients: &[String], here| Recipients::parse(recipients).unwrap().openers(here);
        let both = [name(&here), name(&away)];
        let expected = Openers { recipients: 2, away: 1, identities_here: 1 };
        assert_eq!(openers(&both, Some(&here)), expected);
        // The same one twice is one.
        let own = [name(&here), format!(" {} ", name(&here))];
        assert_eq!(openers(&own, Some(&here)), Openers { recipients: 1, away: 0, identities_here: 1 });
        assert_eq!(openers(&both, None), Openers { recipients: 2, away: 2, identities_here: 0 });
    }

    #[test]
    fn no_secret_key_is_ever_shown() {
        let mistaken = Identities::generate().to_file_text();
        let key = mistaken.expose_secret().lines().last().unwrap().to_owned();
        let error = Recipients::parse([key.as_str()]).unwrap_err().to_string();
        assert!(!error.contains(&key["AGE-SECRET-KEY-1".len()..]), "{error}");
        let identities = Identities::generate();
        assert!(!format!("{identities:?}").contains("AGE-SECRET-KEY"));
        assert!(!format!("{:?}", identities.to_file_text()).contains("AGE-SECRET-KEY"));
    }
}
