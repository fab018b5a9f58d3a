//! Frames of a terminal as SVG: text as text, borders and half blocks as shapes, so that they look the same in every font.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One cell, in units of the drawing.
const CELL: (f32, f32) = (8.4, 17.0);
/// Around the cells.
const MARGIN: f32 = 14.0;
const FONT_SIZE: f32 = 14.0;
const BACKGROUND: Rgb = (16, 18, 24);
const FOREGROUND: Rgb = (205, 210, 220);
/// Colours of an image are rounded to multiples of this: fewer and longer shapes, a smaller file.
const IMAGE_STEP: u8 = 12;

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

fn rounded((red, green, blue): Rgb) -> Rgb {
    let round =
        |part: u8| (u16::from(part) + u16::from(IMAGE_STEP) / 2) / u16::from(IMAGE_STEP) * u16::from(IMAGE_STEP);
    (round(red).min(255) as u8, round(green).min(255) as u8, round(blue).min(255) as u8)
}

/// What one cell looks like.
#[derive(Clone, PartialEq)]
struct Look {
    symbol: String,
    foreground: Rgb,
    background: Rgb,
    bold: bool,
}

impl Look {
    fn of(cell: &vt100::Cell) -> Self {
        let mut foreground = rgb(cell.fgcolor(), FOREGROUND);
        let mut background = rgb(cell.bgcolor(), BACKGROUND);
        if cell.inverse() {
            std::mem::swap(&mut foreground, &mut background);
        }
        if cell.dim() {
            foreground = dimmed(foreground);
        }
        let symbol = if cell.has_contents() { cell.contents() } else { " " };
        if is_half(symbol) {
            (foreground, background) = (rounded(foreground), rounded(background));
        }
        Self { symbol: symbol.to_owned(), foreground, background, bold: cell.bold() }
    }

    fn is_shape(&self) -> bool {
        is_half(&self.symbol) || ["─", "━", "│", "╭", "╮", "╰", "╯"].contains(&self.symbol.as_str())
    }
}

fn is_half(symbol: &str) -> bool {
    matches!(symbol, "▀" | "▄")
}

/// The cells of a screen, row by row.
fn looks(screen: &vt100::Screen) -> Vec<Vec<Look>> {
    let (rows, columns) = screen.size();
    let row = |row| (0..columns).map(|column| Look::of(screen.cell(row, column).expect("a cell"))).collect();
    (0..rows).map(row).collect()
}

/// What some cells are drawn with: one path for each colour, then borders and words.
#[derive(Default)]
struct Layer {
    areas: BTreeMap<Rgb, String>,
    lines: BTreeMap<(Rgb, bool), String>,
    words: BTreeMap<(Rgb, bool), String>,
}

impl Layer {
    fn area(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), colour: Rgb) {
        let _ = write!(self.areas.entry(colour).or_default(), "M{x:.1} {y:.1}h{width:.1}v{height:.1}h-{width:.1}z");
    }

    /// Words stand where their first cell is, whatever the font.
    fn text(&mut self, (x, y): (f32, f32), look: &Look, words: &str) {
        let mut cell = 0;
        for word in words.split_inclusive(' ') {
            let (from, shown) = (x + cell as f32 * CELL.0, word.trim_end());
            cell += word.chars().count();
            if shown.is_empty() {
                continue;
            }
            let width = shown.chars().count() as f32 * CELL.0;
            let shown = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = write!(
                self.words.entry((look.foreground, look.bold)).or_default(),
                r#"<text x="{from:.1}" y="{:.1}" textLength="{width:.1}">{shown}</text>"#,
                y + CELL.1 * 0.76
            );
        }
    }

    /// Borders are lines: letters of a font would leave gaps between the rows.
    fn border(&mut self, (x, y): (f32, f32), cells: usize, look: &Look) {
        let (middle, centre) = (x + CELL.0 / 2.0, y + CELL.1 / 2.0);
        let (right, bottom, radius) = (x + CELL.0 * cells as f32, y + CELL.1, CELL.0 / 2.0);
        let path = match look.symbol.as_str() {
            "│" => format!("M{middle:.1} {y:.1}V{bottom:.1}"),
            "╭" => {
                format!(
                    "M{middle:.1} {bottom:.1}V{:.1}Q{middle:.1} {centre:.1} {right:.1} {centre:.1}",
                    centre + radius
                )
            }
            "╮" => {
                format!("M{middle:.1} {bottom:.1}V{:.1}Q{middle:.1} {centre:.1} {x:.1} {centre:.1}", centre + radius)
            }
            "╰" => {
                format!("M{middle:.1} {y:.1}V{:.1}Q{middle:.1} {centre:.1} {right:.1} {centre:.1}", centre - radius)
            }
            "╯" => format!("M{middle:.1} {y:.1}V{:.1}Q{middle:.1} {centre:.1} {x:.1} {centre:.1}", centre - radius),
            _ => format!("M{x:.1} {centre:.1}H{right:.1}"),
        };
        self.lines.entry((look.foreground, look.symbol == "━")).or_default().push_str(&path);
    }

    fn write(&self, svg: &mut String) {
        for ((red, green, blue), path) in &self.areas {
            let _ = write!(svg, r##"<path fill="#{red:02x}{green:02x}{blue:02x}" d="{path}"/>"##);
        }
        for (((red, green, blue), thick), path) in &self.lines {
            let width = if *thick { 3.0 } else { 1.1 };
            let _ = write!(
                svg,
                r##"<path fill="none" stroke="#{red:02x}{green:02x}{blue:02x}" stroke-width="{width}" d="{path}"/>"##
            );
        }
        for (((red, green, blue), bold), words) in &self.words {
            let weight = if *bold { r#" font-weight="bold""# } else { "" };
            let _ = write!(svg, r##"<g fill="#{red:02x}{green:02x}{blue:02x}"{weight}>{words}</g>"##);
        }
    }
}

/// Draws the cells that differ from those of the frame before; each covers what was in its place.
fn layer(cells: &[Vec<Look>], before: Option<&[Vec<Look>]>) -> Layer {
    let mut layer = Layer::default();
    for (row, looks) in cells.iter().enumerate() {
        let y = MARGIN + row as f32 * CELL.1;
        let changed = |column: usize| before.is_none_or(|before| before[row][column] != looks[column]);
        let mut column = 0;
        while column < looks.len() {
            if !changed(column) {
                column += 1;
                continue;
            }
            let (first, look) = (column, &looks[column]);
            let mut words = String::new();
            // Neighbours that look alike are one shape.
            while column < looks.len() && changed(column) {
                let next = &looks[column];
                let alike = (next.foreground, next.background, next.bold)
                    == (look.foreground, look.background, look.bold)
                    && next.is_shape() == look.is_shape()
                    && (!look.is_shape() || next.symbol == look.symbol);
                if !alike {
                    break;
                }
                words.push_str(&next.symbol);
                column += 1;
            }
            let cells = column - first;
            let (x, width) = (MARGIN + first as f32 * CELL.0, cells as f32 * CELL.0);
            // A little wider and higher than the cells: no seam shows between neighbours.
            let whole = (width + 0.4, CELL.1 + 0.4);
            if is_half(&look.symbol) {
                let (upper, lower) = if look.symbol == "▀" {
                    (look.foreground, look.background)
                } else {
                    (look.background, look.foreground)
                };
                if upper == lower {
                    layer.area((x, y), whole, lower);
                } else {
                    layer.area((x, y), (width + 0.4, CELL.1 / 2.0), upper);
                    layer.area((x, y + CELL.1 / 2.0), (width + 0.4, CELL.1 / 2.0 + 0.4), lower);
                }
                continue;
            }
            if look.background != BACKGROUND || before.is_some() {
                layer.area((x, y), whole, look.background);
            }
            match look.symbol.as_str() {
                "│" | "╭" | "╮" | "╰" | "╯" => {
                    for place in 0..cells {
                        layer.border((x + place as f32 * CELL.0, y), 1, look);
                    }
                }
                "─" | "━" => layer.border((x, y), cells, look),
                _ => layer.text((x, y), look, &words),
            }
        }
    }
    layer
}

fn open(screen: &vt100::Screen, label: &str) -> String {
    let (rows, columns) = screen.size();
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL.1 + 2.0 * MARGIN;
    let (red, green, blue) = BACKGROUND;
    format!(
        concat!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" "##,
            r##"font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="{size}" "##,
            r##"role="img" aria-label="{label}">"##,
            "\n",
            r##"<rect width="{width:.0}" height="{height:.0}" rx="10" fill="#{red:02x}{green:02x}{blue:02x}"/>"##,
            "\n"
        ),
        width = width,
        height = height,
        size = FONT_SIZE,
        label = label,
        red = red,
        green = green,
        blue = blue,
    )
}

/// One screen.
pub fn screen(screen: &vt100::Screen, label: &str) -> String {
    let mut svg = open(screen, label);
    layer(&looks(screen), None).write(&mut svg);
    svg.push_str("\n</svg>\n");
    svg
}

/// Frames with the seconds that each stays. Each draws what changed, over those before it, and disappears at the end of the round.
pub fn animation(frames: &[(vt100::Screen, f32)], label: &str) -> String {
    let Some((first, _)) = frames.first() else { return String::new() };
    let total: f32 = frames.iter().map(|(_, seconds)| seconds).sum();
    let mut svg = open(first, label);
    let (mut style, mut groups) = (String::new(), String::new());
    let mut before: Option<Vec<Vec<Look>>> = None;
    let mut at = 0.0;
    for (number, (screen, seconds)) in frames.iter().enumerate() {
        let cells = looks(screen);
        let begins = at / total * 100.0;
        at += seconds;
        if before.as_ref() == Some(&cells) {
            continue;
        }
        let drawn = layer(&cells, before.as_deref());
        if before.is_some() {
            let _ = write!(
                style,
                "@keyframes f{number}{{0%{{visibility:hidden}}{begins:.2}%,100%{{visibility:visible}}}}\
                 .f{number}{{animation:f{number} {total:.1}s step-end infinite}}"
            );
        }
        let _ = write!(groups, r#"<g class="f{number}">"#);
        drawn.write(&mut groups);
        groups.push_str("</g>\n");
        before = Some(cells);
    }
    // Who wants no motion sees the last frame.
    let _ = write!(
        svg,
        "<style>{style}@media(prefers-reduced-motion:reduce){{g{{animation:none!important}}}}</style>\n{groups}</svg>\n"
    );
    svg
}
