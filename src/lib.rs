//! darkroom: a terminal operations console for image generation.
pub mod bucket;
pub mod costs;
pub mod engine;
pub mod jobs;
pub mod provider;
pub mod store;
