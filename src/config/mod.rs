//! The resolved configuration. (stub)
