//! Samples the CPU time and memory of a program while a bench runs it.

use std::process::Child;
use std::time::Duration;

/// Waits for the exit; returns success and the peak of resident memory in kB where the system reports it.
pub fn watch(mut child: Child) -> (bool, Option<u64>) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        if let Some(kilobytes) = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak = Some(kilobytes);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.success(), peak);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn high_water(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
