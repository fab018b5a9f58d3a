//! Starts this program again on another context, in the same terminal.

use std::ffi::OsString;
use std::process::Command;

use super::error::CliError;

/// Replaces this process by one with the same arguments and that context; `None` is the configuration without a context. Returns only
/// where that fails, or on systems whose processes cannot be replaced when the new one has ended.
pub fn on_context(name: Option<&str>) -> Result<(), CliError> {
    let mut arguments = without_context(std::env::args_os());
    let failed = |error: std::io::Error| CliError::Failed(format!("cannot start again on the other context: {error}"));
    let called_as = if arguments.is_empty() { OsString::from("darkroom") } else { arguments.remove(0) };
    // The program may have been replaced by a newer version while it ran; then the name that it was called by finds that one.
    let program = std::env::current_exe().ok().filter(|path| path.exists()).map_or(called_as, OsString::from);
    let mut command = Command::new(program);
    command.args(arguments);
    match name {
        Some(name) => command.arg("--context").arg(name),
        None => command.env_remove("DARKROOM_CONTEXT"),
    };
    replace(command).map_err(failed)
}

#[cfg(unix)]
fn replace(mut command: Command) -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn replace(mut command: Command) -> std::io::Result<()> {
    command.status().map(|_| ())
}

/// The arguments without `--context NAME` and `--context=NAME`.
fn without_context(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let (mut kept, mut is_value) = (Vec::new(), false);
    for argument in arguments {
        if std::mem::take(&mut is_value) {
            continue;
        }
        match argument.to_str() {
            Some("--context") => is_value = true,
            Some(text) if text.starts_with("--context=") => {}
            _ => kept.push(argument),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_is_taken_out_of_the_arguments() {
        let given = ["darkroom", "--context", "prod", "--observe", "--context=test", "--ascii"];
        let kept = without_context(given.into_iter().map(OsString::from));
        assert_eq!(kept, ["darkroom", "--observe", "--ascii"]);
    }
}
