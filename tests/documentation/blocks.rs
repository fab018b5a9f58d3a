//! Every shell block of README.md and of the pages runs, or says why it cannot.

use std::path::Path;
#[cfg(unix)]
use std::process::{Command, Stdio};
#[cfg(unix)]
use std::time::{Duration, Instant};

use super::pages;

/// Languages of blocks that are not run.
const NOT_SHELL: [&str; 4] = ["text", "ini", "toml", "json"];

/// What stands before a block that is not run.
const REASON: &str = "<!-- not run: ";

struct Block {
    language: String,
    line: usize,
    before: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut before) = (Vec::new(), None, "");
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let (language, before) = (language.to_owned(), before.to_owned());
                open = Some(Block { language, line: number + 1, before, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
        before = line;
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn place(path: &Path, block: &Block) -> String {
    format!("{}:{}", path.display(), block.line)
}

#[test]
fn unrun_blocks_state_the_reason() {
    for (path, page) in pages() {
        for block in blocks(&page) {
            let place = place(&path, &block);
            match block.language.as_str() {
                "sh" => assert!(!block.before.starts_with(REASON), "{place} runs: remove the reason, or add ,ignore"),
                "sh,ignore" => {
                    let reason = block.before.strip_prefix(REASON).and_then(|rest| rest.strip_suffix(" -->"));
                    assert!(
                        reason.is_some_and(|reason| reason.len() > 8),
                        "{place}: no `{REASON}REASON -->` before it"
                    );
                }
                language => assert!(NOT_SHELL.contains(&language), "{place}: unknown language '{language}'"),
            }
        }
    }
}

#[test]
fn ini_blocks_are_valid_env_files() {
    let mut count = 0;
    for (path, page) in pages() {
        for block in blocks(&page).into_iter().filter(|block| block.language == "ini") {
            let env = crate::support::TestEnv::new();
            env.file(".env", &block.text);
            let output = env.run(&["config", "--json"]);
            let errors = crate::support::text(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "{}: {errors}", place(&path, &block));
            count += 1;
        }
    }
    assert!(count >= 3, "{count} blocks");
}

/// A block within a list or a quotation would be neither run nor marked.
#[test]
fn blocks_begin_at_the_margin() {
    for (path, page) in pages() {
        for (number, line) in page.lines().enumerate() {
            let fence = line.trim_start_matches([' ', '\t', '>']);
            let is_fence = fence.starts_with("```") || fence.starts_with("~~~");
            assert!(!is_fence || line.starts_with("```"), "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn toml_blocks_are_valid_configuration() {
    let mut count = 0;
    for (path, page) in pages() {
        for block in blocks(&page).into_iter().filter(|block| block.language == "toml") {
            let mut env = crate::support::TestEnv::new();
            let is_theme = block.text.contains("inherits");
            if is_theme {
                std::fs::create_dir(env.path("themes")).unwrap();
                env.file("themes/page.toml", &block.text);
                env.file("darkroom.toml", "theme = \"page\"\n");
            } else {
                env.file("darkroom.toml", &block.text);
            }
            env.set("BFL_API_KEY", "any");
            let output = env.run(&["config", "--json"]);
            let errors = crate::support::text(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "{}: {errors}", place(&path, &block));
            // Contexts are listed with what is wrong with them, such as a store that this program was built without.
            let is_whole = cfg!(all(feature = "firestore", feature = "gcs", feature = "temporal"));
            let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            for context in view["contexts"].as_array().unwrap().iter().filter(|_| is_whole) {
                assert!(context["problem"].is_null(), "{}: {context}", place(&path, &block));
            }
            if is_theme {
                let theme = darkroom::console::ThemeChoice::load("page", &[env.path("")]);
                assert!(theme.is_ok(), "{}: {theme:?}", place(&path, &block));
            }
            count += 1;
        }
    }
    assert!(count >= 4, "{count} blocks");
}

#[test]
fn json_blocks_are_valid() {
    for (path, page) in pages() {
        for block in blocks(&page).into_iter().filter(|block| block.language == "json") {
            let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
            assert!(parsed.is_ok(), "{}: {parsed:?}", place(&path, &block));
        }
    }
}

#[cfg(unix)]
#[test]
fn shell_blocks_run() {
    let mut count = 0;
    for (path, page) in pages() {
        let env = crate::support::TestEnv::new();
        let program = Path::new(env!("CARGO_BIN_EXE_darkroom"));
        let folders = [program.parent().unwrap().to_owned()];
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let search = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&inherited))).unwrap();
        for block in blocks(&page).into_iter().filter(|block| block.language == "sh") {
            let output = env.path("output");
            let file = std::fs::File::create(&output).unwrap();
            let mut shell = Command::new("sh")
                .args(["-euc", &block.text])
                .current_dir(env.path("home"))
                .env_clear()
                .env("PATH", &search)
                .envs(env.variables().iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .stdout(file.try_clone().unwrap())
                .stderr(file)
                .spawn()
                .unwrap();
            let deadline = Instant::now() + Duration::from_mins(3);
            let status = loop {
                if let Some(status) = shell.try_wait().unwrap() {
                    break Some(status);
                }
                if Instant::now() > deadline {
                    shell.kill().unwrap();
                    shell.wait().unwrap();
                    break None;
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            let printed = std::fs::read_to_string(&output).unwrap();
            assert!(status.is_some_and(|status| status.success()), "{}: {status:?}\n{printed}", place(&path, &block));
            count += 1;
        }
    }
    assert!(count >= 7, "{count} blocks ran");
}
