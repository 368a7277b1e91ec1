//! How the demo's transcript looks: coloured on a terminal, plain elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use super::super::screen::indented;

pub struct Tell {
    coloured: bool,
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const CYAN: &str = "36";
const DIM: &str = "2";

impl Tell {
    pub fn here() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            coloured: io::stdout().is_terminal() && !plain,
        }
    }

    pub fn line(&self, text: &str) {
        // Whoever has stopped reading misses nothing that is kept.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    pub fn title(&self, text: &str) {
        self.line(&self.dyed(BOLD, text));
    }

    pub fn note(&self, text: &str) {
        self.line(&self.dyed(DIM, text));
    }

    pub fn step(&self, number: u32, text: &str) {
        self.line("");
        self.line(&self.dyed(BOLD, &format!("{number}. {text}")));
    }

    pub fn command(&self, who: &str, line: &str) {
        self.line(&self.dyed(CYAN, &format!("   {who}$ {line}")));
    }

    /// What a program printed, made inert.
    pub fn output(&self, text: &str) {
        let text = text.replace('\r', "");
        for line in text.trim_matches('\n').lines() {
            self.line(&format!("   {}", indented(line, 0)));
        }
    }

    pub fn done(&self, text: &str) {
        self.line(&format!("   {}", self.dyed(GREEN, &format!("✓ {text}"))));
    }

    pub fn failed(&self, text: &str) {
        self.line(&format!("   {}", self.dyed(RED, &format!("✗ {text}"))));
    }

    fn dyed(&self, colour: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
