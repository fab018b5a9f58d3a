//! The terminal is restored however the console ends or stops. (A panic: `console::terminal::screen::tests`.)

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::terminal::{CONTROL_Z, Terminal};
use crate::support::TestEnv;

#[test]
fn quit_restores_terminal() {
    let mut terminal = Terminal::console(&TestEnv::new());
    assert!(terminal.screen().alternate_screen() && terminal.screen().bracketed_paste());
    terminal.send("q");
    let status = terminal.wait_for_end();
    assert_eq!(status.exit_code(), 0);
    terminal.check_restored();
}

#[test]
fn shutdown_signals_restore_terminal() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = Terminal::console(&TestEnv::new());
        terminal.signal(signal);
        let status = terminal.wait_for_end();
        assert_eq!((status.exit_code(), status.signal()), (0, None), "{signal:?}: the console shuts down by itself");
        terminal.check_restored();
    }
}

/// Waits until the console is stopped by a signal.
fn wait_for_stop(terminal: &Terminal) {
    let process = Pid::from_raw(i32::try_from(terminal.process()).expect("a process id"));
    let (_, status) = waitpid(process, WaitOptions::UNTRACED).expect("a child").expect("a change of its state");
    assert!(status.stopped(), "{status:?}");
}

fn check_suspend_and_resume(terminal: &mut Terminal) {
    wait_for_stop(terminal);
    terminal.wait_until("the shell's own screen", |terminal| !terminal.screen().alternate_screen());
    terminal.wait_until("the visible cursor", |terminal| !terminal.screen().hide_cursor());
    terminal.check_restored();
    terminal.signal(Signal::CONT);
    terminal.wait_for("● live");
    terminal.wait_for("No jobs yet.");
    assert!(terminal.screen().alternate_screen() && terminal.screen().bracketed_paste());
    // Keys work again.
    terminal.send("?");
    terminal.wait_for("╭ Keys");
    terminal.send("?");
    terminal.wait_for_no("╭ Keys");
}

#[test]
fn suspend_restores_and_resume_redraws() {
    let mut terminal = Terminal::console(&TestEnv::new());
    terminal.wait_for("No jobs yet.");
    terminal.send(CONTROL_Z);
    check_suspend_and_resume(&mut terminal);
    terminal.signal(Signal::TSTP);
    check_suspend_and_resume(&mut terminal);
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_restored();
}

#[test]
fn tmux_passthrough_is_restored() {
    for (value, expected) in [("", "set -pu allow-passthrough"), ("all", "set -p allow-passthrough all")] {
        let mut env = TestEnv::new();
        let log = env.path("tmux.log");
        let script =
            format!("#!/bin/sh\necho \"$@\" >> '{}'\ncase \"$1\" in show) echo '{value}' ;; esac\n", log.display());
        let program = env.file("tmux", &script);
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a script");
        let path = std::env::var("PATH").expect("a path");
        env.set("PATH", &format!("{}:{path}", env.path("").display()));
        env.set("TERM_PROGRAM", "tmux");
        for arguments in [&["--images", "sixel"][..], &[]] {
            let mut terminal = Terminal::start(&env, arguments, 120, 40);
            terminal.wait_for("● live");
            terminal.send("q");
            assert_eq!(terminal.wait_for_end().exit_code(), 0);
            let calls = std::fs::read_to_string(&log).expect("tmux was called");
            assert!(calls.contains("set -p allow-passthrough on"), "{calls}");
            assert_eq!(calls.lines().last(), Some(expected), "{arguments:?}: {calls}");
            std::fs::remove_file(&log).expect("the log");
        }
    }
}

#[test]
fn kitty_image_data_is_deleted_on_exit() {
    for (mode, deleted) in [("kitty", true), ("halfblocks", false)] {
        let env = TestEnv::new();
        let mut terminal = Terminal::start(&env, &["--images", mode], 120, 40);
        terminal.wait_for("No jobs yet.");
        terminal.send("q");
        assert_eq!(terminal.wait_for_end().exit_code(), 0);
        let found = terminal.bytes.windows(9).any(|bytes| bytes == b"_Ga=d,d=A");
        assert_eq!(found, deleted, "{mode}");
    }
}
