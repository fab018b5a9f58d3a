//! However the console ends or pauses, the terminal is given back as it was. (A panic: `console::terminal::tests`.)

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::terminal::{CONTROL_Z, Terminal};
use crate::support::TestEnv;

#[test]
fn q_gives_the_terminal_back() {
    let mut terminal = Terminal::console(&TestEnv::new());
    assert!(terminal.screen().alternate_screen() && terminal.screen().bracketed_paste());
    terminal.send("q");
    let status = terminal.wait_for_end();
    assert_eq!(status.exit_code(), 0);
    terminal.check_given_back();
}

#[test]
fn signals_that_end_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = Terminal::console(&TestEnv::new());
        terminal.signal(signal);
        let status = terminal.wait_for_end();
        assert_eq!((status.exit_code(), status.signal()), (0, None), "{signal:?}: it ends by itself, in order");
        terminal.check_given_back();
    }
}

/// Waits until the console is stopped by a signal.
fn wait_for_stop(terminal: &Terminal) {
    let process = Pid::from_raw(i32::try_from(terminal.process()).expect("a process id"));
    let (_, status) = waitpid(process, WaitOptions::UNTRACED).expect("a child").expect("a change of its state");
    assert!(status.stopped(), "{status:?}");
}

fn pause_and_come_back(terminal: &mut Terminal) {
    wait_for_stop(terminal);
    terminal.wait_until("the shell's own screen", |terminal| !terminal.screen().alternate_screen());
    terminal.wait_until("the visible cursor", |terminal| !terminal.screen().hide_cursor());
    terminal.check_given_back();
    terminal.signal(Signal::CONT);
    terminal.wait_for("● live");
    terminal.wait_for("No jobs yet.");
    assert!(terminal.screen().alternate_screen() && terminal.screen().bracketed_paste());
    // And it hears keys again.
    terminal.send("?");
    terminal.wait_for("╭ Keys");
    terminal.send("?");
    terminal.wait_for_no("╭ Keys");
}

#[test]
fn a_pause_gives_the_terminal_back_and_takes_it_again() {
    let mut terminal = Terminal::console(&TestEnv::new());
    terminal.wait_for("No jobs yet.");
    terminal.send(CONTROL_Z);
    pause_and_come_back(&mut terminal);
    terminal.signal(Signal::TSTP);
    pause_and_come_back(&mut terminal);
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_given_back();
}
