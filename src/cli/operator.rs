//! Who runs this process, for the record of a change.

use crate::engine::Operator;
use crate::text::sanitize_line;

/// The operator of a command line, for the record of a command.
pub fn operator_here() -> Operator {
    Operator { by: operator(), from: "cli" }
}

/// `user@host`.
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
