//! `docs/reference.md` is generated from the code: commands and flags, settings, keys.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use darkroom::config::Key;
use darkroom::console::keymap::{BINDINGS, Group, InputContext, own_keys};

use crate::support::{TestEnv, text};

/// Set it to write the page instead of comparing it.
const UPDATE: &str = "DARKROOM_UPDATE_REFERENCE";

#[test]
fn reference_matches_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = format!("{HEAD}{}{}{}", commands(), settings(), keys());
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference.md is out of date: {UPDATE}=1 cargo test --test integration reference");
}

const HEAD: &str = "# Reference\n\nGenerated from the code by `tests/documentation/reference.rs`; do not edit.\n\n";

fn commands() -> String {
    let env = TestEnv::new();
    let mut page = "## Commands\n\n".to_owned();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = text(&env.command(&arguments).env("COLUMNS", "100").output().unwrap().stdout);
        let name = [&["darkroom".to_owned()][..], &path].concat().join(" ");
        writeln!(page, "### {name}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
        let mut below: Vec<_> = subcommands(&help).into_iter().map(|name| [&path[..], &[name]].concat()).collect();
        below.reverse();
        waiting.extend(below);
    }
    page
}

/// The commands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let entries = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = entries.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn settings() -> String {
    let mut page =
        "## Settings\n\n| key in `darkroom.toml` | variable | what it sets |\n| --- | --- | --- |\n".to_owned();
    for key in Key::ALL {
        let description = key.description().trim_end_matches('.');
        writeln!(page, "| `{}` | `{}` | {description} |", key.name(), key.variable()).unwrap();
    }
    page.push('\n');
    page
}

fn keys() -> String {
    let mut page = "## Keys of the console\n\nThe submit form has keys of its own, which it shows. \
                    The table `[keys]` of `darkroom.toml` gives actions other keys: `retry-all = [\"R\", \"f5\"]`.\n"
        .to_owned();
    for group in Group::ALL {
        write!(page, "\n### {}\n\n| key | action | name in `[keys]` |\n| --- | --- | --- |\n", group.title()).unwrap();
        // One key with one meaning in several places is several bindings.
        let mut rows = Vec::new();
        for binding in BINDINGS.iter().filter(|binding| binding.group == group) {
            let keys = binding.keys_shown(false).replace('|', "\\|");
            let row = format!("| `{keys}` | {} | `{}` |\n", binding.help, binding.action.id());
            if !rows.contains(&row) {
                page.push_str(&row);
                rows.push(row);
            }
        }
    }
    for (title, context) in [("Costs", InputContext::CostScreen), ("Budget", InputContext::BudgetScreen)] {
        write!(page, "\n### On the screen {title}\n\n| key | action |\n| --- | --- |\n").unwrap();
        for own in own_keys(context) {
            writeln!(page, "| `{}` | {} |", own.keys_shown(false), own.help).unwrap();
        }
    }
    page
}
