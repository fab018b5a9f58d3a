//! Words that names, texts and comments avoid: metaphors and words for people that describe programs. CONTRIBUTING.md has the rules.

use std::fs;
use std::path::{Path, PathBuf};

/// A word or phrase, in lower case, and what to write instead. Parts of `snake_case` names count as words.
const AVOIDED: &[(&str, &str)] = &[
    ("told", "reported, sent"),
    ("tell", "report, show"),
    ("tells", "reports, shows"),
    ("heard", "received"),
    ("hear", "receive"),
    ("hears", "receives"),
    ("said", "reported, printed, returned"),
    ("obey", "handle"),
    ("obeys", "handles"),
    ("whoever", "the process that, a caller that"),
    ("whomever", "the process that"),
    ("somebody", "another process, another program, a user"),
    ("nobody", "no worker, no process, no user"),
    ("anybody", "any process, any user"),
    ("anew", "again"),
    ("mend", "fix, restore"),
    ("mends", "fixes, restores"),
    ("mended", "fixed, restored"),
    ("put off", "deferred"),
    ("puts off", "defers"),
    ("out of sight", "hidden"),
    ("stand beside", "are listed separately"),
    ("stands beside", "is listed separately"),
    ("as it likes", "optional"),
    ("it comes to", "results in"),
    ("is there", "exists, is available"),
    ("are there", "exist, are available"),
    ("is no time", "is not a valid time"),
    ("is no number", "is not a number"),
    ("picture", "image"),
    ("pictures", "images"),
    ("desk", "operator commands"),
    ("keeper", "supervisor, watchdog"),
    ("errand", "task"),
    ("wish", "request"),
    ("wishes", "requests"),
    ("stranger", "external program"),
    ("strangers", "external programs"),
];

/// Where a word of the list stays, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("src/console/overlays/costs/table.rs", "picture", CAUSE),
    ("src/console/overlays/costs/tests.rs", "picture", CAUSE),
    ("src/console/test_fixtures.rs", "picture", CAUSE),
    ("src/costs/grouping.rs", "picture", CAUSE),
    ("src/jobs/failure.rs", "picture", "the serialized error code `picture_broken`"),
    ("src/simulator/images/scene.rs", "picture", "part of the seed: every simulated image would change"),
    ("src/store/firestore/documents/decisions.rs", "picture", CAUSE),
    ("src/store/firestore/ledger/rollup.rs", "picture", CAUSE),
    ("src/wiring/mod.rs", "pictures", "the folder of existing installations"),
    ("tests/cli/worker.rs", "pictures", "the folder of existing installations"),
    ("tests/import_export/cases.rs", "said", "free text of a recorded row"),
    ("tests/cli/costs.rs", "picture", "the serialized error code `picture_broken`"),
    ("tests/console/fixtures.rs", "picture", CAUSE),
    ("tests/store_contract/money.rs", "picture", CAUSE),
    ("tests/store_contract/import.rs", "picture", CAUSE),
    ("tests/wording.rs", "", "the list itself"),
    ("tests/workflow/fault_table.rs", "picture", "the serialized error code `picture_broken`"),
];

const CAUSE: &str = "the serialized cause of a charge";

/// Longest name of a function in the tests.
const MAX_NAME: usize = 45;

/// Every file with text for people under the folders, by its path from the crate's root.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path
            .extension()
            .is_some_and(|extension| ["rs", "md", "toml", "py"].iter().any(|known| extension == *known))
        {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Whether the words occur in the line of lower case.
fn contains(line: &str, words: &str) -> bool {
    let is_boundary = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    line.match_indices(words).any(|(at, _)| {
        is_boundary(line[..at].chars().next_back()) && is_boundary(line[at + words.len()..].chars().next())
    })
}

#[test]
fn avoided_words_do_not_occur() {
    let mut found = Vec::new();
    for (file, text) in
        files(&["src", "tests", "benches", "README.md", "docs", "CONTRIBUTING.md", "Cargo.toml", "build.rs"])
    {
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for (words, instead) in AVOIDED.iter().filter(|(words, _)| contains(&line, words)) {
                let allowed =
                    ALLOWED.iter().any(|(place, word, _)| file == *place && (word.is_empty() || word == words));
                if !allowed {
                    found.push(format!("{file}:{}: \"{words}\", write: {instead}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn allowed_words_occur() {
    let files = files(&["src", "tests", "benches"]);
    for (place, word, reason) in ALLOWED {
        let file = files.iter().find(|(file, _)| file == place);
        assert!(file.is_some_and(|(_, text)| text.to_lowercase().contains(word)), "remove {place}, {word}: {reason}");
    }
}

#[test]
fn test_names_are_short() {
    let mut found = Vec::new();
    for (file, text) in files(&["src", "tests"]) {
        for (number, line) in text.lines().enumerate() {
            let name = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
            if name.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').count() > MAX_NAME {
                found.push(format!("{file}:{}: {name}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "over {MAX_NAME} characters:\n{}", found.join("\n"));
}

#[test]
fn avoided_words_are_found_as_words() {
    assert!(contains("nothing is told", "told") && contains("fn is_told()", "told") && contains("told", "told"));
    assert!(!contains("is untold", "told") && !contains("toldness", "told"));
    assert!(contains("what is there?", "is there") && !contains("this therefore", "is there"));
}
