//! The help: the keys of an input context, generated from the key table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::centred;
use crate::console::keymap::{Action, Binding, Group, InputContext, KeyMap, MAX_TITLE, own_keys};
use crate::console::layout::PaneName;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::format;

/// The help and how far it is scrolled.
#[derive(Debug)]
pub struct Help {
    keys: KeyMap,
    context: InputContext,
    read_only: bool,
    scroll: usize,
}

/// Cells of the keys and of a whole column.
const KEYS: usize = 11;
const COLUMN: usize = 58;
/// The same where only names fit.
const SHORT_KEYS: usize = 6;
const SHORT_COLUMN: usize = 26;

/// The help in columns.
struct Sides {
    columns: Vec<Vec<Line<'static>>>,
    width: usize,
}

impl Sides {
    fn height(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl Help {
    /// For a context.
    pub fn new(keys: KeyMap, context: InputContext, read_only: bool) -> Self {
        Self { keys, context, read_only, scroll: 0 }
    }

    /// Scrolls by some lines.
    pub fn scroll(&mut self, lines: i64) {
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        self.scroll = if lines < 0 { self.scroll.saturating_sub(step) } else { self.scroll.saturating_add(step) };
    }

    /// Draws it with a sentence for each key, in one column or two; where that needs scrolling, with short names in up to three.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let room = usize::from(area.height.saturating_sub(2));
        let total = usize::from(area.width.saturating_sub(2));
        let long = self.sides((total / COLUMN).clamp(1, 2), COLUMN, total, false, theme);
        let fits = |sides: &Sides| sides.height() <= room;
        let sides = if fits(&long) {
            long
        } else {
            let widest = (total / SHORT_COLUMN).clamp(1, 3);
            let short = (1..=widest).map(|columns| self.sides(columns, SHORT_COLUMN, total, true, theme));
            let mut short: Vec<Sides> = short.collect();
            let best = short.iter().position(fits).unwrap_or(short.len().saturating_sub(1));
            if short.is_empty() { long } else { short.swap_remove(best) }
        };
        let (height, width) = (sides.height(), sides.width);
        let columns = sides.columns.len();
        let area = centred(area, (width * columns + 2) as u16, (height + 2).min(usize::from(u16::MAX)) as u16);
        self.scroll = self.scroll.min(height.saturating_sub(room));
        let more = if height > room {
            let key = |action| self.keys.key_of(action, theme.ascii);
            let (down, up) = (key(Action::Down), key(Action::Up));
            let last = (self.scroll + room).min(height);
            format!("{}–{last} of {height} · {down} {up} scroll · Esc closes", self.scroll + 1)
        } else {
            "Esc closes".to_owned()
        };
        let block = widgets::pane("Keys", &more, area.width, true, theme);
        let inner = block.inner(area);
        widgets::clear(frame, area, theme);
        frame.render_widget(block, area);
        for (index, lines) in sides.columns.into_iter().enumerate() {
            let x = inner.x + (index * width) as u16;
            let column = Rect { x, width: (inner.right().saturating_sub(x)).min(width as u16), ..inner };
            frame.render_widget(Paragraph::new(lines).scroll((self.scroll as u16, 0)), column);
        }
    }

    /// The groups in so many columns of at most `widest` cells.
    fn sides(&self, columns: usize, widest: usize, total: usize, short: bool, theme: &Theme) -> Sides {
        let width = (total / columns).min(widest);
        let group = |group| if short { self.short_group(group, width, theme) } else { self.group(group, width, theme) };
        let own = self.own_group(width, short, theme);
        let groups = std::iter::once(own).chain(Group::ALL.into_iter().map(group));
        let groups: Vec<Vec<Line<'static>>> = groups.filter(|lines| !lines.is_empty()).collect();
        let lines: usize = groups.iter().map(Vec::len).sum();
        let mut sides: Vec<Vec<Line<'static>>> = vec![Vec::new(); columns];
        let mut side = 0;
        let target = lines.div_ceil(columns);
        for group in groups {
            let is_full = sides[side].len() + group.len() / 2 > target;
            if !short && side + 1 < columns && is_full {
                side += 1;
            }
            // Names are short enough to continue a group in the next column, but not behind its title.
            for (index, line) in group.into_iter().enumerate() {
                let is_full = sides[side].len() + usize::from(index == 0) >= target;
                if short && side + 1 < columns && is_full {
                    side += 1;
                }
                sides[side].push(line);
            }
        }
        Sides { columns: sides, width }
    }

    /// The bindings of a group that do something here, one for each action.
    fn bindings_of(&self, group: Group) -> impl Iterator<Item = &'static Binding> {
        let mut seen = Vec::new();
        let read_only = self.read_only;
        self.keys.bindings_in(self.context).filter(move |binding| {
            let is_shown = binding.group == group
                && !seen.contains(&binding.action)
                && !(read_only && binding.action.changes().is_some());
            if is_shown {
                seen.push(binding.action);
            }
            is_shown
        })
    }

    /// The keys that the screen takes by itself.
    fn own_group(&self, width: usize, short: bool, theme: &Theme) -> Vec<Line<'static>> {
        let own = own_keys(self.context);
        let mut lines: Vec<Line<'static>> = Vec::new();
        if !own.is_empty() {
            lines.push(Line::styled(" This screen", theme.accent));
        }
        for row in own {
            let keys = row.keys_shown(theme.ascii);
            let first = row.keys.first().map(|chord| chord.shown(theme.ascii)).unwrap_or_default();
            lines.extend(if short {
                let keys = if keys.width() <= SHORT_KEYS { keys } else { first };
                vec![short_line(&keys, row.title, width, theme)]
            } else {
                let keys = if keys.width() <= KEYS { keys } else { first };
                long_lines(&keys, row.help, width, theme)
            });
        }
        lines
    }

    fn short_group(&self, group: Group, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for binding in self.bindings_of(group) {
            if lines.is_empty() {
                lines.push(Line::styled(format!(" {}", group.title()), theme.accent));
            }
            let Some(title) = short_title(binding) else { continue };
            lines.push(short_line(&self.short_keys(binding, theme.ascii), &title, width, theme));
        }
        lines
    }

    /// The first key; of two actions on one line both keys, where they fit.
    fn short_keys(&self, binding: &Binding, ascii: bool) -> String {
        let key = binding.key_shown(ascii);
        let other = match binding.action {
            Action::Pane(_) => Some((PaneName::ALL.map(Action::Pane)[PaneName::ALL.len() - 1], "-")),
            action => PAIRS.iter().find(|(first, ..)| *first == action).map(|(_, second, _)| (*second, " ")),
        };
        let key_of = |action| {
            let here = self.keys.bindings_in(self.context).find(|other| other.action == action);
            here.map(|other| other.key_shown(ascii)).unwrap_or_default()
        };
        let both = other.map(|(action, gap)| format!("{key}{gap}{}", key_of(action)));
        both.filter(|both| both.width() <= SHORT_KEYS).unwrap_or(key)
    }

    fn group(&self, group: Group, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for binding in self.bindings_of(group) {
            if lines.is_empty() {
                lines.push(Line::styled(format!(" {}", group.title()), theme.accent));
            }
            let keys = if width < NARROW { binding.key_shown(theme.ascii) } else { binding.keys_shown(theme.ascii) };
            lines.extend(long_lines(&keys, &self.sentence(binding), width, theme));
        }
        lines
    }

    /// What a binding does; on a screen of one job, marks play no part.
    fn sentence(&self, binding: &Binding) -> String {
        match self.context {
            InputContext::Job | InputContext::FullImage | InputContext::Compare => {
                let one = binding.help.replace("the marked jobs, or this one", "this job");
                one.replace("the marked jobs, or of this one", "this job").replace("; several marked: with edits", "")
            }
            _ => binding.help.to_owned(),
        }
    }
}

/// Below that width only the first key of an action is shown.
const NARROW: usize = 50;

fn short_line(keys: &str, title: &str, width: usize, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!(" {} ", format::fit(keys, SHORT_KEYS)), theme.text),
        Span::styled(format::cut(title, width.saturating_sub(SHORT_KEYS + 2).min(MAX_TITLE)), theme.dim),
    ])
}

fn long_lines(keys: &str, sentence: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let column = keys.width().max(if width < NARROW { SHORT_KEYS } else { KEYS });
    let parts = widgets::wrap(sentence, width.saturating_sub(column + 4)).into_iter().enumerate();
    let line = |(index, part): (usize, String)| {
        let keys = if index == 0 { keys } else { "" };
        Line::from(vec![
            Span::styled(format!("  {} ", format::fit(keys, column)), theme.text),
            Span::styled(part, theme.dim),
        ])
    };
    parts.map(line).collect()
}

/// Actions that share a line of the short help.
const PAIRS: [(Action, Action, &str); 7] = [
    (Action::Down, Action::Up, "Down, up"),
    (Action::Right, Action::Left, "Image right, left"),
    (Action::PageDown, Action::PageUp, "Page down, up"),
    (Action::Top, Action::Bottom, "First, last row"),
    (Action::NextPane, Action::PreviousPane, "Next, previous"),
    (Action::MoreSlots, Action::FewerSlots, "More, fewer slots"),
    (Action::OlderAttempt, Action::NewerAttempt, "Older, newer try"),
];

/// The name of a line of the short help; `None` where the action is part of another line.
fn short_title(binding: &Binding) -> Option<String> {
    let pair = PAIRS.iter().find(|(first, second, _)| [*first, *second].contains(&binding.action));
    match (binding.action, pair) {
        (Action::Pane(PaneName::Queue), _) => Some("Go to a pane".to_owned()),
        (Action::Pane(_), _) => None,
        (action, Some((first, _, title))) => (action == *first).then(|| (*title).to_owned()),
        (_, None) => Some(binding.title()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::test_fixtures::screen;

    #[test]
    fn help_of_every_place_fits_80_by_24() {
        let theme = Theme::dark();
        let panes = PaneName::ALL.into_iter().map(InputContext::Pane);
        let screens = [
            InputContext::Job,
            InputContext::FullImage,
            InputContext::Gallery,
            InputContext::Compare,
            InputContext::CostScreen,
            InputContext::BudgetScreen,
            InputContext::LogScreen,
            InputContext::BulkScreen,
        ];
        for context in panes.chain(screens) {
            let mut help = Help::new(KeyMap::default(), context, false);
            let text = screen(80, 22, |frame| help.draw(frame, frame.area(), &theme));
            assert!(text.contains("Esc closes") && !text.contains("scroll"), "{context:?}\n{text}");
            for binding in KeyMap::default().bindings_in(context) {
                let Some(title) = short_title(binding).map(|title| format::cut(&title, MAX_TITLE)) else { continue };
                // A sentence may continue on the next line.
                let sentence = help.sentence(binding);
                let sentence: Vec<&str> = sentence.split(' ').take(3).collect();
                let shown = text.contains(&title) || text.contains(&sentence.join(" "));
                assert!(shown, "{context:?} lacks {title}\n{text}");
            }
            for own in own_keys(context) {
                assert!(own.title.len() <= MAX_TITLE, "{}", own.title);
                let shown = text.contains(own.title) || text.contains(own.help.split(';').next().unwrap());
                assert!(shown, "{context:?} lacks {}\n{text}", own.title);
            }
        }
    }
}
