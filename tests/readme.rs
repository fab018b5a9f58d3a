//! The commands, flags and variables that README.md names exist.

use std::collections::BTreeSet;

use crate::support::{TestEnv, text};

const README: &str = include_str!("../README.md");
const EXAMPLE: &str = include_str!("../.env.example");

/// Every command line of darkroom in the README: code spans, and lines of shell blocks without their comments.
fn command_lines() -> Vec<String> {
    let spans = README.split('`').skip(1).step_by(2).map(str::to_owned);
    let blocks = README.split("```").skip(1).step_by(2);
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
    assert!(output.status.success(), "README names {command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn commands_and_flags_of_the_readme_exist() {
    let env = TestEnv::new();
    let commands = command_lines();
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
                "README names {flag} in `{line}`, but `darkroom {} --help` does not",
                command.join(" ")
            );
        }
    }
}

#[test]
fn variables_of_the_readme_are_in_the_example() {
    let names: BTreeSet<&str> = README
        .split(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
        .filter(|word| word.starts_with("DARKROOM_") && word.len() > "DARKROOM_".len())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !EXAMPLE.contains(**name)).collect();
    assert!(missing.is_empty(), "add to .env.example: {missing:?}");
}
