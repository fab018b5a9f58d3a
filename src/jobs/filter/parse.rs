//! Parses a filter.

use std::ops::Range;

use chrono::{DateTime, Utc};

use super::{Comparison, Condition, Filter, JobStatus, Term};
use crate::costs::Usd;
use crate::jobs::Review;
use crate::text::{self, fold_for_search};
use crate::time::parse_time;

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// One line: what is wrong, then what to do.
    pub message: String,
    /// The bytes of the text that it is about.
    pub at: Range<usize>,
    /// Whether more typing may complete it: a key without a value, or an open quote, at the end.
    pub is_incomplete: bool,
}

/// What a key is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Status,
    Review,
    Model,
    Tag,
    Error,
    Id,
    Cost,
    Attempts,
    Since,
    Before,
}

/// The keys of the language, in the order of suggestions.
pub const KEYS: [&str; 10] = ["status", "model", "error", "tag", "cost", "since", "before", "review", "attempts", "id"];

impl Key {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "status" => Self::Status,
            "review" => Self::Review,
            "model" => Self::Model,
            "tag" => Self::Tag,
            "error" => Self::Error,
            "id" => Self::Id,
            "cost" => Self::Cost,
            "attempts" => Self::Attempts,
            "since" => Self::Since,
            "before" => Self::Before,
            _ => return None,
        })
    }

    fn takes_numbers(self) -> bool {
        matches!(self, Self::Cost | Self::Attempts)
    }
}

/// A term as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) negated: bool,
    /// The key in lower case, with its operator.
    pub(super) key: Option<(String, &'a str)>,
    /// The text after the key, quotes included.
    pub(super) value: &'a str,
    pub(super) is_open: bool,
}

impl Token<'_> {
    fn error(&self, message: String) -> FilterError {
        FilterError { message, at: self.start..self.end, is_incomplete: false }
    }

    fn incomplete(&self, message: String) -> FilterError {
        FilterError { is_incomplete: true, ..self.error(message) }
    }
}

/// Divides a text at its spaces; spaces between quotes belong to their term.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (index, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        }
        match start {
            Some(from) if character.is_whitespace() && !quoted => {
                tokens.push(token(text, from, index, false));
                start = None;
            }
            None if !character.is_whitespace() => start = Some(index),
            _ => {}
        }
    }
    if let Some(from) = start {
        tokens.push(token(text, from, text.len(), quoted));
    }
    tokens
}

fn token(text: &str, start: usize, end: usize, is_open: bool) -> Token<'_> {
    let written = &text[start..end];
    let (negated, rest) = match written.strip_prefix('-') {
        Some(rest) if !rest.is_empty() => (true, rest),
        _ => (false, written),
    };
    let letters = rest.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'_').count();
    let operator = [">=", "<=", ">", "<", "=", ":"].into_iter().find(|sign| rest[letters..].starts_with(sign));
    let key = operator
        .filter(|_| letters > 0 && !rest[letters..].starts_with("://"))
        .map(|operator| (rest[..letters].to_ascii_lowercase(), operator));
    let value = key.as_ref().map_or(rest, |(_, operator)| &rest[letters + operator.len()..]);
    Token { start, end, negated, key, value, is_open }
}

impl Filter {
    /// Parses a filter; ages count back from `now`. Errors: the first term that is wrong.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, FilterError> {
        let mut terms = Vec::new();
        for token in tokens(text) {
            if let Some(condition) = condition(&token, text, now)? {
                terms.push(Term { negated: token.negated, condition });
            }
        }
        Ok(Self { terms })
    }

    /// The same while the text is typed: a last term that more typing may complete is left out.
    pub fn parse_typed(text: &str, now: DateTime<Utc>) -> Result<Self, FilterError> {
        match Self::parse(text, now) {
            Err(error) if error.is_incomplete => Self::parse(&text[..error.at.start], now),
            parsed => parsed,
        }
    }
}

/// What a term requires; `None` for an empty one.
fn condition(token: &Token<'_>, text: &str, now: DateTime<Utc>) -> Result<Option<Condition>, FilterError> {
    let is_last = token.end == text.len();
    if token.is_open {
        return Err(token.incomplete("a quote is not closed: add \" at the end".to_owned()));
    }
    let Some((name, operator)) = &token.key else {
        let word = fold_for_search(&unquoted(token.value));
        return Ok((!word.is_empty()).then_some(Condition::Text(word)));
    };
    let key = Key::of(name).ok_or_else(|| token.error(unknown_key(name)))?;
    if !key.takes_numbers() && *operator != ":" && *operator != "=" {
        return Err(token.error(format!("'{name}{operator}' is not valid: use {name}:VALUE")));
    }
    let value = unquoted(token.value);
    if value.trim().is_empty() {
        let message = format!("'{name}' needs a value: {}", example(key));
        return Err(if is_last { token.incomplete(message) } else { token.error(message) });
    }
    let condition = match key {
        Key::Status => Condition::Status(statuses(token)?),
        Key::Review => Condition::Review(reviews(token)?),
        Key::Model => Condition::Model(values(token.value)),
        Key::Tag => Condition::Tag(values(token.value)),
        Key::Error => Condition::Error(values(token.value)),
        Key::Id => Condition::Id(values(token.value)),
        Key::Cost => Condition::Cost(comparison(operator), amount(token, &value)?),
        Key::Attempts => Condition::Attempts(comparison(operator), attempts(token, &value)?),
        Key::Since => Condition::Since(time(token, &value, now)?),
        Key::Before => Condition::Before(time(token, &value, now)?),
    };
    Ok(Some(condition))
}

fn unquoted(text: &str) -> String {
    text.chars().filter(|character| *character != '"').collect()
}

/// The folded alternatives: parts between commas, unless the whole is quoted.
fn values(written: &str) -> Vec<String> {
    let whole = unquoted(written);
    let parts: Vec<&str> = if written.starts_with('"') { vec![&whole] } else { whole.split(',').collect() };
    parts.into_iter().map(fold_for_search).filter(|part| !part.is_empty()).collect()
}

fn statuses(token: &Token<'_>) -> Result<Vec<JobStatus>, FilterError> {
    named(token, "status", &JobStatus::ALL, JobStatus::as_str)
}

fn reviews(token: &Token<'_>) -> Result<Vec<Review>, FilterError> {
    named(token, "review", &Review::ALL, Review::as_str)
}

/// The values that are named, in full or by their beginning.
fn named<T: Copy>(
    token: &Token<'_>,
    kind: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Vec<T>, FilterError> {
    let mut wanted = Vec::new();
    for value in values(token.value) {
        let whole = all.iter().copied().filter(|one| name(*one) == value);
        let begun = all.iter().copied().filter(|one| name(*one).starts_with(&value));
        let found: Vec<T> = if whole.clone().next().is_some() { whole.collect() } else { begun.collect() };
        if found.is_empty() {
            let shown = text::sanitize_line(&value, 20);
            let names: Vec<&str> = all.iter().copied().map(name).collect();
            if let Some(term) = same_name_of_other_key(kind, &value) {
                return Err(token.error(format!("unknown {kind} '{shown}': use {term}")));
            }
            return Err(token.error(match text::suggest(&value, names.iter().copied()).first() {
                Some(meant) => format!("unknown {kind} '{shown}': did you mean '{meant}'?"),
                None => format!("unknown {kind} '{shown}': use {}", names.join(", ")),
            }));
        }
        wanted.extend(found);
    }
    Ok(wanted)
}

/// The term for a word that the queue shows as a status, and that is a review.
fn same_name_of_other_key(kind: &str, value: &str) -> Option<String> {
    let review = Review::ALL.into_iter().map(Review::as_str).find(|name| name.starts_with(value))?;
    (kind == "status").then(|| format!("review:{review}"))
}

fn comparison(operator: &str) -> Comparison {
    match operator {
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">=" => Comparison::AtLeast,
        ">" => Comparison::More,
        _ => Comparison::Equal,
    }
}

fn amount(token: &Token<'_>, value: &str) -> Result<Usd, FilterError> {
    let digits = value.trim().trim_start_matches('$');
    digits.parse().map_err(|_| {
        let shown = text::sanitize_line(value, 20);
        token.error(format!("'{shown}' is not a valid amount in dollars: write for example cost>0.05"))
    })
}

fn attempts(token: &Token<'_>, value: &str) -> Result<u32, FilterError> {
    value.trim().parse().map_err(|_| {
        let shown = text::sanitize_line(value, 20);
        token.error(format!("'{shown}' is not a valid number of attempts: write for example attempts>1"))
    })
}

fn time(token: &Token<'_>, value: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, FilterError> {
    parse_time(value, now).map_err(|message| token.error(message))
}

fn example(key: Key) -> &'static str {
    match key {
        Key::Status => "write for example status:failed",
        Key::Review => "write for example review:rejected",
        Key::Model => "write for example model:flux-2-pro",
        Key::Tag => "write for example tag:cover",
        Key::Error => "write for example error:moderated",
        Key::Id => "write the beginning of the id",
        Key::Cost => "write for example cost>0.05",
        Key::Attempts => "write for example attempts>1",
        Key::Since => "write for example since:2h or since:2026-11-20",
        Key::Before => "write for example before:2d or before:2026-11-20",
    }
}

fn unknown_key(name: &str) -> String {
    let shown = text::sanitize_line(name, 20);
    match text::suggest(name, KEYS.into_iter()).first() {
        Some(meant) => format!("unknown key '{shown}': did you mean '{meant}'?"),
        None => format!("unknown key '{shown}': use {}, or quotes for a word", KEYS.join(", ")),
    }
}
