//! Widths of the columns of a table that is wider than the terminal.

use unicode_width::UnicodeWidthStr;

use crate::text::format;

/// Cells between two columns.
const GAP: usize = 2;

/// The least widths of a column that is made narrower: of texts, and of single words where that is not enough.
const MIN_TEXT: usize = 10;
const MIN_WORD: usize = 6;

/// Columns that commands take: no part of them may be missing.
const IDS: [&str; 3] = ["ID", "JOB", "BATCH"];

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

/// Cells in which a text is of use: columns of less use are left out before a text has fewer.
const USEFUL_TEXT: usize = 18;

/// Removes columns of a table, in the order of `droppable`, while a column of `texts` has too few cells.
pub fn drop_least_useful(
    heading: &mut Vec<&str>,
    right: &mut Vec<usize>,
    rows: &mut [Vec<String>],
    columns: usize,
    (droppable, texts): (&[&str], &[&str]),
) {
    for name in droppable {
        let fitted = widths(heading, right, rows, columns);
        let natural =
            |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.width()).max().unwrap_or(0);
        let is_narrow = |(index, width): (usize, &usize)| {
            texts.contains(&heading[index]) && *width < natural(index).min(USEFUL_TEXT)
        };
        if !fitted.iter().enumerate().any(is_narrow) {
            return;
        }
        if let Some(index) = heading.iter().position(|known| known == name) {
            remove_column(heading, right, rows, index);
        }
    }
}

fn remove_column(heading: &mut Vec<&str>, right: &mut Vec<usize>, rows: &mut [Vec<String>], index: usize) {
    heading.remove(index);
    rows.iter_mut().filter(|row| index < row.len()).for_each(|row| _ = row.remove(index));
    right.retain(|column| *column != index);
    right.iter_mut().filter(|column| **column > index).for_each(|column| *column -= 1);
}

/// Removes columns without any content from a table that does not fit.
pub fn drop_empty(heading: &mut Vec<&str>, right: &mut Vec<usize>, rows: &mut [Vec<String>], columns: usize) {
    let width = |row: &Vec<String>| row.iter().map(|cell| cell.width() + GAP).sum::<usize>();
    if rows.iter().all(|row| width(row) <= columns + GAP) {
        return;
    }
    for index in (0..heading.len()).rev() {
        if rows.iter().all(|row| row.get(index).is_none_or(String::is_empty)) {
            remove_column(heading, right, rows, index);
        }
    }
}

/// Makes the rows fit, as far as that is possible. Ids and numbers keep their width; texts are made narrower before columns of single
/// words, such as times.
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
    let has_ids = heading.iter().any(|name| IDS.contains(name));
    let is_key = |index: &usize| if has_ids { IDS.contains(&heading[*index]) } else { *index == 0 };
    let narrowed = |index: &usize| !is_key(index) && !right.contains(index);
    let mut widths: Vec<usize> = all.iter().map(widest).collect();
    let room = columns.saturating_sub(GAP * heading.len().saturating_sub(1));
    // Whole words are kept as long as possible.
    let words = |index: &usize| narrowed(index).then(|| word(index).min(LONG_WORD));
    let texts = |index: &usize| (narrowed(index) && has_texts(index)).then_some(MIN_TEXT);
    let columns_of_words = |index: &usize| narrowed(index).then_some(MIN_WORD);
    let steps: [Vec<Option<usize>>; 3] =
        [all.iter().map(words).collect(), all.iter().map(texts).collect(), all.iter().map(columns_of_words).collect()];
    for step in steps {
        let with_heading =
            |(index, least): (usize, Option<usize>)| least.map(|least| least.max(heading[index].width()));
        let least: Vec<Option<usize>> = step.into_iter().enumerate().map(with_heading).collect();
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

/// A word that is wider than the column continues on the next line, too.
fn wrap(text: &str, width: usize) -> String {
    let options = textwrap::Options::new(width.max(2)).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
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
    fn narrow_terminals_keep_ids_and_fit() {
        let row = ["TIME", "JOB", "ATTEMPT", "USD", "BASIS", "MODEL", "BALANCE", "WHY"];
        let cells = [
            "2026-11-29T10:00:00Z",
            "02FSXYZ0000000000000",
            "1",
            "$0.03",
            "unknown",
            "flux-2-pro",
            "",
            "moderated: by the API",
        ];
        let (mut heading, mut right) = (row.to_vec(), vec![2, 3]);
        let mut rows = vec![cells.map(str::to_owned).to_vec()];
        drop_empty(&mut heading, &mut right, &mut rows, 80);
        assert_eq!((heading.len(), right.as_slice()), (7, &[2, 3][..]));
        fit(&heading, &right, &mut rows, 80, Overlong::Cut);
        let widths = widths(&heading, &right, &rows, 80);
        assert!(widths.iter().sum::<usize>() + GAP * 6 <= 80, "{widths:?} {rows:?}");
        assert_eq!((rows[0][1].as_str(), rows[0][3].as_str()), (cells[1], cells[3]));
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
