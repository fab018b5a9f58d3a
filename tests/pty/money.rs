//! The first image of a stranger, and what it costs; a job that outlives its console.

use rust_decimal::Decimal;
use rustix::process::Signal;

use super::terminal::{ENTER, Terminal};
use crate::support::{TestEnv, ledger_check};

/// What the header says was spent today.
fn spent(terminal: &Terminal) -> Option<Decimal> {
    let text = terminal.text();
    let (_, after) = text.lines().next()?.split_once("today $")?;
    after.split_whitespace().next()?.parse().ok()
}

/// How many colours the half blocks of the screen have.
fn image_colours(terminal: &Terminal) -> usize {
    let (rows, columns) = terminal.screen().size();
    let mut colours = std::collections::HashSet::new();
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let cell = terminal.screen().cell(row, column).expect("a cell of the screen");
        if matches!(cell.contents(), "▀" | "▄") {
            for colour in [cell.fgcolor(), cell.bgcolor()] {
                if let vt100::Color::Rgb(red, green, blue) = colour {
                    colours.insert((red, green, blue));
                }
            }
        }
    }
    colours.len()
}

#[test]
fn two_keys_and_a_prompt_make_the_first_image_and_its_price_is_in_the_books() {
    let env = TestEnv::new();
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("No jobs yet. Press n to create the first image (simulated, free).");
    terminal.wait_until("nothing is spent", |terminal| spent(terminal) == Some(Decimal::ZERO));
    assert_eq!(image_colours(&terminal), 0);

    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("a red kite over dunes");
    terminal.wait_for("a red kite over dunes");
    terminal.send(ENTER);

    terminal.wait_for("✓ done");
    assert!(terminal.row_with("✓ done").contains("a red kite over dunes"));
    terminal.wait_until("the image", |terminal| image_colours(terminal) > 50);
    terminal.wait_until("its price", |terminal| spent(terminal).is_some_and(|spent| spent > Decimal::ZERO));

    let costs = env.json(&["costs", "--json", "--days", "2"]);
    assert_eq!(spent(&terminal), Some(ledger_check::dollars(&costs["total_usd"])), "screen and books agree");
    assert_eq!(spent(&terminal), Some(ledger_check::total(&ledger_check::bill(&env))), "and so does the bill");
    assert!(terminal.text().contains("SIMULATED"));
    assert_eq!(ledger_check::check(&env, 1), 1);
}

#[test]
fn a_job_goes_on_after_its_console_was_killed_and_is_billed_once() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "5");
    let mut terminal = Terminal::console(&env);
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("a slow tide");
    terminal.send(ENTER);
    terminal.wait_for("▶ generating");
    terminal.signal(Signal::KILL);
    assert!(!terminal.wait_for_end().success());

    let mut terminal = Terminal::console(&env);
    terminal.wait_for("✓ done");
    assert!(terminal.row_with("✓ done").contains("a slow tide"));
    assert_eq!(ledger_check::check(&env, 1), 1);
}
