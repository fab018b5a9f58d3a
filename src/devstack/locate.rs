//! Finds installed servers, and names the command that installs a missing one. Uses only [`Server`] and the standard library:
//! `build.rs` compiles this file too.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Server;

/// A server that `go install` builds. `.ci/install-servers` pins the same versions.
struct GoProgram {
    name: &'static str,
    module: &'static str,
    version: &'static str,
}

const STORAGE: GoProgram =
    GoProgram { name: "fake-gcs-server", module: "github.com/fsouza/fake-gcs-server", version: "v1.56.1" };
const TEMPORAL: GoProgram =
    GoProgram { name: "temporal", module: "github.com/temporalio/cli/cmd/temporal", version: "v1.5.1" };

const NOT_INSTALLED: &str = "is not installed";

/// Where the emulator is under the root of the Google Cloud CLI.
const EMULATOR: &str = "platform/cloud-firestore-emulator/cloud_firestore_emulator";

/// A server that is not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInstalled {
    /// The server.
    pub server: Server,
    /// Why it cannot be started.
    pub why: &'static str,
    /// The command that installs it.
    pub install: String,
}

impl fmt::Display for NotInstalled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the {} {}: {}", self.server, self.why, self.install)
    }
}

/// The directories that are searched.
#[derive(Debug, Clone, Default)]
pub struct ServerLocator {
    /// Where `.ci/install-servers` puts them, each in a folder named with its version.
    pub servers: Option<PathBuf>,
    /// `PATH`.
    pub path: Vec<PathBuf>,
    /// Where `go install` puts programs.
    pub go: Option<PathBuf>,
}

impl ServerLocator {
    /// The directories of this process: `DARKROOM_SERVERS_DIR` or the cache folder of the home, `PATH`, `GOBIN` or `GOPATH`.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = std::env::home_dir();
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        Self {
            servers: variable("DARKROOM_SERVERS_DIR").or_else(|| in_home(".cache/darkroom/servers")),
            path: std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
            go: variable("GOBIN")
                .or_else(|| variable("GOPATH").map(|path| path.join("bin")))
                .or_else(|| in_home("go/bin")),
        }
    }

    /// The program of the server. May run `gcloud`, which takes a second. Errors: how to install it.
    pub fn find(&self, server: Server) -> Result<PathBuf, NotInstalled> {
        match server {
            Server::Firestore => self.firestore(),
            Server::Storage => self.go_program(server, &STORAGE),
            Server::Temporal => self.go_program(server, &TEMPORAL),
        }
    }

    fn go_program(&self, server: Server, program: &GoProgram) -> Result<PathBuf, NotInstalled> {
        let pinned = self.servers.as_ref().map(|folder| folder.join(format!("{}-{}", program.name, program.version)));
        let folders = pinned.iter().chain(&self.path).chain(&self.go);
        let file = format!("{}{}", program.name, std::env::consts::EXE_SUFFIX);
        folders.map(|folder| folder.join(&file)).find(|path| path.is_file()).ok_or_else(|| {
            let GoProgram { module, version, .. } = program;
            let go = self.on_path("go").is_some();
            let why = if go { NOT_INSTALLED } else { "is not installed and needs Go (https://go.dev/dl) first" };
            NotInstalled { server, why, install: format!("go install {module}@{version}") }
        })
    }

    fn firestore(&self) -> Result<PathBuf, NotInstalled> {
        let missing = |why, install: &str| NotInstalled { server: Server::Firestore, why, install: install.to_owned() };
        let Some(gcloud) = self.on_path("gcloud") else {
            let why =
                "is not installed and needs the Google Cloud CLI (https://cloud.google.com/sdk/docs/install) first";
            return Err(missing(why, "gcloud components install cloud-firestore-emulator"));
        };
        let near = std::fs::canonicalize(&gcloud).ok();
        let near = near.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned);
        let launcher = |root: &Path| Some(root.join(EMULATOR)).filter(|launcher| launcher.is_file());
        let found = near.as_deref().and_then(launcher);
        let Some(found) = found.or_else(|| launcher(&sdk_root(&gcloud)?)) else {
            // Google's Linux packages contain each component in a package of its own.
            let packaged = near.is_some_and(|root| root.starts_with("/usr/lib") || root.starts_with("/usr/share"));
            return Err(missing(
                NOT_INSTALLED,
                if packaged {
                    "sudo apt-get install google-cloud-cli-firestore-emulator"
                } else {
                    "gcloud components install cloud-firestore-emulator"
                },
            ));
        };
        if self.on_path("java").is_none() {
            let apt = self.on_path("apt-get").is_some();
            let how = if apt { "sudo apt-get install default-jre-headless" } else { "see https://adoptium.net" };
            return Err(missing("needs Java 17 or newer", how));
        }
        Ok(found)
    }

    fn on_path(&self, program: &str) -> Option<PathBuf> {
        let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        self.path.iter().map(|folder| folder.join(&file)).find(|path| path.is_file())
    }
}

/// The root of the Google Cloud CLI, as `gcloud info` reports it.
fn sdk_root(gcloud: &Path) -> Option<PathBuf> {
    let mut command = Command::new(gcloud);
    command.args(["info", "--format=value(installation.sdk_root)"]).stdin(Stdio::null()).stderr(Stdio::null());
    let answer = String::from_utf8(command.output().ok()?.stdout).ok()?;
    Some(PathBuf::from(answer.trim())).filter(|root| root.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(name), "").unwrap();
    }

    #[test]
    fn pinned_version_wins_over_path_and_gopath() {
        let folder = tempfile::tempdir().unwrap();
        let [servers, path, go] = ["servers", "path", "go"].map(|name| folder.path().join(name));
        let locator = ServerLocator { servers: Some(servers.clone()), path: vec![path.clone()], go: Some(go.clone()) };
        let missing = locator.find(Server::Temporal).unwrap_err();
        assert_eq!(missing.install, "go install github.com/temporalio/cli/cmd/temporal@v1.5.1");
        assert!(missing.to_string().contains("the Temporal server is not installed and needs Go"), "{missing}");
        program(&go, "temporal");
        assert_eq!(locator.find(Server::Temporal), Ok(go.join("temporal")));
        program(&path, "temporal");
        assert_eq!(locator.find(Server::Temporal), Ok(path.join("temporal")));
        let pinned = servers.join("temporal-v1.5.1");
        program(&pinned, "temporal");
        assert_eq!(locator.find(Server::Temporal), Ok(pinned.join("temporal")));
        assert!(locator.find(Server::Storage).is_err());
    }

    #[test]
    fn each_missing_part_of_the_emulator_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let locator = ServerLocator { path: vec![root.join("bin")], ..ServerLocator::default() };
        let says = |words: &str| {
            let line = locator.find(Server::Firestore).unwrap_err().to_string();
            assert!(line.contains(words), "{line}");
        };
        says("the Google Cloud CLI");
        program(&root.join("bin"), "gcloud");
        says("is not installed: gcloud components install cloud-firestore-emulator");
        program(root.join(EMULATOR).parent().unwrap(), "cloud_firestore_emulator");
        says("Java 17");
        program(&root.join("bin"), "java");
        assert_eq!(locator.find(Server::Firestore), Ok(root.join(EMULATOR)));
    }
}
