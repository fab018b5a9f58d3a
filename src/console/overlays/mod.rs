//! What covers the panes: one file each. They are a stack; Esc takes the top one away.

pub mod budget;
pub mod bulk;
pub mod compare;
pub mod confirm;
pub mod contexts;
pub mod costs;
pub mod gallery;
pub mod help;
pub mod job;
pub mod line;
pub mod numbered_list;
pub mod palette;
pub mod queue_menu;
pub mod quit;
pub mod views;

use ratatui::layout::Rect;

use super::form::Form;
use super::keymap::InputContext;

/// One layer over the panes.
pub enum Overlay {
    /// A question.
    Confirm(confirm::Confirm),
    /// The question before quitting while images are being generated.
    Quit(quit::QuitDialog),
    /// The keys of a place.
    Help(help::Help),
    /// Every action by its name.
    Palette(palette::Palette),
    /// The filter line of the queue is being typed.
    Filter,
    /// The submit form.
    Form(Box<Form>),
    /// Everything about the selected job.
    Job(job::JobScreen),
    /// The image on the whole screen.
    Image,
    /// The images of finished jobs.
    Gallery(gallery::Gallery),
    /// Jobs side by side.
    Compare(compare::Compare),
    /// Where the money went.
    Costs(costs::CostScreen),
    /// Caps and uncertain charges.
    Budget(budget::BudgetScreen),
    /// The logs on the whole screen.
    Logs,
    /// A search or a text filter of the logs is being typed.
    LogInput,
    /// The contexts that can be opened.
    Contexts(contexts::ContextMenu),
    /// The saved views.
    Views(views::ViewMenu),
    /// The order or the columns of the queue are being chosen.
    QueueMenu(queue_menu::QueueMenu),
    /// Actions on many jobs.
    Bulk(bulk::BulkScreen),
    /// A line that is typed before an action.
    Line(line::LineDialog),
}

impl Overlay {
    /// Where keys go while it is on top.
    pub fn input_context(&self) -> InputContext {
        match self {
            Self::Confirm(_) => InputContext::Confirm,
            Self::Quit(_) => InputContext::Quit,
            Self::Help(_) => InputContext::Help,
            Self::Palette(_) => InputContext::Palette,
            Self::Filter => InputContext::Filter,
            Self::Form(_) => InputContext::Form,
            Self::Job(_) => InputContext::Job,
            Self::Image => InputContext::FullImage,
            Self::Gallery(_) => InputContext::Gallery,
            Self::Compare(_) => InputContext::Compare,
            Self::Costs(_) => InputContext::CostScreen,
            Self::Budget(_) => InputContext::BudgetScreen,
            Self::Logs => InputContext::LogScreen,
            Self::LogInput => InputContext::LogInput,
            Self::Contexts(_) => InputContext::Contexts,
            Self::Views(_) => InputContext::Views,
            Self::QueueMenu(_) => InputContext::QueueMenu,
            Self::Bulk(_) => InputContext::BulkScreen,
            Self::Line(_) => InputContext::Line,
        }
    }

    /// Whether it has an image, which a notice covers: to move the image would load it again.
    pub fn has_image(&self) -> bool {
        matches!(self, Self::Job(_) | Self::Image | Self::Gallery(_) | Self::Compare(_))
    }

    /// Whether nothing below it can be seen.
    pub fn covers_all(&self) -> bool {
        match self {
            Self::Job(_)
            | Self::Image
            | Self::Gallery(_)
            | Self::Compare(_)
            | Self::Costs(_)
            | Self::Budget(_)
            | Self::Bulk(_)
            | Self::Logs => true,
            Self::Confirm(_)
            | Self::Quit(_)
            | Self::Help(_)
            | Self::Palette(_)
            | Self::Filter
            | Self::LogInput
            | Self::Contexts(_)
            | Self::Views(_)
            | Self::QueueMenu(_)
            | Self::Form(_)
            | Self::Line(_) => false,
        }
    }
}

/// A rectangle of at most that size in the middle of an area.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
