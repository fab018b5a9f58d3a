//! The titles of the queue and its filter line: counts, throughput, the range of rows.

use chrono::{DateTime, Datelike, Utc};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{QueuePane, QueueView};
use crate::console::DisplayZone;
use crate::console::keymap::Action;
use crate::console::theme::Theme;
use crate::jobs::StageName;
use crate::jobs::sort::{Sort, SortKey};
use crate::text::{format, sanitize_text};

impl QueuePane {
    /// The counts, and the throughput at the right where there is room for both.
    pub(super) fn titles(&self, width: u16, view: &QueueView<'_>) -> Vec<Line<'static>> {
        let counts = self.counts(width, view);
        let room = usize::from(width).saturating_sub(counts.width() + 4);
        let mut titles = vec![counts];
        if let Some(forms) = throughput(view)
            && let Some(shown) = forms.into_iter().find(|form| form.width() <= room)
        {
            titles.push(Line::styled(shown, view.theme.accent).right_aligned());
        }
        titles
    }

    fn counts(&self, width: u16, view: &QueueView<'_>) -> Line<'static> {
        let (theme, status) = (view.theme, view.status);
        let mut parts = vec![Span::styled(" Queue ", if view.focused { theme.accent } else { theme.text })];
        let dash = theme.symbol("──", "--");
        if self.range_from.is_some() {
            let key = view.keys.key_of(Action::MarkRange, theme.ascii);
            parts.push(Span::styled(format!("{dash} marking a range · {key} marks it "), theme.warning));
            return Line::from(parts);
        }
        if self.follows() {
            parts.push(Span::styled(format!("{dash} following "), theme.good));
        }
        if view.board.marked() > 0 {
            parts.push(Span::styled(format!("{dash} {} marked ", view.board.marked()), theme.warning));
        }
        let cancelled = status.count(StageName::Cancelled);
        let (queued, held) = (status.count(StageName::Queued), view.held);
        let narrow = width < 60;
        let word = |word: &'static str, symbol: &'static str| if narrow { symbol } else { word };
        let mut counts: Vec<(u64, &str, Style)> = vec![
            (status.running(), word("running", theme.symbol("▶", ">")), theme.running),
            (queued.saturating_sub(held), word("queued", theme.symbol("◌", "o")), theme.text),
            (held, word("held", theme.symbol("‖", "=")), theme.warning),
            (status.count(StageName::Failed), word("failed", theme.symbol("✗", "x")), theme.bad),
            (status.count(StageName::Done), word("done", theme.symbol("✓", "+")), theme.good),
            (status.count(StageName::Approved), word("approved", theme.symbol("★", "*")), theme.good),
            (if width >= 90 { cancelled } else { 0 }, "cancelled", theme.dim),
        ];
        counts.retain(|(count, ..)| *count > 0);
        // A count without its word means nothing: what has no room is left out, the corners included.
        let used: usize = parts.iter().map(Span::width).sum();
        let room = usize::from(width).saturating_sub(2 + used);
        let cells = |counts: &[(u64, &str, Style)]| {
            let entries: usize = counts.iter().map(|(count, word, _)| count.to_string().len() + word.width() + 4).sum();
            entries.saturating_sub(2)
        };
        let dash_cells = dash.width() + 1;
        let has_dash = !narrow || cells(&counts) + dash_cells <= room;
        while cells(&counts) + if has_dash { dash_cells } else { 0 } > room && counts.pop().is_some() {}
        if has_dash && !counts.is_empty() {
            parts.push(Span::styled(format!("{dash} "), theme.border));
        }
        let separator = theme.symbol("· ", "- ");
        for (index, (count, word, style)) in counts.into_iter().enumerate() {
            if index > 0 {
                parts.push(Span::styled(separator, theme.dim));
            }
            parts.push(Span::styled(format!("{count} {word} "), style));
        }
        Line::from(parts)
    }
}

/// `▁▂▅▇▆ 34/min $1.36/min`, longest form first.
fn throughput(view: &QueueView<'_>) -> Option<[String; 3]> {
    const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    const ASCII: [&str; 9] = [" ", ".", ".", ":", ":", "-", "=", "#", "#"];
    let (activity, now, theme) = (view.activity, view.now, view.theme);
    let images = activity.images(now)?;
    let largest = images.iter().copied().max().unwrap_or(0).max(1);
    let bars = if theme.ascii { ASCII } else { BARS };
    // What exists has at least the lowest bar.
    let level = |count: u32| (count * 8).div_ceil(largest).min(8) as usize;
    let line: String = images.iter().map(|count| bars[level(*count)]).collect();
    let is_idle = view.status.running() == 0 && images.iter().rev().take(2).all(|count| *count == 0);
    if is_idle {
        // An average of minutes ago is no rate.
        return Some([format!(" {line} "), String::new(), String::new()]);
    }
    let rate = activity.rate(now);
    let money = rate.usd.decimal().round_dp(2);
    let unit = rate.unit;
    Some([
        format!(" {line} {}/{unit} ${money:.2}/{unit} ", rate.images),
        format!(" {line} {}/{unit} ", rate.images),
        format!(" {}/{unit} ", rate.images),
    ])
}

/// How the list is sorted, where not by age: `by cost ▾`.
fn order(sort: Sort, theme: &Theme) -> Option<String> {
    let arrow = if sort.descending { theme.symbol("▾", "v") } else { theme.symbol("▴", "^") };
    match (sort.key, sort.descending) {
        (SortKey::Age, true) => None,
        (SortKey::Age, false) => Some("oldest first".to_owned()),
        (key, _) => Some(format!("by {key} {arrow}")),
    }
}

/// What is at the bottom: the order, how far back was searched, the rows on the screen.
pub(super) fn range(view: &QueueView<'_>, first: usize, last: usize) -> Line<'static> {
    let theme = view.theme;
    let dot = theme.symbol("·", "-");
    let mut parts: Vec<String> = order(view.board.sort(), theme).into_iter().collect();
    match (view.sorted_back_to, view.searched_back_to.filter(|_| view.filter.0.is_empty())) {
        (Some(at), _) => parts.push(format!("only jobs since {}", view.zone.date_and_minute(at))),
        (None, Some(at)) => parts.push(searched_back_to(at, view.zone)),
        (None, None) => {}
    }
    parts.push(row_range(view, first, last, theme.symbol("–", "-")));
    Line::styled(format!(" {} ", parts.join(&format!(" {dot} "))), theme.dim)
}

/// `1–38 of 435`; where the store does not count its result, `1–38 of 200+`.
fn row_range(view: &QueueView<'_>, first: usize, last: usize, dash: &str) -> String {
    let loaded = view.board.len();
    match (view.above, view.total) {
        (Some(above), total) => {
            let known = (above + loaded) as u64;
            let of = total.map_or_else(|| format!("{known}+"), |total| total.max(known).to_string());
            format!("{}{dash}{} of {of}", above + first, above + last)
        }
        (None, Some(total)) => format!("last {} of {total}", loaded - first + 1),
        (None, None) => format!("last {}", loaded - first + 1),
    }
}

/// The filter line: what is typed and its cursor, and in the rest of the line what it finds or what is wrong with it.
pub(super) fn filter(view: &QueueView<'_>, width: u16) -> Line<'static> {
    let (theme, (text, typing)) = (view.theme, view.filter);
    let cursor = if typing { theme.symbol("▏", "_") } else { "" };
    let room = usize::from(width).saturating_sub(3 + cursor.width());
    let typed = tail(text, room);
    let (note, style) = match view.board.problem() {
        Some(problem) => (problem.to_string(), theme.bad),
        None => (matches(view, width), theme.dim),
    };
    let rest = room.saturating_sub(typed.width() + 2);
    let note = if rest < MIN_NOTE { String::new() } else { format!("  {}", format::cut(&note, rest)) };
    Line::from(vec![
        Span::styled(" / ", theme.accent),
        Span::styled(typed, theme.text),
        Span::styled(cursor, theme.accent),
        Span::styled(note, style),
    ])
}

/// The least cells of a note behind the filter that can be read.
const MIN_NOTE: usize = 6;

/// How many jobs the filter finds, and how it can go on.
fn matches(view: &QueueView<'_>, width: u16) -> String {
    let mut count = match view.total {
        Some(total) => format::count(usize::try_from(total).unwrap_or(usize::MAX), "job"),
        None => format!("{}+ jobs", view.board.len()),
    };
    if let Some(at) = view.searched_back_to.filter(|_| width >= 70) {
        count = format!("{count}, {}", searched_back_to(at, view.zone));
    }
    let help = match view.completions.as_slice() {
        [] if view.filter.1 => "Enter keeps · Esc clears".to_owned(),
        [] => "Esc clears".to_owned(),
        [first, more @ ..] => {
            let mut help = format!("Tab {}", first.shown);
            for other in more {
                if help.len() + other.shown.len() + 2 > usize::from(width) / 2 {
                    break;
                }
                help = format!("{help}, {}", other.shown);
            }
            help
        }
    };
    let text = view.filter.0;
    let name = view
        .view_name
        .filter(|_| !view.filter.1)
        .map(|name| format!("view {}: ", crate::text::sanitize_line(name, 40)));
    let fits = |name: &String| name.width() + text.width() + count.width() + help.width() + 8 <= usize::from(width);
    let name = name.filter(fits).unwrap_or_default();
    format!("{name}{count} {} {help}", view.theme.symbol("·", "-"))
}

/// How far back the store was searched, and how to continue.
pub(super) fn searched_back_to(at: DateTime<Utc>, zone: DisplayZone) -> String {
    let far = if at.year() > 0 { zone.date_and_minute(at) } else { "before all dates".to_owned() };
    format!("searched back to {far} · Down searches further")
}

/// The end of what is typed, where it is longer than the room.
fn tail(text: &str, cells: usize) -> String {
    let text = sanitize_text(text);
    let mut start = 0;
    while text[start..].width() > cells {
        start += text[start..].chars().next().map_or(1, char::len_utf8);
    }
    text[start..].to_owned()
}
