//! The command line. (stub)
