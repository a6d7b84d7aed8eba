use std::fmt::Write as _;

/// A YAML text under construction. What is written is quoted here, so that no parameter becomes structure.
#[derive(Debug, Default)]
pub(super) struct Yaml {
    text: String,
    depth: usize,
}

/// `text` in double quotes, as YAML and compose both take it for that text.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    format!("\"{escaped}\"")
}

impl Yaml {
    fn line(&mut self, line: &str) {
        let indent = if line.is_empty() { 0 } else { self.depth * 2 };
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    pub(super) fn blank(&mut self) -> &mut Self {
        self.line("");
        self
    }

    /// A comment, one line each.
    pub(super) fn why(&mut self, lines: &[&str]) -> &mut Self {
        for line in lines {
            self.line(&format!("# {line}"));
        }
        self
    }

    /// A key with a mapping or list below it.
    pub(super) fn below(&mut self, key: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.line(&format!("{key}:"));
        self.depth += 1;
        fill(self);
        self.depth -= 1;
        self
    }

    /// A key and a text.
    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.line(&format!("{key}: {}", quoted(value)));
        self
    }

    /// A key and something that is no text: `true`, `5m`, `no`.
    pub(super) fn bare(&mut self, key: &str, value: &str) -> &mut Self {
        self.line(&format!("{key}: {value}"));
        self
    }

    /// A key and a list of texts on one line.
    pub(super) fn list(&mut self, key: &str, values: &[&str]) -> &mut Self {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.line(&format!("{key}: [{}]", values.join(", ")));
        self
    }

    /// An item of a list that is a mapping.
    pub(super) fn item(&mut self, pairs: &[(&str, &str)]) -> &mut Self {
        for (at, (key, value)) in pairs.iter().enumerate() {
            let mark = if at == 0 { "- " } else { "  " };
            self.line(&format!("{mark}{key}: {value}"));
        }
        self
    }

    /// A command that a shell runs: it stops at the first failure. `$` is the shell's, not compose's.
    pub(super) fn shell(&mut self, key: &str, lines: &[String]) -> &mut Self {
        self.below(key, |yaml| {
            yaml.line("- /bin/sh");
            yaml.line("- -ec");
            yaml.line("- |");
            yaml.depth += 1;
            for line in lines {
                yaml.line(&line.replace('$', "$$"));
            }
            yaml.depth -= 1;
        })
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
