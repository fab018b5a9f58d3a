//! The commands, flags, variables and links of README.md and of the pages in `docs` exist.

mod blocks;
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{TestEnv, text};

const EXAMPLE: &str = include_str!("../.env.example");

/// README.md and the pages of the book, with their paths.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let book = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = book.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let paths = pages.chain([root.join("README.md"), root.join("CONTRIBUTING.md")]);
    let pages: Vec<_> = paths.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect();
    assert!(pages.len() > 8, "{} pages", pages.len());
    pages
}

/// Every command line of darkroom on a page: code spans, and lines of shell blocks without their comments.
fn command_lines(page: &str) -> Vec<String> {
    let spans = page.split('`').skip(1).step_by(2).map(str::to_owned);
    let blocks = page.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).flat_map(|line| {
        let code = line.split(" #").next().unwrap_or_default();
        code.split("&&").map(|command| command.trim().to_owned())
    });
    let is_command =
        |line: &String| line.strip_prefix("darkroom").is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    spans.chain(lines).map(|line| line.replace("\\|", "|")).filter(is_command).collect()
}

fn help(env: &TestEnv, command: &[&str]) -> String {
    let output = env.run(&[command, &["--help"]].concat());
    assert!(output.status.success(), "the documentation names {command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn documented_commands_and_flags_exist() {
    let env = TestEnv::new();
    let commands: Vec<_> = pages().iter().flat_map(|(_, page)| command_lines(page)).collect();
    assert!(commands.len() > 15, "{commands:?}");
    for line in commands {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let is_name = |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase());
        let mut command: Vec<&str> = words.iter().take_while(is_name).take(1).copied().collect();
        // `darkroom jobs [list|show]` names several commands, `darkroom costs rebuild` one below another.
        let nested: Vec<&str> = match words.get(1) {
            Some(word) if word.starts_with('[') && word.contains('|') => {
                word.trim_matches(['[', ']']).split('|').collect()
            }
            Some(word) if ["jobs", "costs", "budget"].contains(&words[0]) && is_name(&word) => vec![word],
            _ => Vec::new(),
        };
        for name in nested.iter().filter(|name| !name.starts_with('-')) {
            help(&env, &[words[0], name]);
        }
        if let [only] = nested[..] {
            command.push(only);
        }
        let help = help(&env, &command);
        for flag in
            words.iter().flat_map(|word| word.trim_matches(['[', ']']).split('|')).filter(|word| word.starts_with("--"))
        {
            let flag: String =
                flag.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '-').collect();
            assert!(
                help.contains(&flag),
                "the documentation names {flag} in `{line}`, but `darkroom {} --help` does not",
                command.join(" ")
            );
        }
    }
}

#[test]
fn documented_variables_are_in_the_example() {
    let pages = pages();
    let names: BTreeSet<&str> = pages
        .iter()
        // The page for contributors names variables of the tests.
        .filter(|(path, _)| !path.ends_with("CONTRIBUTING.md"))
        .flat_map(|(_, page)| page.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_'))
        .filter(|word| word.starts_with("DARKROOM_") && word.len() > "DARKROOM_".len())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !EXAMPLE.contains(**name)).collect();
    assert!(missing.is_empty(), "add to .env.example: {missing:?}");
}

/// The anchor that renderers give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut checked = 0;
    for (path, page) in pages() {
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: no file {link}", path.display());
            let is_in_book = path.parent().is_some_and(|folder| folder.ends_with("docs"));
            assert!(!is_in_book || !file.starts_with(".."), "{}: the book does not contain {link}", path.display());
            if !fragment.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let found = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == fragment);
                assert!(found, "{}: no heading for {link}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked} links");
}

/// Files that the pages name in code spans: `src/lib.rs`, `tests/simulation`, `assets/prices.toml`.
#[test]
fn documented_files_exist() {
    const FOLDERS: [&str; 8] = ["src/", "tests/", "assets/", "examples/", "packaging/", "benches/", "docs/", ".ci/"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crate_page = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let mut checked = 0;
    for (path, page) in pages().into_iter().chain([(root.join("src/lib.rs"), crate_page)]) {
        for span in page.split('`').skip(1).step_by(2) {
            let Some(name) = span.split_whitespace().next().filter(|name| FOLDERS.iter().any(|f| name.starts_with(f)))
            else {
                continue;
            };
            // A folder of tests may be named without its file.
            let found = root.join(name).exists() || root.join(format!("{name}.rs")).exists();
            // A package of the crate has no scripts of the repository.
            assert!(found || name.starts_with(".ci/"), "{}: no file {name}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} names");
}

#[test]
fn architecture_page_names_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let rooms: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(rooms.len() > 15, "{rooms:?}");
    for room in rooms {
        assert!(page.contains(&format!("`{room}`")), "docs/architecture.md does not name {room}");
        assert!(source.contains(&format!("[`{room}`]")), "the head of src/lib.rs does not name {room}");
    }
}

#[test]
fn tour_shows_every_screenshot() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tour = fs::read_to_string(root.join("docs/tour.md")).unwrap();
    let scenes = fs::read_to_string(root.join("examples/screenshots/main.rs")).unwrap();
    let names: Vec<&str> = scenes.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(tour.contains(&format!("(screens/{name}.svg)")), "docs/tour.md does not show {name}");
    }
}

#[test]
fn book_lists_every_page() {
    let pages = pages();
    let (_, summary) = pages.iter().find(|(path, _)| path.ends_with("docs/SUMMARY.md")).unwrap();
    for (path, _) in pages.iter().filter(|(path, _)| path.parent().unwrap().ends_with("docs")) {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "docs/SUMMARY.md does not list {name}");
    }
}

#[test]
fn readme_fits_150_lines() {
    let pages = pages();
    let (_, readme) = pages.iter().find(|(path, _)| path.ends_with("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "{} lines: move text to docs/", readme.lines().count());
}

#[test]
fn monitoring_files_name_existing_metrics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/telemetry/metrics/text.rs")).unwrap();
    let dashboard = fs::read_to_string(root.join("assets/monitoring/dashboard.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).expect("the dashboard is JSON");
    let alerts = fs::read_to_string(root.join("assets/monitoring/alerts.yml")).unwrap();
    let names: BTreeSet<&str> = [&dashboard, &alerts]
        .iter()
        .flat_map(|file| file.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_'))
        .filter(|word| word.starts_with("darkroom_"))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !source.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "no such metrics: {missing:?}");
}

#[test]
fn changelog_has_each_section_once() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md")).unwrap();
    for version in text.split("\n## ").skip(1) {
        let titles: Vec<&str> = version.lines().filter(|line| line.starts_with("### ")).collect();
        let unique: BTreeSet<&str> = titles.iter().copied().collect();
        assert_eq!(titles.len(), unique.len(), "{titles:?}");
    }
}
