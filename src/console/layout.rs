//! Where the panes are for a size of the screen. Pure arithmetic.
//!
//! ```text
//!  wide (100x24 and up)           stacked (80x20 and up)      single (40x12 and up)   tiny
//!  ┌ header ──────────────────┐   ┌ header ─────────────┐     ┌ header ────────┐      a sentence
//!  │ queue          │ image │   │ queue               │     │ tabs           │
//!  │                ├─────────┤   │                     │     │ the pane with  │
//!  │                │ steps   │   ├──────────┬──────────┤     │ the focus      │
//!  ├────────────────┼─────────┤   │ steps    │ image  │     │                │
//!  │ logs           │ spend   │   │ (or logs, or spend) │     │                │
//!  └ footer ────────┴─────────┘   └ tabs, footer ───────┘     └ footer ────────┘
//! ```

use ratatui::layout::{Constraint, Layout as Split, Rect};

/// A pane, in the order of the digits 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaneName {
    /// The jobs.
    Queue,
    /// The image of the selected job.
    Image,
    /// The steps of the selected job.
    Steps,
    /// The log lines.
    Logs,
    /// The money.
    Spend,
}

impl PaneName {
    /// In the order of the digits.
    pub const ALL: [Self; 5] = [Self::Queue, Self::Image, Self::Steps, Self::Logs, Self::Spend];

    /// For titles and tabs.
    pub fn title(self) -> &'static str {
        match self {
            Self::Queue => "Queue",
            Self::Image => "Image",
            Self::Steps => "Steps",
            Self::Logs => "Logs",
            Self::Spend => "Spend",
        }
    }
}

/// How much of the console fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutMode {
    /// All panes at once.
    Wide,
    /// The queue, and below it what belongs to the focus.
    Stacked,
    /// One pane.
    Single,
    /// One sentence.
    Tiny,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How much fits.
    pub mode: LayoutMode,
    /// The first line.
    pub header: Rect,
    /// Where the panes that are not on the screen are named; empty where all are.
    pub tabs: Rect,
    /// The panes that are on the screen.
    pub panes: Vec<(PaneName, Rect)>,
    /// Everything between header and footer: where full-screen overlays go.
    pub body: Rect,
    /// The line above the footer. A notice covers the last lines of the panes and of images; other overlays end above it.
    pub notice: Rect,
    /// The last line.
    pub footer: Rect,
}

/// Lines of the steps pane with its frame: seven steps, two borders.
const STEPS: u16 = 9;

impl Layout {
    /// Where everything is on a screen of that size, with the focus there. `lower` is what the stacked screen shows below the
    /// queue while the queue has the focus.
    pub fn new(area: Rect, focus: PaneName, lower: PaneName) -> Self {
        let mode = match (area.width, area.height) {
            (100.., 24..) => LayoutMode::Wide,
            (80.., 20..) => LayoutMode::Stacked,
            (40.., 12..) => LayoutMode::Single,
            _ => LayoutMode::Tiny,
        };
        if mode == LayoutMode::Tiny {
            let none = Rect::new(area.x, area.y, 0, 0);
            return Self { mode, header: none, tabs: none, panes: Vec::new(), body: area, notice: none, footer: none };
        }
        let [header, body, footer] =
            Split::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
        let notice = Rect { y: body.bottom() - 1, height: 1, ..body };
        let (tabs, panes) = match mode {
            LayoutMode::Wide => (Rect::new(body.x, body.y, 0, 0), wide(body)),
            LayoutMode::Stacked => stacked(body, if focus == PaneName::Queue { lower } else { focus }),
            LayoutMode::Single | LayoutMode::Tiny => {
                let [tabs, pane] = Split::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(body);
                (tabs, vec![(focus, pane)])
            }
        };
        Self { mode, header, tabs, panes, body, notice, footer }
    }

    /// The body above a notice of so many lines: what must stay in sight, such as a price, is drawn there.
    pub fn body_above(&self, notice: u16) -> Rect {
        Rect { height: self.body.height.saturating_sub(notice), ..self.body }
    }

    /// The pane under a cell.
    pub fn pane_at(&self, column: u16, row: u16) -> Option<(PaneName, Rect)> {
        self.panes.iter().copied().find(|(_, area)| area.contains((column, row).into()))
    }

    /// Where a pane is, if it is on the screen.
    pub fn area_of(&self, name: PaneName) -> Option<Rect> {
        self.panes.iter().find(|(pane, _)| *pane == name).map(|(_, area)| *area)
    }
}

fn wide(body: Rect) -> Vec<(PaneName, Rect)> {
    let right = (body.width * 34 / 100).clamp(38, 90);
    let [left, right] = Split::horizontal([Constraint::Min(0), Constraint::Length(right)]).areas(body);
    let bottom = (body.height / 4).clamp(6, 16);
    let [queue, logs] = Split::vertical([Constraint::Min(0), Constraint::Length(bottom)]).areas(left);
    let spend = if body.height < 30 { 5 } else { bottom };
    let [image, steps, spend] =
        Split::vertical([Constraint::Min(0), Constraint::Length(STEPS), Constraint::Length(spend)]).areas(right);
    vec![
        (PaneName::Queue, queue),
        (PaneName::Image, image),
        (PaneName::Steps, steps),
        (PaneName::Logs, logs),
        (PaneName::Spend, spend),
    ]
}

fn stacked(body: Rect, lower: PaneName) -> (Rect, Vec<(PaneName, Rect)>) {
    let height = (body.height * 2 / 5).clamp(STEPS, 16);
    let [queue, tabs, below] =
        Split::vertical([Constraint::Min(0), Constraint::Length(1), Constraint::Length(height)]).areas(body);
    let mut panes = vec![(PaneName::Queue, queue)];
    if matches!(lower, PaneName::Logs | PaneName::Spend) {
        panes.push((lower, below));
    } else {
        let [steps, image] = Split::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(below);
        panes.extend([(PaneName::Image, image), (PaneName::Steps, steps)]);
    }
    (tabs, panes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_fill_the_body_and_never_overlap() {
        for width in (0..=300).step_by(7).chain([40, 80, 100]) {
            for height in (0..=100).step_by(3).chain([12, 20, 24]) {
                for focus in PaneName::ALL {
                    let area = Rect::new(0, 0, width, height);
                    let layout = Layout::new(area, focus, PaneName::Steps);
                    let mut covered = layout.tabs.area();
                    for (index, (_, pane)) in layout.panes.iter().enumerate() {
                        assert!(pane.width >= 30 && pane.height >= 5, "{width}x{height}: {pane:?}");
                        covered += pane.area();
                        for (_, other) in &layout.panes[index + 1..] {
                            assert!(!pane.intersects(*other), "{width}x{height}");
                        }
                    }
                    if layout.mode == LayoutMode::Tiny {
                        assert!(width < 40 || height < 12);
                    } else {
                        assert_eq!(covered, layout.body.area(), "{width}x{height}");
                        assert!(layout.area_of(focus).is_some(), "{width}x{height}: the focus is on the screen");
                    }
                }
            }
        }
    }
}
