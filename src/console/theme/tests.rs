//! Every theme can be read: contrast on the backgrounds of common terminals, states without their colours, colours for those who
//! see fewer.

use super::*;
use crate::console::test_fixtures::{Palette, contrast, done, job, luminance, noon, rgb};
use crate::jobs::{BillingStatus, Failure, FailureCode, Hold};
use ratatui::style::Color;

/// The colours that a terminal gives to what a program leaves open: its text, its background, and the sixteen of ANSI.
const PALETTES: [Palette; 7] = [
    Palette { name: "Solarized Dark", text: (131, 148, 150), background: (0, 43, 54) },
    Palette { name: "Solarized Light", text: (101, 123, 131), background: (253, 246, 227) },
    Palette { name: "xterm", text: (229, 229, 229), background: (0, 0, 0) },
    Palette { name: "VS Code", text: (204, 204, 204), background: (30, 30, 30) },
    Palette { name: "GNOME", text: (208, 207, 204), background: (23, 20, 33) },
    Palette { name: "white background", text: (0, 0, 0), background: (255, 255, 255) },
    Palette { name: "macOS Basic", text: (0, 0, 0), background: (255, 255, 255) },
];

fn themes() -> impl Iterator<Item = (&'static str, Theme)> {
    BUILT_IN.into_iter().map(|(name, _)| (name, built_in(name).unwrap_or_else(|| panic!("{name}"))))
}

fn texts(theme: &Theme) -> [(&'static str, Style); 9] {
    [
        ("text", theme.text),
        ("dim", theme.dim),
        ("accent", theme.accent),
        ("good", theme.good),
        ("warning", theme.warning),
        ("bad", theme.bad),
        ("running", theme.running),
        ("simulated", theme.simulated),
        ("real money", theme.real_money),
    ]
}

/// What a terminal of that palette shows for a text on a background: both colours.
fn shown(palette: &Palette, theme: &Theme, style: Style, over: Style) -> ((u8, u8, u8), (u8, u8, u8)) {
    let color = |color: Option<Color>, open| match color {
        None | Some(Color::Reset) => open,
        Some(color) => rgb(color),
    };
    let all = theme.base.patch(over).patch(style);
    let (text, background) = (color(all.fg, palette.text), color(all.bg, palette.background));
    // Reversed twice is not reversed: the row and the text have one attribute between them.
    if all.add_modifier.contains(Modifier::REVERSED) { (background, text) } else { (text, background) }
}

#[test]
fn text_of_every_theme_has_a_contrast_of_4_5() {
    for (name, theme) in themes() {
        let least: f64 = if name == "high-contrast" { 7.0 } else { 4.5 };
        for palette in &PALETTES {
            for (role, style) in texts(&theme) {
                assert!(!style.add_modifier.contains(Modifier::DIM), "{name}: {role} is dimmed by the terminal");
                for (place, over) in [("screen", Style::new()), ("selected row", theme.selected)] {
                    let (text, background) = shown(palette, &theme, style, over);
                    let found = contrast(text, background);
                    // Without colours the text is the terminal's own: nothing here can be better than that.
                    let own = contrast(palette.text, palette.background);
                    let least = if theme.is_without_colours() { least.min(own) } else { least };
                    assert!(found >= least, "{name}, {role} on the {place} in {}: {found:.2}", palette.name);
                }
            }
        }
    }
}

/// A job in every state that is shown differently.
fn jobs() -> Vec<Job> {
    let submitting = |id: &str| {
        let mut job = job(id, "x");
        let claim = crate::jobs::Claim { worker: crate::jobs::WorkerId::new("w"), until: noon() };
        job.begin_submit(claim, None, noon()).unwrap();
        job
    };
    let generating = |id: &str| {
        let mut job = submitting(id);
        let ticket = crate::jobs::Ticket { id: id.to_owned(), polling_url: "https://api.example.org/x".to_owned() };
        let receipt = crate::jobs::Receipt {
            ticket,
            cost: None,
            input_megapixels: None,
            output_megapixels: None,
            accepted_at: noon(),
        };
        job.accept(receipt, None, noon()).unwrap();
        job
    };
    let mut held = job("held", "x");
    held.set_hold(Some(Hold::RateLimit), None, noon()).unwrap();
    let mut failed = generating("failed");
    failed.fail(Failure::new(FailureCode::TimedOut, "x", BillingStatus::No, noon()), None, noon()).unwrap();
    let mut cancelled = job("cancelled", "x");
    cancelled.cancel(noon()).unwrap();
    let mut approved = done("approved", 8, 8);
    approved.approve(noon()).unwrap();
    let mut rejected = done("rejected", 8, 8);
    rejected.reject_image(noon()).unwrap();
    vec![
        job("queued", "x"),
        held,
        submitting("submitting"),
        generating("generating"),
        done("done", 8, 8),
        approved,
        rejected,
        failed,
        cancelled,
    ]
}

/// A state without its hue: the symbol, the attributes, and how light it is, in steps that an eye can distinguish.
fn in_greyscale(theme: &Theme, job: &Job) -> (String, Modifier, u32) {
    let style = theme.base.patch(theme.job_style(job));
    let light = style.fg.map_or(0.0, |color| luminance(rgb(color)));
    (theme.job_symbol(job).to_owned(), style.add_modifier, (light.sqrt() * 12.0) as u32)
}

#[test]
fn states_differ_without_their_colours() {
    for (name, theme) in themes() {
        for theme in [theme.clone(), theme.with_ascii(true)] {
            let jobs = jobs();
            let mut symbols: Vec<&str> = jobs.iter().map(|job| theme.job_symbol(job)).collect();
            symbols.sort_unstable();
            symbols.dedup();
            assert_eq!(symbols.len(), jobs.len(), "{name}: {symbols:?}");
            let state = |id: &str| in_greyscale(&theme, jobs.iter().find(|job| job.id.as_str() == id).unwrap());
            // What needs attention differs from what is fine by more than its symbol.
            for (one, other) in [("failed", "queued"), ("generating", "queued"), ("failed", "generating")] {
                let ((_, attributes, light), (_, others, darker)) = (state(one), state(other));
                assert!(attributes != others || light != darker, "{name}: {one} looks like {other} in greyscale");
            }
        }
    }
}

/// Linear red, green and blue as they are seen without one kind of cone (Machado and others, 2009).
const PROTANOPIA: [[f64; 3]; 3] =
    [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]];
const DEUTERANOPIA: [[f64; 3]; 3] =
    [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]];
const TRITANOPIA: [[f64; 3]; 3] =
    [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]];

/// The distance of two colours in CIE Lab as they are seen without these cones.
fn distance(cones: &[[f64; 3]; 3], one: Color, other: Color) -> f64 {
    let lab = |color: Color| {
        let seen = crate::console::test_fixtures::linear(rgb(color));
        let [red, green, blue] =
            cones.map(|row| row.iter().zip(seen).map(|(share, channel)| share * channel).sum::<f64>().clamp(0.0, 1.0));
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = f((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
        let y = f(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = f((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    };
    lab(one).iter().zip(lab(other)).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn colour_blind_theme_keeps_states_apart() {
    let theme = built_in("colour-blind").unwrap();
    let states = [theme.good, theme.warning, theme.bad, theme.running, theme.dim].map(|style| style.fg.unwrap());
    for cones in [PROTANOPIA, DEUTERANOPIA, TRITANOPIA] {
        for (index, one) in states.iter().enumerate() {
            for other in &states[index + 1..] {
                let found = distance(&cones, *one, *other);
                assert!(found >= 20.0, "{one:?} and {other:?}: {found:.1}");
            }
        }
    }
}
