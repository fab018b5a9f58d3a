//! What is done to jobs and their images: which ones an action takes, what it costs, when it asks first. Must not do it.

use std::sync::Arc;

use super::{App, NOTHING};
use crate::console::cost::{self, RetryPrice};
use crate::console::keymap::Action;
use crate::console::message::Effect;
use crate::console::overlays::Overlay;
use crate::console::overlays::confirm::Confirm;
use crate::console::notices::NoticeLevel;
use crate::engine::Command;
use crate::jobs::{Job, JobId, ObjectName, StageName, StoredImage};
use crate::text::format;

impl App {
    /// The jobs that an action takes: the marked ones, or else the selected one.
    fn targets(&self) -> Vec<Arc<Job>> {
        if self.board.marked() > 0 {
            self.board.marked_jobs().into_iter().cloned().collect()
        } else {
            self.selected().cloned().into_iter().collect()
        }
    }

    /// Those of the targets that fit; where none does, says so.
    fn fitting(&mut self, fits: impl Fn(&Job) -> bool, cannot: &str) -> Option<Vec<Arc<Job>>> {
        let targets = self.targets();
        let fitting: Vec<Arc<Job>> = targets.iter().filter(|job| fits(job)).cloned().collect();
        if !fitting.is_empty() {
            return Some(fitting);
        }
        let text = match targets.as_slice() {
            [] => "no job is selected".to_owned(),
            [job] => format!("a job that is {} cannot be {cannot}", job.stage_name()),
            _ => format!("none of the marked jobs can be {cannot}"),
        };
        self.say(NOTHING, text);
        None
    }

    /// Sends, or asks first.
    fn order(&mut self, command: Command, question: Option<(String, Vec<String>)>) {
        if let Some((question, facts)) = question {
            self.overlays.push(Overlay::Confirm(Confirm { question, facts, command }));
        } else {
            self.board.clear_marks();
            self.send(command);
        }
    }

    pub(super) fn retry(&mut self) {
        if let Some(jobs) = self.fitting(|job| job.retry_kind().is_ok(), "retried") {
            self.retry_these(&jobs);
        }
    }

    /// All failed jobs that are shown.
    pub(super) fn retry_all(&mut self) {
        let failed: Vec<Arc<Job>> =
            self.board.shown_jobs().filter(|job| job.stage_name() == StageName::Failed).cloned().collect();
        if failed.is_empty() {
            return self.say(NOTHING, "no failed job is shown");
        }
        self.retry_these(&failed);
    }

    fn retry_these(&mut self, jobs: &[Arc<Job>]) {
        let question = (!self.simulated).then(|| {
            let price = RetryPrice::of(jobs, self.catalog);
            let mut facts = vec![format!("It costs real money: {}.", price.line())];
            if price.old_tickets > 0 {
                let these = format::count(price.old_tickets, "old ticket");
                facts.push(format!("{these} will be asked first: a finished image is fetched, not paid again."));
            }
            if price.maybe_billed > 0 {
                let these = format::count(price.maybe_billed, "job");
                facts.push(format!("{these} may be on the bill already (submit_unknown), and may be paid twice."));
            }
            (format!("Retry {}?", format::count(jobs.len(), "job")), facts)
        });
        self.order(Command::Retry(ids(jobs)), question);
    }

    pub(super) fn cancel(&mut self) {
        let Some(jobs) = self.fitting(cost::can_cancel, "cancelled") else { return };
        let question = (jobs.len() > 1).then(|| {
            let running = jobs.iter().filter(|job| job.stage_name() == StageName::Generating).count();
            let facts = if running == 0 {
                vec!["Nothing was sent for them yet.".to_owned()]
            } else {
                vec![format!("{} generating already: what was accepted stays on the bill.", are(running))]
            };
            (format!("Cancel {}?", format::count(jobs.len(), "job")), facts)
        });
        self.order(Command::Cancel(ids(&jobs)), question);
    }

    pub(super) fn approve(&mut self) {
        if let Some(jobs) = self.fitting(|job| job.stage_name() == StageName::Done, "approved") {
            self.order(Command::Approve(ids(&jobs)), None);
        }
    }

    pub(super) fn hide(&mut self) {
        if let Some(jobs) = self.fitting(|_| true, "hidden") {
            let question = (jobs.len() > 1).then(|| {
                let facts = vec!["They go out of sight; nothing is deleted.".to_owned()];
                (format!("Hide {}?", format::count(jobs.len(), "job")), facts)
            });
            self.order(Command::Hide(ids(&jobs)), question);
        }
    }

    pub(super) fn undo(&mut self) {
        match self.undo.take() {
            Some((action, before)) => self.send(Command::Undo(action, before)),
            None => self.say(NOTHING, "there is nothing to undo"),
        }
    }

    pub(super) fn use_image(&mut self, action: Action) {
        let Some(job) = self.selected().cloned() else { return self.say(NOTHING, "no job is selected") };
        let Some(image) = job.image() else { return self.say(NOTHING, "this job has no image yet") };
        match action {
            Action::OpenImage if may_open(image) => self.effects.push(Effect::Open(image.url.clone())),
            Action::OpenImage => self.say(NoticeLevel::Error, "the image's address is not one to open: w saves it"),
            Action::CopyUrl => {
                self.effects.push(Effect::Copy(image.url.clone()));
                // No terminal says whether it obeyed.
                let text = format!("sent to the terminal's clipboard: {}", image.url);
                self.say(NoticeLevel::Info, text);
            }
            _ => {
                let name = ObjectName::for_attempt(&job.id, image_attempt(&job), image.format);
                self.saves.insert(job.id.clone(), name.file_name().to_owned());
                self.send(Command::LoadImage(job.id.clone()));
            }
        }
    }
}

fn ids(jobs: &[Arc<Job>]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id.clone()).collect()
}

fn are(number: usize) -> String {
    if number == 1 { "1 is".to_owned() } else { format!("{number} are") }
}

fn image_attempt(job: &Job) -> u32 {
    let with_image =
        |attempt: &&crate::jobs::Attempt| matches!(attempt.outcome, Some(crate::jobs::Outcome::Done { .. }));
    job.attempts.iter().rev().find(with_image).map_or(1, |attempt| attempt.number)
}

/// Whether an image's address may be handed to the system: strangers write documents, and a viewer opens anything.
///
/// A web address may; a file only where its name is one that this program makes for an image.
fn may_open(image: &StoredImage) -> bool {
    let Ok(url) = url::Url::parse(&image.url) else { return false };
    match url.scheme() {
        "https" | "http" => true,
        "file" => image.object.is_ours() && url.path().ends_with(&format!("/{}", image.object.file_name())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ImageFormat;

    #[test]
    fn a_strangers_address_is_not_handed_to_the_system() {
        let object = ObjectName::for_attempt(&JobId::new("abc").unwrap(), 1, ImageFormat::Png);
        let image = |url: &str| StoredImage {
            object: object.clone(),
            url: url.into(),
            format: ImageFormat::Png,
            width: 1,
            height: 1,
            bytes: 1,
            sha256: String::new(),
        };
        for good in ["https://storage.example/a.png", "file:///data/generated-art/abc-1.png"] {
            assert!(may_open(&image(good)), "{good}");
        }
        for bad in
            ["file:///etc/passwd", "javascript:alert(1)", "/bin/sh", "file:///x/evil.desktop", "smb://host/abc-1.png"]
        {
            assert!(!may_open(&image(bad)), "{bad}");
        }
    }
}
