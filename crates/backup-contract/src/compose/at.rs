use super::ComposeError;
use super::node::Node;
use std::collections::BTreeMap;

/// A node and where it is: what a shape error needs to say.
#[derive(Clone)]
pub(crate) struct At<'a> {
    file: &'a str,
    pointer: String,
    node: &'a Node,
}

type Result<T> = std::result::Result<T, ComposeError>;

impl<'a> At<'a> {
    pub(crate) fn root(file: &'a str, node: &'a Node) -> Self {
        Self { file, pointer: String::new(), node }
    }

    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.node, Node::Null)
    }

    pub(crate) fn is_tagged(&self) -> bool {
        matches!(self.node, Node::Tagged)
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node, Node::Text(_))
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.node, Node::Map(_))
    }

    /// What is wrong here. Says nothing of the value.
    pub(crate) fn wrong(&self, reason: &'static str) -> ComposeError {
        ComposeError::Shape {
            file: self.file.to_owned(),
            pointer: if self.pointer.is_empty() { "/".to_owned() } else { self.pointer.clone() },
            reason,
        }
    }

    fn below(&self, key: &str, node: &'a Node) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self { file: self.file, pointer: format!("{}/{key}", self.pointer), node }
    }

    /// The value of a key: nothing where it is absent or null, or where this is no mapping.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        self.get_said(key).filter(|at| !at.is_null())
    }

    /// The value of a key, null included.
    pub(crate) fn get_said(&self, key: &str) -> Option<Self> {
        let Node::Map(map) = self.node else { return None };
        map.get(key).map(|node| self.below(key, node))
    }

    /// The entries of a mapping; none of a null.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Self)>> {
        match self.node {
            Node::Map(map) => {
                Ok(map.iter().map(|(key, node)| (key.as_str(), self.below(key, node))).collect())
            }
            Node::Null => Ok(Vec::new()),
            _ => Err(self.wrong("is not a mapping")),
        }
    }

    /// The items of a list; none of a null.
    pub(crate) fn items(&self) -> Result<Vec<Self>> {
        match self.node {
            Node::List(list) => {
                Ok(list.iter().enumerate().map(|(i, node)| self.below(&i.to_string(), node)).collect())
            }
            Node::Null => Ok(Vec::new()),
            _ => Err(self.wrong("is not a list")),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.wrong("is not a text")),
        }
    }

    /// A list of texts, or one text alone.
    pub(crate) fn texts(&self) -> Result<Vec<&'a str>> {
        match self.node {
            Node::Text(text) => Ok(vec![text]),
            _ => self.items()?.iter().map(Self::text).collect(),
        }
    }

    /// The keys of a mapping, or a list of texts.
    pub(crate) fn names(&self) -> Result<Vec<&'a str>> {
        match self.node {
            Node::Map(map) => Ok(map.keys().map(String::as_str).collect()),
            _ => self.items()?.iter().map(Self::text).collect(),
        }
    }

    /// A mapping of texts, or a list of `NAME=value`. A name without a value has none.
    pub(crate) fn pairs(&self) -> Result<BTreeMap<String, Option<String>>> {
        if self.is_map() {
            return self
                .entries()?
                .into_iter()
                .map(|(key, at)| {
                    let value =
                        if at.is_null() || at.is_tagged() { None } else { Some(at.text()?.to_owned()) };
                    Ok((key.to_owned(), value))
                })
                .collect();
        }
        let mut pairs = BTreeMap::new();
        for item in self.items()? {
            let text = item.text()?;
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            pairs.insert(name.to_owned(), value);
        }
        Ok(pairs)
    }

    /// Whether a flag is set. Anything that is not plainly false counts as set.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|at| !matches!(at.node, Node::Text(text) if text == "false"))
    }
}
