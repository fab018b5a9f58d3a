//! The palette: every action, found by a few letters of its name.

use crossterm::event::KeyEvent;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::centred;
use crate::console::keymap::{Action, Binding, Group, InputContext, KeyMap, MAX_TITLE};
use crate::console::line_editor::LineEditor;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::format;

/// The palette: what was typed, and which of the found actions is chosen.
pub struct Palette {
    keys: KeyMap,
    context: InputContext,
    read_only: bool,
    line: LineEditor,
    chosen: usize,
    found: Vec<&'static Binding>,
    matcher: Matcher,
    /// The first row that is shown, and where the rows are on the screen.
    rows: (usize, Rect),
}

/// A binding with the text that is searched.
struct Candidate {
    binding: &'static Binding,
    words: String,
}

impl Candidate {
    /// The name, the footer's word and the help text are all searched.
    fn new(binding: &'static Binding) -> Self {
        Self { binding, words: format!("{} {} {}", binding.title(), binding.hint, binding.help) }
    }
}

impl AsRef<str> for Candidate {
    fn as_ref(&self) -> &str {
        &self.words
    }
}

impl Palette {
    /// With everything that can be done in a context.
    pub fn new(keys: KeyMap, context: InputContext, read_only: bool) -> Self {
        let mut palette = Self {
            keys,
            rows: (0, Rect::ZERO),
            context,
            read_only,
            line: LineEditor::default(),
            chosen: 0,
            found: Vec::new(),
            matcher: Matcher::new(Config::DEFAULT),
        };
        palette.find();
        palette
    }

    /// Takes a key that types.
    pub fn key(&mut self, key: KeyEvent) {
        if self.line.key(key) {
            self.find();
        }
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        self.line.insert(text);
        self.find();
    }

    fn find(&mut self) {
        let mut seen: Vec<Action> = vec![Action::Palette, Action::Back];
        let mut candidates = Vec::new();
        for binding in self.keys.bindings_in(self.context) {
            let moves = binding.group == Group::Move && !matches!(binding.action, Action::Pane(_));
            let available = !self.read_only || binding.action.changes().is_none();
            if available && !moves && !seen.contains(&binding.action) {
                seen.push(binding.action);
                candidates.push(Candidate::new(binding));
            }
        }
        let pattern = Pattern::parse(self.line.as_str(), CaseMatching::Ignore, Normalization::Smart);
        let titles = candidates
            .iter()
            .map(|candidate| Candidate { binding: candidate.binding, words: candidate.binding.title() });
        let synonyms: Vec<(Candidate, u32)> = candidates
            .iter()
            .filter(|candidate| begins_a_word(candidate.binding.action.search_words(), self.line.as_str()))
            .map(|candidate| (Candidate::new(candidate.binding), 0))
            .collect();
        // What is named so precedes what has another word for it, and that precedes what only mentions it.
        let named = pattern.match_list(titles.collect::<Vec<_>>(), &mut self.matcher);
        let whole = Pattern::new(self.line.as_str(), CaseMatching::Ignore, Normalization::Smart, AtomKind::Substring);
        let mentioned = whole.match_list(candidates, &mut self.matcher);
        self.found.clear();
        for (candidate, _) in named.into_iter().chain(synonyms).chain(mentioned) {
            if !self.found.iter().any(|found| found.action == candidate.binding.action) {
                self.found.push(candidate.binding);
            }
        }
        if self.names_the_theme() {
            self.found.clear();
        }
        self.chosen = 0;
    }

    /// Whether the theme is searched, which no action changes.
    fn names_the_theme(&self) -> bool {
        let typed = self.line.as_str().trim();
        typed.len() >= 4 && begins_a_word("theme themes colours colors", typed)
    }

    /// Moves the choice by some lines, around the ends.
    pub fn step(&mut self, lines: i64) {
        let count = i64::try_from(self.found.len()).unwrap_or(i64::MAX);
        if count > 0 {
            let chosen = i64::try_from(self.chosen).unwrap_or(0) + lines;
            self.chosen = usize::try_from(chosen.rem_euclid(count)).unwrap_or(0);
        }
    }

    /// The chosen action.
    pub fn chosen(&self) -> Option<Action> {
        self.found.get(self.chosen).map(|binding| binding.action)
    }

    /// Chooses the row under the mouse; true where there is one.
    pub fn click(&mut self, column: u16, row: u16) -> bool {
        let (first, area) = self.rows;
        let index = first + usize::from(row.saturating_sub(area.y));
        let hits = area.contains((column, row).into()) && index < self.found.len();
        if hits {
            self.chosen = index;
        }
        hits
    }

    /// The facts in the border: the position in the list where it is cut.
    fn facts(&self, first: usize, rows: usize) -> String {
        const HOW: &str = "type to search · Enter runs";
        let total = self.found.len();
        if total <= rows {
            return HOW.to_owned();
        }
        format!("{}–{} of {total} · {HOW}", first + 1, (first + rows).min(total))
    }

    /// Draws it at the top of an area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let area = centred(area, 66, area.height.min(20));
        // Without the border and the line that is typed.
        let rows = usize::from(area.height.saturating_sub(3));
        let first = (self.chosen + 1).saturating_sub(rows);
        let facts = self.facts(first, rows);
        let block = widgets::pane("Actions", &facts, area.width, true, theme);
        let inner = block.inner(area);
        self.rows = (first, Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner });
        let mut lines = vec![Line::from(vec![
            Span::styled(" : ", theme.accent),
            Span::raw(self.line.as_str().to_owned()),
            Span::styled(theme.symbol("▏", "_"), theme.accent),
        ])];
        if self.found.is_empty() {
            let why =
                if self.names_the_theme() { " · a setting: --theme NAME, or theme in darkroom.toml" } else { "" };
            lines.push(Line::styled(format!("  No matching action{why}"), theme.dim));
        }
        let width = usize::from(inner.width);
        for (index, binding) in self.found.iter().enumerate().skip(first).take(rows) {
            let keys = format::fit_right(&binding.keys_shown(theme.ascii), 9);
            let room = width.saturating_sub(13);
            let title = format::fit(&binding.title(), room.min(MAX_TITLE + 1));
            let rest = format::fit(binding.help, room.saturating_sub(MAX_TITLE + 1));
            let help = if index == self.chosen { theme.text } else { theme.dim };
            let line = Line::from(vec![
                Span::raw(format!("  {title}")),
                Span::styled(format!("{rest} "), help),
                Span::styled(format!("{keys} "), if index == self.chosen { theme.text } else { theme.dim }),
            ]);
            lines.push(if index == self.chosen { line.style(theme.selected) } else { line });
        }
        widgets::clear(frame, area, theme);
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}

/// Whether each typed word is the beginning of one of these.
fn begins_a_word(words: &str, typed: &str) -> bool {
    let typed = typed.to_lowercase();
    let mut parts = typed.split_whitespace().peekable();
    parts.peek().is_some() && parts.all(|part| words.split(' ').any(|word| word.starts_with(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::layout::PaneName;

    #[test]
    fn a_few_letters_find_an_action() {
        let mut palette = Palette::new(KeyMap::default(), InputContext::Pane(PaneName::Queue), false);
        palette.paste("pau int");
        assert_eq!(palette.chosen(), Some(Action::Pause));
        palette.step(-1);
        assert!(palette.chosen().is_some(), "around the end");
        palette.paste(" nowhere");
        assert_eq!(palette.chosen(), None);
    }

    #[test]
    fn a_list_that_is_cut_says_so() {
        let mut palette = Palette::new(KeyMap::default(), InputContext::Pane(PaneName::Queue), false);
        let total = palette.found.len();
        assert_eq!(palette.facts(2, 5), format!("3–7 of {total} · type to search · Enter runs"));
        palette.paste("pau int");
        assert_eq!(palette.facts(0, 5), "type to search · Enter runs");
    }

    #[test]
    fn palette_names_the_setting_of_the_theme() {
        let mut palette = Palette::new(KeyMap::default(), InputContext::Pane(PaneName::Queue), false);
        palette.paste("theme");
        let text = crate::console::test_fixtures::screen(80, 24, |frame| {
            palette.draw(frame, frame.area(), &Theme::dark());
        });
        assert!(text.contains("No matching action · a setting: --theme NAME"), "{text}");
    }

    #[test]
    fn palette_finds_footer_words() {
        for (word, action) in [
            ("retry", Action::Retry),
            ("cancel", Action::Cancel),
            ("save", Action::SaveImage),
            ("costs", Action::CostScreen),
            ("quit", Action::Quit),
            ("budget", Action::BudgetScreen),
            ("caps", Action::BudgetScreen),
            ("preset", Action::New),
            ("view", Action::Views),
            ("context", Action::Contexts),
            ("download", Action::SaveImage),
        ] {
            let mut palette = Palette::new(KeyMap::default(), InputContext::Pane(PaneName::Queue), false);
            palette.paste(word);
            assert_eq!(palette.chosen(), Some(action), "{word}");
        }
    }
}
