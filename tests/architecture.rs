//! Which module may name which: the floors of `src/lib.rs`, adapters that only `wiring` names, and no import circle, inside rooms too.
//!
//! Reads the paths in each file under `src/`. Code behind `#[cfg(test)]` is exempt: tests may use real adapters.

mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use modules::{Modules, Reference};

/// The rooms from the ground up. A room names only rooms on lower floors, and of those only the listed ones.
const FLOORS: &[&[(&str, &[&str])]] = &[
    &[("text", &[]), ("fs", &[]), ("shutdown_signal", &[])],
    &[("time", &["text"])],
    &[("costs", &["text", "time"])],
    &[("jobs", &["costs", "text", "time"])],
    &[("catalog", &["jobs", "costs", "text"])],
    &[("provider", DOMAIN), ("store", DOMAIN), ("bucket", DOMAIN)],
    &[("engine", &["provider", "store", "bucket", "jobs", "catalog", "costs", "text", "time", "fs"])],
    &[
        ("telemetry", &["engine", "jobs", "costs", "text", "time", "fs"]),
        ("simulator", DOMAIN),
        ("devstack", &["text", "time", "fs"]),
        ("transfer", &["store", "jobs", "catalog", "costs", "text", "time", "fs"]),
    ],
    &[("console", &["telemetry", "engine", "shutdown_signal", "jobs", "catalog", "costs", "text", "time", "fs"])],
    &[("config", &["console", "simulator", "bucket", "telemetry", "jobs", "catalog", "costs", "text", "time", "fs"])],
    &[("wiring", EVERY_ROOM_BELOW)],
    &[("cli", EVERY_ROOM_BELOW)],
    &[("main", &["cli"]), ("lib", EVERY_ROOM_BELOW)],
];

const DOMAIN: &[&str] = &["jobs", "catalog", "costs", "text", "time", "fs"];
const EVERY_ROOM_BELOW: &[&str] = &["*"];

/// Implementations of ports. Only `wiring` names them.
const ADAPTERS: &[(&str, &str)] =
    &[("provider", "bfl"), ("store", "sqlite"), ("store", "firestore"), ("bucket", "folder"), ("bucket", "gcs")];

/// Lines of code in one file, without comments, empty lines and tests.
const MAX_LINES: usize = 400;

static MODULES: LazyLock<Modules> = LazyLock::new(Modules::of_src);

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.iter().any(|(name, _)| *name == room))
}

fn may_name(room: &str, target: &str) -> bool {
    let allowed =
        FLOORS.iter().copied().flatten().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
    room == target || (floor(target) < floor(room) && (allowed.contains(&target) || allowed.contains(&"*")))
}

fn is_adapter(path: &[String], port: &str, adapter: &str) -> bool {
    path.len() >= 2 && path[0] == port && path[1] == adapter
}

/// References to rooms that the naming room may not name.
fn wrong_arrows(modules: &Modules) -> Vec<String> {
    let is_wrong = |reference: &&Reference| {
        let room = reference.room();
        reference.path.first().is_some_and(|target| floor(target).is_some() && !may_name(room, target))
    };
    modules.references.iter().filter(is_wrong).map(Reference::to_string).collect()
}

/// References to adapters from outside `wiring`, also through a re-export.
fn named_adapters(modules: &Modules) -> Vec<String> {
    let is_wrong = |reference: &&Reference| {
        reference.room() != "wiring"
            && ADAPTERS.iter().any(|(port, adapter)| {
                let names = is_adapter(&reference.path, port, adapter) || is_adapter(&reference.target, port, adapter);
                names && !is_adapter(&reference.from, port, adapter)
            })
    };
    modules.references.iter().filter(is_wrong).map(Reference::to_string).collect()
}

/// Groups of modules that reach each other. A module may use what its own parent defines: the parent is the interface of the room.
fn circles(modules: &Modules) -> Vec<BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for reference in modules.references.iter().filter(|reference| !reference.from.starts_with(&reference.target)) {
        arrows.entry(reference.from.join("::")).or_default().insert(reference.target.join("::"));
    }
    let reachable = |from: &String| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = waiting.pop() {
            waiting
                .extend(arrows.get(&module).into_iter().flatten().filter(|next| seen.insert((*next).clone())).cloned());
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        arrows.keys().map(|module| (module, reachable(module))).collect();
    let circle = |(module, reaches): (&&String, &BTreeSet<String>)| -> BTreeSet<String> {
        let returns = |other: &&String| reached.get(other).is_some_and(|back| back.contains(*module));
        reaches.iter().filter(returns).cloned().collect()
    };
    let circles: BTreeSet<BTreeSet<String>> = reached.iter().map(circle).filter(|circle| circle.len() > 1).collect();
    circles.into_iter().collect()
}

#[test]
fn rooms_name_only_lower_floors() {
    let wrong = wrong_arrows(&MODULES);
    assert!(wrong.is_empty(), "see \"Floors\" in src/lib.rs and FLOORS in this test:\n{}", wrong.join("\n"));
}

#[test]
fn only_wiring_names_adapters() {
    let wrong = named_adapters(&MODULES);
    assert!(wrong.is_empty(), "pass the port's trait instead:\n{}", wrong.join("\n"));
}

#[test]
fn modules_import_each_other_in_no_circle() {
    let found = circles(&MODULES);
    let shown = |circle: &BTreeSet<String>| {
        let inside = |reference: &&Reference| {
            !reference.from.starts_with(&reference.target)
                && circle.contains(&reference.from.join("::"))
                && circle.contains(&reference.target.join("::"))
        };
        MODULES.references.iter().filter(inside).map(Reference::to_string).collect::<Vec<_>>().join("\n")
    };
    let found: Vec<String> = found.iter().map(shown).collect();
    assert!(found.is_empty(), "move what both modules need into a third one:\n{}", found.join("\n\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<_> = MODULES.lines.iter().filter(|(_, lines)| **lines > MAX_LINES).collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines of code: find what the file is about, and split it: {long:?}");
}

#[test]
fn every_room_has_a_floor() {
    let rooms: BTreeSet<&str> = MODULES.references.iter().map(Reference::room).collect();
    assert!(rooms.len() > 10, "the sources were not found: {rooms:?}");
    let unknown: Vec<_> = rooms.into_iter().filter(|room| floor(room).is_none()).collect();
    assert!(unknown.is_empty(), "add to FLOORS: {unknown:?}");
}

/// The rules find what they forbid.
#[test]
fn rules_report_violations() {
    let found = |check: fn(&Modules) -> Vec<String>, files: &[(&str, &str)]| check(&Modules::new(files)).len();
    for (file, text) in [
        ("costs/money.rs", "use crate::jobs::Job;"),
        ("provider/bfl/mod.rs", "use crate::bucket::Bucket;"),
        ("store/sqlite/row.rs", "use super::super::super::engine::Event;"),
        ("bucket/folder.rs", "fn f() { g(&[crate::store::x()]) }"),
        ("engine/local.rs", "use crate::{jobs::Job, console::App};"),
        ("simulator/mod.rs", "use crate::provider::PreparedRequest;"),
        ("console/app.rs", "fn f() { vec![crate::store::x()] }"),
        ("main.rs", "use darkroom::engine::Event;"),
        ("config/mod.rs", "use crate::wiring; fn f() { wiring::x() }"),
    ] {
        assert!(found(wrong_arrows, &[(file, text)]) > 0, "{file}: {text}");
    }
    let tests = ("engine/tests.rs", "use crate::console::App;");
    for files in [
        &[("jobs/job.rs", "use crate::costs::Usd; // use crate::store::Store;\nconst S: &str = \"crate::store\";")][..],
        &[("engine/local.rs", "use crate::{jobs::Job, store::{Save, Store}}; pub(crate) fn f() {}")],
        &[("engine/mod.rs", "#[cfg(test)]\nmod tests { use crate::console::App; }\nuse crate::store::Store;")],
        &[("engine/mod.rs", "#[cfg(test)]\nmod tests;"), tests],
        &[("main.rs", "fn main() { darkroom::cli::main() }")],
    ] {
        assert_eq!(found(wrong_arrows, files), 0, "{files:?}");
    }
    for (file, text) in [
        ("engine/local.rs", "use crate::store::sqlite::SqliteStore;"),
        ("cli/jobs.rs", "let a = crate::bucket::folder::FolderBucket::open(p);"),
        ("store/sqlite/mod.rs", "use super::firestore::FirestoreStore;"),
        ("engine/port.rs", "use crate::store::SqliteStore;"),
    ] {
        let port = ("store/mod.rs", "pub mod sqlite;\npub use sqlite::SqliteStore;");
        let files = [port, ("store/sqlite/mod.rs", ""), ("bucket/folder.rs", ""), (file, text)];
        assert_eq!(found(named_adapters, &files), 1, "{file}: {text}");
    }
    let circles = |files: &[(&str, &str)]| circles(&Modules::new(files)).len();
    assert_eq!(
        circles(&[("a/mod.rs", "mod x;\nmod y;"), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::x::X;")]),
        1
    );
    // Behind the re-export `a::X` is `a::x::X`.
    assert_eq!(circles(&[("a/mod.rs", "mod x; pub use x::X; struct A;"), ("a/x.rs", "use super::A;")]), 0);
    let through =
        [("a/mod.rs", "mod x; mod y; pub use x::X;"), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use crate::a::X;")];
    assert_eq!(circles(&through), 1);
}
