//! Snapshots of any tool, from JSON: read as it comes, and never held as text.

use super::{Id, Snapshot};
use crate::{CliError, World};
use retention::Row;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

const BUFFER: usize = 1 << 17;

/// Reads an array of rows, or one row after the other, from a file or from standard input.
pub(super) fn read(path: &Path, world: &World) -> Result<Vec<Snapshot<Id>>, CliError> {
    let failed = |source| CliError::Io { operation: "read", path: path.to_owned(), source };
    if path == Path::new("-") {
        return read_from(world.stdin(), "standard input").map_err(|e| e.or_io(failed));
    }
    let file = File::open(path).map_err(failed)?;
    read_from(file, &path.display().to_string()).map_err(|e| e.or_io(failed))
}

/// Why the rows could not be read.
#[derive(Debug)]
enum Trouble {
    Io(io::Error),
    Row(CliError),
}

impl Trouble {
    fn or_io(self, failed: impl FnOnce(io::Error) -> CliError) -> CliError {
        match self {
            Self::Io(source) => failed(source),
            Self::Row(error) => error,
        }
    }
}

fn read_from(input: impl Read, from: &str) -> Result<Vec<Snapshot<Id>>, Trouble> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let (first, skipped) = skip_blanks(&mut input).map_err(Trouble::Io)?;
    let bad = |line: usize, column: usize, reason: String| {
        Trouble::Row(CliError::BadRow { from: from.to_owned(), line: line + skipped, column, reason })
    };
    let mut rows = Rows::default();
    let mut json = serde_json::Deserializer::from_reader(input);
    let done = match first {
        None => Ok(()),
        Some(b'[') => json.deserialize_seq(&mut rows).and_then(|()| json.end()),
        Some(b'{') => loop {
            match json.end() {
                Ok(()) => break Ok(()),
                Err(e) if e.is_io() => break Err(e),
                // There is more.
                Err(_) => {}
            }
            if let Err(e) = rows.add(&mut json) {
                break Err(e);
            }
        },
        Some(_) => return Err(bad(1, 1, "this begins neither an array nor an object".into())),
    };
    match done {
        Ok(()) => Ok(rows.snapshots),
        Err(e) if e.is_io() => Err(Trouble::Io(e.into())),
        Err(e) => {
            let text = e.to_string();
            let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
            Err(bad(e.line(), e.column(), crate::view::printable(reason).into_owned()))
        }
    }
}

/// The first byte that is not blank, which stays in the input, and how many lines end before it.
fn skip_blanks(input: &mut impl BufRead) -> io::Result<(Option<u8>, usize)> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    let mut lines = 0;
    loop {
        let buffer = input.fill_buf()?;
        let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        lines += buffer[..blanks].split(|byte| *byte == b'\n').count() - 1;
        let (first, all) = (buffer.get(blanks).copied(), buffer.len());
        input.consume(blanks);
        if first.is_some() || all == 0 {
            return Ok((first, lines));
        }
    }
}

/// The snapshots so far.
#[derive(Default)]
struct Rows {
    snapshots: Vec<Snapshot<Id>>,
    /// Each name of a group once: a million rows have few.
    groups: HashSet<Arc<str>>,
}

impl Rows {
    fn add<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn group(&mut self, name: String) -> Arc<str> {
        if let Some(group) = self.groups.get(name.as_str()) {
            return Arc::clone(group);
        }
        let group: Arc<str> = name.into();
        self.groups.insert(Arc::clone(&group));
        group
    }
}

/// One more row.
impl<'de> DeserializeSeed<'de> for &mut Rows {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(OneRow(self))
    }
}

/// A row is judged while it is visited, so that an error knows its line.
struct OneRow<'a>(&'a mut Rows);

impl<'de> Visitor<'de> for OneRow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let mut row = Row::<Id>::deserialize(MapAccessDeserializer::new(map))?;
        let name = row.group.take();
        let mut snapshot = Snapshot::try_from(row)
            .map_err(|e| A::Error::custom(format_args!("{e}; {}", e.hint().unwrap_or_default())))?;
        if let Some(name) = name {
            snapshot = snapshot.in_group(self.0.group(name));
        }
        self.0.snapshots.push(snapshot);
        Ok(())
    }
}

/// An array of them.
impl<'de> Visitor<'de> for &mut Rows {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of snapshots")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        let rows = read_from(text.as_bytes(), "x").unwrap_or_else(|e| panic!("{text}: {e:?}"));
        rows.iter().map(|row| row.id().to_string()).collect()
    }

    fn bad(text: &str) -> (usize, usize, String) {
        match read_from(text.as_bytes(), "x") {
            Err(Trouble::Row(CliError::BadRow { line, column, reason, .. })) => (line, column, reason),
            other => panic!("{text}: {other:?}"),
        }
    }

    const ROW: &str = r#"{"id": "a", "time": "2026-11-23T02:00:00Z"}"#;

    #[test]
    fn an_array_and_one_after_the_other_are_the_same() {
        let b = ROW.replace("\"a\"", "\"b\"");
        let both = ["a", "b"].map(str::to_owned);
        assert_eq!(ids(&format!("[{ROW},{b}]")), both);
        assert_eq!(ids(&format!("\u{feff}\n [\n{ROW},\n{b}\n]\n\n")), both);
        assert_eq!(ids(&format!("{ROW}\n{b}\n")), both);
        assert_eq!(ids(&format!("\n{ROW}\n\n{b}")), both);
        // As 'jq .[]' writes them.
        assert_eq!(ids(&format!("{}\n{b}", ROW.replace(", ", ",\n  "))), both);
        for nothing in ["", "\n \n", "[]", " [ ] "] {
            assert!(ids(nothing).is_empty());
        }
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        assert_eq!(bad(&format!("{ROW}\n{ROW}\n{{\"id\": \"c\"}}\n")).0, 3);
        assert_eq!(bad(&format!("\n\n[{ROW},\n{{\"time\": \"yesterday\", \"id\": \"c\"}}]\n")).0, 4);
        let (line, _, reason) = bad(&format!("{ROW}\n{}", ROW.replace('}', ", \"parent\": \"z\"}")));
        assert_eq!(line, 2);
        assert!(reason.contains("\"kind\": \"full\""), "{reason}");
        assert_eq!(bad(&format!("[{ROW}")).0, 1, "cut off");
        assert_eq!(bad(&format!("[{ROW}] {ROW}")).0, 1, "more than one array");
        assert_eq!(bad("\n\"a\"").0, 2);
        assert_eq!(bad(&format!("{ROW}\n[]")).0, 2);
        let (_, _, reason) =
            bad("{\"id\": \"a\", \"time\": \"2026-11-23T02:00:00Z\", \"kind\": \"\\u001b[2J\"}");
        assert!(!reason.contains('\u{1b}'), "{reason}");
    }

    #[test]
    fn groups_share_their_names() {
        let row = ROW.replace('}', ", \"group\": \"g\"}");
        let rows = read_from(format!("{row}{}", row.replace("\"a\"", "\"b\"")).as_bytes(), "x").unwrap();
        assert!(std::ptr::eq(rows[0].group(), rows[1].group()));
    }
}
