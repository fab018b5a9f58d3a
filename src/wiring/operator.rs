//! The name under which this process changes a shared store.

use crate::text::sanitize_line;

/// Who runs this process: `user@host`.
pub fn operator() -> String {
    let variable =
        |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.is_empty());
    let user = variable(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "unknown".to_owned());
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let host = variable(&["COMPUTERNAME"]).unwrap_or_else(|| "unknown".to_owned());
    sanitize_line(&format!("{user}@{host}"), 120)
}
