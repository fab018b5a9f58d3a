//! Malformed rows, requests and replies: each meets one clear line, nothing breaks, nothing is bought, nothing is lost.

mod database;
mod documents;
mod lines;
mod requests;
mod terminal;
