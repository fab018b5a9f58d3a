//! The names of the actions: one for people, one for `darkroom.toml`.

use super::{Action, Binding};

/// Characters of the longest title.
pub const MAX_TITLE: usize = 18;

impl Action {
    /// A short name, verb first. `None` where the help of its binding is short enough.
    pub fn title(self) -> Option<&'static str> {
        Some(match self {
            Self::New => "New job",
            Self::Open => "Open job",
            Self::Retry => "Retry",
            Self::RetryAll => "Retry failed jobs",
            Self::RetryRecent => "Retry last hour",
            Self::Clone => "Clone",
            Self::Cancel => "Cancel",
            Self::Approve => "Approve",
            Self::Reject => "Reject",
            Self::Hide => "Hide or show",
            Self::Tag => "Tag",
            Self::Mark => "Mark",
            Self::MarkRange => "Mark a range",
            Self::MarkAll => "Mark all matching",
            Self::Filter => "Filter",
            Self::SortMenu => "Sort",
            Self::ColumnMenu => "Columns",
            Self::FollowNewest => "Follow first row",
            Self::Gallery => "Gallery",
            Self::Compare => "Compare marked",
            Self::NewSeed => "New seed",
            Self::NewSeeds => "New seeds",
            Self::Contexts => "Switch context",
            Self::Views => "Show a view",
            Self::FullImage => "Full-screen image",
            Self::ShowImages => "Show images",
            Self::OpenImage => "Open in viewer",
            Self::CopyUrl => "Copy image URL",
            Self::SaveImage => "Save image",
            Self::OlderAttempt => "Older attempt",
            Self::NewerAttempt => "Newer attempt",
            Self::CostScreen => "Costs",
            Self::BudgetScreen => "Budget",
            Self::LogScreen => "Logs",
            Self::BulkScreen => "Bulk actions",
            Self::BulkPause => "Pause or resume",
            Self::BulkStop => "Stop",
            Self::BulkUndo => "Undo it",
            Self::LogFollow => "Follow or pause",
            Self::LogLevel => "Log level",
            Self::LogScope => "This job or all",
            Self::LogSearch => "Search",
            Self::LogText => "Filter by text",
            Self::LogOlderMatch => "Older match",
            Self::LogNewerMatch => "Newer match",
            Self::LogProcess => "Choose process",
            Self::Document => "Stored document",
            Self::NextStep => "Next step",
            Self::PreviousStep => "Previous step",
            Self::QuitWhenDone => "Quit when done",
            Self::Pause => "Pause all workers",
            Self::PauseHere => "Pause this process",
            Self::MoreSlots => "One slot more",
            Self::FewerSlots => "One slot fewer",
            Self::Undo => "Undo",
            Self::Palette => "Find an action",
            Self::Help => "Help",
            Self::ToggleMouse => "Mouse on or off",
            Self::Redraw => "Redraw",
            Self::Suspend => "Suspend",
            Self::Quit => "Quit",
            Self::Back => "Back",
            Self::Accept => "Accept",
            Self::Complete => "Complete",
            Self::Up => "Up",
            Self::Down => "Down",
            Self::Left => "Previous image",
            Self::Right => "Next image",
            Self::PageUp => "Page up",
            Self::PageDown => "Page down",
            Self::Top => "First row",
            Self::Bottom => "Last row",
            Self::NextPane => "Next pane",
            Self::PreviousPane => "Previous pane",
            Self::Pane(_) => return None,
        })
    }

    /// Other words for it, by which the palette finds it too.
    pub fn search_words(self) -> &'static str {
        match self {
            Self::New => "submit request create preset presets prompt matrix",
            Self::Clone => "edit copy",
            Self::Retry | Self::RetryAll => "again failed repeat",
            Self::Cancel => "abort stop",
            Self::Approve => "accept review",
            Self::Reject => "review decline",
            Self::Hide => "delete remove archive",
            Self::Tag => "label labels tags",
            Self::Filter => "search find",
            Self::Views => "view views saved filters",
            Self::Contexts => "context contexts project environment config",
            Self::SortMenu => "order",
            Self::ColumnMenu => "fields",
            Self::CostScreen => "money spending spend price",
            Self::BudgetScreen => "caps cap limit uncertain unknown charges charge",
            Self::BulkScreen => "many progress",
            Self::SaveImage => "download export",
            Self::NewSeeds | Self::NewSeed => "variations again",
            Self::Undo => "revert restore",
            Self::Pause | Self::PauseHere => "stop resume intake",
            Self::MoreSlots | Self::FewerSlots => "slots parallel concurrency",
            Self::Quit => "exit leave",
            Self::Help => "keys shortcuts",
            _ => "",
        }
    }

    /// The name in `darkroom.toml`: `retry-all`, `pane-queue`.
    pub fn id(self) -> String {
        let mut id = String::new();
        for character in format!("{self:?}").chars() {
            match character {
                '(' | ')' => {}
                upper if upper.is_ascii_uppercase() => {
                    if !id.is_empty() {
                        id.push('-');
                    }
                    id.push(upper.to_ascii_lowercase());
                }
                other => id.push(other),
            }
        }
        id
    }
}

impl Binding {
    /// The short name of its action.
    pub fn title(&self) -> String {
        let mut help = self.help.chars();
        let sentence = || help.next().map_or(String::new(), |first| first.to_uppercase().chain(help).collect());
        self.action.title().map_or_else(sentence, str::to_owned)
    }
}
