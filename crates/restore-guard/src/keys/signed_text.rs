//! A text with a writer's signature on a line before it: whoever reads the rest with other tools passes over a comment.

use super::{TrustedWriters, WriterKey};
use crate::pae;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the line begins with.
const BEFORE: &str = "# signed ";

/// The type of what is signed, so that no signature of anything else is one of this.
const TYPE: &str = "application/vnd.si-backup.text.v1";

/// The text behind a line with the writer's signature over it and over `about`, which says what the text is: where it lies,
/// so that it cannot be passed off as another one's.
///
/// ```
/// use restore_guard::{TrustedWriters, WriterKey, sign_text, signed_text};
///
/// let key = WriterKey::generate()?;
/// let signed = sign_text(&key, "settings/default/1", b"a = 1\n");
/// let trusted = TrustedWriters::new([key.public()]);
/// assert_eq!(signed_text(&trusted, "settings/default/1", &signed), Some(b"a = 1\n".as_slice()));
/// // Not under another name, not by a stranger, not altered.
/// assert_eq!(signed_text(&trusted, "settings/default/2", &signed), None);
/// assert_eq!(signed_text(&TrustedWriters::default(), "settings/default/1", &signed), None);
/// assert_eq!(signed_text(&trusted, "settings/default/1", &[&signed, b"b = 2\n".as_slice()].concat()), None);
/// # Ok::<(), restore_guard::Error>(())
/// ```
#[must_use]
pub fn sign_text(key: &WriterKey, about: &str, text: &[u8]) -> Vec<u8> {
    let signature = STANDARD.encode(key.sign(&message(about, text)));
    let mut signed = format!("{BEFORE}{signature}\n").into_bytes();
    signed.extend_from_slice(text);
    signed
}

/// The text behind the signature, if a trusted writer has signed it, as what `about` says.
#[must_use]
pub fn signed_text<'t>(trusted: &TrustedWriters, about: &str, signed: &'t [u8]) -> Option<&'t [u8]> {
    let end = signed.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(signed.get(..end)?).ok()?;
    let text = signed.get(end + 1..)?;
    let signature = STANDARD.decode(line.strip_prefix(BEFORE)?).ok()?;
    let message = message(about, text);
    trusted.iter().any(|(_, key)| key.verifies(&message, &signature)).then_some(text)
}

fn message(about: &str, text: &[u8]) -> Vec<u8> {
    // The length keeps a piece of the name from being taken for a piece of the text.
    let mut payload = (about.len() as u64).to_le_bytes().to_vec();
    payload.extend_from_slice(about.as_bytes());
    payload.extend_from_slice(text);
    pae(TYPE, &payload)
}
