//! darkroom: a terminal operations console for image generation.

pub mod bucket;
pub mod cli;
pub mod config;
pub mod console;
pub mod costs;
pub mod engine;
pub mod jobs;
pub mod logging;
pub mod provider;
pub mod simulator;
pub mod store;
pub mod wiring;
