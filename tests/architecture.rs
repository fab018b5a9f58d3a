//! Who may know whom, and the few rules about source files that no other tool checks.
//!
//! It reads the paths that each file under `src/` names and fails, with the rule and the page to read, where an arrow runs the
//! wrong way. Tests inside a file (behind `#[cfg(test)]`) are free: they may use real adapters.

mod paths;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Source;

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let shown = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            Source::new(&shown, &fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_kept(check: fn(&Source) -> Vec<String>) {
    let sources = sources();
    assert!(sources.len() > 30, "the sources were not found: {}", sources.len());
    let broken: Vec<String> = sources.iter().flat_map(check).collect();
    assert!(broken.is_empty(), "\n\n{}\n", broken.join("\n\n"));
}

#[test]
fn every_arrow_runs_the_right_way() {
    assert_kept(rules::arrows);
}

#[test]
fn only_wiring_names_adapters() {
    assert_kept(rules::adapters);
}

#[test]
fn every_file_says_what_it_owns() {
    assert_kept(rules::opening);
}

#[test]
fn no_file_is_a_missing_module() {
    assert_kept(rules::length);
}

#[test]
fn nothing_panics_by_habit_or_is_left_half_done() {
    assert_kept(rules::leftovers);
}

#[test]
fn every_room_has_its_rule() {
    let unknown: Vec<String> = sources().iter().map(Source::room).filter(|room| !rules::knows(room)).collect();
    assert!(unknown.is_empty(), "give these a line in the table of tests/architecture/rules.rs: {unknown:?}");
}
