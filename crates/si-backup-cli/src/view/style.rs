use crate::args::ColorChoice;
use crate::world::World;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Whether words are coloured, decided once for both outputs.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    out: bool,
    err: bool,
}

impl Style {
    /// What was chosen, in this world.
    #[must_use]
    pub fn choose(choice: ColorChoice, world: &World) -> Self {
        let dumb = world.var("NO_COLOR").is_some() || world.var("TERM").is_some_and(|term| term == "dumb");
        match choice {
            ColorChoice::Always => Self { out: true, err: true },
            ColorChoice::Never => Self { out: false, err: false },
            ColorChoice::Auto => {
                Self { out: world.out_is_terminal && !dumb, err: world.err_is_terminal && !dumb }
            }
        }
    }

    /// Text for standard output: the words before a finding are coloured.
    #[must_use]
    pub fn text(self, text: &str) -> String {
        if self.out { paint(text) } else { text.to_owned() }
    }

    /// Text for standard error.
    #[must_use]
    pub fn complaint(self, text: &str) -> String {
        if self.err { paint(text) } else { text.to_owned() }
    }
}

fn paint(text: &str) -> String {
    let painted = |line: &str| {
        for (word, color) in [("error:", RED), ("warning:", YELLOW)] {
            if let Some(rest) = line.strip_prefix(word) {
                return format!("{BOLD}{color}{word}{PLAIN}{rest}");
            }
        }
        line.to_owned()
    };
    text.split_inclusive('\n').map(painted).collect()
}
