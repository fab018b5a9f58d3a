//! The first image and its cost; a job that outlives its console.

use rust_decimal::Decimal;
use rustix::process::Signal;

use super::terminal::{ENTER, Terminal};
use crate::support::{TestEnv, ledger_check};

/// The header's spending of today.
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
fn first_image_cost_matches_simulator_bill() {
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
    terminal
        .wait_until("the price in the header", |terminal| spent(terminal).is_some_and(|spent| spent > Decimal::ZERO));

    let costs = env.json(&["costs", "--json", "--days", "2"]);
    assert_eq!(spent(&terminal), Some(ledger_check::dollars(&costs["total_usd"])), "screen and ledger agree");
    assert_eq!(
        spent(&terminal),
        Some(ledger_check::total(&ledger_check::bill(&env))),
        "screen and simulator bill agree"
    );
    assert!(terminal.text().contains("SIMULATED"));
    assert_eq!(ledger_check::check(&env, 1), 1);
}

#[test]
fn job_of_killed_console_resumes_billed_once() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "5");
    let mut terminal = Terminal::console(&env);
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("a slow tide");
    terminal.wait_for("a slow tide");
    terminal.send(ENTER);
    terminal.wait_for("▶ generating");
    terminal.signal(Signal::KILL);
    assert!(!terminal.wait_for_end().success());

    let mut terminal = Terminal::console(&env);
    terminal.wait_for("✓ done");
    assert!(terminal.row_with("✓ done").contains("a slow tide"));
    assert_eq!(ledger_check::check(&env, 1), 1);
}
