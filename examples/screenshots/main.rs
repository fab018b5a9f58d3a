//! Makes the screenshots of README.md and of the tour from the real program: `darkroom demo` in a pseudo terminal, driven by
//! keys.
//!
//! ```text
//! cargo build --release && cargo run --release --example screenshots
//! ```
//!
//! writes an SVG of each screen and `console.cast` (asciicast 2) to `docs/screens`, and the animation `assets/console.svg`. `-- FOLDER`
//! writes all of them elsewhere, `-- FOLDER NAME...` only the named ones. Prompts, models and images are the same each time; ids, ages
//! and the progress of jobs are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "an example stops where it cannot run")]

mod svg;
mod terminal;

use std::path::{Path, PathBuf};

use terminal::Terminal;

/// The terminal of the screens, and the one of the animation.
const SCREEN: (u16, u16) = (120, 36);

/// One screen of the tour.
struct Scene {
    /// The name of its file.
    name: &'static str,
    /// What a reader without images gets.
    label: &'static str,
    /// The keys that lead there from the panes.
    keys: &'static [&'static str],
    /// What the screen contains when it is complete.
    shows: &'static [&'static str],
}

const ESCAPE: &str = "\x1b";
const ENTER: &str = "\r";
const RIGHT: &str = "\x1b[C";
const CTRL_O: &str = "\x0f";
const CTRL_S: &str = "\x13";
const CTRL_T: &str = "\x14";
const CTRL_X: &str = "\x18";
const DOWN_TO_IMAGE: &str = "jjjjjjjjjj";

/// Every screen of the console, in the order of the tour.
const SCENES: &[Scene] = &[
    Scene {
        name: "console",
        label: "The console: the queue with running, held, finished and failed jobs, an image, its steps, logs and spending",
        keys: &[DOWN_TO_IMAGE],
        shows: &["Queue", "Steps", "Logs", "Spend", "▀"],
    },
    Scene {
        name: "form",
        label: "The form of a new job: prompt, model, parameters and the price before it is submitted",
        keys: &["n", "neon fox crossing a wet street at night"],
        shows: &["neon fox crossing a wet street at night", "$"],
    },
    Scene {
        name: "matrix",
        label: "The form with a matrix: every choice in the prompt with every seed, counted and priced before it is submitted",
        keys: &["n", "a {fox|owl|koi} in {snow|rain}", CTRL_T],
        shows: &["{snow|rain}", "$"],
    },
    Scene {
        name: "presets",
        label: "The form with its presets: saved sets of model, prompt and parameters",
        keys: &["n", "studio portrait of a red fox", CTRL_S, "portrait", ENTER, CTRL_O],
        shows: &["portrait"],
    },
    Scene {
        name: "job",
        label: "A finished job: prompt, parameters, attempts with their steps drawn to scale, charges and the image's address",
        keys: &[DOWN_TO_IMAGE, ENTER],
        shows: &["Job ──", "attempt 1", "settle"],
    },
    Scene {
        name: "image", label: "An image in the whole terminal", keys: &[DOWN_TO_IMAGE, "i"], shows: &["▀", "512"]
    },
    Scene {
        name: "gallery",
        label: "The gallery: the images of finished jobs in a grid",
        keys: &["g", RIGHT, RIGHT],
        shows: &["Gallery", "▀"],
    },
    Scene {
        name: "compare",
        label: "Two images side by side with what differs between their jobs",
        keys: &["g", " ", RIGHT, " ", "="],
        shows: &["▀"],
    },
    Scene {
        name: "filter",
        label: "A filter over the whole store: failed jobs that moderation did not end",
        keys: &["/", "status:failed -error:moderated", ENTER],
        shows: &["status:failed", "✗"],
    },
    Scene {
        name: "costs",
        label: "The cost screen: spending by day, model and cause, waste, burn rate and forecast",
        keys: &["$"],
        shows: &["Costs"],
    },
    Scene {
        name: "budget",
        label: "Caps with what is spent under them, and uncertain charges that an operator resolves",
        keys: &["B"],
        shows: &["Budget", "Uncertain"],
    },
    Scene {
        name: "bulk",
        label: "Actions on many jobs: who began them, their progress, and what was left unchanged",
        keys: &["/", "status:failed", ENTER, "*", "r", "y", "b"],
        shows: &["ana@", "changed"],
    },
    Scene { name: "logs", label: "The log screen", keys: &["L", "t"], shows: &["Logs"] },
    Scene { name: "palette", label: "The palette: every action by name", keys: &[":", "ret"], shows: &["retry"] },
    Scene {
        name: "views",
        label: "The views: filters with a name, from darkroom.toml",
        keys: &["v"],
        shows: &["Views ──", "status:failed"],
    },
    Scene {
        name: "contexts",
        label: "The contexts of darkroom.toml: what each one runs on, and whether it spends real money",
        keys: &[CTRL_X],
        shows: &["Contexts ──", "REAL MONEY"],
    },
    Scene { name: "help", label: "The help: the keys of this place", keys: &["?"], shows: &["Undo"] },
];

/// The contexts that the page on the configuration has as an example, complete. The demo has none.
const CONTEXTS: &str = r#"
[context.prod]
provider = "bfl"
store = "firestore"
bucket = "gcs"
google_cloud_project = "my-project"
firebase_storage_bucket = "my-bucket"

[context.trial]
data_dir = "trial"
simulator_speed = "instant"
"#;

/// What the animation shows: keys, and how long the last frame stays, in seconds.
const ANIMATION: &[(&[&str], f32)] = &[
    (&[], 2.0),
    (&["j", "j", "j", "j", "j", "j", "j", "j", "j", "j"], 2.0),
    (&["i"], 2.5),
    (&[ESCAPE], 0.6),
    (&[ENTER], 2.5),
    (&[ESCAPE], 0.6),
    (&["/", "s", "t", "a", "t", "u", "s", ":", "f", "a", "i", "l", "e", "d", ENTER], 2.0),
    (&[ESCAPE], 0.6),
    (&["$"], 3.0),
    (&[ESCAPE], 0.6),
    (&["n", "a", " ", "k", "o", "i", " ", "p", "o", "n", "d"], 1.5),
    (&[ENTER], 2.5),
];

fn main() {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let names: Vec<String> = std::env::args().skip(2).collect();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (screens, top) = match &folder {
        Some(folder) => (folder.clone(), folder.join("animation.svg")),
        None => (root.join("docs/screens"), root.join("assets/console.svg")),
    };
    std::fs::create_dir_all(&screens).expect("the folder is created");
    let program = built_program();
    for scene in SCENES.iter().filter(|scene| is_wanted(scene.name)) {
        // Each screen from the same start, so that one does not depend on another.
        let mut terminal = start(&program, scene);
        for keys in scene.keys {
            terminal.press(keys);
        }
        terminal.wait_until(scene.name, |text| scene.shows.iter().all(|part| text.contains(part)));
        terminal.settle();
        let image = svg::screen(terminal.screen(), scene.label);
        std::fs::write(screens.join(format!("{}.svg", scene.name)), image).expect("the screenshot is written");
        println(&format!("{}.svg", scene.name));
    }
    if is_wanted("animation") {
        animate(&program, &screens.join("console.cast"), &top);
    }
}

/// The console on which a screen is shown, with its jobs.
fn start(program: &Path, scene: &Scene) -> Terminal {
    if scene.name == "contexts" {
        let prompts = ["paper boat on a rain puddle", "neon fox crossing a wet street at night"];
        let mut terminal = Terminal::console(program, SCREEN, CONTEXTS, &prompts);
        terminal.wait_until("the list of jobs", |text| text.contains("● live") && text.contains("✓ done"));
        return terminal;
    }
    let mut terminal = Terminal::demo(program, SCREEN);
    terminal.wait_until("the list of jobs", |text| text.contains("● live") && text.contains("generating"));
    terminal
}

/// Plays the animation once and writes it in both forms.
fn animate(program: &Path, cast: &Path, target: &Path) {
    let mut terminal = Terminal::demo(program, SCREEN);
    terminal.wait_until("the list of jobs", |text| text.contains("● live") && text.contains("generating"));
    terminal.settle();
    terminal.record();
    let mut frames = Vec::new();
    for (keys, seconds) in ANIMATION {
        for (index, key) in keys.iter().enumerate() {
            terminal.press(key);
            terminal.pause(if index + 1 == keys.len() { 0.25 } else { 0.12 });
            frames.push((terminal.screen().clone(), if index + 1 == keys.len() { 0.25 } else { 0.12 }));
        }
        terminal.pause(*seconds);
        frames.push((terminal.screen().clone(), *seconds));
    }
    let label = "The darkroom console: jobs run, an image is shown, a job is inspected, failed jobs are filtered, costs are reported";
    std::fs::write(target, svg::animation(&frames, label)).expect("the animation is written");
    std::fs::write(cast, terminal.asciicast(SCREEN)).expect("the recording is written");
    println(&format!("{}\n{}", target.display(), cast.display()));
}

#[allow(clippy::print_stdout, reason = "reports what it has written")]
fn println(line: &str) {
    println!("{line}");
}

/// The program that was built beside this example.
fn built_program() -> PathBuf {
    let example = std::env::current_exe().expect("the path of this program");
    let folder = example.parent().and_then(Path::parent).expect("the folder of the build");
    let program = folder.join("darkroom").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: run `cargo build` with the same profile first", program.display());
    program
}
