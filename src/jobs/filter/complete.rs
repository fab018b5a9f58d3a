//! Suggestions while a filter is typed.

use super::parse::{Key, Token, tokens};
use super::{JobStatus, KEYS};
use crate::jobs::{FailureCode, Review};
use crate::text::fold_for_search;

/// Suggestions at once.
const MAX_COMPLETIONS: usize = 8;

/// Values that only the caller knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vocabulary<'a> {
    /// The models of the catalog.
    pub models: &'a [&'a str],
    /// Tags in use.
    pub tags: &'a [&'a str],
}

/// A text in place of what is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The whole text of the filter with the suggestion in place.
    pub text: String,
    /// The suggested term.
    pub shown: String,
}

/// How the last term of a text can go on, the likeliest first.
pub fn complete(text: &str, vocabulary: Vocabulary<'_>) -> Vec<Completion> {
    let token = tokens(text).pop().filter(|token| token.end == text.len());
    let start = token.as_ref().map_or(text.len(), |token| token.start);
    let suggestions = match &token {
        None => keys(""),
        Some(token) if token.is_open => Vec::new(),
        Some(token) => match &token.key {
            None => keys(token.value),
            Some((name, operator)) => values(token, name, operator, vocabulary),
        },
    };
    let sign = if token.is_some_and(|token| token.negated) { "-" } else { "" };
    suggestions
        .into_iter()
        .filter(|suggestion| text[start..] != format!("{sign}{suggestion}"))
        .take(MAX_COMPLETIONS)
        .map(|suggestion| {
            let shown = format!("{sign}{suggestion}");
            Completion { text: format!("{}{shown}", &text[..start]), shown }
        })
        .collect()
}

fn keys(begun: &str) -> Vec<String> {
    let begun = begun.to_ascii_lowercase();
    let names = KEYS.into_iter().filter(|name| name.starts_with(&begun));
    names
        .map(|name| match Key::of(name) {
            Some(Key::Cost | Key::Attempts) => format!("{name}>"),
            _ => format!("{name}:"),
        })
        .collect()
}

fn values(token: &Token<'_>, name: &str, operator: &str, vocabulary: Vocabulary<'_>) -> Vec<String> {
    let known: Vec<&str> = match Key::of(name) {
        Some(Key::Status) => JobStatus::ALL.into_iter().map(JobStatus::as_str).collect(),
        Some(Key::Review) => Review::ALL.into_iter().map(Review::as_str).collect(),
        Some(Key::Model) => vocabulary.models.to_vec(),
        Some(Key::Tag) => vocabulary.tags.to_vec(),
        Some(Key::Error) => FailureCode::ALL.into_iter().map(FailureCode::as_str).collect(),
        Some(Key::Since | Key::Before) => vec!["1h", "24h", "7d", "30d"],
        _ => Vec::new(),
    };
    // Only what follows the last comma is typed now.
    let (before, begun) = match token.value.rsplit_once(',') {
        Some((before, begun)) => (format!("{before},"), begun),
        None => (String::new(), token.value),
    };
    let begun = fold_for_search(begun.trim_matches('"'));
    let (first, then): (Vec<&str>, Vec<&str>) = known
        .into_iter()
        .filter(|value| fold_for_search(value).contains(&begun))
        .partition(|value| fold_for_search(value).starts_with(&begun));
    let written = |value: &str| {
        let quoted = value.contains(|character: char| character.is_whitespace() || character == ',');
        let value = if quoted { format!("\"{value}\"") } else { value.to_owned() };
        format!("{name}{operator}{before}{value}")
    };
    first.into_iter().chain(then).map(written).collect()
}
