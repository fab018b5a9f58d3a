//! `darkroom doctor`: checks configuration and connectivity. It creates no job and spends no money.

mod checks;
mod engine;
mod google;
mod probe;

use serde::Serialize;

use super::error::CliError;
use super::{Session, table};
use crate::text::sanitize_line;

/// Characters of a line. A command that creates an index must fit.
const MAX_LINE: usize = 500;

/// The result of one check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    message: String,
    /// What to do about a problem.
    advice: Option<String>,
}

#[derive(Debug, Serialize)]
struct Diagnosis {
    ok: bool,
    simulated: bool,
    checks: Vec<Check>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, ok: true, message: sanitize_line(&message.into(), MAX_LINE), advice: None }
    }

    fn problem(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        let (message, advice) = (message.into(), advice.into());
        Self {
            name,
            ok: false,
            message: sanitize_line(&message, MAX_LINE),
            advice: Some(sanitize_line(&advice, MAX_LINE)),
        }
    }
}

/// Runs all checks. Errors: at least one found a problem.
pub async fn run(session: &Session) -> Result<(), CliError> {
    let mut checks = checks::all(&session.config).await;
    checks.extend(engine::check(&session.config).await);
    let ok = checks.iter().all(|check| check.ok);
    let diagnosis = Diagnosis { ok, simulated: session.config.is_simulated(), checks };
    session.output.answer(&diagnosis, || text(&diagnosis))?;
    if ok { Ok(()) } else { Err(CliError::AlreadyReported) }
}

fn text(diagnosis: &Diagnosis) -> String {
    let rows = diagnosis.checks.iter().flat_map(|check| {
        let state = if check.ok { "ok" } else { "problem" };
        let line = vec![check.name.to_owned(), state.to_owned(), check.message.clone()];
        let advice = check.advice.iter().map(|advice| vec![String::new(), String::new(), format!("→ {advice}")]);
        [line].into_iter().chain(advice).collect::<Vec<_>>()
    });
    let mut text = table::wrapped(&["CHECK", "", ""], rows);
    if diagnosis.simulated {
        text.push_str("\n\n");
        text.push_str(table::SIMULATED);
    }
    text
}
