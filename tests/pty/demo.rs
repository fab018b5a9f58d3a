//! `darkroom demo` fills a console and leaves nothing behind.

use super::terminal::Terminal;
use crate::support::TestEnv;

#[test]
fn demo_is_full_and_deleted_on_exit() {
    let mut env = TestEnv::new();
    let temporary = env.path("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    env.set("TMPDIR", temporary.to_str().unwrap());
    let mut terminal = Terminal::start(&env, &["demo", "--theme", "light"], 160, 45);
    terminal.wait_for("SIMULATED");
    terminal.wait_for("approved");
    terminal.wait_for("of $5");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1);
    terminal.send("/");
    terminal.wait_for("keep");
    terminal.send("status:failed");
    terminal.wait_for("content moderated");
    terminal.send("\x1b");
    terminal.wait_for_no("/ status");
    // Old tasks are at the demo's own simulator, which does not know them any more.
    terminal.send("R");
    terminal.wait_for("earlier task");
    terminal.send("/");
    terminal.wait_for("keep");
    terminal.send("error:ticket_lost");
    terminal.wait_for("ticket lost");
    terminal.send("\x1b");
    terminal.wait_for_no("/ error");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "the temporary directory is deleted");
    assert!(env.fails(2, &["demo", "--theme", "../dark"]).contains("is not the name of a theme"));
    assert!(env.jobs().is_empty(), "the operator's own store is not used");
}
