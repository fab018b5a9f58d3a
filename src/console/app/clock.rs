//! When time alone changes the screen. The loop sleeps until then; while nothing shows time, it sleeps for good.

use chrono::{DateTime, Duration, Utc};

use super::App;
use crate::console::layout::PaneName;
use crate::console::overlays::Overlay;

/// How long a selection stays before its image is loaded: scrolling through the list loads no images.
pub const IMAGE_LOAD_DELAY: Duration = Duration::milliseconds(120);

/// Times are not redrawn more often than this.
const MIN_TICK_INTERVAL: Duration = Duration::milliseconds(50);

impl App {
    /// When `Message::Tick` is wanted next, if ever.
    pub fn next_tick(&self) -> Option<DateTime<Utc>> {
        let second = || self.now + Duration::seconds(1);
        let mut times: Vec<DateTime<Utc>> = Vec::new();
        times.extend(self.notices.next_change());
        times.extend(self.status.disconnected_since().map(|_| second()));
        let pause = self.status.pause.as_ref();
        times.extend(pause.map(|pause| self.now + crate::text::format::next_age_change(self.now - pause.since)));
        if self.is_shown(PaneName::Queue) {
            times.extend(
                self.board.highlighted_until().filter(|until| *until > self.now).map(|until| until.min(second())),
            );
            times.extend(self.activity.next_change(self.now));
            times.extend(self.queue.next_change(&self.board, self.now).map(|wait| self.now + wait));
        }
        let job_shown = self.is_shown(PaneName::Steps)
            || self.is_shown(PaneName::Image)
            || matches!(self.overlays.last(), Some(Overlay::Job(_)));
        if job_shown && self.selected().is_some_and(|job| job.stage_name().is_active()) {
            times.push(second());
        }
        times.extend(self.bulk.iter().any(|record| record.is_open() && record.starts_at > self.now).then(second));
        times.extend(matches!(self.overlays.last(), Some(Overlay::Quit(_))).then(second));
        times.extend(self.tiles_due_at());
        times.extend(self.view_due_at());
        times.extend(self.notifier.due_at());
        times.extend(self.paging.due_at().filter(|due_at| *due_at > self.now));
        if let Some((_, since)) = &self.image_selection
            && self.now - *since < IMAGE_LOAD_DELAY
        {
            times.push(*since + IMAGE_LOAD_DELAY);
        }
        times.into_iter().min().map(|at| at.max(self.now + MIN_TICK_INTERVAL))
    }
}
