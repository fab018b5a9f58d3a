//! Finds the paths that a source file names. Reads Rust well enough for that, and no better.

/// Replaces comments and the contents of strings by spaces; lines stay where they are.
pub fn without_comments_and_strings(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let mut clean = String::with_capacity(code.len());
    let mut place = 0;
    while place < letters.len() {
        let end = match letters[place] {
            '/' if letters.get(place + 1) == Some(&'/') => line_end(&letters, place),
            '/' if letters.get(place + 1) == Some(&'*') => block_end(&letters, place),
            '"' => string_end(&letters, place + 1),
            'r' | 'b' | 'c' if !continues_a_word(&letters, place) => raw_string_end(&letters, place),
            '\'' => character_end(&letters, place),
            _ => place,
        };
        if end == place {
            clean.push(letters[place]);
            place += 1;
        } else {
            clean.extend(letters[place..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
            place = end;
        }
    }
    clean
}

fn line_end(letters: &[char], from: usize) -> usize {
    (from..letters.len()).find(|place| letters[*place] == '\n').unwrap_or(letters.len())
}

fn block_end(letters: &[char], from: usize) -> usize {
    let (mut place, mut depth) = (from, 0);
    while place + 1 < letters.len() {
        match (letters[place], letters[place + 1]) {
            ('/', '*') => (depth, place) = (depth + 1, place + 2),
            ('*', '/') if depth == 1 => return place + 2,
            ('*', '/') => (depth, place) = (depth - 1, place + 2),
            _ => place += 1,
        }
    }
    letters.len()
}

/// Behind the closing quote of a string whose contents begin at `from`.
fn string_end(letters: &[char], from: usize) -> usize {
    let mut place = from;
    while place < letters.len() {
        match letters[place] {
            '\\' => place += 2,
            '"' => return place + 1,
            _ => place += 1,
        }
    }
    letters.len()
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`; `from` where none begins there.
fn raw_string_end(letters: &[char], from: usize) -> usize {
    let mut place = from;
    if matches!(letters[place], 'b' | 'c') {
        place += 1;
    }
    if letters.get(place) != Some(&'r') {
        return from;
    }
    let hashes = letters[place + 1..].iter().take_while(|letter| **letter == '#').count();
    if letters.get(place + 1 + hashes) != Some(&'"') {
        return from;
    }
    let closes = |at: &usize| {
        letters[*at] == '"' && letters[at + 1..].iter().take(hashes).filter(|letter| **letter == '#').count() == hashes
    };
    (place + 2 + hashes..letters.len()).find(closes).map_or(letters.len(), |at| at + 1 + hashes)
}

/// The end of `'x'` or `'\n'`; `from` where it is a lifetime.
fn character_end(letters: &[char], from: usize) -> usize {
    match (letters.get(from + 1), letters.get(from + 2)) {
        (Some('\\'), _) => (from + 3..letters.len()).find(|at| letters[*at] == '\'').map_or(letters.len(), |at| at + 1),
        (Some(_), Some('\'')) => from + 3,
        _ => from,
    }
}

fn continues_a_word(letters: &[char], place: usize) -> bool {
    place > 0 && is_word(letters[place - 1])
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A path from the crate's root, and the line it stands in, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
}

/// All paths of `code` that begin with `crate`, the crate's own name, `self` or `super`, seen from the module `here`. Groups in
/// braces are taken apart. `code` has no comments and strings any more.
pub fn named(code: &str, here: &[String]) -> Vec<Named> {
    let letters: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut place = 0;
    while place < letters.len() {
        let starts = is_word(letters[place]) && !continues_a_word(&letters, place);
        if !starts {
            place += 1;
            continue;
        }
        let begin = place;
        let word = word_at(&letters, &mut place);
        let follows = letters[..begin].ends_with(&[':', ':']);
        let mut root = match word.as_str() {
            "crate" | "darkroom" => Vec::new(),
            "self" => here.to_vec(),
            "super" => here[..here.len().saturating_sub(1)].to_vec(),
            _ => continue,
        };
        if follows || !skip_colons(&letters, &mut place) {
            continue;
        }
        while letters[place..].starts_with(&['s', 'u', 'p', 'e', 'r']) {
            let mut after = place + 5;
            if !skip_colons(&letters, &mut after) {
                break;
            }
            root.pop();
            place = after;
        }
        let line = 1 + letters[..begin].iter().filter(|letter| **letter == '\n').count();
        let mut paths = Vec::new();
        tree(&letters, &mut place, &root, &mut paths);
        found.extend(paths.into_iter().map(|path| Named { path, line }));
    }
    found
}

/// Reads `a::b`, `a::{b, c::d}`, `*` behind a prefix.
fn tree(letters: &[char], place: &mut usize, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    skip_space(letters, place);
    if letters.get(*place) == Some(&'{') {
        *place += 1;
        loop {
            skip_space(letters, place);
            match letters.get(*place) {
                None => return,
                Some('}') => {
                    *place += 1;
                    return;
                }
                Some(',') => *place += 1,
                Some(_) => {
                    let before = *place;
                    tree(letters, place, prefix, paths);
                    skip_alias(letters, place);
                    if *place == before {
                        *place += 1;
                    }
                }
            }
        }
    }
    let word = word_at(letters, place);
    let mut path = prefix.to_vec();
    if word.is_empty() || word == "self" {
        paths.push(path);
        return;
    }
    path.push(word);
    if skip_colons(letters, place) { tree(letters, place, &path, paths) } else { paths.push(path) }
}

fn word_at(letters: &[char], place: &mut usize) -> String {
    let word: String = letters[*place..].iter().take_while(|letter| is_word(**letter)).collect();
    *place += word.chars().count();
    word
}

fn skip_space(letters: &[char], place: &mut usize) {
    while letters.get(*place).is_some_and(|letter| letter.is_whitespace()) {
        *place += 1;
    }
}

fn skip_alias(letters: &[char], place: &mut usize) {
    while letters.get(*place).is_some_and(|letter| !matches!(letter, ',' | '}')) {
        *place += 1;
    }
}

fn skip_colons(letters: &[char], place: &mut usize) -> bool {
    let mut after = *place;
    skip_space(letters, &mut after);
    if !letters[after.min(letters.len())..].starts_with(&[':', ':']) {
        return false;
    }
    after += 2;
    skip_space(letters, &mut after);
    *place = after;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str, here: &str) -> Vec<String> {
        let here: Vec<String> = here.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        named(&without_comments_and_strings(code), &here).iter().map(|named| named.path.join("::")).collect()
    }

    #[test]
    fn every_way_of_naming_is_found() {
        for (code, expected) in [
            ("use crate::jobs::Job;", vec!["jobs::Job"]),
            ("use crate::{costs::Usd, jobs::{Job as J, text::{self}}};", vec!["costs::Usd", "jobs::Job", "jobs::text"]),
            ("use crate :: {\n  store::*,\n};", vec!["store"]),
            ("let a = crate::store::sqlite::SqliteStore::open(p);", vec!["store::sqlite::SqliteStore::open"]),
            ("fn f(a: crate::a::B<crate::c::D>) {}", vec!["a::B", "c::D"]),
            ("use super::super::provider::Look;", vec!["provider::Look"]),
            ("use super::row::Row; use self::x::Y;", vec!["store::row::Row", "store::sqlite::x::Y"]),
            ("pub(crate) use darkroom::cli::run;", vec!["cli::run"]),
            ("impl<'a> X<'a> { const C: char = '\"'; } use crate::a::B;", vec!["a::B"]),
        ] {
            assert_eq!(paths(code, "store::sqlite"), expected, "{code}");
        }
    }

    #[test]
    fn words_that_only_look_like_paths_are_not() {
        for code in [
            "// use crate::a::B;",
            "/// See [`crate::a::B`].",
            "/* crate::a /* nested */ crate::b */",
            r##"let s = "crate::a::B \" crate::b"; let r = r#"crate::c " "#;"##,
            "pub(crate) fn a() {}",
            "let mycrate = other::crate_name::x;",
            "fn a(&self) { self.b }",
        ] {
            assert!(paths(code, "jobs").is_empty(), "{code}: {:?}", paths(code, "jobs"));
        }
    }

    #[test]
    fn the_line_is_the_line_in_the_file() {
        let code = "//! a\n\n/* b\n */ use crate::a::B;\n";
        let found = named(&without_comments_and_strings(code), &[]);
        assert_eq!((found.len(), found[0].line), (1, 4));
    }
}
