//! The faults of one submit or ticket, read from its prompt or from the ledger, and when each one occurs.

use super::{FaultKind, FaultStage, InvalidFault, shown};

/// Faults with how often each strikes, in the order in which they were named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::simulator) struct FaultPlan(Vec<(FaultKind, u32)>);

/// Directives of one prompt that are read.
const MAX_DIRECTIVES: usize = 16;

impl FaultPlan {
    /// These.
    pub fn new(faults: impl Iterator<Item = (FaultKind, u32)>) -> Self {
        Self(faults.collect())
    }

    /// The directives in a prompt that has only valid ones.
    pub fn in_prompt(prompt: &str) -> Self {
        Self::new(directives(prompt).flatten().filter_map(read).take(MAX_DIRECTIVES))
    }

    /// Errors: the first directive of the prompt that names no fault, or has no valid form.
    pub fn check_prompt(prompt: &str) -> Result<(), InvalidFault> {
        for directive in directives(prompt) {
            let text = directive.map_err(|open| InvalidFault::Directive(shown(open)))?;
            let word = text.split_once('*').map_or(text, |(word, _)| word).trim();
            FaultKind::from_word(word).ok_or_else(|| InvalidFault::Kind(shown(word)))?;
            read(text).ok_or_else(|| InvalidFault::Directive(shown(text)))?;
        }
        Ok(())
    }

    /// As `to_text` wrote it.
    pub fn from_text(text: &str) -> Self {
        Self::new(text.split_whitespace().filter_map(read))
    }

    /// For the ledger: words with counts.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(kind, count)| format!("{}*{count}", kind.word())).collect::<Vec<_>>().join(" ")
    }

    /// These, then those, without what strikes instead of the reply to a submit.
    pub fn of_ticket(&self, others: &Self) -> Self {
        Self::new(self.0.iter().chain(&others.0).copied().filter(|(kind, _)| kind.stage() != FaultStage::Submit))
    }

    /// Which one strikes the event number `event` (from zero) at that place: each takes as many events as it counts.
    pub fn fault_at(&self, place: FaultStage, event: u32) -> Option<FaultKind> {
        let mut left = event;
        for (kind, count) in self.0.iter().filter(|(kind, _)| kind.stage() == place) {
            if left < *count {
                return Some(*kind);
            }
            left -= count;
        }
        None
    }

    /// Whether it is among them.
    pub fn has(&self, kind: FaultKind) -> bool {
        self.0.iter().any(|(other, count)| *other == kind && *count > 0)
    }

    /// The one that ends the ticket without an image, if one does.
    pub fn fatal(&self) -> Option<FaultKind> {
        self.0.iter().find(|(kind, count)| kind.is_fatal() && *count > 0).map(|(kind, _)| *kind)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What stands in the brackets of each directive. Errors: the rest of the prompt, where no bracket closes it.
fn directives(prompt: &str) -> impl Iterator<Item = Result<&str, &str>> {
    prompt.split("[sim:").skip(1).map(|rest| rest.split_once(']').map(|(text, _)| text).ok_or(rest))
}

/// `word` or `word*count`.
fn read(directive: &str) -> Option<(FaultKind, u32)> {
    let (word, count) = match directive.split_once('*') {
        Some((word, count)) => (word, Some(count.trim().parse().ok()?)),
        None => (directive, None),
    };
    let kind = FaultKind::from_word(word.trim())?;
    Some((kind, count.unwrap_or_else(|| kind.usual_count())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_unknown_ones_ignored() {
        let found =
            FaultPlan::in_prompt("a fox [sim:503*2] in [sim:Slow][sim:nonsense][sim:429*x] snow [sim:truncated");
        assert_eq!(found.to_text(), "503*2 slow*4294967295");
        assert_eq!(FaultPlan::from_text(&found.to_text()), found);
        assert!(FaultPlan::in_prompt("[sim:]] [sim [sim:*3] sim:lost").is_empty());
    }

    #[test]
    fn unknown_directives_are_errors() {
        for prompt in ["a fox", "[sim:503*2][sim: Slow ] [simple]", "[sim:lost]"] {
            assert_eq!(FaultPlan::check_prompt(prompt), Ok(()), "{prompt}");
        }
        for (prompt, part) in [
            ("a fox [sim:slow][sim:bogus]", "unknown fault 'bogus'; use one of: 429, "),
            ("[sim:*3]", "unknown fault ''"),
            ("[sim:429*x]", "'[sim:429*x]' is not a directive"),
            ("snow [sim:truncated", "'[sim:truncated]' is not a directive"),
        ] {
            let error = FaultPlan::check_prompt(prompt).unwrap_err().to_string();
            assert!(error.contains(part), "{prompt}: {error}");
        }
    }

    #[test]
    fn fault_count_limits_events() {
        let both = FaultPlan::in_prompt("[sim:poll-500*2][sim:moderated][sim:poll-503]");
        let strikes: Vec<Option<FaultKind>> = (0..4).map(|event| both.fault_at(FaultStage::Poll, event)).collect();
        let once = Some(FaultKind::Poll500);
        assert_eq!(strikes, [once, once, Some(FaultKind::Poll503), None]);
        assert_eq!(both.fatal(), Some(FaultKind::Moderated));
        assert_eq!(FaultPlan::in_prompt("[sim:moderated*0]").fatal(), None);
    }

    #[test]
    fn earlier_words_are_aliases() {
        let earlier = "[sim:lost][sim:dropped][sim:task-gone][sim:foreign][sim:foreign-sample][sim:broken]";
        let current = "[sim:reply-lost][sim:request-dropped][sim:task-not-found][sim:untrusted-host][sim:untrusted-sample][sim:corrupt]";
        assert_eq!(FaultPlan::in_prompt(earlier), FaultPlan::in_prompt(current));
        assert!(!FaultPlan::in_prompt(current).is_empty());
    }

    #[test]
    fn words_round_trip() {
        for kind in FaultKind::ALL {
            assert_eq!(read(kind.word()), Some((kind, kind.usual_count())));
        }
    }
}
