//! Progress lines of `darkroom dev` on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output;
use crate::devstack::{NotInstalled, Server, ServerProcess, StackProgress};

/// Progress while servers start: a line for each that is ready, and the names of the others.
pub struct Progress {
    bar: ProgressBar,
    pending: Vec<Server>,
}

impl Progress {
    pub fn new() -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Self { bar, pending: Vec::new() }
    }

    fn show(&self) {
        let names: Vec<String> = self.pending.iter().map(Server::to_string).collect();
        self.bar.set_message(format!("waiting for {}", names.join(", ")));
    }
}

impl StackProgress for Progress {
    fn not_installed(&mut self, missing: &NotInstalled) {
        output::eprint_line(&missing.to_string());
    }

    fn waiting_for(&mut self, servers: Vec<Server>) {
        self.pending = servers;
        if !self.pending.is_empty() {
            self.bar.enable_steady_tick(Duration::from_millis(100));
            self.show();
        }
    }

    fn ready(&mut self, server: &ServerProcess, took: Duration) {
        self.pending.retain(|pending| *pending != server.server());
        let page = server.page().map_or(String::new(), |page| format!(", web page at {page}"));
        let line = format!("{} ready at {} after {:.1} s{page}", server.server(), server.address(), took.as_secs_f32());
        self.bar.suspend(|| output::eprint_line(&line));
        self.show();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
