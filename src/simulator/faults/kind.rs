//! The kinds of faults: their directives, where they occur, and how often unless a count is given.

/// What can go wrong. The table is in the documentation of the module `faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// `429`
    TooMany,
    /// `402`
    NoCredits,
    /// `403`
    BadKey,
    /// `500`
    ServerError,
    /// `503`
    Unavailable,
    /// `reply-lost`
    ReplyLost,
    /// `request-dropped`
    RequestDropped,
    /// `moderated`
    Moderated,
    /// `content-moderated`
    ContentModerated,
    /// `error`
    Error,
    /// `error-422`
    Error422,
    /// `error-503`
    Error503,
    /// `stuck`
    Stuck,
    /// `slow`
    Slow,
    /// `task-not-found`
    TaskNotFound,
    /// `untrusted-host`
    UntrustedHost,
    /// `untrusted-sample`
    UntrustedSample,
    /// `poll-429`
    Poll429,
    /// `poll-500`
    Poll500,
    /// `poll-503`
    Poll503,
    /// `truncated`
    Truncated,
    /// `corrupt`
    Corrupt,
    /// `html`
    Html,
    /// `expired`
    Expired,
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum FaultStage {
    /// Instead of the reply to a submit.
    Submit,
    /// The ticket's whole life.
    Ticket,
    /// One poll of the ticket.
    Poll,
    /// One download.
    Delivery,
}

impl FaultKind {
    /// All of them, in the order of precedence.
    pub const ALL: [Self; 24] = [
        Self::TooMany,
        Self::NoCredits,
        Self::BadKey,
        Self::ServerError,
        Self::Unavailable,
        Self::ReplyLost,
        Self::RequestDropped,
        Self::Moderated,
        Self::ContentModerated,
        Self::Error,
        Self::Error422,
        Self::Error503,
        Self::Stuck,
        Self::Slow,
        Self::TaskNotFound,
        Self::UntrustedHost,
        Self::UntrustedSample,
        Self::Poll429,
        Self::Poll500,
        Self::Poll503,
        Self::Truncated,
        Self::Corrupt,
        Self::Html,
        Self::Expired,
    ];

    /// The word in directives and flags.
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::word)
    }

    /// The kind of that word or of its earlier name; case and `_` for `-` do not matter.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase().replace('_', "-");
        let current = match word.as_str() {
            "lost" => "reply-lost",
            "dropped" => "request-dropped",
            "task-gone" => "task-not-found",
            "foreign" => "untrusted-host",
            "foreign-sample" => "untrusted-sample",
            "broken" => "corrupt",
            word => word,
        };
        Self::ALL.into_iter().find(|kind| kind.word() == current)
    }

    pub(in crate::simulator) fn stage(self) -> FaultStage {
        self.row().1
    }

    /// How often it strikes unless a count is given: troubles that pass strike once, so that a retry succeeds.
    pub(in crate::simulator) fn usual_count(self) -> u32 {
        if self.row().2 { 1 } else { u32::MAX }
    }

    /// Whether the ticket ends without an image.
    pub(in crate::simulator) fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::Moderated
                | Self::ContentModerated
                | Self::Error
                | Self::Error422
                | Self::Error503
                | Self::Stuck
                | Self::TaskNotFound
        )
    }

    /// Word, place, whether it passes.
    fn row(self) -> (&'static str, FaultStage, bool) {
        use FaultStage::{Delivery, Poll, Submit, Ticket};
        match self {
            Self::TooMany => ("429", Submit, true),
            Self::NoCredits => ("402", Submit, false),
            Self::BadKey => ("403", Submit, false),
            Self::ServerError => ("500", Submit, false),
            Self::Unavailable => ("503", Submit, true),
            Self::ReplyLost => ("reply-lost", Submit, false),
            Self::RequestDropped => ("request-dropped", Submit, false),
            Self::Moderated => ("moderated", Ticket, false),
            Self::ContentModerated => ("content-moderated", Ticket, false),
            Self::Error => ("error", Ticket, false),
            Self::Error422 => ("error-422", Ticket, false),
            Self::Error503 => ("error-503", Ticket, false),
            Self::Stuck => ("stuck", Ticket, false),
            Self::Slow => ("slow", Ticket, false),
            Self::TaskNotFound => ("task-not-found", Ticket, false),
            Self::UntrustedHost => ("untrusted-host", Ticket, false),
            Self::UntrustedSample => ("untrusted-sample", Ticket, false),
            Self::Poll429 => ("poll-429", Poll, true),
            Self::Poll500 => ("poll-500", Poll, true),
            Self::Poll503 => ("poll-503", Poll, true),
            Self::Truncated => ("truncated", Delivery, true),
            Self::Corrupt => ("corrupt", Delivery, false),
            Self::Html => ("html", Delivery, false),
            Self::Expired => ("expired", Ticket, false),
        }
    }
}
