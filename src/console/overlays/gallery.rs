//! The gallery: the images of finished jobs in a grid. The selection is the queue's; the grid only knows which part it shows.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use crate::console::board::{Board, Row};
use crate::console::panes::image::{ImageKey, Tiles, image_of};
use crate::console::panes::queue::status_label;
use crate::console::theme::Theme;
use crate::jobs::Job;
use crate::text;
use crate::text::format;

/// Rows of a tile at which a screen begins to show one more row of tiles.
const TILE_HEIGHT: u16 = 13;

/// Columns and rows of tiles for a size of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Grid {
    columns: usize,
    rows: usize,
    tile: Size,
}

/// Which part of the grid is on the screen.
#[derive(Debug, Default)]
pub struct Gallery {
    grid: Grid,
    /// Where the tiles are.
    area: Rect,
    /// The first row of tiles on the screen.
    first: usize,
}

/// What the gallery is drawn from.
pub struct GalleryView<'a> {
    /// The jobs: those that the filter shows and that have an image.
    pub board: &'a Board,
    /// The place of the selection among them.
    pub selected: usize,
    /// The text of the filter.
    pub filter: &'a str,
    /// Jobs of the store before the first one that is loaded, and all that match, where that is known.
    pub above: Option<usize>,
    /// All that match, where that is known.
    pub total: Option<u64>,
    /// Why images are not drawn.
    pub hint: Option<&'a str>,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

impl Grid {
    /// Square images in cells twice as high as wide, two cells of frame around each.
    fn of(area: Rect) -> Self {
        let rows = ((area.height + TILE_HEIGHT / 2) / TILE_HEIGHT).max(1);
        let height = area.height / rows;
        let width = (height.saturating_sub(2) * 2 + 2).clamp(8, 60);
        let columns = (area.width / width).max(1);
        let tile = Size::new(area.width / columns, height);
        Self { columns: usize::from(columns), rows: usize::from(rows), tile }
    }
}

impl Gallery {
    /// Tiles of one row.
    pub fn columns(&self) -> usize {
        self.grid.columns.max(1)
    }

    /// Rows of tiles on the screen.
    pub fn rows(&self) -> usize {
        self.grid.rows.max(1)
    }

    /// Fits the grid into an area and scrolls to the selection.
    pub fn fit(&mut self, area: Rect, selected: usize) {
        self.area = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
        let columns = self.columns();
        self.grid = Grid::of(self.area);
        if columns != self.columns() {
            self.first = self.first * columns / self.columns();
        }
        let row = selected / self.columns();
        self.first = self.first.clamp((row + 1).saturating_sub(self.rows()), row);
    }

    /// The places of the jobs on the screen.
    pub fn visible(&self) -> std::ops::Range<usize> {
        let from = self.first * self.columns();
        from..from + self.rows() * self.columns()
    }

    /// Cells for one image.
    pub fn room(&self) -> Size {
        Size::new(self.grid.tile.width.saturating_sub(2), self.grid.tile.height.saturating_sub(2))
    }

    /// The place of the job under a cell.
    pub fn place_at(&self, column: u16, row: u16) -> Option<usize> {
        if !self.area.contains((column, row).into()) || self.grid.tile.area() == 0 {
            return None;
        }
        let column = usize::from((column - self.area.x) / self.grid.tile.width);
        let row = usize::from((row - self.area.y) / self.grid.tile.height);
        (column < self.columns() && row < self.rows()).then(|| (self.first + row) * self.columns() + column)
    }

    /// The images on the screen, the selected one first.
    pub fn images(&self, board: &Board, selected: usize) -> Vec<ImageKey> {
        let key = |place: usize| {
            let (_, entry) = board.rows(place..place + 1).next()?;
            let job = entry.job()?;
            image_of(job).map(|(attempt, _)| (job.id.clone(), attempt))
        };
        std::iter::once(selected).chain(self.visible().filter(|place| *place != selected)).filter_map(key).collect()
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &GalleryView<'_>, tiles: &mut Tiles) {
        self.fit(area, view.selected);
        frame.render_widget(self.title(area.width, view), Rect { height: area.height.min(1), ..area });
        if view.board.is_empty() {
            let theme = view.theme;
            let words = match (view.board.problem(), view.filter) {
                (Some(_), _) => "The filter is not valid · Esc goes back to the queue",
                (None, "") => "No finished images yet · Esc goes back to the queue",
                (None, _) => "No finished images match the filter · Esc goes back to the queue",
            };
            let empty = Paragraph::new(Line::styled(words, theme.dim)).wrap(Wrap { trim: true });
            let rest = Rect { x: self.area.x + 1, width: self.area.width.saturating_sub(1), ..self.area };
            return frame.render_widget(empty, rest);
        }
        let visible = self.visible();
        for (index, (id, entry)) in view.board.rows(visible.clone()).enumerate() {
            let (column, row) = (index % self.columns(), index / self.columns());
            let tile = Rect {
                x: self.area.x + column as u16 * self.grid.tile.width,
                y: self.area.y + row as u16 * self.grid.tile.height,
                width: self.grid.tile.width,
                height: self.grid.tile.height,
            };
            let markers = (visible.start + index == view.selected, view.board.is_marked(id));
            match &entry.row {
                Row::Job(job) => {
                    let tiles = view.hint.is_none().then_some(&mut *tiles);
                    draw_tile(frame, tile, job, markers, view.theme, tiles);
                }
                Row::Unreadable(_) => {
                    let words = Line::styled("unreadable document", view.theme.bad);
                    frame.render_widget(Paragraph::new(words), tile.inner(ratatui::layout::Margin::new(1, 1)));
                }
            }
        }
    }

    fn title(&self, width: u16, view: &GalleryView<'_>) -> Line<'static> {
        let theme = view.theme;
        let mut parts = vec![Span::styled(" Gallery ", theme.accent)];
        let dash = theme.symbol("──", "--");
        let marked = view.board.marked();
        if marked > 0 {
            parts.push(Span::styled(format!("{dash} {marked} marked "), theme.warning));
        }
        if let Some(hint) = view.hint {
            parts.push(Span::styled(format!("{dash} {hint} "), theme.warning));
        }
        if !view.filter.is_empty() {
            let filter = text::sanitize_line(view.filter, 200);
            parts.push(Span::styled(format!("{dash} {} ", format::cut(&filter, usize::from(width) / 3)), theme.text));
        }
        let (first, last) = (self.visible().start, self.visible().end.min(view.board.len()));
        let range = match (view.above, view.total) {
            _ if view.board.is_empty() => String::new(),
            (Some(above), Some(total)) => {
                format!("{}–{} of {}", above + first + 1, above + last, total.max((above + last) as u64))
            }
            (Some(above), None) => format!("{}–{} of {}+", above + first + 1, above + last, above + view.board.len()),
            (None, Some(total)) => format!("{} of {total}", last - first),
            (None, None) => format!("{} of {}+", last - first, view.board.len()),
        };
        let used: usize = parts.iter().map(|span| span.content.width()).sum();
        let gap = usize::from(width).saturating_sub(used + range.width() + 1);
        if gap > 0 {
            parts.push(Span::raw(" ".repeat(gap)));
            parts.push(Span::styled(range, theme.dim));
        }
        Line::from(parts)
    }
}

fn draw_tile(
    frame: &mut Frame<'_>,
    area: Rect,
    job: &Job,
    (selected, marked): (bool, bool),
    theme: &Theme,
    tiles: Option<&mut Tiles>,
) {
    let (set, style) = if selected { (border::THICK, theme.border_focused) } else { (border::ROUNDED, theme.border) };
    let mut title = Vec::new();
    if selected {
        title.push(Span::styled(theme.symbol("▸", ">"), theme.accent));
    }
    if marked {
        title.push(Span::styled(theme.symbol("●", "*"), theme.warning));
    }
    title.push(Span::styled(format!("{} {}", theme.job_symbol(job), status_label(job)), theme.job_style(job)));
    let room = usize::from(area.width.saturating_sub(2));
    let prompt = format::cut(&text::sanitize_line(&job.spec.prompt, 200), room);
    let block = Block::bordered()
        .border_set(set)
        .border_style(style)
        .title(Line::from(title))
        .title_bottom(Line::styled(prompt, if selected { theme.text } else { theme.dim }));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if let (Some(tiles), Some((attempt, _))) = (tiles, image_of(job)) {
        tiles.draw(frame, &(job.id.clone(), attempt), inner, theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_any_screen_without_leaving_it() {
        for width in 1..=300 {
            for height in 1..=100 {
                let grid = Grid::of(Rect::new(0, 0, width, height));
                assert!(grid.columns * usize::from(grid.tile.width) <= usize::from(width), "{width}x{height} {grid:?}");
                assert!(grid.rows * usize::from(grid.tile.height) <= usize::from(height), "{width}x{height} {grid:?}");
            }
        }
        let tiles = |width, height| {
            let grid = Grid::of(Rect::new(0, 0, width, height));
            (grid.columns, grid.rows)
        };
        assert_eq!([tiles(200, 57), tiles(120, 37), tiles(80, 21), tiles(40, 9)], [(7, 4), (5, 3), (4, 2), (2, 1)]);
    }

    #[test]
    fn selection_is_always_on_the_screen() {
        let mut gallery = Gallery::default();
        for (width, height, selected) in
            [(200, 58, 0), (200, 58, 500), (80, 22, 500), (300, 98, 12), (40, 10, 999), (1, 1, 3), (120, 38, 0)]
        {
            gallery.fit(Rect::new(0, 0, width, height), selected);
            assert!(gallery.visible().contains(&selected), "{width}x{height}: {gallery:?}");
        }
    }
}
