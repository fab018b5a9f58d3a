//! The filter of the queue: parsing, and whether a job matches.
//!
//! A filter is a list of terms separated by spaces; a job must match all of them. A plain term is searched in prompt, model,
//! tags and failure without regard to case and accents, and at the start of the id (anywhere in it, `7` would match every second job).
//! `status:failed`, `model:pro`, `tag:cat`, `error:moderated`, `id:02FS` match one field: status and id by prefix, the others
//! anywhere. `status:hidden` shows the hidden jobs. `-` before a term negates it. An unknown key is an error, not a word; quotes make it one: `"style:anime"`.

use crate::jobs::{Job, Outcome, Stage, StageName};
use crate::text::{self, fold_for_search};

/// The terms of a filter. No terms fit everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
    /// The first unknown key: such a filter matches nothing.
    unknown_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negated: bool,
    field: FilterField,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilterField {
    Anywhere,
    Status,
    Model,
    Tag,
    Error,
    Id,
}

/// The keys, and the field that each one matches.
const KEYS: [(&str, FilterField); 5] = [
    ("status", FilterField::Status),
    ("model", FilterField::Model),
    ("tag", FilterField::Tag),
    ("error", FilterField::Error),
    ("id", FilterField::Id),
];

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

impl Filter {
    /// Parses a filter. Every text is a filter, so that filtering works while it is typed.
    pub fn parse(text: &str) -> Self {
        let mut unknown_key = None;
        let terms = text.split_whitespace().filter_map(|word| {
            let (negated, word) = match word.strip_prefix('-') {
                Some("") | None => (false, word),
                Some(rest) => (true, rest),
            };
            let (field, text) = match word.split_once(':') {
                Some((key, rest)) if is_key(key) && !rest.starts_with("//") => {
                    let key = key.to_ascii_lowercase();
                    let Some((_, field)) = KEYS.iter().find(|(name, _)| *name == key) else {
                        unknown_key.get_or_insert(key);
                        return None;
                    };
                    (*field, rest)
                }
                _ => (FilterField::Anywhere, word.trim_matches('"')),
            };
            (!text.is_empty()).then(|| Term { negated, field, text: fold_for_search(text) })
        });
        let terms = terms.collect();
        Self { terms, unknown_key }
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.unknown_key.is_none()
    }

    /// What is wrong with the filter, in one line.
    pub fn problem(&self) -> Option<String> {
        let key = text::sanitize_line(self.unknown_key.as_ref()?, 20);
        let names = KEYS.map(|(name, _)| name);
        Some(match text::suggest(&key, names.into_iter()).first() {
            Some(meant) => format!("unknown key '{key}': did you mean '{meant}'?"),
            None => format!("unknown key '{key}': use {}", names.join(", ")),
        })
    }

    /// Whether every match of this filter also matches `wider`: then only the rows shown have to be checked again.
    pub fn narrows(&self, wider: &Self) -> bool {
        self.unknown_key.is_none()
            && wider.unknown_key.is_none()
            && self.wants_hidden() == wider.wants_hidden()
            && wider.terms.iter().all(|old| {
                self.terms.iter().any(|new| {
                    new == old
                        || (!new.negated
                            && !old.negated
                            && new.field == old.field
                            && if matches!(old.field, FilterField::Status | FilterField::Id | FilterField::Anywhere) {
                                new.text.starts_with(&old.text)
                            } else {
                                new.text.contains(&old.text)
                            })
                })
            })
    }

    /// Whether the filter asks for hidden jobs, which no other filter shows.
    pub fn wants_hidden(&self) -> bool {
        self.terms.iter().any(|term| !term.negated && term.field == FilterField::Status && term.text == "hidden")
    }

    /// The longest plain term: the store can search for text only.
    pub fn search(&self) -> Option<&str> {
        if self.unknown_key.is_some() {
            return None;
        }
        self.terms
            .iter()
            .filter(|word| {
                !word.negated
                    && matches!(
                        word.field,
                        FilterField::Anywhere | FilterField::Tag | FilterField::Id | FilterField::Model
                    )
            })
            .map(|word| word.text.as_str())
            .max_by_key(|text| text.len())
    }

    /// Whether the job matches. `haystack` is what `haystack` made of it.
    pub fn matches(&self, job: &Job, haystack: &str) -> bool {
        self.unknown_key.is_none() && self.terms.iter().all(|word| word.negated != word.is_in(job, haystack))
    }

    /// Whether an unreadable document matches, by its id and the reason in lower case.
    pub fn matches_unreadable(&self, haystack: &str) -> bool {
        self.unknown_key.is_none()
            && self.terms.iter().all(|word| {
                let found = match word.field {
                    FilterField::Status => "unreadable".starts_with(&word.text),
                    FilterField::Anywhere => is_in_haystack(haystack, &word.text),
                    FilterField::Id => haystack.starts_with(&word.text),
                    FilterField::Model | FilterField::Tag | FilterField::Error => false,
                };
                word.negated != found
            })
    }
}

impl Term {
    fn is_in(&self, job: &Job, haystack: &str) -> bool {
        match self.field {
            FilterField::Anywhere => is_in_haystack(haystack, &self.text),
            FilterField::Status => statuses(job).any(|status| status.starts_with(&self.text)),
            FilterField::Model => fold_for_search(&job.spec.model).contains(&self.text),
            FilterField::Tag => job.tags.iter().any(|tag| fold_for_search(tag).contains(&self.text)),
            FilterField::Error => {
                matches!(&job.stage, Stage::Failed { failure } if failure.code.as_str().contains(&self.text))
            }
            FilterField::Id => fold_for_search(job.id.as_str()).starts_with(&self.text),
        }
    }
}

/// The terms that `status:` knows a job by.
fn statuses(job: &Job) -> impl Iterator<Item = &'static str> {
    let stage = job.stage_name();
    let running = matches!(stage, StageName::Submitting | StageName::Generating);
    [
        Some(stage.as_str()),
        job.hold().map(|_| "held"),
        job.hidden.then_some("hidden"),
        running.then_some("running"),
        stage.is_active().then_some("active"),
    ]
    .into_iter()
    .flatten()
}

/// Whether a haystack contains a plain term: at the start of the id, or anywhere on the lines after it.
fn is_in_haystack(haystack: &str, word: &str) -> bool {
    haystack.starts_with(word) || haystack.split_once('\n').is_some_and(|(_, rest)| rest.contains(word))
}

/// The text of a job that plain terms are searched in, folded; the id first.
pub fn haystack(job: &Job) -> String {
    let mut text = String::with_capacity(job.spec.prompt.len() + 64);
    text.push_str(job.id.as_str());
    for part in
        [&job.spec.prompt, &job.spec.model].into_iter().map(String::as_str).chain(job.tags.iter().map(String::as_str))
    {
        text.push('\n');
        text.push_str(part);
    }
    if let Some(Outcome::Failed { failure }) = job.attempt().and_then(|attempt| attempt.outcome.as_ref()) {
        text.push('\n');
        text.push_str(failure.code.as_str());
        text.push('\n');
        text.push_str(&failure.message);
    }
    fold_for_search(&text)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::jobs::{BillingStatus, Failure, FailureCode, JobId, Spec};

    fn failed() -> Job {
        let mut job =
            Job::new(JobId::new("Abc1").unwrap(), Spec::new("flux-dev", "Glass FROG"), true, DateTime::UNIX_EPOCH);
        job.tags = vec!["Zoo".into()];
        let failure =
            Failure::new(FailureCode::ContentModerated, "withheld", BillingStatus::Unknown, DateTime::UNIX_EPOCH);
        job.reject(failure, DateTime::UNIX_EPOCH).unwrap();
        job
    }

    fn matches(filter: &str) -> bool {
        let job = failed();
        Filter::parse(filter).matches(&job, &haystack(&job))
    }

    #[test]
    fn filter_terms_match_their_field() {
        for filter in [
            "",
            "frog",
            "GLASS frog",
            "status:failed",
            "status:fa",
            "model:dev",
            "tag:zo",
            "error:moderated",
            "id:ab",
            "-whale",
            "-status:done",
            "withheld",
            "status:",
            "abc",
        ] {
            assert!(matches(filter), "{filter}");
        }
        for filter in
            ["whale", "frog whale", "status:done", "-frog", "status:running", "model:pro", "id:bc", "bc1", "status:zz"]
        {
            assert!(!matches(filter), "{filter}");
        }
    }

    #[test]
    fn filter_ignores_accents_and_composition() {
        let mut job = failed();
        job.spec.prompt = "a cafe\u{301} in the STRASSE".to_owned();
        for filter in ["café", "CAFE\u{301}", "cafe", "straße", "tag:ZÓO"] {
            assert!(Filter::parse(filter).matches(&job, &haystack(&job)), "{filter}");
        }
    }

    #[test]
    fn unknown_key_is_an_error_and_matches_nothing() {
        for filter in ["since:1h", "-since:1h", "frog Sinc:1"] {
            assert!(!matches(filter), "{filter}");
            assert_eq!(Filter::parse(filter).search(), None, "{filter}");
        }
        let problem = |text: &str| Filter::parse(text).problem().unwrap();
        assert_eq!(problem("since:1h"), "unknown key 'since': use status, model, tag, error, id");
        assert_eq!(problem("modle:pro"), "unknown key 'modle': did you mean 'model'?");
        for filter in ["16:9", "https://example.org", "\"style:anime\"", "STATUS:failed"] {
            assert_eq!(Filter::parse(filter).problem(), None, "{filter}");
        }
        assert!(matches("\"frog\""));
    }

    #[test]
    fn longer_filter_narrows_only_when_safe() {
        let narrows = |new: &str, old: &str| Filter::parse(new).narrows(&Filter::parse(old));
        assert!(narrows("frogs", "frog"));
        assert!(narrows("frog glass", "frog"));
        assert!(narrows("frog", ""));
        assert!(!narrows("fro", "frog"));
        assert!(!narrows("-frogs", "-frog"), "-frogs shows more than -frog");
        assert!(!narrows("frog", "-frog"));
        assert!(narrows("status:fa", "status:f"));
    }

    #[test]
    fn store_search_uses_the_longest_term() {
        assert_eq!(Filter::parse("a frog status:failed -whales").search(), Some("frog"));
        assert_eq!(Filter::parse("status:failed").search(), None);
    }
}
