//! Writing to standard output and standard error.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;

use super::error::CliError;
use crate::text::sanitize_line;

/// How this process prints results.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    columns: Option<usize>,
}

impl Output {
    /// Output as JSON or as text.
    pub fn new(json: bool) -> Self {
        Self { json, columns: terminal_columns() }
    }

    /// Whether the result is one JSON document.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Columns of the terminal; `None` where standard output is not a terminal.
    pub fn columns(self) -> Option<usize> {
        self.columns
    }

    /// Prints the result: one JSON document with `--json`, otherwise the text.
    pub fn answer<T: Serialize>(self, document: &T, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json { write_json(document) } else { write_text(&text()) }
    }
}

/// Columns of the terminal; `None` where standard output is not a terminal.
pub fn terminal_columns() -> Option<usize> {
    let size = io::stdout().is_terminal().then(crossterm::terminal::size).and_then(Result::ok);
    size.map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0)
}

/// The document, indented, with a line break behind it.
pub fn write_json<T: Serialize>(document: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(document).map_err(|why| CliError::Output(why.into()))?;
    write_text(&text)
}

/// The text, with one line break behind it.
pub fn write_text(text: &str) -> Result<(), CliError> {
    let mut stream = io::stdout().lock();
    let written = stream.write_all(text.trim_end_matches('\n').as_bytes());
    written.and_then(|()| stream.write_all(b"\n")).and_then(|()| stream.flush()).map_err(CliError::Output)
}

/// Writes to standard error; each line of `text` is sanitized.
pub fn eprint_line(text: &str) {
    let mut stream = io::stderr().lock();
    for line in text.lines() {
        // A closed standard error leaves nowhere to report to.
        let _ = writeln!(stream, "{}", sanitize_line(line, 2_000));
    }
}

/// How long a terminal may take the last line of a program.
const LAST_LINE_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the last line of a program to standard error. A terminal that takes nothing (Ctrl-S, a dead line) does not keep the
/// process alive.
pub fn eprint_last_line(text: &str) {
    let (text, (done, written)) = (text.to_owned(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        eprint_line(&text);
        let _ = done.send(());
    });
    let _ = written.recv_timeout(LAST_LINE_TIMEOUT);
}

/// Whether a question can be answered: standard input and standard error are a terminal.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error; only `y` and `yes` confirm.
pub fn confirm(question: &str) -> bool {
    ask(question, &mut io::stdin().lock(), &mut io::stderr().lock()).unwrap_or(false)
}

fn ask(question: &str, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<bool> {
    write!(output, "{} [y/N] ", sanitize_line(question, 500))?;
    output.flush()?;
    let mut answer = String::new();
    let read = input.read_line(&mut answer);
    // The end of the input (Ctrl-D) leaves the cursor behind the question.
    if !answer.ends_with('\n') {
        let _ = writeln!(output);
    }
    read?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_without_answer_ends_its_line() {
        let mut shown = Vec::new();
        assert!(!ask("Submit?", &mut &b""[..], &mut shown).unwrap());
        assert_eq!(shown, b"Submit? [y/N] \n");
        // A terminal shows the line break of the answer itself.
        let mut shown = Vec::new();
        assert!(ask("Submit?", &mut &b"Yes\n"[..], &mut shown).unwrap());
        assert_eq!(shown, b"Submit? [y/N] ");
    }
}
