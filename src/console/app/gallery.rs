//! The gallery and the comparison: which jobs they show, which images they load, and a job again with a new seed.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use crossterm::event::{KeyCode, KeyEvent};

use super::{App, NO_EFFECT};
use crate::console::keymap::Action;
use crate::console::message::{Effect, PricedRequests};
use crate::console::notices::NoticeLevel;
use crate::console::overlays::Overlay;
use crate::console::overlays::compare::{Compare, MAX_JOBS};
use crate::console::overlays::gallery::Gallery;
use crate::costs::Usd;
use crate::engine::{Command, NewJob};
use crate::jobs::filter::{Condition, Filter, JobStatus};
use crate::jobs::{Job, StageName};
use crate::text::format;

/// How long no image is requested after the engine had no room for a request.
const BUSY_PAUSE: Duration = Duration::milliseconds(250);

impl App {
    pub(super) fn open_gallery(&mut self) {
        match self.overlays.last() {
            Some(Overlay::Gallery(_)) => drop(self.overlays.pop()),
            _ => self.overlays.push(Overlay::Gallery(Gallery::default())),
        }
    }

    /// Whether the gallery is open, on top or below other overlays.
    pub(super) fn has_gallery(&self) -> bool {
        self.overlays.iter().any(|overlay| matches!(overlay, Overlay::Gallery(_)))
    }

    /// The filter of what is shown: the gallery adds that a job is finished.
    pub(super) fn with_gallery(&self, filter: Filter) -> Filter {
        if !self.has_gallery() {
            return filter;
        }
        let finished = [StageName::Done, StageName::Approved].map(JobStatus::Stage);
        filter.and(Condition::Status(finished.to_vec()))
    }

    /// Moves the selection of the screen on top sideways.
    pub(super) fn step_sideways(&mut self, by: i64) {
        match self.overlays.last_mut() {
            Some(Overlay::Gallery(_) | Overlay::Image) => self.queue.move_by(by, &self.board),
            Some(Overlay::Compare(compare)) => compare.step(by),
            _ => {}
        }
    }

    /// Moves the selection of the gallery by rows of tiles.
    pub(super) fn scroll_gallery(&mut self, columns: usize, rows: i64) {
        let columns = i64::try_from(columns).unwrap_or(1);
        let last = i64::try_from(self.board.len()).unwrap_or(i64::MAX) - 1;
        let place = i64::try_from(self.queue.index()).unwrap_or(0);
        // From the last row but one, the selection goes to the last image where none is below it.
        let is_last_row = place / columns == last / columns;
        if rows > 0 && is_last_row {
            self.paging.resume();
            if rows == 1 {
                return;
            }
        }
        self.queue.move_by(rows.saturating_mul(columns), &self.board);
    }

    /// Compares the marked jobs.
    pub(super) fn compare(&mut self) {
        if matches!(self.overlays.last(), Some(Overlay::Compare(_))) {
            self.overlays.pop();
            return self.compared.clear();
        }
        let marked = self.board.marked();
        if !(2..=MAX_JOBS).contains(&marked) {
            let (mark, compare) = (self.key(Action::Mark), self.key(Action::Compare));
            let text = match marked {
                0 => format!("Mark two to four jobs with {mark}, then press {compare} to compare them"),
                1 => format!("One job is marked: mark one to three more with {mark}, then press {compare}"),
                _ => format!("{marked} jobs are marked: at most {MAX_JOBS} can be compared · Esc removes the marks"),
            };
            return self.notify(NO_EFFECT, text);
        }
        if self.board.marked_elsewhere().is_some() {
            return self.notify(NO_EFFECT, "Some marked jobs are not loaded: mark jobs that are listed");
        }
        let ids = self.board.marked_jobs().into_iter().map(|job| job.id.clone()).collect();
        self.overlays.push(Overlay::Compare(Compare::new(ids)));
    }

    /// Requests the same images again with other seeds: of the marked jobs, or of this one.
    pub(super) fn repeat_with_new_seed(&mut self) {
        self.repeat(1);
    }

    /// Waits for a digit: that many images with new seeds.
    pub(super) fn begin_seeds(&mut self) {
        let jobs = self.targets();
        if jobs.is_empty() {
            return self.notify(NO_EFFECT, "No job selected");
        }
        self.awaits_seeds = true;
        let price: Option<Usd> = jobs.iter().map(|job| self.catalog.estimate(&job.spec).amount).sum();
        let price = price.map_or_else(|| "price unknown".to_owned(), |price| format!("about {}", price.display()));
        let each =
            if jobs.len() == 1 { "each".to_owned() } else { format!("for each {}", format::count(jobs.len(), "job")) };
        self.notify(
            NoticeLevel::Info,
            format!("How many images with new seeds? 1–9 requests them, {price} {each} · Esc stays"),
        );
    }

    /// Takes the key that follows. Returns whether it was a number of seeds, or the way back.
    pub(super) fn on_seeds_key(&mut self, key: KeyEvent) -> bool {
        if !std::mem::take(&mut self.awaits_seeds) {
            return false;
        }
        match key.code {
            KeyCode::Char(digit @ '1'..='9') => self.repeat(digit as usize - '0' as usize),
            KeyCode::Esc => {
                self.notices.dismiss();
            }
            _ => return false,
        }
        true
    }

    /// Requests the images of the targets again, each so many times with a new seed.
    fn repeat(&mut self, times: usize) {
        if self.takes_marked() && self.board.marked_elsewhere().is_some() {
            return self.notify(NO_EFFECT, "Some marked jobs are not loaded: mark jobs that are listed");
        }
        let jobs = self.targets();
        if jobs.is_empty() {
            return self.notify(NO_EFFECT, "No job selected");
        }
        let repeated = jobs.iter().flat_map(|job| std::iter::repeat_n(job, times));
        let requests: Vec<NewJob> = repeated.map(|job| self.with_new_seed(job)).collect();
        if let Some(error) = requests.iter().find_map(|request| self.catalog.validate(&request.spec).into_iter().next())
        {
            let text =
                format!("Cannot request this again: {error} · {} clones it for editing", self.key(Action::Clone));
            return self.notify(NO_EFFECT, text);
        }
        if self.simulated {
            self.send_or_confirm(Command::Submit(requests), None, None);
        } else if requests.iter().any(|request| self.catalog.has_inputs(&request.spec)) {
            // The price depends on files, which are read in the background.
            self.effects.push(Effect::PriceRequests(requests));
        } else {
            let priced = PricedRequests::of(requests, self.catalog);
            self.confirm_requests(priced);
        }
    }

    /// Takes in the price of requests with input images.
    pub(super) fn on_requests_priced(&mut self, priced: PricedRequests) {
        // A question must not open under keys that are meant for something else.
        let context = self.input_context();
        if context.is_question() || context.takes_text() {
            return self.notify(NO_EFFECT, "Nothing was requested: close this first, then request again");
        }
        self.confirm_requests(priced);
    }

    fn confirm_requests(&mut self, priced: PricedRequests) {
        let PricedRequests { requests, price, is_measured } = priced;
        let mut facts = vec![format!("This spends real money: {}.", price.line())];
        if !is_measured {
            facts.push("Images of unknown size count as one megapixel each, and at most as the largest.".to_owned());
        }
        let question = format!("Request {} with new seeds?", format::count(requests.len(), "more image"));
        self.send_or_confirm(Command::Submit(requests), Some((question, facts)), None);
    }

    fn with_new_seed(&self, job: &Job) -> NewJob {
        let mut spec = job.spec.clone();
        spec.ignored.clear();
        spec.parameters.remove("seed");
        if self.catalog.model(&spec.model).is_some_and(|model| model.parameter("seed").is_some()) {
            spec = spec.with("seed", u64::from(rand::random::<u32>() >> 1));
        }
        NewJob { spec, tags: job.tags.clone() }
    }

    /// Requests the images that the gallery or the comparison shows, a few at a time.
    pub(super) fn request_tiles(&mut self) {
        let dropped = [self.tiles.take_dropped(), self.compared.take_dropped(), self.image.take_dropped()].concat();
        if !dropped.is_empty() {
            self.effects.push(Effect::DropImages(dropped));
        }
        if !self.shows_images() || self.tiles_paused_until.is_some_and(|until| self.now < until) {
            return;
        }
        self.tiles_paused_until = None;
        let body = self.layout().body;
        let selected = self.queue.index();
        let image = &self.image;
        let loads = match self.overlays.iter_mut().rev().find(|overlay| overlay.covers_all()) {
            Some(Overlay::Gallery(gallery)) => {
                gallery.fit(body, selected);
                self.tiles.keep(image.pixels_of(gallery.room()));
                let wanted = gallery.images(&self.board, selected);
                self.tiles.next_loads(wanted.into_iter(), |key| image.source(key))
            }
            Some(Overlay::Compare(compare)) => {
                self.compared.keep(image.pixels_of(compare.room()));
                let jobs = compare.ids().iter().filter_map(|id| self.board.job(id));
                let wanted = compare.images(jobs);
                self.compared.next_loads(wanted.into_iter(), |key| image.source(key))
            }
            _ => return,
        };
        for id in loads {
            self.send(Command::LoadImage(id));
        }
    }

    /// Whether images are drawn now: on a slow line only on request.
    pub(super) fn shows_images(&self) -> bool {
        self.status.slow_line.is_none() || self.images_requested
    }

    /// Why images are not drawn, and the key that draws them.
    pub(super) fn image_hint(&self) -> Option<String> {
        let rate = self.status.slow_line.filter(|_| !self.images_requested)?;
        Some(format!("Slow line ({}/s): {} shows images", format::bytes(rate), self.key(Action::ShowImages)))
    }

    /// Shows images on a slow line, or stops that.
    pub(super) fn toggle_images(&mut self) {
        if self.status.slow_line.is_none() {
            return self.notify(NO_EFFECT, "The line is fast: images are shown already");
        }
        self.images_requested = !self.images_requested;
        self.dirty = true;
    }

    pub(super) fn on_line_speed(&mut self, bytes_per_second: Option<u64>) {
        self.status.slow_line = bytes_per_second;
        self.images_requested = false;
        self.dirty = true;
    }

    /// The operator pressed a key while an image was on its way: the key comes first.
    pub(super) fn on_frame_cut(&mut self) {
        self.images_requested = false;
        self.invalidate_images();
        self.dirty = true;
    }

    /// The engine had no room for a request.
    pub(super) fn on_load_dropped(&mut self, id: &crate::jobs::JobId) {
        self.tiles.on_dropped(id);
        self.compared.on_dropped(id);
        self.tiles_paused_until = Some(self.now + BUSY_PAUSE);
    }

    /// When images are requested again, if that waits.
    pub(super) fn tiles_due_at(&self) -> Option<DateTime<Utc>> {
        self.tiles_paused_until
    }

    /// The compared jobs that exist.
    pub(super) fn compared_jobs(&self, compare: &Compare) -> Vec<Arc<Job>> {
        compare.ids().iter().filter_map(|id| self.board.job(id)).cloned().collect()
    }
}
