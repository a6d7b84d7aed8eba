use super::ComposeError;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use std::collections::BTreeMap;
use std::fmt;

/// The most bytes that one compose file may have. The largest in use have some tens of thousands.
pub(crate) const MAX_FILE: usize = 1 << 20;

/// The most bytes that a resolved project may have: everything in it is written out.
pub(crate) const MAX_RESOLVED: usize = 8 << 20;

/// How deeply a document may be nested. Compose's own format goes some ten levels down; each level takes stack.
const MAX_DEPTH: usize = 24;

/// What a duplicate key of a JSON object is told with; YAML has its own.
const DUPLICATE: &str = "duplicate mapping key";

/// A compose document as a tree, whether it came as YAML or as JSON.
///
/// Compose tells no number from its text where this crate looks, so every scalar is text. A null is kept apart: in an
/// environment it means "passed through", in a merge "nothing said".
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    /// A value under a tag that only compose itself understands (`!reset`, `!override`). What it stands for is unknown.
    Tagged,
}

/// A node below its tag.
struct Untagged(Node);

/// Reads a YAML file, one tree a document.
///
/// The limits hold for what aliases and merge keys expand to as well; so neither depth nor aliases can make a small
/// file large.
pub(crate) fn from_yaml(file: &str, bytes: &[u8]) -> Result<Vec<Node>, ComposeError> {
    let text = text_of(file, bytes, MAX_FILE)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_events: 400_000,
            max_nodes: 200_000,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_merge_keys: 10_000,
            max_documents: 64,
            max_recorded_anchor_events: 400_000,
            max_recorded_anchor_bytes: 8 << 20,
            max_total_scalar_bytes: 8 << 20,
            enforce_alias_anchor_ratio: false,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options::<Node>(text, options).map_err(|error| {
        let at = error.location();
        ComposeError::Malformed {
            file: file.to_owned(),
            line: at.map_or(0, |at| at.line()),
            column: at.map_or(0, |at| at.column()),
            reason: reason_of(&error),
        }
    })
}

/// Reads a resolved project.
pub(crate) fn from_json(file: &str, bytes: &[u8]) -> Result<Node, ComposeError> {
    let text = text_of(file, bytes, MAX_RESOLVED)?;
    if json_depth(text) > MAX_DEPTH {
        return Err(ComposeError::Malformed {
            file: file.to_owned(),
            line: 0,
            column: 0,
            reason: "it is nested more deeply than any project",
        });
    }
    serde_json::from_str(text).map_err(|error| ComposeError::Malformed {
        file: file.to_owned(),
        line: error.line() as u64,
        column: error.column() as u64,
        reason: match error.classify() {
            serde_json::error::Category::Data => "an object has a key twice",
            _ => "it is not well-formed JSON",
        },
    })
}

fn text_of<'a>(file: &str, bytes: &'a [u8], limit: usize) -> Result<&'a str, ComposeError> {
    if bytes.len() > limit {
        return Err(ComposeError::TooLarge { file: file.to_owned(), bytes: bytes.len(), limit });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ComposeError::NotUtf8 { file: file.to_owned(), offset: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// How deeply a JSON text is nested, as far as it is one.
fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What a YAML error is told as. The library's own words can repeat a value, and a value can be a secret.
fn reason_of(error: &serde_saphyr::Error) -> &'static str {
    use serde_saphyr::Error as E;
    match error {
        E::DuplicateMappingKey { .. } => "a mapping has a key twice",
        E::Budget { .. }
        | E::AliasReplayCounterOverflow { .. }
        | E::AliasReplayLimitExceeded { .. }
        | E::AliasExpansionLimitExceeded { .. }
        | E::AliasReplayStackDepthExceeded { .. } => {
            "it is nested more deeply, or expands to more, than any compose file"
        }
        E::UnknownAnchor { .. } => "an alias names no anchor",
        E::RecursiveReferencesRequireWeakTypes { .. } => "an anchor holds an alias of itself",
        E::MergeValueNotMapOrSeqOfMaps { .. } => "a merge key merges something other than mappings",
        E::AliasError { .. } => "an alias leads to something that cannot be read",
        _ => "it is not well-formed YAML, or has a construct that this reader does not take",
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let serde_saphyr::Tagged(Untagged(node), tag) = Deserialize::deserialize(deserializer)?;
        Ok(match tag {
            Some(tag) if !tag.starts_with("tag:yaml.org,2002:") && tag != "!" => Self::Tagged,
            _ => node,
        })
    }
}

impl<'de> Deserialize<'de> for Untagged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, node)) = entries.next_entry::<String, Node>()? {
            if map.insert(key, node).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Node::Map(map))
    }
}
