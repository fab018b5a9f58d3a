//! Text tables: columns that fit the terminal, every text sanitized. What is not printed on a terminal is complete. Scripts use
//! `--json` instead.

use chrono::{DateTime, Utc};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::hold_line;
use super::job_json::failure;
use super::output::terminal_columns;
use super::table_width::{self, Overlong};
use crate::catalog::Catalog;
use crate::costs::Basis;
use crate::jobs::{Job, Review, StepName, StepState};
use crate::text::format;
use crate::text::sanitize_line;

/// The line below every table with simulated jobs or money.
pub const SIMULATED: &str = "simulated: no real money, no real images";

/// Width of a prompt without a terminal.
const MAX_PROMPT_WIDTH: usize = 100;

/// The column of the prompts.
const PROMPT: usize = 5;

/// The columns of jobs that a narrow terminal leaves out, the least useful one first, and those to which that gives room.
const LEFT_OUT_OF_JOBS: (&[&str], &[&str]) = (&["MODEL", "AGE"], &["PROMPT", "WHY"]);

/// Rows under a heading, without borders. Columns in `right` are numbers. On a terminal, texts that do not fit are cut.
pub fn plain(heading: &[&str], right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    arranged(heading, right, rows.into_iter().collect(), terminal_columns(), Overlong::Cut, (&[], &[]))
}

/// The same for texts of which no part may be missing: on a terminal they continue on the next line.
pub fn wrapped(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    arranged(heading, &[], rows.into_iter().collect(), terminal_columns(), Overlong::Wrap, (&[], &[]))
}

fn arranged(
    heading: &[&str],
    right: &[usize],
    mut rows: Vec<Vec<String>>,
    columns: Option<usize>,
    overlong: Overlong,
    left_out: (&[&str], &[&str]),
) -> String {
    let (mut heading, mut right) = (heading.to_vec(), right.to_vec());
    if let Some(columns) = columns {
        table_width::drop_empty(&mut heading, &mut right, &mut rows, columns);
        table_width::drop_least_useful(&mut heading, &mut right, &mut rows, columns, left_out);
        table_width::fit(&heading, &right, &mut rows, columns, overlong);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading);
    for row in rows {
        table.add_row(row.into_iter().map(Cell::new));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Jobs, one a line, with why in the last column; under it whether anything is simulated. Among real jobs each simulated one is
/// marked at its cost. A narrow terminal has no column of the model, or of the age, where prompt and why would have no room.
pub fn jobs(jobs: &[Job], now: DateTime<Utc>, columns: Option<usize>) -> String {
    let heading = ["ID", "STATUS", "AGE", "COST", "MODEL", "PROMPT", "WHY"];
    let simulated = jobs.iter().filter(|job| job.simulated).count();
    let is_mixed = simulated > 0 && simulated < jobs.len();
    let mut rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let mark = if is_mixed && job.simulated { "sim " } else { "" };
            vec![
                sanitize_line(job.id.as_str(), 28),
                status(job),
                format::age(now - job.created_at),
                format!("{mark}{}", cost(job)),
                sanitize_line(&job.spec.model, 28),
                sanitize_line(&job.spec.prompt, 2_000),
                why(job),
            ]
        })
        .collect();
    if columns.is_none() {
        for row in &mut rows {
            row[PROMPT] = format::cut(&row[PROMPT], MAX_PROMPT_WIDTH);
        }
    }
    let text = arranged(&heading, &[2, 3], rows, columns, Overlong::Cut, LEFT_OUT_OF_JOBS);
    match simulated {
        0 => text,
        _ if is_mixed => format!("{text}\n\nsim: {simulated} of {} jobs; {SIMULATED}", jobs.len()),
        _ => format!("{text}\n\n{SIMULATED}"),
    }
}

/// The status of a job, and whether it is hidden.
fn status(job: &Job) -> String {
    let status = match job.review() {
        Some(Review::Rejected) => "rejected".to_owned(),
        _ if job.hold().is_some() => "held".to_owned(),
        _ => job.stage_name().to_string(),
    };
    if job.hidden { format!("{status}, hidden") } else { status }
}

/// The cost of a job: `$0.04`, `~$0.04` for an estimate (also of a job that was not submitted yet), or the basis where no amount is
/// certain.
pub fn cost(job: &Job) -> String {
    match (job.cost(), job.cost_basis()) {
        (Some(amount), Some(Basis::Estimated)) => format!("~{}", amount.display()),
        (Some(amount), Some(basis)) if !basis.is_counted() => {
            format!("{} +{basis}", amount.display(), basis = basis.as_str())
        }
        (Some(amount), _) => amount.display(),
        (None, Some(basis)) => basis.as_str().to_owned(),
        (None, None) => {
            let estimate = || job.known_estimate().or_else(|| Catalog::builtin().estimate(&job.spec).amount);
            let ahead = job.stage_name().is_active().then(estimate).flatten();
            ahead.map_or("-".to_owned(), |amount| format!("~{}", amount.display()))
        }
    }
}

/// Why it failed, what holds it, or what it does.
fn why(job: &Job) -> String {
    if let Some(failure) = failure(job) {
        return sanitize_line(&format!("{}: {}", failure.code.as_str(), failure.message), 80);
    }
    if let Some(hold) = job.hold() {
        return sanitize_line(&hold_line::at_check(job, hold), 120);
    }
    let running = job.attempt().and_then(|attempt| attempt.steps.iter().find(|step| step.state == StepState::Running));
    match running {
        // It is made elsewhere.
        Some(step) if job.stage_name().is_active() && step.name == StepName::Generate => {
            "waiting for the image".to_owned()
        }
        Some(step) if job.stage_name().is_active() => step.name.as_str().to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{BillingStatus, Failure, FailureCode, JobId, Spec};

    fn job(prompt: &str) -> Job {
        Job::new(JobId::new("a\u{1b}bc").unwrap(), Spec::new("flux-2-pro", prompt), true, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn table_is_sanitized_and_marks_simulation() {
        let text = jobs(&[job("a\u{1b}[2J fox\nin two lines")], DateTime::UNIX_EPOCH, None);
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("a[2J fox in two lines"), "{text}");
        assert!(text.ends_with(SIMULATED), "{text}");
    }

    #[test]
    fn hidden_jobs_are_marked() {
        let mut hidden = job("a fox");
        hidden.hidden = true;
        let text = jobs(&[hidden, job("a boat")], DateTime::UNIX_EPOCH, None);
        assert_eq!(text.matches("queued, hidden").count(), 1, "{text}");
        assert_eq!(text.matches("queued").count(), 2, "{text}");
    }

    #[test]
    fn simulated_jobs_are_marked_among_real_ones() {
        let mut real = job("a boat");
        real.simulated = false;
        let text = jobs(&[job("a fox"), real.clone(), job("a moth")], DateTime::UNIX_EPOCH, None);
        let marked: Vec<bool> = text.lines().skip(1).take(3).map(|line| line.contains("sim ~$")).collect();
        assert_eq!(marked, [true, false, true], "{text}");
        assert!(text.ends_with(&format!("sim: 2 of 3 jobs; {SIMULATED}")), "{text}");
        let text = jobs(&[real], DateTime::UNIX_EPOCH, None);
        assert!(!text.contains("sim"), "{text}");
    }

    #[test]
    fn narrow_terminal_has_room_for_the_texts() {
        let id = JobId::from_random([7; 20]);
        let mut failed =
            Job::new(id.clone(), Spec::new("flux-2-klein-4b", "a neon fox in the rain"), true, DateTime::UNIX_EPOCH);
        let failure =
            Failure::new(FailureCode::ProviderError, "the service is busy", BillingStatus::No, DateTime::UNIX_EPOCH);
        failed.reject(failure, DateTime::UNIX_EPOCH).unwrap();
        let table = |columns| jobs(&[failed.clone(), job("a boat")], DateTime::UNIX_EPOCH, columns);
        let narrow = table(Some(80));
        assert!(narrow.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80), "{narrow}");
        assert!(narrow.contains(id.as_str()) && narrow.contains("COST") && !narrow.contains("MODEL"), "{narrow}");
        assert!(narrow.contains("a neon fox in the") && narrow.contains("provider_error: t"), "{narrow}");
        for complete in [table(Some(160)), table(None)] {
            assert!(complete.contains("flux-2-klein-4b") && complete.contains("AGE"), "{complete}");
        }
        // Without reasons there is room for the model.
        let queued = jobs(&[job("a boat")], DateTime::UNIX_EPOCH, Some(80));
        assert!(queued.contains("MODEL"), "{queued}");
    }

    #[test]
    fn rows_fit_the_terminal() {
        let text = jobs(&[job(&"漢字 ".repeat(100))], DateTime::UNIX_EPOCH, Some(90));
        for line in text.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 90, "{line}");
        }
        assert!(text.contains('…'));
    }
}
