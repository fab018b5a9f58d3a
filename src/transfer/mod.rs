//! Files of jobs and costs: one reader for everything that takes a file, the rules of an import, the formats of an export. Knows the
//! store's port and the shared documents; no adapter, no terminal, no command line.

pub mod cells;
pub mod export;
pub mod import;
pub mod records;
