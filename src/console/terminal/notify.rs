//! Sends notifications: control sequences of the terminal, and a command of the operator.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::tmux;
use crate::console::notifications::{Notification, NotifyWay};

/// One command at a time: one that hangs must not leave others behind.
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

/// The sequences of these ways.
pub fn sequences(ways: &[NotifyWay], notification: &Notification) -> String {
    let text = &notification.text;
    let sequence = |way: &NotifyWay| match way {
        NotifyWay::Bell => "\x07".to_owned(),
        NotifyWay::Osc9 => tmux::passed_through(&format!("\x1b]9;darkroom: {text}\x1b\\")),
        NotifyWay::Osc777 => {
            // A semicolon begins another field.
            tmux::passed_through(&format!("\x1b]777;notify;darkroom;{}\x1b\\", text.replace(';', ",")))
        }
    };
    ways.iter().map(sequence).collect()
}

/// Starts the operator's command in a thread of its own; while one runs, others are left out.
pub fn run_command(command: &str, notification: &Notification) {
    if IS_RUNNING.swap(true, Ordering::SeqCst) {
        return tracing::warn!(command, "notification left out: the command for the last one still runs");
    }
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell
        .arg(if cfg!(windows) { "/C" } else { "-c" })
        .arg(command)
        .env("DARKROOM_EVENT", notification.occasion.as_str())
        .env("DARKROOM_MESSAGE", &notification.text)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let run = move || {
        match shell.status() {
            Ok(status) if status.success() => {}
            Ok(status) => tracing::warn!(%status, "notification command failed"),
            Err(error) => tracing::warn!(%error, "notification command not started"),
        }
        IS_RUNNING.store(false, Ordering::SeqCst);
    };
    if std::thread::Builder::new().name("notification".to_owned()).spawn(run).is_err() {
        IS_RUNNING.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::notifications::Occasion;

    #[test]
    fn sequences_name_the_event() {
        let notification = Notification { occasion: Occasion::Failed, text: "2 jobs failed; see the queue".to_owned() };
        let shown = sequences(&[NotifyWay::Bell, NotifyWay::Osc9, NotifyWay::Osc777], &notification);
        assert!(shown.starts_with('\x07') && shown.contains("]9;darkroom: 2 jobs failed; see the queue"), "{shown:?}");
        assert!(shown.contains("]777;notify;darkroom;2 jobs failed, see the queue"), "{shown:?}");
    }

    #[cfg(unix)]
    #[test]
    fn command_gets_event_and_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let notification =
            Notification { occasion: Occasion::AllDone, text: "All jobs; $(touch /tmp/x) done".to_owned() };
        run_command(
            &format!("printf '%s|%s' \"$DARKROOM_EVENT\" \"$DARKROOM_MESSAGE\" > {}", file.display()),
            &notification,
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while IS_RUNNING.load(Ordering::SeqCst) && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), "done|All jobs; $(touch /tmp/x) done");
    }
}
