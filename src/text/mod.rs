//! Text for people: sanitized, formatted and suggested. The lowest room: it names no other.

mod find;
mod fold;
pub mod format;
mod input;
mod sanitize;
mod suggest;
mod template;

pub use find::find_text;
pub use fold::fold_for_search;
pub use input::{EnteredText, entered_line, entered_text};
pub use sanitize::{is_formula_start, sanitize_edited, sanitize_line, sanitize_text};
pub use suggest::suggest;
pub use template::{Template, TemplateError};
