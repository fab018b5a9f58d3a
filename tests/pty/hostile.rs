//! Hostile text in a real terminal: pasted control characters change nothing but the prompt.

use super::terminal::{ENTER, Terminal};
use crate::support::TestEnv;

#[test]
fn pasted_control_characters_are_not_drawn() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("No jobs yet.");
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    let hostile = "kite one\r\nline two\x07\x1b[2J\x1b]0;owned\x07\x1b[31mred\x08\x08 \u{202e}turned\u{202c} \u{200b}wide 猫 \x0c\u{9b}5mend";
    terminal.paste(hostile);
    terminal.wait_for("kite one");
    terminal.wait_for("end");
    assert!(terminal.text().contains("line two"), "a pasted line break does not submit:\n{}", terminal.text());
    assert!(terminal.text().contains("New job"));
    terminal.send(ENTER);
    terminal.wait_for("✓ done");

    let text = terminal.text();
    // The console's own question for the background colour is the only one.
    let own = b"\x1b]11;?\x1b\\";
    assert!(
        !terminal.bytes.windows(own.len()).any(|bytes| bytes.starts_with(b"\x1b]") && bytes != own),
        "no escape sequence of the prompt reached the terminal"
    );
    assert!(!terminal.bytes.contains(&7), "no bell rang");
    assert!(text.lines().next().unwrap_or_default().contains("SIMULATED"), "{text}");
    assert!(text.lines().last().unwrap_or_default().contains("? help"), "{text}");
    assert!(!text.contains('\u{202e}'), "no direction override is shown");
    let row = terminal.row_with("✓ done");
    assert!(row.contains("kite one") && row.starts_with('│'), "{row}");
    // A complete redraw shows the same frame.
    terminal.wait_for_silence(std::time::Duration::from_millis(300));
    let before = terminal.text();
    terminal.send("\x0c");
    terminal.wait_until("the redrawn frame", |now| strip_ages(&now.text()) == strip_ages(&before));
    let jobs = env.jobs();
    assert_eq!(jobs.len(), 1, "one paste, one job");
}

/// Ages change while the test runs.
fn strip_ages(text: &str) -> String {
    text.replace(|character: char| character.is_ascii_digit(), "0")
}
