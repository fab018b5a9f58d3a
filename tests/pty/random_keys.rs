//! Random keys, mouse events, pastes and sizes in a real terminal: the console neither panics nor leaves the terminal changed.
//!
//! `DARKROOM_RANDOM_RUNS=20` runs twenty seeds of 10,000 events instead of two of 1,500.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use rustix::termios::{InputModes, LocalModes, OutputModes, Termios, tcgetattr};

use super::terminal::Terminal;
use crate::support::TestEnv;

/// Keys that are more than a character.
const SEQUENCES: [&str; 16] = [
    "\x1b", "\r", "\t", "\x1b[Z", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F",
    "\x7f", "\x1b[3~", "\x12", "\x0c",
];

/// What a terminal sends for one event. Not `q` and Ctrl+C, which quit, and not `o`, which opens a viewer of this machine.
fn event(rng: &mut StdRng) -> String {
    match rng.random_range(0..100) {
        0..55 => loop {
            let key = char::from(rng.random_range(b' '..=b'~'));
            if !matches!(key, 'q' | 'o') {
                return key.to_string();
            }
        },
        55..80 => SEQUENCES[rng.random_range(0..SEQUENCES.len())].to_owned(),
        80..97 => {
            let button = [0, 2, 32, 64, 65][rng.random_range(0..5)];
            let end = if rng.random_bool(0.5) { 'M' } else { 'm' };
            format!("\x1b[<{button};{};{}{end}", rng.random_range(1..200), rng.random_range(1..60))
        }
        _ => "\x1b[200~a fox, two\rlines \x1b[201~".to_owned(),
    }
}

/// What raw mode changes.
fn modes(terminal: &Termios) -> (InputModes, OutputModes, LocalModes) {
    let local = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
    (
        terminal.input_modes & (InputModes::ICRNL | InputModes::IXON | InputModes::BRKINT),
        terminal.output_modes & OutputModes::OPOST,
        terminal.local_modes & local,
    )
}

#[test]
fn random_keys_leave_the_terminal_restored() {
    let runs: Option<u64> = std::env::var("DARKROOM_RANDOM_RUNS").ok().and_then(|text| text.parse().ok());
    let (runs, events) = runs.map_or((2, 1_500), |runs| (runs, 10_000));
    for seed in 0..runs {
        let mut rng = StdRng::seed_from_u64(seed);
        let env = TestEnv::new();
        env.json(&["submit", "a {fox|owl} [sim:moderated]", "--count", "6", "--yes", "--json"]);
        let mut terminal = Terminal::start(&env, &["--images", "halfblocks"], 120, 40);
        let device = terminal.device();
        terminal.wait_for("● live");
        let raw = modes(&tcgetattr(&device).unwrap());
        assert!(raw.2.is_empty() && raw.1.is_empty(), "raw mode: {raw:?}");
        for number in 0..events {
            if number % 40 == 39 {
                // The emulator of this test can hold no wide character in one column and no line break in one row.
                terminal.resize(rng.random_range(2..=200), rng.random_range(2..=60));
            }
            terminal.send(&event(&mut rng));
            if number % 16 == 0 {
                terminal.drain();
            }
        }
        // Whatever is open: a signal ends it.
        terminal.signal(Signal::TERM);
        let status = terminal.wait_for_end();
        assert_eq!((status.exit_code(), status.signal()), (0, None), "seed {seed}: {}", terminal.text());
        terminal.check_restored();
        let (input, output, local) = modes(&tcgetattr(&device).unwrap());
        assert!(local.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "seed {seed}: {local:?}");
        assert!(input.contains(InputModes::ICRNL) && output.contains(OutputModes::OPOST), "seed {seed}");
        assert!(!crate::support::text(&terminal.bytes).contains("panicked at"), "seed {seed}");
    }
}
