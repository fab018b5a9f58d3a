//! Finds Google's Python clients, which `.ci/install-servers` installs. Uses only the standard library: `build.rs` compiles this
//! file too.

use std::path::PathBuf;

/// The Python interpreter of the virtual environment with the pinned clients; `None` where the clients are not installed.
pub fn python(requirements: &str) -> Option<PathBuf> {
    let version = |name: &str| requirements.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
    let versions = [version("google-cloud-firestore")?, version("google-cloud-storage")?].join("-");
    let servers = std::env::var_os("DARKROOM_SERVERS_DIR")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/darkroom/servers")))?;
    Some(servers.join(format!("python-clients-{versions}/bin/python"))).filter(|python| python.is_file())
}
