//! Draws `assets/console.svg` for the README: one frame of a real run of the console, with an image in it.
//!
//! ```text
//! cargo build && cargo run --example readme_screenshot -- assets/console.svg
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "an example stops where it cannot run")]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

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

/// The first sixteen colours of a dark terminal.
const ANSI_COLOURS: [Rgb; 16] = [
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
        vt100::Color::Idx(index @ 0..16) => ANSI_COLOURS[usize::from(index)],
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
struct CellStyle {
    foreground: Rgb,
    background: Rgb,
    bold: bool,
}

fn cell_style(cell: &vt100::Cell) -> CellStyle {
    let mut foreground = rgb(cell.fgcolor(), FOREGROUND);
    let mut background = rgb(cell.bgcolor(), BACKGROUND);
    if cell.inverse() {
        std::mem::swap(&mut foreground, &mut background);
    }
    if cell.dim() {
        foreground = dimmed(foreground);
    }
    CellStyle { foreground, background, bold: cell.bold() }
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
    fn text(&mut self, (x, y): (f32, f32), style: &CellStyle, words: &str) {
        let (red, green, blue) = style.foreground;
        let weight = if style.bold { r#" font-weight="bold""# } else { "" };
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
    fn border(&mut self, (x, y): (f32, f32), cells: usize, style: &CellStyle, symbol: &str) {
        let (red, green, blue) = style.foreground;
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

fn render_svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let mut drawing = Drawing { shapes: String::new() };
    for row in 0..rows {
        let y = MARGIN + f32::from(row) * CELL.1;
        let mut column = 0;
        while column < columns {
            let cell = screen.cell(row, column).expect("a cell of the screen");
            let x = MARGIN + f32::from(column) * CELL.0;
            let begun = cell_style(cell);
            // Neighbours that look the same are one shape.
            let mut words = String::new();
            let first = column;
            while column < columns {
                let next = screen.cell(row, column).expect("a cell of the screen");
                if cell_style(next) != begun || shape(next) != shape(cell) {
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

fn json_lines(jobs: &[(&str, &str)]) -> String {
    let line = |(prompt, model): &(&str, &str)| {
        serde_json::json!({ "prompt": prompt, "model": model, "width": 1024, "height": 768 }).to_string()
    };
    jobs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A temporary installation: data, logs and environment of its own.
struct Installation {
    folder: tempfile::TempDir,
    program: PathBuf,
    speed: &'static str,
}

impl Installation {
    fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut variables = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), path("home")),
            ("DARKROOM_DATA_DIR".to_owned(), path("data")),
            ("DARKROOM_LOG_DIR".to_owned(), path("logs")),
            ("DARKROOM_BUDGET_DAILY_USD".to_owned(), "20".to_owned()),
            ("DARKROOM_SIMULATOR_SPEED".to_owned(), self.speed.to_owned()),
        ];
        variables.push(("TERM".to_owned(), "xterm-256color".to_owned()));
        variables.push(("COLORTERM".to_owned(), "truecolor".to_owned()));
        variables
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn submit(&self, jobs: &[(&str, &str)]) {
        let file = self.folder.path().join("jobs.jsonl");
        std::fs::write(&file, json_lines(jobs)).expect("the file is written");
        self.run(&["submit", "--json", "--yes", "--file", file.to_str().expect("a path of plain text")]);
    }

    fn jobs(&self) -> Vec<Value> {
        serde_json::from_slice(&self.run(&["jobs", "list", "--json", "--limit", "1000"])).expect("a list of jobs")
    }
}

/// The console in a pseudo terminal. Dropping it kills the console.
struct Console {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn std::io::Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    _master: Box<dyn MasterPty + Send>,
}

impl Console {
    fn start(installation: &Installation) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo terminal");
        let mut command = CommandBuilder::new(&installation.program);
        command.args(["--slots", "5"]);
        command.cwd(installation.folder.path());
        command.env_clear();
        for (name, value) in installation.environment() {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let keys = pair.master.take_writer().expect("the terminal can be written to");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, output, parser: vt100::Parser::new(ROWS, COLUMNS, 0), _master: pair.master }
    }

    fn text(&self) -> String {
        self.parser.screen().rows(0, COLUMNS).collect::<Vec<_>>().join("\n")
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.output.recv_timeout(left).unwrap_or_else(|_| panic!("no {what}:\n{}", self.text()));
            self.parser.process(&bytes);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that was built beside this example.
fn built_program() -> PathBuf {
    let example = std::env::current_exe().expect("the path of this program");
    let folder = example.parent().and_then(Path::parent).expect("the folder of the build");
    let program = folder.join("darkroom").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: run `cargo build` first", program.display());
    program
}

fn main() {
    let target = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("assets/console.svg"), PathBuf::from);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut installation = Installation { folder, program: built_program(), speed: "instant" };
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
    installation.submit(&past);
    installation.run(&["worker", "--until-idle", "--slots", "4"]);
    let jobs = installation.jobs();
    let koi = jobs.iter().find(|job| job["prompt"] == past[10].0).expect("the koi");
    installation.run(&["jobs", "approve", koi["id"].as_str().expect("an id")]);

    // Slow enough that most jobs still run when the frame is drawn; only the boat is done.
    installation.speed = "4";
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
    installation.submit(&present);
    let mut console = Console::start(&installation);
    console.wait_until("connection", |console| console.text().contains("● live"));
    console.wait_until("running job", |console| console.text().contains("running"));
    // One key at a time, down to the boat, which is done soon.
    for steps in 1..=present.len() - 2 {
        console.keys.write_all(b"j").expect("the terminal takes keys");
        let row = present[present.len() - 1 - steps].0;
        console.wait_until("moved selection", |console| {
            console.text().lines().any(|line| line.contains('▸') && line.contains(&row[..10]))
        });
    }
    console.wait_until("finished boat", |console| {
        console.text().lines().any(|line| line.contains('▸') && line.contains("paper boat") && line.contains("✓ done"))
    });
    console.wait_until("image", |console| {
        let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
        cells.filter(|(row, column)| console.parser.screen().cell(*row, *column).is_some_and(is_half)).count() > 400
    });
    console.wait_until("progress of the running jobs", |console| console.text().matches('%').count() > 4);
    std::fs::write(&target, render_svg(console.parser.screen())).expect("the file is written");
}
