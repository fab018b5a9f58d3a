//! What terminals send besides single keys: long writes, pastes without their end, pastes without brackets.

use super::terminal::{ENTER, ESCAPE, Terminal};
use crate::support::TestEnv;

const FIVE_LINES: &str = include_str!("../samples/five-lines.txt");
const INTERRUPT: &str = "\x03";

#[test]
fn q_after_thousand_keys_in_one_write_quits() {
    let env = TestEnv::new();
    let mut terminal = Terminal::start(&env, &["--observe"], 120, 40);
    terminal.wait_for("● live");
    terminal.send(&format!("{}q", "j".repeat(1_024)));
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
}

#[test]
fn unclosed_paste_gives_keys_back() {
    let mut terminal = Terminal::console(&TestEnv::new());
    terminal.wait_for("No jobs yet.");
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("\x1b[200~a fox");
    terminal.wait_for("a fox");
    terminal.send(ESCAPE);
    terminal.wait_for_no("New job");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
}

#[test]
fn interrupt_quits_inside_unclosed_paste() {
    let mut terminal = Terminal::console(&TestEnv::new());
    terminal.wait_for("No jobs yet.");
    terminal.send("\x1b[200~a fox");
    terminal.send(INTERRUPT);
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
}

#[test]
fn raw_paste_into_form_submits_nothing() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_KEY", "not-a-key");
    // Closed: a submit would fail at once.
    env.set("BFL_API_URL", "http://127.0.0.1:9");
    let mut terminal = Terminal::console(&env);
    terminal.send("n");
    terminal.wait_for("New job");
    terminal.send(&FIVE_LINES.replace('\n', "\r"));
    terminal.wait_for("real 35 mm film grain");
    assert!(terminal.text().contains("New job") && terminal.text().contains("A cozy log cabin in deep snow"));
    terminal.send(ESCAPE);
    terminal.wait_for_no("New job");
    assert!(env.jobs().is_empty());
}

#[test]
fn raw_paste_into_queue_runs_no_command() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("No jobs yet.");
    // Its letters quit, pause, open the form; its line breaks submit.
    terminal.send("quit now, pause\rnew fox\rp\rn\r");
    terminal.send(FIVE_LINES);
    terminal.wait_for_silence(std::time::Duration::from_millis(400));
    let text = terminal.text();
    assert!(!text.contains("New job") && !text.contains("paused"), "{text}");
    terminal.send("?");
    terminal.wait_for("╭ Keys");
    assert!(env.jobs().is_empty());
}

#[test]
fn long_raw_paste_arrives_whole() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    let prompt = format!("{}the last words", "a cozy log cabin in deep snow, ".repeat(600));
    terminal.send(&prompt);
    terminal.wait_for("the last words");
    terminal.send(ENTER);
    terminal.wait_for("✓ done");
    assert_eq!(env.jobs()[0]["prompt"], prompt);
}
