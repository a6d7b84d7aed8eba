use super::dollars;
use super::file::{EnvFile, Given, Oddity, Variable};
use super::value::EnvValue;
use crate::{Error, Result};

/// Reads a whole env file, or says on which line it ends to be one.
pub(super) fn parse(bytes: &[u8]) -> Result<EnvFile> {
    if bytes.len() > EnvFile::MAX_BYTES {
        return Err(Error::EnvTooLarge { bytes: bytes.len(), limit: EnvFile::MAX_BYTES });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|e| syntax(1 + newlines(&bytes[..e.valid_up_to()]), "it holds bytes that are not UTF-8"))?;
    if let Some(at) = text.find('\0') {
        return Err(syntax(1 + newlines(&bytes[..at]), NUL));
    }
    let mut reader =
        Reader { rest: text, line: 1, file: EnvFile { variables: Vec::new(), oddities: Vec::new() } };
    while reader.begin_statement() {
        if reader.file.variables.len() == MAX_NAMES {
            return Err(syntax(reader.line, "it has more names than an environment has room for"));
        }
        reader.statement()?;
    }
    Ok(reader.file)
}

/// A thousand times what a real file has; what is kept of a file is bounded by it.
const MAX_NAMES: usize = 20_000;

const NUL: &str = "it holds a NUL, which no environment can";

fn syntax(line: u64, reason: &'static str) -> Error {
    Error::EnvSyntax { line, reason }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|b| u64::from(*b == b'\n')).sum()
}

/// What compose takes for a blank within a line.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\x0b' | '\x0c' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

struct Reader<'a> {
    rest: &'a str,
    line: u64,
    file: EnvFile,
}

impl<'a> Reader<'a> {
    /// Moves on by so many bytes, and returns them.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += newlines(taken.as_bytes());
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    /// Skips white space and comments; false at the end.
    fn begin_statement(&mut self) -> bool {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            let comment = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(comment);
        }
    }

    fn statement(&mut self) -> Result<()> {
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with([' ', '\t', '\n', '\x0c', '\r'])
        {
            self.take("export".len());
            self.skip_blanks();
            if self.rest.starts_with('\n') {
                // The word alone exports nothing.
                return Ok(());
            }
        }
        let line = self.line;
        let (name, separator) = self.name()?;
        let variable = self.file.variables.len();
        let given = if separator == Separator::EndOfLine {
            Given::Inherited
        } else {
            let had_blank = self.rest.starts_with(is_blank);
            self.skip_blanks();
            match self.rest.chars().next() {
                Some(quote @ ('"' | '\'')) => self.quoted(line, quote, variable)?,
                first => {
                    if first == Some('#') && had_blank {
                        self.file.oddities.push(Oddity::CommentAsValue { variable });
                    }
                    self.unquoted()
                }
            }
        };
        self.file.variables.push(Variable { name, line, given });
        Ok(())
    }

    /// The name, and what ended it.
    fn name(&mut self) -> Result<(String, Separator)> {
        let mut end = (self.rest.len(), Separator::EndOfLine);
        for (at, c) in self.rest.char_indices() {
            match c {
                '=' | ':' => end = (at, Separator::Value),
                '\n' => end = (at, Separator::EndOfLine),
                '_' | '.' | '-' | '[' | ']' => continue,
                c if is_blank(c) || c.is_alphanumeric() => continue,
                _ => return Err(syntax(self.line, "a name holds a character that no name has")),
            }
            break;
        }
        let (at, separator) = end;
        let line = self.line;
        let name = self.take(at).trim_end();
        if separator == Separator::Value {
            self.take(1);
        }
        if name.is_empty() {
            return Err(syntax(line, "there is no name before the '='"));
        }
        if name.contains(char::is_whitespace) {
            return Err(syntax(line, "a name holds a blank"));
        }
        Ok((name.to_owned(), separator))
    }

    /// Up to the end of the line, or to a comment that a blank sets apart.
    fn unquoted(&mut self) -> Given {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = self.take(end);
        let value = line.find(" #").map_or(line, |comment| &line[..comment]).trim_end();
        given(value)
    }

    /// Up to the closing quote, over lines too.
    fn quoted(&mut self, line: u64, quote: char, variable: usize) -> Result<Given> {
        self.take(1);
        let mut value = String::new();
        let mut chars = self.rest.char_indices();
        let end = loop {
            match chars.next() {
                None => return Err(syntax(line, "a quote is not closed")),
                Some((at, c)) if c == quote => break at,
                Some((_, '\\')) => match chars.next() {
                    Some((_, c)) if c == quote => value.push(c),
                    Some((_, c)) => value.extend(['\\', c]),
                    None => {}
                },
                Some((_, c)) => value.push(c),
            }
        };
        self.take(end + 1);
        let after = self.rest.lines().next().unwrap_or("").trim_matches(is_blank);
        if !after.is_empty() && !after.starts_with('#') {
            self.file.oddities.push(Oddity::TextAfterQuote { variable });
        }
        if quote == '\'' {
            return Ok(Given::Literal(EnvValue::new(value)));
        }
        let value = dollars::unescape(&value);
        if value.contains('\0') {
            return Err(syntax(line, NUL));
        }
        Ok(given(&value))
    }
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Separator {
    Value,
    EndOfLine,
}

/// The value without its doubled dollars; as it is written, when some are not doubled.
fn given(text: &str) -> Given {
    let resolved = dollars::resolve(text);
    if resolved.substituted {
        Given::Substituted(EnvValue::new(text))
    } else {
        Given::Literal(EnvValue::new(resolved.text))
    }
}
