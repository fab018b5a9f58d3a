//! Routes keys and pasted text to the overlay or pane that takes them.

use chrono::Duration;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, NO_EFFECT};
use crate::catalog::{InputSizes, SpecError};
use crate::console::costs_view;
use crate::console::form::{Draft, FormOutcome, Limits};
use crate::console::keymap::{self, Action, Chord};
use crate::console::message::{Effect, Kept};
use crate::console::notices::NoticeLevel;
use crate::console::overlays::Overlay;
use crate::console::overlays::queue_menu::MenuKey;
use crate::console::saved::{self, Presets};
use crate::engine::{Command, NewJob};
use crate::jobs::{JobId, Spec};

/// The least time between a question about money or many jobs and its answer.
const MIN_ANSWER_DELAY: Duration = Duration::milliseconds(150);

impl App {
    pub(super) fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.dirty = true;
        let context = self.input_context();
        if matches!(self.overlays.last(), Some(Overlay::Form(_))) {
            return self.on_form_key(key);
        }
        if let Some(Overlay::Costs(screen)) = self.overlays.last_mut() {
            let outcome = screen.key(key);
            if self.on_cost_key(outcome) {
                return;
            }
        }
        if self.on_seeds_key(key) || self.on_context_key(key) || self.on_view_key(key) {
            return;
        }
        if let Some(Overlay::QueueMenu(menu)) = self.overlays.last_mut() {
            match menu.key(key, &self.queue_settings) {
                MenuKey::Ignored => {}
                MenuKey::Taken => return,
                MenuKey::Apply(settings) => return self.set_queue_settings(settings),
                MenuKey::Choose(settings) => {
                    self.overlays.pop();
                    return self.set_queue_settings(settings);
                }
            }
        }
        if let Some(Overlay::Budget(screen)) = self.overlays.last_mut() {
            let outcome = screen.key(key);
            if self.on_budget_key(outcome) {
                return;
            }
        }
        if let Some(action) = self.keys.action_for(context, key) {
            let answers = context == keymap::InputContext::Confirm && action == Action::Accept;
            if !answers || !self.answer_is_too_early() {
                self.perform(action);
            }
            return;
        }
        if let Some(Overlay::Palette(palette)) = self.overlays.last_mut() {
            palette.key(key);
        } else if let Some(Overlay::Line(dialog)) = self.overlays.last_mut() {
            dialog.key(key);
        } else if matches!(self.overlays.last(), Some(Overlay::Filter)) {
            if self.filter.key(key) {
                self.apply_filter();
            }
        } else if matches!(self.overlays.last(), Some(Overlay::LogInput)) {
            self.logs.input_key(key);
        } else if context.is_question() {
            if matches!(key.code, KeyCode::Char(_) | KeyCode::Enter) {
                let text = if context == keymap::InputContext::Quit {
                    "Press w to wait, y to quit now or n to stay"
                } else {
                    "Press y to confirm or n to go back"
                };
                self.notify(NO_EFFECT, text);
            }
        } else if let KeyCode::Char(character) = key.code {
            let held = key.modifiers & KeyModifiers::CONTROL;
            let shown = Chord { modifiers: held, ..Chord::char(character) }.shown(self.theme.ascii);
            let text = format!("{shown} is not bound here · press {} for help", self.key(Action::Help));
            self.notify(NO_EFFECT, text);
        }
    }

    /// The key of an action, for a text that names it.
    pub(super) fn key(&self, action: Action) -> String {
        self.keys.key_of(action, self.theme.ascii)
    }

    fn on_form_key(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return self.perform(Action::Quit),
                KeyCode::Char('z') => return self.perform(Action::Suspend),
                KeyCode::Char('l') => return self.perform(Action::Redraw),
                _ => {}
            }
        }
        let too_early = self.answer_is_too_early();
        let (now, limits) = (self.now, self.form_limits());
        let Some(Overlay::Form(form)) = self.overlays.last_mut() else { return };
        form.set_limits(limits);
        let was_armed = form.is_armed();
        if was_armed && too_early && key.code == KeyCode::Enter {
            return;
        }
        match form.key(key) {
            FormOutcome::Nothing if form.is_armed() && !was_armed => self.question_at = now,
            FormOutcome::Nothing => {}
            FormOutcome::Close => {
                let kept = form.is_worth_keeping().then(|| (form.source().cloned(), form.draft()));
                self.overlays.pop();
                if let Some((source, draft)) = kept {
                    self.keep_draft(source, draft);
                }
            }
            FormOutcome::Submit(jobs) => {
                let (source, draft) = (form.source().cloned(), form.draft());
                match source {
                    Some(_) => self.drafts.clone = None,
                    None => self.drafts.new = None,
                }
                self.drafts.submitted = Some((source, draft));
                self.overlays.pop();
                self.remember_prompts(&jobs);
                self.send(Command::Submit(jobs));
            }
            FormOutcome::SavePreset(name, preset) => self.effects.push(Effect::Keep(Kept::Preset(name, preset))),
            FormOutcome::RemovePreset(name) => self.effects.push(Effect::Keep(Kept::NoPreset(name))),
        }
    }

    /// Adds the prompts of these jobs to the history, here and in its file. The prompt as it was typed is not in it where a matrix
    /// made many of it.
    fn remember_prompts(&mut self, jobs: &[NewJob]) {
        let mut prompts: Vec<String> = Vec::new();
        for prompt in jobs.iter().map(|job| &job.spec.prompt).filter(|prompt| !prompt.trim().is_empty()) {
            if prompts.last() != Some(prompt) {
                saved::remember(&mut self.history, prompt);
                prompts.push(prompt.clone());
            }
        }
        self.effects.push(Effect::Keep(Kept::Prompts(prompts)));
    }

    /// What limits a submit: the slots of this process, and what is left under each cap.
    pub(super) fn form_limits(&self) -> Limits {
        let costs = self.status.costs.as_deref();
        let caps = costs.map(costs_view::caps).unwrap_or_default();
        let left = caps.into_iter().map(|cap| {
            let name = if cap.period == "day" { "daily budget" } else { "monthly budget" };
            (name, cap.cap - cap.used)
        });
        let storage = costs.and_then(|costs| costs.storage_bound);
        Limits { slots: self.status.slots.map(|(_, total)| total), left: left.collect(), storage }
    }

    /// Takes in the sizes of the input images of the form, and which files cannot be read.
    pub(super) fn on_inputs_measured(&mut self, spec: &Spec, sizes: InputSizes, unreadable: Vec<SpecError>) {
        if let Some(Overlay::Form(form)) = self.overlays.last_mut() {
            form.on_measured(spec, sizes, unreadable);
            self.dirty = true;
        }
    }

    /// The presets as they are in the file now.
    pub(super) fn on_presets(&mut self, presets: Result<(Presets, String), String>) {
        match presets {
            Ok((presets, done)) => {
                if let Some(Overlay::Form(form)) = self.overlays.last_mut() {
                    form.set_presets(presets.clone());
                }
                self.presets = presets;
                self.notify(NoticeLevel::Info, done);
            }
            Err(why) => self.notify(NoticeLevel::Error, why),
        }
    }

    /// Whether a key comes sooner after the question than a person can have read it: two keys of a short paste, for example.
    pub(super) fn answer_is_too_early(&self) -> bool {
        self.now - self.question_at < MIN_ANSWER_DELAY
    }

    /// Keeps a draft where its key finds it again: a clone under its job, so that it never becomes the next new job.
    pub(super) fn keep_draft(&mut self, source: Option<JobId>, draft: Draft) {
        match source {
            Some(id) => self.drafts.clone = Some((id, draft)),
            None => self.drafts.new = Some(draft),
        }
    }

    pub(super) fn on_paste(&mut self, text: &str) {
        self.dirty = true;
        match self.overlays.last_mut() {
            Some(Overlay::Form(form)) => form.paste(text),
            Some(Overlay::Palette(palette)) => palette.paste(text),
            Some(Overlay::Line(dialog)) => dialog.paste(text),
            Some(Overlay::Budget(screen)) if screen.is_typing() => screen.paste(text),
            Some(Overlay::LogInput) => self.logs.input_paste(text),
            Some(Overlay::Filter) => {
                self.filter.insert(text);
                self.apply_filter();
            }
            // Neither a command nor an answer is taken from pasted text.
            Some(Overlay::Confirm(_) | Overlay::Quit(_)) => {
                self.notify(NO_EFFECT, "Pasted text ignored · press y to confirm or n to go back");
            }
            _ => {
                let (new, filter) = (self.key(Action::New), self.key(Action::Filter));
                let text = format!("Pasted text ignored · press {new} to open the form, {filter} to filter");
                self.notify(NO_EFFECT, text);
            }
        }
    }
}
