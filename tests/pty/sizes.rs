//! Window sizes that change while jobs run; terminals without colours and with ASCII only.

use super::terminal::Terminal;
use crate::support::TestEnv;

/// Every row is part of the console: nothing of an earlier size remains.
fn check_frame(terminal: &Terminal, columns: u16, rows: u16) {
    let text = terminal.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), usize::from(rows), "{text}");
    assert!(lines[0].contains("SIMULATED"), "{columns}x{rows}:\n{text}");
    assert_eq!(text.matches("SIMULATED").count(), 1, "{columns}x{rows}:\n{text}");
    let footer = lines.iter().rposition(|line| !line.trim().is_empty());
    assert_eq!(footer, Some(lines.len() - 1), "{columns}x{rows}:\n{text}");
    assert_eq!(text.matches("? help").count(), 1, "{columns}x{rows}:\n{text}");
    // Every corner has its partner: frames are whole.
    for (left, right) in [('╭', '╮'), ('╰', '╯')] {
        assert_eq!(text.matches(left).count(), text.matches(right).count(), "{columns}x{rows}:\n{text}");
    }
}

#[test]
fn resize_while_jobs_run_leaves_no_garbage() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "10");
    env.queue(40);
    let mut terminal = Terminal::start(&env, &["--slots", "3"], 200, 60);
    terminal.wait_for("● live");
    terminal.wait_for("running");
    let sizes = [(200, 60), (80, 24), (40, 12), (30, 5), (40, 12), (80, 24), (200, 60), (30, 5), (200, 60)];
    for (columns, rows) in sizes {
        terminal.resize(columns, rows);
        if columns < 40 {
            terminal.wait_until("the one sentence", |terminal| {
                let words = terminal.text().split_whitespace().collect::<Vec<_>>().join(" ");
                words.starts_with("SIMULATED: ") && words.ends_with("needs 40x12")
            });
            let words = terminal.text();
            assert!(words.contains("running") && words.contains('$'), "{words}");
            assert!(!words.contains(['│', '╭', '━']), "{words}");
        } else {
            terminal.wait_until("the footer in the last row", |terminal| {
                let text = terminal.text();
                let lines: Vec<&str> = text.lines().collect();
                lines.first().is_some_and(|line| line.contains("SIMULATED"))
                    && lines.last().is_some_and(|line| line.contains("? help"))
            });
            check_frame(&terminal, columns, rows);
        }
    }
    terminal.wait_for("40 done");
    check_frame(&terminal, 200, 60);
}

#[test]
fn first_key_after_resize_is_handled() {
    let env = TestEnv::new();
    let mut terminal = Terminal::start(&env, &[], 120, 40);
    terminal.wait_for("No jobs yet");
    for (columns, rows) in [(80, 24), (120, 40), (40, 12)] {
        terminal.resize(columns, rows);
        terminal.wait_until("the footer in the last row", |terminal| {
            terminal.text().lines().last().is_some_and(|line| line.contains("? help"))
        });
        terminal.send("?");
        terminal.wait_for("Keys");
        terminal.send("?");
        terminal.wait_until("help closed", |terminal| !terminal.text().contains("Keys ──"));
    }
}

/// The parameters of every sequence that sets how cells look.
fn attributes(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\x1b[")
        .skip(1)
        .filter_map(|part| {
            let end =
                part.find(|character: char| !character.is_ascii_digit() && !matches!(character, ';' | ':' | '?'))?;
            part[end..].starts_with('m').then(|| part[..end].to_owned())
        })
        .collect()
}

fn is_colour(parameters: &str) -> bool {
    parameters
        .split([';', ':'])
        .filter_map(|number| number.parse::<u32>().ok())
        .any(|number| matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107))
}

/// Makes one image, opens the help, the costs and the image.
fn walk(terminal: &mut Terminal, done: &str) {
    terminal.wait_for("No jobs yet.");
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("a kite\r");
    terminal.wait_for(done);
    for (key, words) in [("$", "Costs"), ("?", "Keys")] {
        terminal.send(key);
        terminal.wait_for(words);
        terminal.send("\x1b");
        terminal.wait_for_no(&format!("{words} "));
    }
    terminal.send("i");
    terminal.wait_for_no("Queue");
}

#[test]
fn no_color_draws_without_colours() {
    let mut env = TestEnv::new();
    env.set("NO_COLOR", "1");
    let mut terminal = Terminal::console(&env);
    walk(&mut terminal, "✓ done");
    let coloured: Vec<String> =
        attributes(&terminal.bytes).into_iter().filter(|parameters| is_colour(parameters)).collect();
    assert!(coloured.is_empty(), "{coloured:?}");
    assert!(
        attributes(&terminal.bytes).iter().any(|parameters| parameters.split(';').any(|part| part == "7")),
        "SIMULATED stays reversed"
    );
}

#[test]
fn ascii_mode_draws_only_ascii() {
    let env = TestEnv::new();
    let mut terminal = Terminal::start(&env, &["--ascii"], 120, 40);
    terminal.wait_for("* live");
    walk(&mut terminal, "+ done");
    let strange: Vec<char> =
        String::from_utf8_lossy(&terminal.bytes).chars().filter(|character| !character.is_ascii()).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
