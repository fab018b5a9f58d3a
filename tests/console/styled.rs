//! Frames with their styles: every screen in each theme at four sizes, and the screens at four sizes that `console.rs` does not store.
//!
//! A styled row is its text and, below it, the styles of its cells: a letter for each style of the legend and how many cells have it.
//! The text is stored for four screens at one size; that of the others does not depend on the theme. Equal rows are one line.

use std::fmt::Write as _;

use chrono::Duration;
use crossterm::event::KeyCode;
use darkroom::console::{ImagesMode, ThemeChoice};
use darkroom::engine::{BulkLease, BulkRecord, Event};
use ratatui::buffer::{Buffer, Cell};

use super::fixtures;
use super::harness::{ConsoleHarness, options};
use super::{SIZES, snapshot};

const SCREENS: [(&str, &str); 4] = [("queue", ""), ("job", "\n"), ("costs", "$"), ("gallery", "g")];

/// Every screen that covers the panes.
const ALL_SCREENS: [(&str, &str); 12] = [
    ("queue", ""),
    ("job", "\n"),
    ("costs", "$"),
    ("budget", "B"),
    ("gallery", "g"),
    ("compare", " j ="),
    ("help", "?"),
    ("palette", ":image"),
    ("logs", "L"),
    ("form", "n"),
    ("bulk", "b"),
    ("image", "i"),
];

const THEMES: [&str; 5] = ["dark", "light", "high-contrast", "colour-blind", "mono"];

fn open(harness: &mut ConsoleHarness, keys: &str) {
    for key in keys.chars() {
        harness.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
    }
}

/// `#e0e0e0 on #101010 bold`.
fn style(cell: &Cell) -> String {
    let mut text = format!("{} on {}", cell.fg, cell.bg);
    if !cell.modifier.is_empty() {
        let _ = write!(text, " {:?}", cell.modifier);
    }
    text
}

/// The letter of each style, in the order in which they are seen.
#[derive(Default)]
struct Legend(Vec<String>);

impl Legend {
    fn letter(&mut self, cell: &Cell) -> char {
        let style = style(cell);
        let place = self.0.iter().position(|known| *known == style).unwrap_or_else(|| {
            self.0.push(style);
            self.0.len() - 1
        });
        let letters = ('a'..='z').chain('A'..='Z');
        letters.clone().nth(place).expect("a frame has few styles")
    }
}

/// The runs of equal style in one row.
fn runs(buffer: &Buffer, y: u16, legend: &mut Legend) -> String {
    let mut runs: Vec<(char, usize)> = Vec::new();
    for x in buffer.area.left()..buffer.area.right() {
        let letter = legend.letter(&buffer[(x, y)]);
        match runs.last_mut() {
            Some((last, count)) if *last == letter => *count += 1,
            _ => runs.push((letter, 1)),
        }
    }
    let runs: Vec<String> = runs.into_iter().map(|(letter, count)| format!("{letter}{count}")).collect();
    runs.join(" ")
}

/// The rows of a frame with the runs of their styles.
fn rows(buffer: &Buffer, legend: &mut Legend) -> String {
    let mut shown = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let text: String = (buffer.area.left()..buffer.area.right()).map(|x| buffer[(x, y)].symbol()).collect();
        let _ = writeln!(shown, "│{}\n {}", text.trim_end(), runs(buffer, y, legend));
    }
    shown
}

/// The runs of a frame, equal rows as one line.
fn all_runs(buffer: &Buffer, legend: &mut Legend) -> String {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let row = runs(buffer, y, legend);
        match lines.last_mut() {
            Some((last, count)) if *last == row => *count += 1,
            _ => lines.push((row, 1)),
        }
    }
    let lines = lines.into_iter().map(|(row, count)| if count == 1 { row } else { format!("{row} ×{count}") });
    lines.collect::<Vec<_>>().join("\n")
}

impl Legend {
    fn shown(&self) -> String {
        let letters = ('a'..='z').chain('A'..='Z');
        letters.zip(&self.0).map(|(letter, style)| format!("{letter}  {style}")).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn styles_of_each_theme() {
    for theme in THEMES {
        let (mut legend, mut frames) = (Legend::default(), String::new());
        for (name, keys) in SCREENS {
            let mut options = options(true);
            options.theme = ThemeChoice::load(theme, &[]).unwrap();
            let mut harness = ConsoleHarness::busy_with(80, 24, &options);
            open(&mut harness, keys);
            harness.draw();
            let _ = writeln!(frames, "── {name}\n{}", rows(harness.terminal.backend().buffer(), &mut legend));
        }
        insta::assert_snapshot!(format!("styles_{theme}"), format!("{}\n\n{frames}", legend.shown()));
    }
}

#[test]
fn styles_of_every_screen_at_every_size() {
    for theme in THEMES {
        let (mut legend, mut frames) = (Legend::default(), String::new());
        for (width, height) in SIZES {
            for (name, keys) in ALL_SCREENS {
                let mut options = options(true);
                options.theme = ThemeChoice::load(theme, &[]).unwrap();
                options.images = ImagesMode::Off;
                let mut harness = ConsoleHarness::busy_with(width, height, &options);
                harness.event(Event::BulkActions(vec![bulk_record()]));
                open(&mut harness, keys);
                harness.draw();
                let runs = all_runs(harness.terminal.backend().buffer(), &mut legend);
                let _ = writeln!(frames, "── {name} {width}x{height}\n{runs}");
            }
        }
        insta::assert_snapshot!(format!("runs_{theme}"), format!("{}\n\n{frames}", legend.shown()));
    }
}

fn bulk_record() -> BulkRecord {
    let body = serde_json::json!({
        "action": "retry", "chosen": "status:failed since:1h", "by": "ben@office", "from": "console",
        "created_at": fixtures::ago(30), "starts_at": fixtures::ago(25), "state": "running", "total": 244,
        "position": 122, "changed": 120, "unchanged": 2, "price_usd": "9.76",
        "reasons": ["it changed after it was counted"],
    });
    let mut record: BulkRecord = serde_json::from_value(body).unwrap();
    "1".clone_into(&mut record.id);
    record.lease = Some(BulkLease { worker: "w".into(), until: fixtures::now() + Duration::seconds(30) });
    record
}

#[test]
fn other_screens_at_every_size() {
    for (width, height) in SIZES {
        for (name, keys) in [
            ("full_image", "/boat\ni"),
            ("bulk", "b"),
            ("sort_menu", "s"),
            ("column_menu", "c"),
            ("tag_line", "Tcover"),
        ] {
            let mut options = options(true);
            options.images = ImagesMode::Off;
            let mut harness = ConsoleHarness::busy_with(width, height, &options);
            harness.event(Event::BulkActions(vec![bulk_record()]));
            open(&mut harness, keys);
            snapshot(&format!("{name}_{width}x{height}"), harness);
        }
        let mut harness = ConsoleHarness::busy_with(width, height, &options(false));
        harness.event(Event::Slots { used: 3, total: 4 });
        harness.keys("q");
        snapshot(&format!("quit_{width}x{height}"), harness);
    }
}
