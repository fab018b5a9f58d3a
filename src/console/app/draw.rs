//! Draws the whole screen. Drawing changes nothing except where panes remember their position.

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::App;
use crate::console::board::Entry;
use crate::console::costs_view;
use crate::console::keymap::{Action, InputContext};
use crate::console::layout::{LayoutMode, PaneName};
use crate::console::notices::{Notice, NoticeLevel};
use crate::console::overlays::Overlay;
use crate::console::overlays::budget::BudgetView;
use crate::console::overlays::compare::CompareView;
use crate::console::overlays::costs::{CostView, JobLabel};
use crate::console::overlays::gallery::GalleryView;
use crate::console::overlays::job::{JobScreen, JobView, MIN_WIDTH_WITH_IMAGE, STEP_LINES, image_facts};
use crate::console::panes::header::HeaderView;
use crate::console::panes::image::ImageView;
use crate::console::panes::logs::LogView;
use crate::console::panes::queue::QueueView;
use crate::console::panes::steps::StepsView;
use crate::console::panes::{footer, header, notice, spend};
use crate::console::widgets;
use crate::engine::Intake;
use crate::jobs::{Job, JobId, Review, StageName};
use crate::text;

impl App {
    /// Draws everything; afterwards the screen is not dirty any more.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        self.size = frame.area();
        frame.buffer_mut().set_style(self.size, self.theme.base);
        let layout = self.layout();
        self.dirty = false;
        if layout.mode == LayoutMode::Tiny {
            let summary = Paragraph::new(self.summary()).wrap(Wrap { trim: true });
            return frame.render_widget(summary, layout.body);
        }
        let view = HeaderView {
            context: &self.context,
            adapters: &self.adapters,
            simulated: self.simulated,
            status: &self.status,
            now: self.now,
            keys: self.keys,
            theme: &self.theme,
        };
        header::draw(frame, layout.header, &view);
        let covering = self.overlays.iter().rposition(Overlay::covers_all);
        if covering.is_none() {
            if !layout.tabs.is_empty() {
                let shown: Vec<PaneName> = layout.panes.iter().map(|(pane, _)| *pane).collect();
                footer::draw_tabs(frame, layout.tabs, self.keys, &shown, self.focus, &self.theme);
            }
            for (pane, area) in &layout.panes {
                self.draw_pane(frame, *pane, *area, self.overlays.is_empty() && *pane == self.focus);
                if self.is_stale() && matches!(pane, PaneName::Queue | PaneName::Steps | PaneName::Spend) {
                    frame.buffer_mut().set_style(*area, self.theme.dim);
                }
            }
        }
        let notice = self.notice();
        let lines = notice.as_ref().map_or(0, |(shown, _)| notice::height(shown, layout.notice.width));
        let mut overlays = std::mem::take(&mut self.overlays);
        for overlay in overlays.iter_mut().skip(covering.unwrap_or(0)) {
            let area = if overlay.has_image() { layout.body } else { layout.body_above(lines) };
            self.draw_overlay(frame, overlay, area);
        }
        self.overlays = overlays;
        if let Some((shown, more)) = notice {
            notice::draw(frame, layout.notice, &shown, more, &self.theme);
        }
        let is_available = |action| self.is_available(action);
        footer::draw(frame, layout.footer, self.keys, self.input_context(), is_available, &self.theme);
        widgets::fold_to_ascii(frame, frame.area(), &self.theme);
    }

    /// Whether the store may hold something else by now.
    fn is_stale(&self) -> bool {
        self.status.engine_closed || self.status.disconnected_since().is_some()
    }

    fn draw_pane(&mut self, frame: &mut Frame<'_>, pane: PaneName, area: Rect, focused: bool) {
        match pane {
            PaneName::Queue => self.draw_queue(frame, area, focused),
            PaneName::Image => self.draw_image(frame, area, focused),
            PaneName::Steps => {
                let entry = self.queue.selected().and_then(|id| self.board.entry(id));
                let view = StepsView {
                    job: entry.and_then(Entry::job).map(Arc::as_ref),
                    progress: entry.and_then(|entry| entry.progress.as_ref()),
                    now: self.now,
                    zone: self.zone,
                    focused,
                    selected: None,
                    theme: &self.theme,
                };
                self.steps.draw(frame, area, &view);
            }
            PaneName::Logs => {
                let (job, zone, keys) = (self.queue.selected(), self.zone, self.keys);
                let view = LogView { job, zone, focused, keys, theme: &self.theme };
                self.logs.draw(frame, area, &view);
            }
            PaneName::Spend => spend::draw(frame, area, self.status.costs.as_deref(), focused, &self.theme),
        }
    }

    fn draw_queue(&mut self, frame: &mut Frame<'_>, area: Rect, focused: bool) {
        let (filter, typing) = (self.filter.as_str(), matches!(self.overlays.last(), Some(Overlay::Filter)));
        let view = QueueView {
            board: &self.board,
            status: &self.status,
            filter: (filter, typing),
            view_name: self.views.iter().find(|view| view.filter == filter.trim()).map(|view| view.name.as_str()),
            searched_back_to: self.paging.stopped_at().filter(|_| !self.is_local()),
            above: if self.is_local() { Some(0) } else { self.paging.rows_above() },
            total: self.matching_total(),
            held: self.held_total(),
            sorted_back_to: self.paging.sorted_back_to().filter(|_| !self.is_local()),
            columns: &self.queue_settings.columns,
            activity: &self.activity,
            completions: if typing { self.completions() } else { Vec::new() },
            simulated: self.simulated,
            catalog: self.catalog,
            zone: self.zone,
            now: self.now,
            focused: focused || typing,
            keys: self.keys,
            theme: &self.theme,
        };
        self.queue.draw(frame, area, &view);
    }

    fn draw_image(&mut self, frame: &mut Frame<'_>, area: Rect, focused: bool) {
        let entry = self.queue.selected().and_then(|id| self.board.entry(id));
        let job = entry.and_then(Entry::job).map(Arc::as_ref);
        let progress = entry.and_then(|entry| entry.progress.as_ref());
        self.image.set_hint(self.image_hint());
        let view = ImageView { job, progress, now: self.now, focused, keys: self.keys, theme: &self.theme };
        self.image.draw(frame, area, &view);
    }

    /// The image on the whole screen; where there is room, with its prompt, seed and price.
    fn draw_full_image(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let (image, facts) = image_facts::split(area);
        self.draw_image(frame, if self.selected().is_some() { image } else { area }, true);
        let Some(job) = self.selected().map(Arc::clone) else { return };
        let (catalog, zone, now, keys) = (self.catalog, self.zone, self.now, self.keys);
        let (theme, hold) = (&self.theme, self.hold_line(&job));
        let view = JobView { job: &job, hold, progress: None, step_lines: &[], catalog, zone, now, keys, theme };
        image_facts::draw(frame, facts, &view);
    }

    /// The job screen; on a wide screen with the image.
    fn draw_job(&mut self, frame: &mut Frame<'_>, job_screen: &mut JobScreen, mut area: Rect) {
        let Some(job) = self.selected().map(Arc::clone) else {
            let gone = Line::styled(" This job was deleted · Esc goes back", self.theme.dim);
            return frame.render_widget(Paragraph::new(gone), area);
        };
        if area.width >= MIN_WIDTH_WITH_IMAGE && job.image().is_some() {
            let width = area.width / 3;
            let image = Rect { x: area.right() - width, width, ..area };
            area.width -= width;
            self.draw_image(frame, image, false);
        }
        let step_lines = match job_screen.selected_step(&job) {
            Some(step) => self.logs.lines_of_step(&job.id, &step, STEP_LINES),
            None => Vec::new(),
        };
        let progress = self.board.entry(&job.id).and_then(|entry| entry.progress.as_ref());
        let (catalog, zone, now, keys) = (self.catalog, self.zone, self.now, self.keys);
        let step_lines = &step_lines;
        let (theme, hold) = (&self.theme, self.hold_line(&job));
        let view = JobView { job: &job, hold, progress, step_lines, catalog, zone, now, keys, theme };
        job_screen.draw(frame, area, &view);
    }

    fn draw_overlay(&mut self, frame: &mut Frame<'_>, overlay: &mut Overlay, area: Rect) {
        let theme = &self.theme;
        match overlay {
            Overlay::Confirm(confirm) => confirm.draw(frame, area, theme),
            Overlay::Quit(dialog) => dialog.draw(frame, area, self.now, theme),
            Overlay::Help(help) => help.draw(frame, area, theme),
            Overlay::Palette(palette) => palette.draw(frame, area, theme),
            Overlay::Filter | Overlay::LogInput => {}
            Overlay::Contexts(menu) => menu.draw(frame, area, theme),
            Overlay::Views(menu) => menu.draw(frame, area, theme),
            Overlay::QueueMenu(menu) => menu.draw(frame, area, &self.queue_settings, theme),
            Overlay::Form(form) => form.draw(frame, area, theme),
            Overlay::Costs(screen) => {
                let label_of = |id: &str| {
                    let job = self.board.job(&JobId::new(id).ok()?)?;
                    Some(JobLabel {
                        prompt: text::sanitize_line(&job.spec.prompt, 120),
                        model: text::sanitize_line(&job.spec.model, 60),
                        day: job.created_at.format("%-d %b").to_string(),
                    })
                };
                let costs = self.status.costs.as_deref();
                screen.draw(
                    frame,
                    area,
                    &CostView { costs, usage: self.status.usage.as_deref(), label_of: &label_of, theme },
                );
            }
            Overlay::Budget(screen) => {
                let (costs, simulated) = (self.status.costs.as_deref(), self.simulated);
                screen.draw(frame, area, &BudgetView { costs, simulated, zone: self.zone, theme });
            }
            Overlay::Bulk(screen) => screen.draw(frame, area, &self.bulk, self.now, self.keys, theme),
            Overlay::Line(dialog) => dialog.draw(frame, area, theme),
            Overlay::Image => self.draw_full_image(frame, area),
            Overlay::Gallery(gallery) => {
                let hint = self.image_hint();
                let view = GalleryView {
                    board: &self.board,
                    selected: self.queue.index(),
                    filter: self.filter.as_str(),
                    above: if self.is_local() { Some(0) } else { self.paging.rows_above() },
                    total: self.matching_total(),
                    hint: hint.as_deref(),
                    theme,
                };
                gallery.draw(frame, area, &view, &mut self.tiles);
            }
            Overlay::Compare(compare) => {
                let view = CompareView {
                    jobs: self.compared_jobs(compare),
                    hint: self.image_hint(),
                    catalog: self.catalog,
                    theme,
                };
                compare.draw(frame, area, &view, &mut self.compared);
            }
            Overlay::Logs => {
                let (job, zone, keys) = (self.queue.selected(), self.zone, self.keys);
                let view = LogView { job, zone, focused: true, keys, theme };
                self.logs.draw(frame, area, &view);
            }
            Overlay::Job(job_screen) => self.draw_job(frame, job_screen, area),
        }
    }

    /// What is drawn over images: the overlays, and a notice of several lines.
    pub(super) fn covers(&self) -> (usize, bool) {
        let room = usize::from(self.size.width).saturating_sub(3);
        let is_long =
            |(notice, _): (&Notice, usize)| unicode_width::UnicodeWidthStr::width(notice.text.as_str()) > room;
        (self.overlays.len(), self.notices.current().is_some_and(is_long))
    }

    /// The notice to show, and how many others are queued. What can still be cancelled precedes what was reported.
    fn notice(&self) -> Option<(Notice, usize)> {
        let warning = |text: String| Some((Notice { level: NoticeLevel::Warning, text }, 0));
        if self.quitting {
            let key = self.key(Action::Quit);
            return warning(match self.status.submits_in_flight {
                0 => format!("Shutting down: finishing in-flight requests · {key} again quits immediately"),
                submits => {
                    let submits = text::format::count(submits, "submit");
                    format!("Waiting for {submits} in flight (may already be billed) · {key} again quits anyway")
                }
            });
        }
        if self.quits_when_done {
            let running = self.running_here();
            let images = if running == 1 { "1 image".to_owned() } else { format!("{running} images") };
            let (quit, pause) = (self.key(Action::Quit), self.key(Action::Pause));
            return warning(format!(
                "Quitting when {images} in progress are done; no new jobs start · {quit} quits now · {pause} stays"
            ));
        }
        if let Some(text) = self.bulk_line().filter(|_| self.is_counting_down()) {
            return warning(text);
        }
        if let Some((current, more)) = self.notices.current() {
            // Esc has one meaning at a time: here it leaves the question about seeds.
            let more = if self.awaits_seeds { 0 } else { more };
            return Some((current.clone(), more));
        }
        self.bulk_line().map(|text| (Notice { level: NoticeLevel::Info, text }, 0))
    }

    /// What matters most, where there is room for nothing else.
    fn summary(&self) -> String {
        let status = &self.status;
        let money = status.today().map_or("$?".to_owned(), crate::costs::Usd::display);
        let name = if self.simulated { "SIMULATED" } else { "REAL MONEY" };
        let failed = status.count(StageName::Failed);
        format!("{name}: {} running, {failed} failed, today {money} · needs 40x12", status.running())
    }

    /// Whether an action would have an effect now: the footer lists no other.
    pub(super) fn is_available(&self, action: Action) -> bool {
        if self.read_only && action.changes().is_some() {
            return false;
        }
        let job = self.selected().map(Arc::as_ref);
        let marked = self.takes_marked();
        let is = |fits: &dyn Fn(&Job) -> bool| marked || job.is_some_and(fits);
        match action {
            Action::Retry => is(&|job| matches!(job.stage_name(), StageName::Failed | StageName::Cancelled)),
            Action::RetryAll => self.status.count(StageName::Failed) > 1,
            Action::Cancel => is(&costs_view::can_cancel),
            Action::Approve => is(&|job| job.stage_name() == StageName::Done),
            Action::Reject => is(&|job| matches!(job.review(), Some(Review::Open | Review::Approved))),
            Action::NewSeed | Action::Clone | Action::Open => job.is_some(),
            Action::Compare => matches!(self.board.marked(), 2..=4),
            Action::Gallery => self.status.done() > 0,
            Action::ShowImages => self.status.slow_line.is_some(),
            Action::FullImage => {
                !matches!(self.input_context(), InputContext::FullImage) && job.is_some_and(|job| job.image().is_some())
            }
            Action::SaveImage => job.is_some_and(|job| job.image().is_some()),
            Action::BulkPause | Action::BulkStop | Action::BulkUndo => !self.bulk.is_empty(),
            Action::Undo => !self.undo.is_empty() || self.own_bulk().is_some(),
            Action::Filter => self.board.known() > 1,
            Action::Back => !self.overlays.is_empty() || !self.filter.is_empty() || self.board.marked() > 0,
            Action::Help => self.input_context() != InputContext::Help,
            Action::Pause => self.status.intake != Intake::ReadOnly,
            // A question has answers of its own.
            Action::Accept => match self.overlays.last() {
                Some(Overlay::Contexts(menu)) => !menu.is_asking(),
                // A letter or Space chooses columns; Enter closes their list.
                Some(Overlay::QueueMenu(menu)) => !menu.is_of_columns(),
                _ => true,
            },
            _ => true,
        }
    }
}
