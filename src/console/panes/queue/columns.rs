//! The columns of the queue: which ones, in which order, and how wide. They give way in order of value.

use serde::{Deserialize, Serialize};

use crate::jobs::sort::{Sort, SortKey};

/// A column of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display, strum::EnumIter)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Column {
    /// The stage.
    Status,
    /// The time since creation.
    Age,
    /// The money.
    Cost,
    /// The model.
    Model,
    /// Width and height.
    Size,
    /// The labels.
    Tags,
    /// How many attempts.
    Attempts,
    /// How long the attempt took.
    Duration,
    /// Which worker holds it.
    Worker,
    /// What is generated.
    Prompt,
    /// Why it is in that state: failure, hold, wait or progress.
    Reason,
}

impl Column {
    /// All of them, in the order of the chooser.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Age,
        Self::Cost,
        Self::Model,
        Self::Size,
        Self::Tags,
        Self::Attempts,
        Self::Duration,
        Self::Worker,
        Self::Prompt,
        Self::Reason,
    ];

    /// The key of the column in the chooser and in the sort menu.
    pub fn letter(self) -> char {
        match self {
            Self::Status => 's',
            Self::Age => 'a',
            Self::Cost => 'c',
            Self::Model => 'm',
            Self::Size => 'z',
            Self::Tags => 't',
            Self::Attempts => 'n',
            Self::Duration => 'd',
            Self::Worker => 'w',
            Self::Prompt => 'p',
            Self::Reason => 'r',
        }
    }

    /// What the rows can be sorted by; a reason has no order.
    pub fn sort_key(self) -> Option<SortKey> {
        match self {
            Self::Status => Some(SortKey::Status),
            Self::Age => Some(SortKey::Age),
            Self::Cost => Some(SortKey::Cost),
            Self::Model => Some(SortKey::Model),
            Self::Size => Some(SortKey::Size),
            Self::Tags => Some(SortKey::Tags),
            Self::Attempts => Some(SortKey::Attempts),
            Self::Duration => Some(SortKey::Duration),
            Self::Worker => Some(SortKey::Worker),
            Self::Prompt => Some(SortKey::Prompt),
            Self::Reason => None,
        }
    }

    /// What the column shows, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Status => "queued, held, generating, done, failed …",
            Self::Age => "time since creation",
            Self::Cost => "~ estimated, ? may be billed",
            Self::Model => "model",
            Self::Size => "width × height",
            Self::Tags => "labels",
            Self::Attempts => "tries",
            Self::Duration => "from the first step to the last",
            Self::Worker => "process that holds the job",
            Self::Prompt => "what is generated",
            Self::Reason => "failure, hold, wait or progress",
        }
    }

    /// The heading, short enough for the narrowest form of the column.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Age => "age",
            Self::Cost => "cost",
            Self::Model => "model",
            Self::Size => "size",
            Self::Tags => "tags",
            Self::Attempts => "try",
            Self::Duration => "took",
            Self::Worker => "worker",
            Self::Prompt => "prompt",
            Self::Reason => "reason",
        }
    }

    /// Whether numbers stand in it, under each other.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Age | Self::Cost | Self::Size | Self::Attempts | Self::Duration)
    }
}

/// Which columns the queue shows, in which order, and by what it is sorted: what is kept when the console quits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// From left to right.
    pub columns: Vec<Column>,
    /// The order of the rows.
    pub sort: Sort,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            columns: vec![Column::Status, Column::Age, Column::Cost, Column::Model, Column::Prompt, Column::Reason],
            sort: Sort::NEWEST_FIRST,
        }
    }
}

impl QueueSettings {
    /// Shows a column, or removes it; the last one stays. It is inserted in the order of the chooser.
    pub fn toggle(&mut self, column: Column) {
        if self.columns.contains(&column) {
            if self.columns.len() > 1 {
                self.columns.retain(|other| *other != column);
            }
            return;
        }
        let rank = |column: Column| Column::ALL.iter().position(|other| *other == column);
        let place = self.columns.iter().position(|other| rank(*other) > rank(column));
        self.columns.insert(place.unwrap_or(self.columns.len()), column);
    }

    /// Moves a column by one to the right, or to the left.
    pub fn shift(&mut self, column: Column, to_the_right: bool) {
        let Some(from) = self.columns.iter().position(|other| *other == column) else { return };
        let to = if to_the_right { from + 1 } else { from.wrapping_sub(1) };
        if to < self.columns.len() {
            self.columns.swap(from, to);
        }
    }
}

/// Cells that the texts of these columns need, as far as rows were on the screen: a column never jumps back and forth.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TextWidths {
    pub status: usize,
    pub model: usize,
    pub tags: usize,
    pub worker: usize,
    pub reason: usize,
}

/// Cells of a status: of its short words, and of its longest one.
const SHORT_STATUS: usize = 8;
const FULL_STATUS: usize = 12;

/// Cells that a prompt gives for the whole words of the status.
const MAX_FROM_PROMPT: usize = 4;

/// The least cells of a prompt beside a reason in its own column.
const MIN_PROMPT: usize = 16;
const MIN_REASON: usize = 14;

/// Cells that a reason gets before other columns give way: most reasons are shorter, and none of the usual ones longer.
const REASON_STEPS: [usize; 3] = [24, 18, MIN_REASON];
const MAX_REASON: usize = 48;

/// The columns of a width, in order, with their cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub cells: Vec<(Column, usize)>,
    /// The reason stands behind the prompt, in its column.
    pub shares_prompt: bool,
    /// Short words for the status.
    pub is_tight: bool,
}

/// What gives way first.
const BY_VALUE: [Column; 9] = [
    Column::Worker,
    Column::Tags,
    Column::Duration,
    Column::Size,
    Column::Attempts,
    Column::Model,
    Column::Reason,
    Column::Age,
    Column::Cost,
];

impl Columns {
    /// For a row of that many cells.
    pub fn new(width: u16, chosen: &[Column], texts: TextWidths) -> Self {
        let room = usize::from(width).saturating_sub(2);
        let mut columns =
            Self { cells: chosen.iter().map(|column| (*column, 0)).collect(), shares_prompt: false, is_tight: false };
        // Whole words of the status matter more than the last words of a reason, and less than its first ones.
        let [long, usual, _] = REASON_STEPS;
        let full = [(long, FULL_STATUS, 9), (long, FULL_STATUS, 8), (usual, FULL_STATUS, 8)];
        let steps = full.into_iter().chain(REASON_STEPS.map(|reason| (reason, SHORT_STATUS, 8)));
        for (reason, status, cost) in steps {
            columns.measure(texts, reason, texts.status.clamp(SHORT_STATUS, status), cost);
            if columns.used() <= room {
                break;
            }
        }
        for victim in BY_VALUE {
            if columns.used() <= room || columns.cells.len() == 1 {
                break;
            }
            if victim == Column::Reason {
                columns.shares_prompt = columns.has(Column::Reason) && columns.has(Column::Prompt);
                if !columns.shares_prompt {
                    continue;
                }
            }
            columns.cells.retain(|(column, _)| *column != victim);
        }
        columns.fill(room, texts);
        let status = columns.cells.iter().find(|(column, _)| *column == Column::Status);
        columns.is_tight = status.is_some_and(|(_, cells)| *cells < texts.status.min(FULL_STATUS));
        columns
    }

    pub fn has(&self, column: Column) -> bool {
        self.cells.iter().any(|(other, _)| *other == column)
    }

    /// Cells of all columns with one between them.
    pub fn used(&self) -> usize {
        self.cells.iter().map(|(_, cells)| cells + 1).sum::<usize>().saturating_sub(1)
    }

    /// The least width of each column.
    fn measure(&mut self, texts: TextWidths, reason: usize, status: usize, cost: usize) {
        for (column, cells) in &mut self.cells {
            *cells = match column {
                Column::Status => status,
                Column::Age => 4,
                Column::Cost => cost,
                Column::Size => 9,
                Column::Model => texts.model.clamp(5, 20),
                Column::Tags => texts.tags.clamp(4, 16),
                Column::Attempts => 3,
                Column::Duration => 6,
                Column::Worker => texts.worker.clamp(6, 18),
                Column::Prompt => MIN_PROMPT,
                Column::Reason => texts.reason.clamp(MIN_REASON, reason),
            };
        }
    }

    /// Gives what is left to the words of the status, to the reason, as far as its texts need it, and to the prompt.
    fn fill(&mut self, room: usize, texts: TextWidths) {
        let has_prompt = self.has(Column::Prompt);
        let mut left = room.saturating_sub(self.used());
        if let Some((_, cells)) = self.cells.iter_mut().find(|(column, _)| *column == Column::Status) {
            let missing = texts.status.min(FULL_STATUS).saturating_sub(*cells);
            let from_prompt = missing.saturating_sub(left);
            if from_prompt == 0 || (has_prompt && !self.shares_prompt && from_prompt <= MAX_FROM_PROMPT) {
                *cells += missing;
                left = left.saturating_sub(missing);
                let prompt = self.cells.iter_mut().filter(|(column, _)| *column == Column::Prompt);
                prompt.for_each(|(_, cells)| *cells -= from_prompt);
            }
        }
        if let Some((_, cells)) = self.cells.iter_mut().find(|(column, _)| *column == Column::Reason) {
            let most = if has_prompt { (*cells + left * 2 / 5).min(MAX_REASON) } else { *cells + left };
            let wanted = if has_prompt { texts.reason.clamp(*cells, most.max(*cells)) } else { most };
            left -= wanted - *cells;
            *cells = wanted;
        }
        if let Some((_, cells)) = self.cells.iter_mut().find(|(column, _)| *column == Column::Prompt) {
            *cells += left;
        }
        // A screen that is narrower than the least widths cuts the last column.
        let mut over = self.used().saturating_sub(room);
        for (_, cells) in self.cells.iter_mut().rev() {
            let cut = over.min(cells.saturating_sub(1));
            *cells -= cut;
            over -= cut;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: TextWidths = TextWidths { status: 12, model: 18, tags: 12, worker: 10, reason: 17 };

    fn names(width: u16, chosen: &[Column]) -> Vec<String> {
        Columns::new(width, chosen, TEXTS).cells.iter().map(|(column, cells)| format!("{column} {cells}")).collect()
    }

    #[test]
    fn every_width_leaves_room_for_the_prompt() {
        let all = Column::ALL.to_vec();
        for chosen in [QueueSettings::default().columns, all, vec![Column::Prompt], vec![Column::Reason, Column::Age]] {
            for width in 38..300 {
                let columns = Columns::new(width, &chosen, TEXTS);
                assert!(columns.used() + 2 <= usize::from(width), "{width}: {columns:?}");
                for (column, cells) in &columns.cells {
                    assert!(*cells >= 3, "{width}: {columns:?}");
                    assert!(*column != Column::Prompt || *cells >= 10, "{width}: {columns:?}");
                }
            }
        }
    }

    #[test]
    fn columns_give_way_in_order_of_value() {
        let chosen = QueueSettings::default().columns;
        assert_eq!(names(78, &chosen), ["status 12", "age 4", "cost 8", "model 18", "prompt 12", "reason 17"]);
        assert_eq!(names(66, &chosen), ["status 12", "age 4", "cost 8", "prompt 20", "reason 16"]);
        assert_eq!(names(50, &chosen), ["status 12", "age 4", "cost 8", "prompt 21"]);
        assert!(Columns::new(50, &chosen, TEXTS).shares_prompt);
        let wide = names(130, &chosen);
        assert_eq!(wide, ["status 12", "age 4", "cost 9", "model 18", "prompt 63", "reason 17"]);
        let all = names(100, &Column::ALL);
        assert_eq!(
            all,
            [
                "status 12",
                "age 4",
                "cost 8",
                "model 18",
                "size 9",
                "attempts 3",
                "duration 6",
                "prompt 16",
                "reason 14"
            ]
        );
    }

    #[test]
    fn status_has_whole_words_where_they_fit() {
        let chosen = QueueSettings::default().columns;
        let texts = TextWidths { status: 12, model: 10, reason: 14, ..TEXTS };
        for width in [50, 60, 66, 80, 100, 120, 200] {
            assert!(!Columns::new(width, &chosen, texts).is_tight, "{width}");
        }
        assert!(Columns::new(38, &chosen, texts).is_tight);
        let done = TextWidths { status: 6, ..texts };
        assert!(!Columns::new(38, &chosen, done).is_tight, "no long word is on the screen");
    }

    #[test]
    fn columns_are_chosen_and_moved() {
        let mut settings = QueueSettings::default();
        settings.toggle(Column::Size);
        assert_eq!(settings.columns[3..5], [Column::Model, Column::Size]);
        settings.shift(Column::Size, false);
        settings.shift(Column::Status, false);
        assert_eq!(settings.columns[..4], [Column::Status, Column::Age, Column::Cost, Column::Size]);
        for column in Column::ALL {
            settings.columns.contains(&column).then(|| settings.toggle(column));
        }
        assert_eq!(settings.columns, [Column::Reason], "one column stays");
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(text, r#"{"columns":["reason"],"sort":{"key":"age","descending":true}}"#);
        assert_eq!(serde_json::from_str::<QueueSettings>(&text).unwrap(), settings);
    }
}
