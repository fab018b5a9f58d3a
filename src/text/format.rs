//! Ages, durations, sizes and cells of text as they look on the screen.

use chrono::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `8s`, `12m`, `3h`, `5d`: how long ago, in at most four cells.
pub fn age(age: Duration) -> String {
    let seconds = age.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", (seconds / 86_400).min(999)),
    }
}

/// `0.2s`, `11.8s`, `2m 03s`, `3h 05m`, `7d 02h`: how long something took.
pub fn duration(duration: Duration) -> String {
    let milliseconds = duration.num_milliseconds().max(0);
    let (seconds, minutes, hours) = (milliseconds / 1_000, milliseconds / 60_000, milliseconds / 3_600_000);
    match minutes {
        0 => format!("{seconds}.{}s", milliseconds % 1_000 / 100),
        1..60 => format!("{minutes}m {:02}s", seconds % 60),
        60..1_440 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{}d {:02}h", hours / 24, hours % 24),
    }
}

/// `812 B`, `14.2 kB`, `1.4 MB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Cuts clean text to at most `cells` terminal cells; what is cut ends in `…`.
pub fn cut(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let mut line = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width + 1 > cells {
            break;
        }
        line.push(character);
        used += width;
    }
    if cells > 0 {
        line.push('…');
    }
    line
}

/// The first of several forms of a text, the longest first, that fits into so many cells; the last one, cut, where none does.
pub fn fitting(forms: impl IntoIterator<Item = String>, cells: usize) -> String {
    let mut last = String::new();
    for form in forms {
        if form.width() <= cells {
            return form;
        }
        last = form;
    }
    cut(&last, cells)
}

/// When the text of [`age`] changes next, as a time from now.
pub fn next_age_change(age: Duration) -> Duration {
    let milliseconds = age.num_milliseconds().max(0);
    let unit = match milliseconds {
        0..60_000 => 1_000,
        60_000..3_600_000 => 60_000,
        3_600_000..86_400_000 => 3_600_000,
        _ => 86_400_000,
    };
    Duration::milliseconds(unit - milliseconds % unit)
}

/// `1 job`, `3 jobs`.
pub fn count<N: std::fmt::Display + Copy + PartialEq + From<u8>>(number: N, word: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {word}{plural}")
}

/// Exactly that many cells: cut, or filled up with spaces behind.
pub fn fit(text: &str, cells: usize) -> String {
    let mut line = cut(text, cells);
    let used = line.width();
    line.extend(std::iter::repeat_n(' ', cells.saturating_sub(used)));
    line
}

/// Exactly that many cells, filled up with spaces in front.
pub fn fit_right(text: &str, cells: usize) -> String {
    let line = cut(text, cells);
    let used = line.width();
    format!("{}{line}", " ".repeat(cells.saturating_sub(used)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 0), "");
    }

    #[test]
    fn longest_fitting_form_is_chosen() {
        let forms = ["today $1.28", "$1.28"].map(str::to_owned);
        assert_eq!(fitting(forms.clone(), 11), "today $1.28");
        assert_eq!(fitting(forms.clone(), 10), "$1.28");
        assert_eq!(fitting(forms, 4), "$1.…");
    }

    #[test]
    fn ages_and_durations_stay_short() {
        assert_eq!(age(Duration::seconds(59)), "59s");
        assert_eq!(age(Duration::hours(30)), "1d");
        assert_eq!(duration(Duration::milliseconds(11_849)), "11.8s");
        assert_eq!(duration(Duration::seconds(123)), "2m 03s");
        assert_eq!(duration(Duration::minutes(185)), "3h 05m");
        assert_eq!(duration(Duration::minutes(10_097)), "7d 00h");
        assert_eq!(bytes(1_449_000), "1.4 MB");
        assert_eq!(next_age_change(Duration::milliseconds(59_400)), Duration::milliseconds(600));
        assert_eq!(next_age_change(Duration::seconds(90)), Duration::seconds(30));
    }

    #[test]
    fn cells_are_padded_to_their_width() {
        assert_eq!(fit("漢字漢", 4), "漢… ");
        assert_eq!(fit_right("$1", 4), "  $1");
        assert_eq!(count(1, "job") + " " + &count(2, "job"), "1 job 2 jobs");
    }
}
