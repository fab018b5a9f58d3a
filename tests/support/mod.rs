//! What several test modules need. (stub)
