//! A portrait of the busy console as SVG: one whole frame of a real run, with an image in it. `DARKROOM_PORTRAIT=FILE` keeps
//! it, which is how `assets/console.svg` is made:
//!
//! ```text
//! DARKROOM_PORTRAIT=assets/console.svg cargo test --test integration pty::portrait
//! ```

use std::fmt::Write;

use super::terminal::Terminal;
use crate::support::{TestEnv, path_text};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// One cell, in units of the drawing.
const CELL: (f32, f32) = (8.4, 17.0);
/// Around the cells.
const MARGIN: f32 = 14.0;
const FONT_SIZE: f32 = 14.0;
const BACKGROUND: (u8, u8, u8) = (16, 18, 24);
const FOREGROUND: (u8, u8, u8) = (205, 210, 220);

type Rgb = (u8, u8, u8);

/// The first sixteen colours, as a dark terminal has them.
const NAMED: [Rgb; 16] = [
    (28, 30, 38),
    (224, 108, 117),
    (152, 195, 121),
    (229, 192, 123),
    (97, 175, 239),
    (198, 120, 221),
    (86, 182, 194),
    (190, 196, 206),
    (92, 99, 112),
    (240, 130, 138),
    (170, 210, 140),
    (240, 205, 140),
    (125, 190, 245),
    (212, 145, 230),
    (110, 200, 210),
    (240, 242, 246),
];

fn rgb(colour: vt100::Color, default: Rgb) -> Rgb {
    match colour {
        vt100::Color::Default => default,
        vt100::Color::Rgb(red, green, blue) => (red, green, blue),
        vt100::Color::Idx(index @ 0..16) => NAMED[usize::from(index)],
        // The cube of six steps for each colour, then the greys.
        vt100::Color::Idx(index @ 16..232) => {
            let step = |place: u8| if place == 0 { 0 } else { 55 + 40 * place };
            let index = index - 16;
            (step(index / 36), step(index / 6 % 6), step(index % 6))
        }
        vt100::Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

/// Halfway to the background.
fn dimmed(colour: Rgb) -> Rgb {
    let half = |part: u8, back: u8| (u16::midpoint(u16::from(part) * 6 / 5, u16::from(back))).min(255) as u8;
    (half(colour.0, BACKGROUND.0), half(colour.1, BACKGROUND.1), half(colour.2, BACKGROUND.2))
}

/// What one cell is made of.
#[derive(Clone, PartialEq)]
struct Look {
    foreground: Rgb,
    background: Rgb,
    bold: bool,
}

fn look(cell: &vt100::Cell) -> Look {
    let mut foreground = rgb(cell.fgcolor(), FOREGROUND);
    let mut background = rgb(cell.bgcolor(), BACKGROUND);
    if cell.inverse() {
        std::mem::swap(&mut foreground, &mut background);
    }
    if cell.dim() {
        foreground = dimmed(foreground);
    }
    Look { foreground, background, bold: cell.bold() }
}

/// Rectangles and text of one frame.
struct Drawing {
    shapes: String,
}

impl Drawing {
    fn rectangle(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), (red, green, blue): Rgb) {
        let _ = writeln!(
            self.shapes,
            r##"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="#{red:02x}{green:02x}{blue:02x}"/>"##
        );
    }

    /// Draws words in their cells. Spaces are not drawn: every word stands where its first cell is, whatever the font.
    fn text(&mut self, (x, y): (f32, f32), look: &Look, words: &str) {
        let (red, green, blue) = look.foreground;
        let weight = if look.bold { r#" font-weight="bold""# } else { "" };
        let mut cell = 0;
        for word in words.split_inclusive(' ') {
            let (from, shown) = (x + cell as f32 * CELL.0, word.trim_end());
            cell += word.chars().count();
            if shown.is_empty() {
                continue;
            }
            let width = shown.chars().count() as f32 * CELL.0;
            let shown = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                self.shapes,
                r##"<text x="{from:.1}" y="{:.1}" fill="#{red:02x}{green:02x}{blue:02x}" textLength="{width:.1}"{weight}>{shown}</text>"##,
                y + CELL.1 * 0.76
            );
        }
    }

    /// Draws a border as lines: letters of a font would leave gaps between the rows.
    fn border(&mut self, (x, y): (f32, f32), cells: usize, look: &Look, symbol: &str) {
        let (red, green, blue) = look.foreground;
        let (middle, centre) = (x + CELL.0 / 2.0, y + CELL.1 / 2.0);
        let (right, bottom, radius) = (x + CELL.0 * cells as f32, y + CELL.1, CELL.0 / 2.0);
        let path = match symbol {
            "│" => format!("M{middle:.1} {y:.1}V{bottom:.1}"),
            "╭" => format!(
                "M{middle:.1} {bottom:.1}V{:.1}Q{middle:.1} {centre:.1} {right:.1} {centre:.1}",
                centre + radius
            ),
            "╮" => {
                format!("M{middle:.1} {bottom:.1}V{:.1}Q{middle:.1} {centre:.1} {x:.1} {centre:.1}", centre + radius)
            }
            "╰" => {
                format!("M{middle:.1} {y:.1}V{:.1}Q{middle:.1} {centre:.1} {right:.1} {centre:.1}", centre - radius)
            }
            "╯" => format!("M{middle:.1} {y:.1}V{:.1}Q{middle:.1} {centre:.1} {x:.1} {centre:.1}", centre - radius),
            _ => format!("M{x:.1} {centre:.1}H{right:.1}"),
        };
        let width = if symbol == "━" { 3.0 } else { 1.1 };
        let _ = writeln!(
            self.shapes,
            r##"<path d="{path}" stroke="#{red:02x}{green:02x}{blue:02x}" stroke-width="{width}" fill="none"/>"##
        );
    }
}

/// Symbols that are shapes, each drawn for a run of the same symbol; everything else is text.
fn shape(cell: &vt100::Cell) -> Option<&str> {
    ["▀", "▄", "─", "━", "│", "╭", "╮", "╰", "╯"].into_iter().find(|symbol| *symbol == cell.contents())
}

fn portrait(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let mut drawing = Drawing { shapes: String::new() };
    for row in 0..rows {
        let y = MARGIN + f32::from(row) * CELL.1;
        let mut column = 0;
        while column < columns {
            let cell = screen.cell(row, column).expect("a cell of the screen");
            let x = MARGIN + f32::from(column) * CELL.0;
            let begun = look(cell);
            // Neighbours that look the same are one shape.
            let mut words = String::new();
            let first = column;
            while column < columns {
                let next = screen.cell(row, column).expect("a cell of the screen");
                if look(next) != begun || shape(next) != shape(cell) {
                    break;
                }
                words.push_str(if next.has_contents() { next.contents() } else { " " });
                column += 1;
            }
            let cells = usize::from(column - first);
            let width = cells as f32 * CELL.0;
            // A little wider and higher than the cells: no seam shows between neighbours.
            if is_half(cell) {
                let (upper, lower) = if cell.contents() == "▀" {
                    (begun.foreground, begun.background)
                } else {
                    (begun.background, begun.foreground)
                };
                drawing.rectangle((x, y), (width + 0.4, CELL.1 + 0.4), lower);
                if upper != lower {
                    drawing.rectangle((x, y), (width + 0.4, CELL.1 / 2.0), upper);
                }
                continue;
            }
            if begun.background != BACKGROUND {
                drawing.rectangle((x, y), (width + 0.4, CELL.1 + 0.4), begun.background);
            }
            match shape(cell) {
                Some(upright @ ("│" | "╭" | "╮" | "╰" | "╯")) => {
                    for place in 0..cells {
                        drawing.border((x + place as f32 * CELL.0, y), 1, &begun, upright);
                    }
                }
                Some(level) => drawing.border((x, y), cells, &begun, level),
                None => drawing.text((x, y), &begun, &words),
            }
        }
    }
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL.1 + 2.0 * MARGIN;
    let (red, green, blue) = BACKGROUND;
    format!(
        concat!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" "##,
            r##"font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="{size}" "##,
            r##"role="img" aria-label="The darkroom console with running, finished and failed jobs and an image">"##,
            "\n",
            r##"<rect width="{width:.0}" height="{height:.0}" rx="10" fill="#{red:02x}{green:02x}{blue:02x}"/>"##,
            "\n{shapes}</svg>\n"
        ),
        width = width,
        height = height,
        size = FONT_SIZE,
        red = red,
        green = green,
        blue = blue,
        shapes = drawing.shapes
    )
}

fn is_half(cell: &vt100::Cell) -> bool {
    matches!(cell.contents(), "▀" | "▄")
}

fn lines(jobs: &[(&str, &str)]) -> String {
    let line = |(prompt, model): &(&str, &str)| {
        serde_json::json!({ "prompt": prompt, "model": model, "width": 1024, "height": 768 }).to_string()
    };
    jobs.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_busy_console_sits_for_its_portrait() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_BUDGET_DAILY_USD", "20");
    let past = [
        ("a map of an island that does not exist, ink on old paper", "flux-2-klein-4b"),
        ("lighthouse on a cliff, storm, long exposure", "flux-2-max"),
        ("a chair, seen from the left", "flux-2-klein-9b"),
        ("clock tower in fog", "flux-2-pro"),
        ("moth on a lamp [sim:error]", "flux-dev"),
        ("old radio on a blue table", "flux-2-flex"),
        ("tiny red house in a snow field, seen from far above", "flux-2-pro"),
        ("harbour in the morning [sim:lost]", "flux-2-max"),
        ("fern in a jar", "flux-2-klein-4b"),
        ("glass frog on a wet leaf [sim:content-moderated]", "flux-2-flex"),
        ("koi pond from above, ripples", "flux-2-pro"),
        ("the same cat, but as an astronaut", "flux-2-max"),
    ];
    let file = env.file("past.jsonl", &lines(&past));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
    assert!(env.run(&["worker", "--until-idle", "--slots", "4"]).status.success());
    let jobs = env.jobs();
    let koi = jobs.iter().find(|job| job["prompt"] == past[10].0).expect("the koi");
    assert!(env.run(&["jobs", "approve", koi["id"].as_str().expect("an id")]).status.success());

    // From here on so slow that most of what runs still runs while the portrait is taken; only the boat is quick.
    env.set("DARKROOM_SIMULATOR_SPEED", "4");
    let present = [
        ("origami whale over a paper sea", "flux-2-max"),
        ("paper boat on a rain puddle", "flux-2-klein-4b"),
        ("library inside a whale", "flux-2-flex"),
        ("lemon still life, hard light [sim:slow]", "flux-2-pro"),
        ("a bridge made of books [sim:slow]", "flux-2-pro"),
        ("neon fox crossing a wet street at night", "flux-2-max"),
        ("desert road at dusk [sim:slow]", "flux-2-pro"),
        ("a tram in the rain", "flux-2-pro"),
        ("snow on a tin roof", "flux-2-pro"),
    ];
    let file = env.file("present.jsonl", &lines(&present));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
    let mut terminal = Terminal::start(&env, &["--slots", "5"], COLUMNS, ROWS);
    terminal.wait_for("● live");
    terminal.wait_for("running");
    // Down to the boat, which is done soon.
    for _ in 0..present.len() - 2 {
        terminal.send("j");
    }
    terminal.wait_until("the boat is done", |terminal| {
        let row = terminal.row_with("▸");
        row.contains("paper boat") && row.contains("✓ done")
    });
    terminal.wait_until("its image", |terminal| {
        let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
        cells.filter(|(row, column)| terminal.screen().cell(*row, *column).is_some_and(is_half)).count() > 400
    });
    terminal.wait_until("what runs, and how far it is", |terminal| terminal.text().matches('%').count() > 4);

    let svg = portrait(terminal.screen());
    assert!(svg.contains(">SIMULATED<") && svg.contains(">origami<"), "words are text");
    assert!(svg.matches("<rect").count() > 400, "an image is rectangles");
    let kept = std::env::var_os("DARKROOM_PORTRAIT");
    let path = kept.map_or_else(|| env.path("console.svg"), std::path::PathBuf::from);
    std::fs::write(&path, &svg).expect("the portrait is written");
}
