//! What keys do to the logs, and the way from a step to its lines.

use super::{App, NO_EFFECT};
use crate::console::keymap::InputContext;
use crate::console::layout::PaneName;
use crate::console::overlays::Overlay;
use crate::console::panes::logs::{LogInput, StepSpan};
use crate::jobs::JobId;

impl App {
    /// Opens the log screen: at a selected step with its lines alone. Closes it where it is open.
    pub(super) fn open_logs(&mut self) {
        if matches!(self.overlays.last(), Some(Overlay::Logs)) {
            self.overlays.pop();
            return;
        }
        if let Some(step) = self.selected_step() {
            self.logs.show_step(step);
        }
        self.overlays.push(Overlay::Logs);
    }

    /// The step that the keys act on: of the job screen, or of the steps pane while it has the focus.
    pub(super) fn selected_step(&self) -> Option<StepSpan> {
        let job = self.selected()?;
        match (self.overlays.last(), self.input_context()) {
            (Some(Overlay::Job(screen)), _) => screen.selected_step(job),
            (None, InputContext::Pane(PaneName::Steps)) => self.steps.selected_step(job),
            _ => None,
        }
    }

    /// Selects the next or the previous step of the job screen.
    pub(super) fn select_step(&mut self, by: i64) {
        let Some(job) = self.queue.selected().and_then(|id| self.board.job(id)) else { return };
        if let Some(Overlay::Job(screen)) = self.overlays.last_mut()
            && !screen.select_step(job, by)
        {
            self.notify(NO_EFFECT, "This job has no steps yet");
        }
    }

    pub(super) fn type_into_logs(&mut self, input: LogInput) {
        self.logs.begin_input(input);
        self.overlays.push(Overlay::LogInput);
    }

    pub(super) fn next_log_match(&mut self, older: bool) {
        if self.logs.searched().is_none() {
            self.type_into_logs(LogInput::Search);
        } else if !self.logs.next_match(older) {
            let text = if older { "No older line contains this text" } else { "No newer line contains this text" };
            self.notify(NO_EFFECT, text);
        }
    }

    /// Requests the lines of the selected job from the log files, once, where none are known.
    pub(super) fn search_logs(&mut self) {
        let job_screen = matches!(self.overlays.last(), Some(Overlay::Job(_)));
        let selected = self.queue.selected();
        let missing: Option<JobId> = if job_screen {
            selected.filter(|job| !self.logs.has_job(job)).cloned()
        } else {
            self.logs.missing_job(selected).cloned()
        };
        if let Some(job) = missing
            && self.searched_logs.as_ref() != Some(&job)
        {
            self.searched_logs = Some(job.clone());
            self.effects.push(crate::console::message::Effect::SearchLogs(job));
        }
    }
}
