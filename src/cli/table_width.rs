//! Widths of the columns of a table that is wider than the terminal.

use unicode_width::UnicodeWidthStr;

use crate::text::format;

/// Cells between two columns.
const GAP: usize = 2;

/// The least width of a column that is made narrower.
const MIN_WIDTH: usize = 10;

/// Longer words, such as paths, do not determine the width of their column.
const LONG_WORD: usize = 24;

/// What becomes of a text that is wider than its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlong {
    /// It ends in `…`.
    Cut,
    /// It continues on the next line, between words where possible.
    Wrap,
}

/// Makes the rows fit, as far as that is possible. The first column and numbers keep their width; texts are made narrower before
/// columns of single words, such as times.
pub fn fit(heading: &[&str], right: &[usize], rows: &mut [Vec<String>], columns: usize, overlong: Overlong) {
    let widths = widths(heading, right, rows, columns);
    for row in rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            *cell = match overlong {
                Overlong::Cut => format::cut(cell, *width),
                Overlong::Wrap => wrap(cell, *width),
            };
        }
    }
}

fn widths(heading: &[&str], right: &[usize], rows: &[Vec<String>], columns: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..heading.len()).collect();
    let cells = |index: usize| rows.iter().filter_map(move |row| row.get(index)).map(String::as_str);
    let widest =
        |index: &usize| cells(*index).map(UnicodeWidthStr::width).max().unwrap_or(0).max(heading[*index].width());
    let word =
        |index: &usize| cells(*index).flat_map(|cell| cell.split(' ')).map(UnicodeWidthStr::width).max().unwrap_or(0);
    let has_texts = |index: &usize| cells(*index).any(|cell| cell.contains(' '));
    let narrowed = |index: &usize| *index > 0 && !right.contains(index);
    let mut widths: Vec<usize> = all.iter().map(widest).collect();
    let room = columns.saturating_sub(GAP * heading.len().saturating_sub(1));
    // Whole words are kept as long as possible.
    let steps: [&dyn Fn(&usize) -> Option<usize>; 3] = [
        &|index| narrowed(index).then(|| word(index).min(LONG_WORD)),
        &|index| (narrowed(index) && has_texts(index)).then_some(MIN_WIDTH),
        &|index| narrowed(index).then_some(MIN_WIDTH),
    ];
    for least in steps {
        let least: Vec<Option<usize>> =
            all.iter().map(|index| least(index).map(|least| least.max(heading[*index].width()))).collect();
        narrow(&mut widths, &least, room);
    }
    widths
}

/// Takes cells from the widest columns until all fit, or until each has its least width; one without a least width keeps its own.
fn narrow(widths: &mut [usize], least: &[Option<usize>], room: usize) {
    while widths.iter().sum::<usize>() > room {
        let wider = widths.iter_mut().zip(least).filter(|(width, least)| least.is_some_and(|least| **width > least));
        match wider.max_by_key(|(width, _)| **width) {
            Some((width, _)) => *width -= 1,
            None => return,
        }
    }
}

fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        if lines.last().is_some_and(|line| !line.is_empty() && line.width() + 1 + word.width() > width) {
            lines.push(String::new());
        }
        // A word that is wider than the column continues on the next line, too.
        while word.width() > width.max(2) {
            let part = format::cut(&word, width.max(2) + 1);
            let part = part.strip_suffix('…').unwrap_or(&part).to_owned();
            word.drain(..part.len());
            lines.extend([part, String::new()]);
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(rows: &[&[&str]], columns: usize, overlong: Overlong) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        let heading = ["ID", "TIME", "USD", "WHY"];
        fit(&heading[..rows[0].len()], &[2], &mut rows, columns, overlong);
        rows
    }

    #[test]
    fn texts_are_cut_before_times_and_ids() {
        let row = ["02FSXYZ0000000000000", "2026-11-29T10:00:00Z", "$0.03", "the request was sent, no answer arrived"];
        let cut = fitted(&[&row], 80, Overlong::Cut).remove(0);
        assert_eq!(cut[..3], row[..3]);
        assert_eq!(cut[3], "the request was sent, no ans…");
        assert_eq!(cut.iter().map(|cell| cell.width()).sum::<usize>() + 6, 80);
        assert_eq!(fitted(&[&row], 200, Overlong::Cut)[0], row, "a wide terminal changes nothing");
        let narrow = fitted(&[&row], 40, Overlong::Cut).remove(0);
        assert_eq!((narrow[0].as_str(), narrow[2].as_str()), (row[0], row[2]));
    }

    #[test]
    fn long_texts_continue_between_words() {
        let wrapped = fitted(&[&["store", "ok", "", "use the index that doctor names"]], 30, Overlong::Wrap).remove(0);
        assert_eq!(wrapped[3], "use the\nindex that\ndoctor names");
        assert_eq!(wrap("/a/long/path and more", 8), "/a/long/\npath and\nmore");
        assert_eq!(wrap("漢字漢字", 3), "漢\n字\n漢\n字");
        assert_eq!(wrap("", 5), "");
    }
}
