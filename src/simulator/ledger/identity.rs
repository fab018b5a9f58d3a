//! Identifies the simulator of a directory over HTTP without revealing the directory's name.

use std::path::Path;

use sha2::{Digest, Sha256};

/// The first 16 hexadecimal digits of the digest of the canonical path.
pub(in crate::simulator) fn identity(canonical: &Path) -> String {
    let digest = Sha256::digest(canonical.as_os_str().as_encoded_bytes());
    let first = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{first:016x}")
}
