//! The rules, as data where they can be, and what a broken one says.

use super::paths::{Named, named, without_comments_and_strings};

/// The page that explains each rule and what to do instead.
const PAGE: &str = "read \"Who may know whom\" in src/lib.rs";

/// Each room, the rooms that it may name, and why no others. A room may always name itself.
const ARROWS: &[(&str, &[&str], &str)] = &[
    ("costs", &[], "money is pure and knows nothing, not even what a job is"),
    ("jobs", &["costs"], "the domain is pure: no store, no provider, no screen"),
    ("provider", &["jobs", "costs"], "a port and its adapters know the domain and no other port"),
    ("store", &["jobs", "costs"], "a port and its adapters know the domain and no other port"),
    ("bucket", &["jobs", "costs"], "a port and its adapters know the domain and no other port"),
    ("engine", &["jobs", "costs", "provider", "store", "bucket"], "the engine knows ports, and nobody who calls it"),
    ("simulator", &["jobs", "costs"], "the simulator is a server of its own: whoever uses it speaks HTTP to it"),
    (
        "console",
        &["jobs", "costs", "engine", "logging", "shutdown_signal"],
        "the console hears events and sends commands, and does nothing else",
    ),
    ("metrics", &["jobs", "costs", "engine"], "metrics hear events and do nothing else"),
    ("servers", &["jobs"], "servers of this machine know nothing of what is kept in them"),
    ("logging", &[], "log lines know nothing of what they are about"),
    ("shutdown_signal", &[], "signals know nothing of what they end"),
    ("config", &["costs", "jobs", "logging"], "a configuration is plain data; wiring makes things of it"),
    ("wiring", &["*"], ""),
    (
        "cli",
        &[
            "wiring",
            "config",
            "engine",
            "console",
            "jobs",
            "costs",
            "store",
            "simulator",
            "logging",
            "metrics",
            "servers",
            "shutdown_signal",
        ],
        "commands get what they need from wiring",
    ),
    ("main", &["cli"], "the program is one call"),
    ("lib", &["*"], ""),
];

/// Implementations of ports. Only wiring names them, and each may name itself.
const ADAPTERS: &[(&str, &str)] =
    &[("provider", "bfl"), ("store", "sqlite"), ("store", "firestore"), ("bucket", "folder"), ("bucket", "gcs")];

/// Lines of code in one file, comments and empty lines not counted.
const MOST_LINES: usize = 400;

/// One file under `src/`.
pub struct Source {
    /// From `src/` on, with slashes.
    file: String,
    text: String,
    /// Without comments, strings and tests.
    code: String,
}

impl Source {
    pub fn new(file: &str, text: &str) -> Self {
        let clean = without_comments_and_strings(text);
        let only_tests = file.ends_with("/tests.rs") || file.contains("/tests/");
        let code = match clean.find("[cfg(test)]") {
            _ if only_tests => String::new(),
            Some(tests) => clean[..tests].to_owned(),
            None => clean,
        };
        Self { file: file.to_owned(), text: text.to_owned(), code }
    }

    /// The module that the file is, from the crate's root.
    fn module(&self) -> Vec<String> {
        let path = self.file.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        path.split('/').filter(|part| !matches!(*part, "lib" | "main")).map(str::to_owned).collect()
    }

    /// The top-level module, or `main` or `lib`.
    pub fn room(&self) -> String {
        self.module().into_iter().next().unwrap_or_else(|| self.file.trim_end_matches(".rs").to_owned())
    }

    fn named(&self) -> Vec<Named> {
        named(&self.code, &self.module())
    }

    fn broken(&self, line: usize, what: &str, rule: &str) -> String {
        format!("src/{}:{line}: {what}\n    rule: {rule}\n    {PAGE}", self.file)
    }
}

/// Whether the table has a line for the room.
pub fn knows(room: &str) -> bool {
    ARROWS.iter().any(|(name, ..)| *name == room)
}

/// The rooms that the file names and may not.
pub fn arrows(source: &Source) -> Vec<String> {
    let room = source.room();
    let Some((_, allowed, why)) = ARROWS.iter().find(|(name, ..)| *name == room) else { return Vec::new() };
    let wrong = source.named().into_iter().filter(|named| {
        named.path.first().is_some_and(|target| {
            knows(target) && *target != room && !allowed.contains(&target.as_str()) && !allowed.contains(&"*")
        })
    });
    wrong
        .map(|named| {
            let what = format!("`{room}` names `{}`", named.path.join("::"));
            let may = if allowed.is_empty() { "no other room".to_owned() } else { allowed.join(", ") };
            source.broken(named.line, &what, &format!("{why}; it may name: {may}"))
        })
        .collect()
}

/// The adapters that the file names and may not.
pub fn adapters(source: &Source) -> Vec<String> {
    let module = source.module();
    let is = |path: &[String], port: &str, adapter: &str| path.len() >= 2 && path[0] == port && path[1] == adapter;
    let mut broken = Vec::new();
    for (port, adapter) in ADAPTERS {
        if source.room() == "wiring" || is(&module, port, adapter) {
            continue;
        }
        for named in source.named().iter().filter(|named| is(&named.path, port, adapter)) {
            let what = format!("names the adapter `{}`", named.path.join("::"));
            let rule = "only wiring names adapters; everybody else is given the port's trait";
            broken.push(source.broken(named.line, &what, rule));
        }
        // A port that passes an adapter on under another name would open a side door: `pub use sqlite::SqliteStore`.
        let door = format!("use {adapter}::");
        let lines = source.code.lines().enumerate();
        for (line, _) in lines.filter(|(_, line)| module == [*port] && line.contains(&door)) {
            let rule = "a port declares its adapters with `pub mod` and re-exports nothing of them";
            broken.push(source.broken(line + 1, &format!("`{port}` passes on `{adapter}`"), rule));
        }
    }
    broken
}

/// A file that does not say what it owns.
pub fn opening(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let rule = "every file opens with `//!`: what it owns and what it must not do";
    vec![source.broken(1, "the file does not say what it is for", rule)]
}

/// A file with too much in it.
pub fn length(source: &Source) -> Vec<String> {
    let lines = source.code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines <= MOST_LINES {
        return Vec::new();
    }
    let rule =
        format!("a file over {MOST_LINES} lines of code is a missing module: find what it is about and move it out");
    vec![source.broken(1, &format!("{lines} lines of code"), &rule)]
}

/// What ends the program without saying why, or was left for later.
pub fn leftovers(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in source.code.lines().enumerate() {
        for word in [".unwrap()", "todo!(", "unimplemented!(", "dbg!("] {
            if line.contains(word) {
                let rule = "outside tests an error is handled or passed on, and nothing is left half done";
                broken.push(source.broken(number + 1, &format!("`{word}`"), rule));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(check: fn(&Source) -> Vec<String>, file: &str, text: &str) -> usize {
        check(&Source::new(file, text)).len()
    }

    #[test]
    fn a_wrong_arrow_is_seen_and_explained() {
        for (file, text) in [
            ("costs/money.rs", "use crate::jobs::Job;"),
            ("jobs/job.rs", "use crate::store::Store;"),
            ("provider/bfl/mod.rs", "use crate::bucket::Bucket;"),
            ("store/sqlite/row.rs", "use super::super::super::engine::Event;"),
            ("bucket/folder.rs", "fn f() { crate::store::x() }"),
            ("engine/local.rs", "use crate::{jobs::Job, console::App};"),
            ("simulator/mod.rs", "use crate::provider::PreparedRequest;"),
            ("console/app.rs", "use crate::store::Counts;"),
            ("config/mod.rs", "use crate::wiring::Wiring;"),
            ("logging.rs", "use crate::jobs::Job;"),
            ("cli/mod.rs", "use crate::provider::Provider;"),
            ("main.rs", "use darkroom::engine::Event;"),
        ] {
            assert_eq!(broken(arrows, file, text), 1, "{file}: {text}");
        }
        let said = arrows(&Source::new("jobs/job.rs", "//! A job.\nuse crate::store::Store;")).remove(0);
        assert!(said.contains("src/jobs/job.rs:2") && said.contains("`store::Store`"), "{said}");
        assert!(said.contains("it may name: costs") && said.contains("src/lib.rs"), "{said}");
    }

    #[test]
    fn a_right_arrow_is_left_alone() {
        for (file, text) in [
            ("jobs/job.rs", "use crate::costs::Usd; use super::Attempt; // use crate::store::Store;"),
            ("engine/local.rs", "use crate::{jobs::Job, store::{Save, Store}, bucket::Bucket, provider::Provider};"),
            ("wiring.rs", "use crate::store::sqlite::SqliteStore;"),
            ("store/sqlite/page.rs", "use super::super::StoreError; use super::row::Row; use crate::jobs::Job;"),
            (
                "engine/mod.rs",
                "use crate::store::Store;\n#[cfg(test)]\nmod tests { use crate::store::sqlite::SqliteStore; }",
            ),
            ("engine/tests.rs", "use crate::store::sqlite::SqliteStore;"),
            ("main.rs", "fn main() { darkroom::cli::main() }"),
        ] {
            assert_eq!(broken(arrows, file, text) + broken(adapters, file, text), 0, "{file}: {text}");
        }
    }

    #[test]
    fn a_named_adapter_is_seen() {
        for (file, text) in [
            ("engine/local.rs", "use crate::store::sqlite::SqliteStore;"),
            ("engine/local.rs", "use crate::provider::{Look, bfl::Client};"),
            ("cli/jobs.rs", "let a = crate::bucket::folder::FolderBucket::open(p);"),
            ("store/sqlite/mod.rs", "use super::firestore::FirestoreStore;"),
            ("store/query.rs", "use super::sqlite::SqliteStore;"),
            ("store/mod.rs", "pub mod sqlite;\npub use sqlite::SqliteStore;"),
        ] {
            assert_eq!(broken(adapters, file, text), 1, "{file}: {text}");
        }
    }

    #[test]
    fn the_rules_about_files_can_be_broken() {
        assert_eq!(broken(opening, "a.rs", "use std::fs;"), 1);
        assert_eq!(broken(opening, "a.rs", "//! Owns a."), 0);
        let long = "let a = 1;\n".repeat(MOST_LINES + 1);
        assert_eq!(broken(length, "a.rs", &long), 1);
        assert_eq!(broken(length, "a.rs", &format!("{}#[cfg(test)]\n{long}", "// comment\n\n".repeat(500))), 0);
        assert_eq!(broken(leftovers, "a.rs", "let a = b.unwrap();\ntodo!()"), 2);
        assert_eq!(broken(leftovers, "a.rs", "// b.unwrap()\nlet s = \"todo!(\";\n#[cfg(test)]\nb.unwrap()"), 0);
    }
}
