//! What darkroom.toml offers to choose: `v` shows a saved view, Ctrl+X goes on in the same terminal on another context.

use super::terminal::{ESCAPE, Terminal};
use crate::support::TestEnv;

const CONTROL_X: &str = "\x18";

#[test]
fn views_and_contexts_of_the_file_are_chosen() {
    let env = TestEnv::new();
    env.file("darkroom.toml", "slots = 3\n[context.second]\nslots = 7\n[views]\nfailures = \"status:failed\"\n");
    env.json(&["submit", "--json", "a paper boat"]);
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("✓ done");
    terminal.wait_for("slots 0/3");
    let process = terminal.process();

    terminal.send("v");
    terminal.wait_for("╭ Views");
    terminal.wait_for("failures");
    terminal.send("1");
    terminal.wait_for("/ status:failed");
    terminal.send(ESCAPE);
    terminal.wait_for_no("/ status:failed");

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
