//! The real console in a real pseudo terminal: real keys in, the screen and the raw bytes out, the books beside it.

mod giving_back;
mod hostile;
mod money;
mod orders;
mod portrait;
mod quiet;
mod sizes;
pub(crate) mod terminal;
