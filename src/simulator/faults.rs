//! Faults on request: by a directive in a prompt, or by a probability.
//!
//! A directive stands anywhere in the prompt: `[sim:moderated]`. `*N` says how often: `[sim:503*2]` spoils the first two
//! submits of that model, prompt and seed and lets the third pass; counts are forgotten when the simulator restarts. Several
//! directives work together. A submit whose prompt has a word that is not in this table is answered 422. The flag `--fault WORD=PROBABILITY`
//! (`--fault moderated=0.1`, repeatable) does the same to a part of all submits: which ones depends only on `--fault-seed`, model,
//! prompt, seed, and how often the same was requested before, so that a run can be repeated.
//!
//! | word | what happens | how often | billed |
//! | --- | --- | --- | --- |
//! | `429` | the submit is answered 429 `too many active tasks` | once | no |
//! | `402` | the submit is answered 402 `Insufficient credits` | always | no |
//! | `403` | the submit is answered 403 `Not authenticated - Invalid Authentication` | always | no |
//! | `500` | the submit is answered 500 | always | no |
//! | `503` | the submit is answered 503 with `Retry-After: 1` | once | no |
//! | `reply-lost` | the submit is accepted, then the connection is closed without a reply | always | yes |
//! | `request-dropped` | the connection is closed without a reply and nothing was accepted | always | no |
//! | `moderated` | the ticket ends as `Request Moderated`, early | always | yes |
//! | `content-moderated` | the ticket ends as `Content Moderated` | always | yes |
//! | `error` | the ticket ends as `Error`, in a reply of status 200 | always | yes |
//! | `error-422` | the same in a reply of status 422 | always | yes |
//! | `error-503` | the same in a reply of status 503 | always | yes |
//! | `stuck` | the ticket stays `Pending`; it counts as unfinished for ten minutes (at speed 1) | always | yes |
//! | `slow` | the image takes ten times as long (under `instant`: one second) | always | yes |
//! | `task-not-found` | the ticket is answered `Task not found` | always | yes |
//! | `untrusted-host` | `polling_url` is on a foreign host; the API's own host answers for the task by its id | always | yes |
//! | `untrusted-sample` | the image's link is on a foreign host | always | yes |
//! | `poll-429` | a poll is answered 429 | once | yes |
//! | `poll-500` | a poll is answered 500 | once | yes |
//! | `poll-503` | a poll is answered 503 with `Retry-After: 1` | once | yes |
//! | `truncated` | the download breaks off in the middle | once | yes |
//! | `corrupt` | the download is whole by its length, but half an image | always | yes |
//! | `html` | the download is a web page with status 200 | always | yes |
//! | `expired` | the image's link has run out from the beginning | always | yes |
//!
//! Models that take no prompt take no directives either. "Billed" is the simulator's choice where the real API's is not documented (moderated and failed tickets); with
//! `BillAt::Ready` tickets that end without an image are not billed.

mod fault_plan;
mod kind;

use std::collections::BTreeMap;

use super::rng::SeededRng;
use crate::text::sanitize_line;

pub(super) use fault_plan::FaultPlan;
pub use kind::FaultKind;
pub(super) use kind::FaultStage;

/// A flag or a directive that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFault {
    /// Not of the form `WORD=PROBABILITY`.
    #[error("'{0}' is not of the form WORD=PROBABILITY, such as moderated=0.1")]
    Form(String),
    /// No such fault.
    #[error("unknown fault '{0}'; use one of: {words}", words = FaultKind::words().collect::<Vec<_>>().join(", "))]
    Kind(String),
    /// A directive without a closing bracket, or with an invalid count.
    #[error("'[sim:{0}]' is not a directive of the form [sim:WORD] or [sim:WORD*N]")]
    Directive(String),
    /// Not between 0 and 1.
    #[error("'{0}' is not a probability between 0 and 1")]
    Probability(String),
}

fn shown(text: &str) -> String {
    sanitize_line(text, 40)
}

/// What goes wrong by itself, and how often.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// The same seed spoils the same submits.
    pub seed: u64,
    probabilities: BTreeMap<FaultKind, f64>,
}

impl Faults {
    /// Reads one `--fault` flag: `moderated=0.1`.
    pub fn parse_flag(text: &str) -> Result<(FaultKind, f64), InvalidFault> {
        let (word, probability) = text.split_once('=').ok_or_else(|| InvalidFault::Form(shown(text)))?;
        let kind = FaultKind::from_word(word.trim()).ok_or_else(|| InvalidFault::Kind(shown(word)))?;
        match probability.trim().parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) => Ok((kind, number)),
            _ => Err(InvalidFault::Probability(shown(probability))),
        }
    }

    /// The same with one kind as likely as that (0 never, 1 always).
    #[must_use]
    pub fn with(mut self, kind: FaultKind, probability: f64) -> Self {
        self.probabilities.insert(kind, probability);
        self
    }

    /// Whether nothing goes wrong by itself.
    pub(super) fn is_empty(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// What the dice say for the submit of these words, when the same was requested `occurrence` times before.
    pub(super) fn draw(&self, words: u64, occurrence: u32) -> FaultPlan {
        let hit = |(kind, probability): (&FaultKind, &f64)| {
            let mut dice = SeededRng::new(&[
                b"fault",
                &self.seed.to_le_bytes(),
                kind.word().as_bytes(),
                &words.to_le_bytes(),
                &occurrence.to_le_bytes(),
            ]);
            (dice.unit() < *probability).then_some((*kind, kind.usual_count()))
        };
        FaultPlan::new(self.probabilities.iter().filter_map(hit))
    }
}

impl FromIterator<(FaultKind, f64)> for Faults {
    fn from_iter<I: IntoIterator<Item = (FaultKind, f64)>>(flags: I) -> Self {
        Self { seed: 0, probabilities: flags.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_flags_are_parsed() {
        assert_eq!(Faults::parse_flag("moderated=0.1"), Ok((FaultKind::Moderated, 0.1)));
        assert_eq!(Faults::parse_flag(" POLL_500 = 1 "), Ok((FaultKind::Poll500, 1.0)));
        for (flag, part) in [
            ("moderated", "WORD=PROBABILITY"),
            ("moderatd=1", "content-moderated"),
            ("lost=2", "'2' is not a probability"),
            ("lost=NaN", "probability"),
        ] {
            assert!(Faults::parse_flag(flag).unwrap_err().to_string().contains(part), "{flag}");
        }
    }

    #[test]
    fn same_seed_draws_same_faults() {
        let faults = Faults::default().with(FaultKind::Moderated, 0.25);
        let hits = |faults: &Faults| -> Vec<u64> {
            (0..2000).filter(|words| faults.draw(*words, 0).has(FaultKind::Moderated)).collect()
        };
        let drawn = hits(&faults);
        assert!((400..600).contains(&drawn.len()), "{} of 2000", drawn.len());
        assert_eq!(drawn, hits(&faults));
        assert_ne!(drawn, hits(&Faults { seed: 1, ..faults }));
    }

    #[test]
    fn doc_table_names_every_fault() {
        let page = include_str!("faults.rs");
        for word in FaultKind::words() {
            assert!(page.contains(&format!("//! | `{word}` |")), "{word}");
        }
    }
}
