//! What the loop does for the console.

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use tokio::sync::mpsc::error::TrySendError;

use super::super::screen;
use super::super::signals::Signals;
use super::super::{notify, tmux};
use super::{Commands, EventLoop};
use crate::console::message::{Effect, Message};
use crate::console::notices::{Notice, NoticeLevel};
use crate::console::notifications::Notification;
use crate::engine::Command;

impl EventLoop {
    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(command) => self.send(command),
                Effect::Copy(text) => self.write(CopyToClipboard::to_clipboard_from(text)),
                Effect::Open(address) => self.background.open(address),
                Effect::MeasureInputs(spec) => self.background.measure(spec),
                Effect::PriceRequests(requests) => self.background.price(requests),
                Effect::Save { name, bytes } => match std::env::current_dir() {
                    Ok(folder) => self.background.save(folder, name, bytes),
                    Err(error) => self.report_failure(format!("could not save {name}: {error}")),
                },
                Effect::Keep(kept) => {
                    if let Some(files) = &self.files {
                        self.background.keep(files.clone(), kept);
                    }
                }
                Effect::SearchLogs(job) => self.history.search(&job.to_string()),
                Effect::DropImages(numbers) => {
                    if self.is_visible {
                        self.screen.write_sequence(tmux::delete_kitty_images(&numbers));
                    }
                }
                Effect::Notify(notification) => self.notify(&notification),
                Effect::Mouse(is_taken) => {
                    self.has_mouse = is_taken;
                    self.apply_mouse();
                }
                Effect::SwitchContext(context) => self.next_context = Some(context),
                Effect::Suspend => self.suspend(),
                Effect::Redraw => {
                    if self.screen.clear().is_err() {
                        self.on_hang_up();
                    }
                }
                Effect::Quit(reason) => self.exit = Some(reason),
            }
        }
    }

    pub(super) fn send(&mut self, command: Command) {
        match &mut self.commands {
            Commands::Waiting(waiting) => waiting.push(command),
            Commands::Engine(commands) => match commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => self.update(Message::CommandDropped(command)),
                Err(TrySendError::Closed(_)) => self.update(Message::EngineClosed),
            },
        }
    }

    pub(super) fn write(&mut self, command: impl crossterm::Command) {
        if self.is_visible && self.screen.write(command).is_err() {
            self.on_hang_up();
        }
    }

    fn apply_mouse(&mut self) {
        if self.has_mouse {
            self.write(EnableMouseCapture);
        } else {
            self.write(DisableMouseCapture);
        }
    }

    pub(super) fn notify(&mut self, notification: &Notification) {
        if self.is_visible {
            self.screen.write_sequence(notify::sequences(&self.notify.ways.0, notification));
        }
        if let Some(command) = &self.notify.command {
            notify::run_command(command, notification);
        }
    }

    pub(super) fn report_failure(&mut self, text: String) {
        self.update(Message::EffectDone(Notice { level: NoticeLevel::Error, text }));
    }

    pub(super) fn suspend(&mut self) {
        screen::restore();
        self.stopped_by_us = true;
        if let Err(error) = Signals::stop() {
            self.stopped_by_us = false;
            self.report_failure(format!("cannot suspend: {error}"));
        }
        self.resume();
    }

    /// Sets the terminal up again, whatever was done to it meanwhile.
    pub(super) fn resume(&mut self) {
        if self.is_visible {
            match self.screen.reenter() {
                Ok(()) => {
                    self.apply_mouse();
                    self.update(Message::Resumed);
                }
                Err(_) => self.on_hang_up(),
            }
        }
    }
}
