//! The contract's documents, good and bad ones.
