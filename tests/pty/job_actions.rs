//! Actions on jobs by keys: each key shows a notice, and the store agrees.

use super::terminal::{ENTER, ESCAPE, Terminal};
use crate::support::{TestEnv, ids};

fn status(env: &TestEnv, id: &str) -> String {
    let job = env.json(&["jobs", "show", id, "--json"]);
    job["status"].as_str().expect("a status").to_owned()
}

fn make(terminal: &mut Terminal, prompt: &str) {
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send(prompt);
    terminal.wait_for(prompt);
    terminal.send(ENTER);
}

#[test]
fn quit_prints_what_is_still_generating() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "0.01");
    let mut terminal = Terminal::console(&env);
    make(&mut terminal, "a slow kite");
    terminal.wait_for("▶ generating");
    terminal.wait_for("1 running");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    let printed = String::from_utf8_lossy(&terminal.bytes).into_owned();
    let line = printed.lines().last().unwrap_or_default();
    assert!(line.contains("1 job is still generating: `darkroom worker`"), "{line}");
}

#[test]
fn failed_job_is_retried_with_r() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    make(&mut terminal, "moth [sim:error]");
    terminal.wait_for("✗ failed");
    terminal.wait_for("1 failed");
    terminal.send("r");
    terminal.wait_for("Retrying 1 job");
    terminal.wait_for("attempt 2");
    terminal.wait_until("the second failure", |terminal| {
        terminal.text().contains("✗ failed") && terminal.text().contains("1 failed")
    });
    let job = env.jobs().remove(0);
    assert_eq!(job["attempts_total"], 2, "{job}");
}

#[test]
fn queued_job_is_cancelled_with_x_and_undone() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    terminal.send("p");
    terminal.wait_for("why?");
    terminal.send("invoice to be checked");
    terminal.wait_for("invoice to be checked");
    terminal.send(ENTER);
    terminal.wait_for("paused by");
    terminal.wait_for("invoice to be checked");
    make(&mut terminal, "a kite that waits");
    terminal.wait_for("queued");
    let id = ids(&serde_json::Value::Array(env.jobs())).remove(0);
    terminal.send("x");
    terminal.wait_for("Cancelled 1 job");
    terminal.wait_for("⊘ cancelled");
    assert_eq!(status(&env, &id), "cancelled");
    terminal.send("u");
    terminal.wait_for("Restored 1 job");
    assert_eq!(status(&env, &id), "queued");
    terminal.send("p");
    terminal.wait_for("✓ done");
    terminal.wait_for_no("paused");
    terminal.send("a");
    terminal.wait_for("★ approved");
    assert_eq!(status(&env, &id), "approved");
}

#[test]
fn filter_stays_until_escape_clears_it() {
    let env = TestEnv::new();
    env.queue(11);
    env.json(&["submit", "--json", "a zeppelin at noon"]);
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("12 done");
    terminal.send("/");
    terminal.wait_for("Enter keep");
    terminal.send("zeppelin");
    terminal.wait_until("one row", |terminal| terminal.text().matches("✓ done").count() == 1);
    assert!(terminal.row_with("✓ done").contains("a zeppelin at noon"));
    terminal.send(ENTER);
    terminal.wait_until("the filtered list", |terminal| terminal.text().matches("✓ done").count() == 1);
    terminal.send(ESCAPE);
    terminal.wait_until("every row", |terminal| terminal.text().matches("✓ done").count() == 12);
}

#[test]
fn screens_open_by_key_and_close_by_escape() {
    let env = TestEnv::new();
    env.queue(2);
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("2 done");
    for (key, words) in
        [("?", "╭ Keys"), ("$", "╭ Costs"), ("L", "f follow"), (":", "╭ "), (ENTER, "Esc back"), ("i", "Esc back")]
    {
        // Not the rate of the last minutes and the title of the image, which time changes.
        let counts = |terminal: &Terminal| terminal.row_with("Queue").split_inclusive("done").next().map(str::to_owned);
        let before = counts(&terminal);
        terminal.send(key);
        terminal.wait_until(&format!("{key:?} shows {words:?}"), |terminal| {
            terminal.text().contains(words) && !terminal.text().lines().last().unwrap_or_default().contains("q quit")
        });
        terminal.send(ESCAPE);
        terminal.wait_for("q quit");
        assert_eq!(counts(&terminal), before, "{key:?}");
    }
    terminal.send(":");
    terminal.wait_for("Enter run");
    terminal.send("pause");
    terminal.wait_for("Pause all workers");
    terminal.send(ENTER);
    terminal.wait_for("why?");
    terminal.send(ENTER);
    terminal.wait_for("paused");
}

#[test]
fn unbound_key_shows_notice_naming_help() {
    let mut terminal = Terminal::console(&TestEnv::new());
    terminal.wait_for("No jobs yet.");
    terminal.send("Z");
    terminal.wait_for("Z is not bound here · press ? for help");
    terminal.send("x");
    terminal.wait_for("No job selected");
    terminal.wait_for_no("Z is not bound");
}

#[test]
fn prompt_history_lists_newest_first() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    make(&mut terminal, "an older prompt");
    terminal.wait_for("1 done");
    make(&mut terminal, "a newer prompt");
    terminal.wait_for("2 done");
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("\x10");
    terminal.wait_until("the newer one in the form", |terminal| terminal.text().contains("│ │ │ a newer prompt"));
    terminal.send("\x10");
    terminal.wait_until("the older one in the form", |terminal| terminal.text().contains("│ │ │ an older prompt"));
}

#[test]
fn escape_keeps_form_draft() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("No jobs yet.");
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("half a thought");
    terminal.wait_for("half a thought");
    terminal.send(ESCAPE);
    terminal.wait_for_no("New job");
    assert!(env.jobs().is_empty(), "no job was submitted");
    terminal.send("n");
    terminal.wait_for("half a thought");
    terminal.send(" and its end");
    terminal.wait_for("half a thought and its end");
    terminal.send(ENTER);
    terminal.wait_for("✓ done");
    assert_eq!(env.jobs()[0]["prompt"], "half a thought and its end");
}
