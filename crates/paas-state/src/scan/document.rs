//! JSON that is walked: every string and key, with its pointer.

use super::context;
use super::hit::{Hits, Secret};
use super::raw;
use super::sweep::{Found, Spot, Sweeper, choose};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Write};

/// How deep JSON within strings within JSON is looked into.
const MOST_NESTED: u8 = 3;

/// What the name of a variable and its value are called where they are fields of their own.
const LABELS: [&str; 6] = ["name", "key", "variable", "env", "field", "label"];
const CONTENTS: [&str; 5] = ["value", "Value", "val", "content", "default"];

/// Adds the secrets of a document. What is no JSON is searched as text, and its lines are counted from `line`, or
/// from 1.
pub(super) fn scan(sweeper: &Sweeper, bytes: &[u8], line: Option<u64>, hits: &mut Hits) {
    let mut walk = Walk { sweeper, pointer: String::new(), found: Vec::new(), nested: 0 };
    if walk.document(bytes) {
        for (secret, pointer) in &walk.found {
            hits.add(secret, line, Some(pointer.clone()));
        }
        return;
    }
    for found in text(sweeper, bytes) {
        let before = memchr::memchr_iter(b'\n', &bytes[..found.range.start]).count() as u64;
        hits.add(&found.secret, Some(line.unwrap_or(1) + before), None);
    }
}

/// The secrets of anything that may hold strings with escapes.
pub(super) fn text(sweeper: &Sweeper, bytes: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    raw::sweep(sweeper, bytes, &mut |spot| {
        if let Spot::Found(one) = spot {
            found.push(one);
        }
    });
    choose(found)
}

struct Walk<'a> {
    sweeper: &'a Sweeper,
    pointer: String,
    found: Vec<(Secret, String)>,
    nested: u8,
}

impl Walk<'_> {
    /// Walks a whole document; says whether it is one.
    fn document(&mut self, bytes: &[u8]) -> bool {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let root = Node { walk: self, name: None, wanted: false };
        root.deserialize(&mut json).is_ok() && json.end().is_ok()
    }

    /// Judges a string, and its name where it has one; says whether there is a secret in it.
    fn string(&mut self, name: Option<&str>, text: &str) -> bool {
        let mut found = Vec::new();
        let mut maybe = false;
        self.sweeper.sweep(text.as_bytes(), &mut |spot| match spot {
            Spot::Found(one) => found.push(one),
            Spot::Maybe(_) => maybe = true,
        });
        if let Some((range, secret)) = name.and_then(|name| context::field(name.as_bytes(), text.as_bytes()))
        {
            found.push(Found { range, secret, by_context: true });
        }
        let mut any = !found.is_empty();
        if maybe && self.nested < MOST_NESTED && text.trim_start().starts_with(['{', '[']) {
            let before = self.found.len();
            let pointer = self.pointer.clone();
            self.nested += 1;
            self.document(text.as_bytes());
            self.nested -= 1;
            // Within a string there is no pointer; its own must do.
            for (_, inner) in &mut self.found[before..] {
                inner.clone_from(&pointer);
            }
            any |= self.found.len() > before;
            self.pointer = pointer;
        }
        let pointer = &self.pointer;
        self.found.extend(choose(found).into_iter().map(|one| (one.secret, pointer.clone())));
        any
    }

    /// Goes down to a member, whose name is not shown when it is itself a secret.
    fn enter(&mut self, key: &str, is_secret: bool) -> usize {
        let back = self.pointer.len();
        self.pointer.push('/');
        if is_secret {
            self.pointer.push('…');
        } else {
            self.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        }
        back
    }
}

/// A value to be visited: `name` is what a telling field above it is called.
struct Node<'w, 'a, 'n> {
    walk: &'w mut Walk<'a>,
    name: Option<&'n str>,
    /// Whether a string is to be handed back.
    wanted: bool,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_, '_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        self.walk.string(self.name, text);
        Ok(self.wanted.then(|| text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let back = self.walk.pointer.len();
        for index in 0_usize.. {
            let _ = write!(self.walk.pointer, "/{index}");
            let node = Node { walk: self.walk, name: self.name, wanted: false };
            let more = items.next_element_seed(node)?.is_some();
            self.walk.pointer.truncate(back);
            if !more {
                break;
            }
        }
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut label, mut contents) = (None, Vec::new());
        while let Some(key) = members.next_key::<String>()? {
            let is_secret = self.walk.string(None, &key);
            let back = self.walk.enter(&key, is_secret);
            let (is_label, is_content) = (LABELS.contains(&key.as_str()), CONTENTS.contains(&key.as_str()));
            let name = if is_content && self.name.is_some() { self.name } else { Some(key.as_str()) };
            let node = Node { walk: self.walk, name, wanted: is_label || is_content };
            let text = members.next_value_seed(node)?;
            if is_label {
                label = text;
            } else if let Some(text) = text {
                contents.push((text, self.walk.pointer.clone()));
            }
            self.walk.pointer.truncate(back);
        }
        if let Some(label) = label {
            for (text, pointer) in contents {
                let secret = context::field(label.as_bytes(), text.as_bytes());
                // Its form may have given it away already, which says more.
                let known = self.walk.found.iter().any(|(_, known)| *known == pointer);
                self.walk.found.extend(secret.filter(|_| !known).map(|(_, secret)| (secret, pointer)));
            }
        }
        Ok(None)
    }
}
