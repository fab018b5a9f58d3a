//! A filter as SQL: only words of this program are in the text of a statement, what an operator typed is bound.

use rusqlite::types::Value;

use super::row::{nanodollars, nanoseconds};
use crate::jobs::Review;
use crate::jobs::filter::{Condition, Filter, JobStatus, Term};

/// The columns that filters compare beside the age. All of them are in one index, so that no document is read to count.
pub(super) const INDEX: &str = "jobs_by_fields";

/// Adds the conditions of a filter.
pub(super) fn add(filter: &Filter, conditions: &mut Vec<String>, values: &mut Vec<Value>) {
    for term in filter.terms() {
        let condition = condition(term, values);
        conditions.push(if term.negated { format!("NOT ({condition})") } else { format!("({condition})") });
    }
}

fn condition(term: &Term, values: &mut Vec<Value>) -> String {
    match &term.condition {
        // Unlike LIKE, instr has no letters with a meaning of their own. The id comes first in `search`: words match its beginning.
        Condition::Text(text) => {
            values.extend(std::iter::repeat_n(Value::Text(text.clone()), 3));
            "instr(substr(search, instr(search, char(31))), ?) > 0 OR instr(search, ?) = 1 OR instr(failure, ?) > 0"
                .to_owned()
        }
        Condition::Status(wanted) => any(wanted.iter().map(|status| match status {
            // Found out only when the document is read: no row is left out here.
            JobStatus::Unreadable => if term.negated { "FALSE" } else { "TRUE" }.to_owned(),
            readable => status_condition(*readable),
        })),
        Condition::Review(wanted) => any(wanted.iter().map(|review| {
            let rejected = u8::from(*review == Review::Rejected);
            format!("stage = '{}' AND rejected = {rejected}", review.stage().as_str())
        })),
        Condition::Model(models) => contains("model", models, values),
        Condition::Tag(tags) => contains("tags", tags, values),
        Condition::Error(errors) => contains("failure", errors, values),
        Condition::Id(ids) => {
            values.extend(ids.iter().cloned().map(Value::Text));
            any(ids.iter().map(|_| "instr(search, ?) = 1".to_owned()))
        }
        Condition::Cost(comparison, bound) => {
            values.push(Value::Integer(nanodollars(*bound)));
            format!("cost {} ?", comparison.as_str())
        }
        Condition::Attempts(comparison, bound) => {
            values.push(Value::Integer(i64::from(*bound)));
            format!("attempts {} ?", comparison.as_str())
        }
        Condition::Since(at) => {
            values.push(Value::Integer(nanoseconds(*at)));
            "created_at >= ?".to_owned()
        }
        Condition::Before(at) => {
            values.push(Value::Integer(nanoseconds(*at)));
            "created_at < ?".to_owned()
        }
    }
}

fn status_condition(status: JobStatus) -> String {
    match status {
        JobStatus::Stage(stage) => format!("stage = '{}'", stage.as_str()),
        JobStatus::Held => "held = 1".to_owned(),
        JobStatus::Hidden => "hidden = 1".to_owned(),
        JobStatus::Running => "stage IN ('submitting', 'generating')".to_owned(),
        JobStatus::Active => "stage IN ('queued', 'submitting', 'generating')".to_owned(),
        JobStatus::Unreadable => "TRUE".to_owned(),
    }
}

fn contains(column: &str, parts: &[String], values: &mut Vec<Value>) -> String {
    values.extend(parts.iter().cloned().map(Value::Text));
    any(parts.iter().map(|_| format!("instr({column}, ?) > 0")))
}

fn any(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() { "FALSE".to_owned() } else { conditions.join(" OR ") }
}
