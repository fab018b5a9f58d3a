//! Samples the CPU time and memory of a program while a bench runs it.

use std::process::Child;
use std::time::Duration;

/// Clock ticks of a second in `/proc`: the same on every Linux.
const TICKS: f64 = 100.0;

/// What a program used.
pub struct Used {
    /// Whether it exited with success.
    pub success: bool,
    /// The peak of resident memory in kB, where the system reports it.
    pub peak_memory: Option<u64>,
    /// CPU time, in user and system mode, where the system reports it.
    #[allow(dead_code, reason = "not every bench prints it")]
    pub cpu_seconds: Option<f64>,
}

/// Waits for the exit.
pub fn watch(mut child: Child) -> Used {
    let status = format!("/proc/{}/status", child.id());
    let (mut peak_memory, mut cpu) = (None, None);
    loop {
        if let Some(kilobytes) = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak_memory = Some(kilobytes);
        }
        // Also between the exit and the wait for it.
        cpu = cpu_seconds(child.id()).or(cpu);
        if let Some(ended) = child.try_wait().unwrap() {
            return Used { success: ended.success(), peak_memory, cpu_seconds: cpu };
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The CPU time of a process.
pub fn cpu_seconds(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may contain anything.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

fn high_water(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
