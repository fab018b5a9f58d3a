//! `jobs list --search` on both stores.

use crate::support::TestEnv;

fn search_ignores_case_accents_and_composition(env: &TestEnv) {
    let path = format!("{}/tests/cases/submit/nfc-nfd.jsonl", env!("CARGO_MANIFEST_DIR"));
    env.json(&["submit", "--json", "--file", &path]);
    for (search, count) in [
        ("café", 2),
        ("cafe\u{301}", 2),
        ("CAFE", 2),
        ("été", 1),
        ("ÉTÉ", 1),
        ("strasse", 1),
        ("STRASSE", 1),
        ("straße", 1),
        ("istanbul", 1),
        ("İSTANBUL", 1),
        ("汉字", 1),
        ("A [B] (C", 1),
        ("汉子", 0),
    ] {
        let found = env.json(&["jobs", "list", "--json", "--search", search]);
        assert_eq!(found.as_array().unwrap().len(), count, "{search}: {found}");
    }
}

#[test]
fn search_ignores_accents_on_sqlite() {
    search_ignores_case_accents_and_composition(&TestEnv::new());
}

#[cfg(all(unix, feature = "firestore"))]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn search_ignores_accents_on_firestore() {
    search_ignores_case_accents_and_composition(&crate::import_export::env_with_firestore());
}
