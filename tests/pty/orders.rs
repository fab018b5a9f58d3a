//! What is done to jobs by keys: each key answers on the screen, and the store agrees.

use super::terminal::{ENTER, ESCAPE, Terminal};
use crate::support::{House, ids};

fn status(house: &House, id: &str) -> String {
    let job = house.json(&["jobs", "show", id, "--json"]);
    job["status"].as_str().expect("a status").to_owned()
}

fn make(terminal: &mut Terminal, prompt: &str) {
    terminal.send("n");
    terminal.wait_for("Describe it, then press Enter.");
    terminal.send(prompt);
    terminal.wait_for(prompt);
    terminal.send(ENTER);
}

#[test]
fn a_failed_job_is_retried_with_r() {
    let house = House::new();
    let mut terminal = Terminal::console(&house);
    make(&mut terminal, "moth [sim:error]");
    terminal.wait_for("✗ failed");
    terminal.wait_for("1 failed");
    terminal.send("r");
    terminal.wait_for("1 job queued again");
    terminal.wait_for("attempt 2");
    terminal.wait_for("✗ failed");
    let job = house.jobs().remove(0);
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(2), "{job}");
}

#[test]
fn a_queued_job_is_cancelled_with_x_and_put_back_with_u() {
    let house = House::new();
    let mut terminal = Terminal::console(&house);
    terminal.send("p");
    terminal.wait_for("paused");
    make(&mut terminal, "a kite that waits");
    terminal.wait_for("queued");
    let id = ids(&serde_json::Value::Array(house.jobs())).remove(0);
    terminal.send("x");
    terminal.wait_for("1 job cancelled");
    terminal.wait_for("⊘ cancelled");
    assert_eq!(status(&house, &id), "cancelled");
    terminal.send("u");
    terminal.wait_for("1 job put back");
    assert_eq!(status(&house, &id), "queued");
    terminal.send("p");
    terminal.wait_for("✓ done");
    terminal.wait_for_no("paused");
    terminal.send("a");
    terminal.wait_for("★ approved");
    assert_eq!(status(&house, &id), "approved");
}

#[test]
fn the_filter_stays_until_escape_clears_it() {
    let house = House::new();
    house.queue(12);
    let mut terminal = Terminal::console(&house);
    terminal.wait_for("12 done");
    terminal.send("/");
    terminal.send("job 7");
    terminal.wait_until("one row", |terminal| terminal.text().matches("✓ done").count() == 1);
    assert!(terminal.row_with("✓ done").contains("job 7"));
    terminal.send(ENTER);
    terminal.wait_until("the filter stays", |terminal| terminal.text().matches("✓ done").count() == 1);
    terminal.send(ESCAPE);
    terminal.wait_until("every row", |terminal| terminal.text().matches("✓ done").count() == 12);
}

#[test]
fn every_screen_opens_with_its_key_and_goes_with_escape() {
    let house = House::new();
    house.queue(2);
    let mut terminal = Terminal::console(&house);
    terminal.wait_for("2 done");
    for (key, words) in [("?", "╭ Keys"), ("$", "╭ Costs"), ("L", "f follow"), (":", "╭ "), (ENTER, "Esc back"), ("i", "Esc back")] {
        let before = terminal.row_with("Queue");
        terminal.send(key);
        terminal.wait_until(&format!("{key:?} shows {words:?}"), |terminal| {
            terminal.text().contains(words) && !terminal.text().lines().last().unwrap_or_default().contains("q quit")
        });
        terminal.send(ESCAPE);
        terminal.wait_for("q quit");
        assert_eq!(terminal.row_with("Queue"), before, "{key:?}");
    }
    terminal.send(":");
    terminal.send("pause");
    terminal.wait_for("pause or resume the intake");
    terminal.send(ENTER);
    terminal.wait_for("paused");
}

#[test]
fn escape_keeps_the_draft_of_the_form() {
    let house = House::new();
    let mut terminal = Terminal::console(&house);
    terminal.wait_for("No jobs yet.");
    terminal.send("n");
    terminal.wait_for("Describe it, then press Enter.");
    terminal.send("half a thought");
    terminal.wait_for("half a thought");
    terminal.send(ESCAPE);
    terminal.wait_for_no("New job");
    assert!(house.jobs().is_empty(), "nothing was ordered");
    terminal.send("n");
    terminal.wait_for("half a thought");
    terminal.send(" and its end");
    terminal.send(ENTER);
    terminal.wait_for("✓ done");
    assert_eq!(house.jobs()[0]["prompt"], "half a thought and its end");
}
