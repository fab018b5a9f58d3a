//! Ctrl+X: the console goes on in the same terminal on another context of darkroom.toml.

use super::terminal::{ESCAPE, Terminal};
use crate::support::TestEnv;

const CONTROL_X: &str = "\x18";

#[test]
fn context_is_switched_in_the_same_terminal() {
    let env = TestEnv::new();
    env.file("darkroom.toml", "slots = 3\n[context.second]\nslots = 7\n");
    env.json(&["submit", "--json", "a paper boat"]);
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("✓ done");
    terminal.wait_for("slots 0/3");
    let process = terminal.process();

    terminal.send(CONTROL_X);
    terminal.wait_for("╭ Contexts");
    terminal.wait_for("second");
    terminal.send("9");
    terminal.send(ESCAPE);
    terminal.wait_for_no("╭ Contexts");

    terminal.send(CONTROL_X);
    terminal.wait_for("╭ Contexts");
    let line = terminal.text().lines().find(|line| line.contains("second")).unwrap_or_default().to_owned();
    let number = line.chars().find(char::is_ascii_digit).expect("the number of the context");
    terminal.send(&number.to_string());
    terminal.wait_for("slots 0/7");
    terminal.wait_for("second · sqlite");
    terminal.wait_for("✓ done");
    assert_eq!(terminal.process(), process, "the program replaced itself");
    assert!(terminal.screen().alternate_screen() && terminal.screen().bracketed_paste());
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_restored();
}
