//! The fourteen tasks of an operator's day, each with at most three keys besides typed text.

use super::terminal::{ENTER, ESCAPE, Terminal};
use crate::support::TestEnv;

const HOME: &str = "\x1b[H";
const SHIFT_TAB: &str = "\x1b[Z";
const CONTROL_R: &str = "\x12";

/// Keys that a task may take.
const MOST_KEYS: usize = 3;

/// An operator whose keys are counted; what is typed and what leads back to the queue is not.
struct Operator {
    terminal: Terminal,
    keys: usize,
    tasks: usize,
}

impl Operator {
    fn press(&mut self, key: &str) {
        self.keys += 1;
        self.terminal.send(key);
    }

    fn types(&mut self, text: &str) {
        self.terminal.send(text);
    }

    /// The task is done when the screen shows this.
    fn sees(&mut self, words: &str) {
        self.terminal.wait_for(words);
        self.finished(words);
    }

    fn finished(&mut self, task: &str) {
        assert!((1..=MOST_KEYS).contains(&self.keys), "{task}: {} keys", self.keys);
        self.keys = 0;
        self.tasks += 1;
    }

    fn back(&mut self) {
        self.terminal.send(ESCAPE);
        self.terminal.wait_for_no("Esc back");
        self.terminal.wait_for("q quit");
    }
}

#[test]
fn fourteen_tasks_take_three_keys_each() {
    let env = TestEnv::new();
    env.json(&["submit", "--json", "a paper boat"]);
    let mut operator = Operator { terminal: Terminal::console(&env), keys: 0, tasks: 0 };
    operator.terminal.wait_for("✓ done");
    env.json(&["submit", "--json", "moth [sim:error]"]);
    operator.terminal.wait_for("✗ failed");
    operator.terminal.send(HOME);

    // Why did the last job fail?
    operator.press(ENTER);
    operator.terminal.wait_for("╭ Job");
    operator.sees("Internal error in the model");
    operator.back();

    // Retry it.
    operator.press("r");
    operator.sees("Retrying 1 job");
    operator.terminal.wait_for("1 failed");

    // Retry all failed jobs of the last hour, the price first.
    operator.press(CONTROL_R);
    operator.terminal.wait_for("Retry 1 job?");
    operator.terminal.wait_for("1 job: costs $0.03");
    // An answer that follows at once is not taken: a person reads the price.
    std::thread::sleep(std::time::Duration::from_millis(300));
    operator.press("y");
    operator.sees("Retrying 1 job");
    operator.terminal.wait_until("the third failure", |_| env.jobs().iter().any(|job| job["attempts_total"] == 3));

    // Submit with defaults.
    operator.press("n");
    operator.terminal.wait_for("Describe the image, then press Enter");
    operator.types("a glass whale");
    operator.terminal.wait_for("a glass whale");
    operator.press(ENTER);
    operator.terminal.wait_for("2 done");
    operator.sees("Queued 1 job");

    // This week's cost by model.
    operator.press("$");
    operator.terminal.wait_for("╭ Costs");
    operator.press(SHIFT_TAB);
    operator.terminal.wait_for("7 days");
    operator.sees("flux-2-pro");
    operator.back();

    // The image full screen, and its URL.
    operator.press("i");
    operator.sees("Esc back");
    operator.press("y");
    operator.sees("Copied to the terminal's clipboard: file://");
    let copied = operator.terminal.bytes.windows(5).any(|bytes| bytes == b"\x1b]52;");
    assert!(copied, "the terminal received the URL");
    operator.back();

    // Clone with another seed.
    operator.press("S");
    operator.terminal.wait_for("How many images with new seeds?");
    operator.press("1");
    operator.terminal.wait_for("3 done");
    operator.finished("clone with another seed");
    let whales = env.jobs().into_iter().filter(|job| job["prompt"] == "a glass whale").count();
    assert_eq!(whales, 2);

    // Find a prompt by a word.
    operator.press("/");
    operator.terminal.wait_for("Enter keep");
    operator.types("boat");
    operator.press(ENTER);
    operator.terminal.wait_until("one row", |terminal| !terminal.text().contains("a glass whale"));
    operator.sees("a paper boat");
    operator.back();
    operator.terminal.wait_for("a glass whale");

    // Cancel a running job.
    env.json(&["submit", "--json", "kite [sim:stuck]"]);
    operator.terminal.wait_for("▶ generating");
    operator.press(HOME);
    operator.press("x");
    operator.sees("⊘ cancelled");

    // Pause the intake.
    operator.press("p");
    operator.terminal.wait_for("why?");
    operator.press(ENTER);
    operator.sees("paused by");

    // Only this job's logs.
    operator.press("L");
    operator.terminal.wait_for("Esc back");
    operator.sees("╭ Logs ── this job");
    operator.back();

    // Approve.
    operator.press("j");
    operator.press("a");
    operator.sees("★ approved");

    // Compare two.
    operator.terminal.send("/");
    operator.terminal.wait_for("Enter keep");
    operator.types("status:done,approved");
    operator.terminal.wait_until("finished jobs only", |terminal| !terminal.text().contains("kite"));
    operator.terminal.wait_for("status:done,approved");
    operator.terminal.send(ENTER);
    operator.terminal.wait_for_no("Enter keep");
    operator.terminal.send(HOME);
    operator.press(" ");
    operator.press(" ");
    operator.press("=");
    operator.sees("r new seed");

    assert_eq!(operator.tasks, 14);
}

#[test]
fn view_survives_a_restart() {
    let env = TestEnv::new();
    env.json(&["submit", "--json", "a paper boat"]);
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("✓ done");
    terminal.send(" ");
    terminal.wait_for("1 marked");
    terminal.send("n");
    terminal.wait_for("Describe the image, then press Enter");
    terminal.send("half a thought");
    terminal.wait_for("half a thought");
    terminal.send(ESCAPE);
    terminal.wait_for_no("half a thought");
    terminal.send("/");
    terminal.wait_for("Enter keep");
    terminal.send("boat");
    terminal.send(ENTER);
    terminal.wait_for("/ boat");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);

    let mut terminal = Terminal::console(&env);
    terminal.wait_for("/ boat");
    terminal.wait_for("1 marked");
    terminal.send("n");
    terminal.wait_for("half a thought");
    terminal.send("\x12");
    terminal.wait_for("Earlier prompts");
    terminal.send(ESCAPE);
    terminal.wait_for_no("Earlier prompts");
    terminal.send(ESCAPE);
    terminal.wait_for_no("half a thought");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);

    std::fs::write(env.data().join("console/view-default.json"), "{").unwrap();
    let mut terminal = Terminal::console(&env);
    terminal.wait_for("the last view was not restored");
    terminal.wait_for("✓ done");
}
