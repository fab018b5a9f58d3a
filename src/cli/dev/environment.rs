//! The configuration of this process and the environment of other processes that point at the stack.
//!
//! Nothing of the operator's own configuration may point outside the stack.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::config::{BucketKind, Config, EngineKind, Flags, Key, ProviderKind, Sources, StoreKind};
use crate::devstack::{BUCKET, PROJECT, Server, Stack};

/// The origin that `darkroom config` shows for these values.
const FLAG: &str = "darkroom dev";

/// How a process reaches the stack.
pub struct DevEnvironment {
    /// Configuration of this process.
    pub config: Config,
    /// Variables for other processes.
    pub variables: Vec<(&'static str, String)>,
    folder: PathBuf,
}

/// The file for other terminals. It is removed when it is dropped, because the addresses are invalid afterwards.
pub struct EnvironmentFile(PathBuf);

impl Drop for EnvironmentFile {
    fn drop(&mut self) {
        // A file that remains is replaced by the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl DevEnvironment {
    /// Uses the servers that run, and local replacements for the others. `flags` are those of the command line.
    pub fn new(stack: &Stack, folder: &Path, flags: &Flags) -> Result<Self, CliError> {
        // Real money is spent only with an explicit --provider.
        let provider = flags.given(Key::Provider).map_or_else(|| ProviderKind::Simulator.to_string(), str::to_owned);
        let mut settings = vec![
            (Key::Provider, Some(provider)),
            (Key::DataDir, Some(folder.display().to_string())),
            (Key::SimulateExternal, Some("true".to_owned())),
            (Key::BucketUrl, Some("public".to_owned())),
            (Key::GoogleApplicationCredentials, None),
        ];
        let firestore = stack.address(Server::Firestore);
        let storage = stack.address(Server::Storage);
        let temporal = stack.address(Server::Temporal);
        let store = if firestore.is_some() { StoreKind::Firestore } else { StoreKind::Sqlite };
        let bucket = if storage.is_some() { BucketKind::Gcs } else { BucketKind::Folder };
        settings.extend([
            (Key::Store, Some(store.to_string())),
            (Key::Bucket, Some(bucket.to_string())),
            (Key::GoogleCloudProject, firestore.or(storage).map(|_| PROJECT.to_owned())),
            (Key::FirestoreEmulatorHost, firestore.map(|address| address.to_string())),
            (Key::FirebaseStorageBucket, storage.map(|_| BUCKET.to_owned())),
            (Key::StorageEmulatorHost, storage.map(|address| address.to_string())),
            (Key::TemporalAddress, temporal.map(|address| address.to_string())),
            (Key::TemporalNamespace, temporal.map(|_| "default".to_owned())),
            // Otherwise the operator's own profile would be read.
            (Key::TemporalConfigFile, temporal.map(|_| folder.join("temporal.toml").display().to_string())),
        ]);
        let engines = temporal.map(|_| EngineKind::Temporal).into_iter().chain([EngineKind::Local]);
        let mut config = None;
        for engine in engines {
            settings.retain(|(key, _)| *key != Key::Engine);
            settings.push((Key::Engine, Some(engine.to_string())));
            let resolved = resolve(flags.clone(), &settings)?;
            // A build may not contain Temporal.
            let is_built_in = resolved.require_built_in();
            config = Some(resolved);
            if is_built_in.is_ok() {
                break;
            }
        }
        let Some(mut config) = config else { return Err(CliError::Failed("this build contains no engine".to_owned())) };
        config.context = Some("dev".to_owned());
        let variables: Vec<_> =
            settings.into_iter().filter_map(|(key, value)| Some((key.variable(), value?))).collect();
        // Temporal's client reads variables that are not settings here: certificates, metadata, other profiles.
        config.temporal.variables.retain(|name, _| variables.iter().any(|(known, _)| known == name));
        Ok(Self { config, variables, folder: folder.to_owned() })
    }

    /// The file for other terminals.
    pub fn file(&self) -> PathBuf {
        self.folder.join("environment")
    }

    /// The variables as a shell script.
    pub fn exports(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            // Writing into a string does not fail.
            let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
        }
        text
    }

    /// Writes the file for other terminals.
    pub fn write_file(&self) -> Result<EnvironmentFile, CliError> {
        let path = self.file();
        std::fs::write(&path, self.exports())
            .map_err(|why| CliError::Failed(format!("cannot write {}: {why}", path.display())))?;
        Ok(EnvironmentFile(path))
    }
}

fn resolve(mut flags: Flags, settings: &[(Key, Option<String>)]) -> Result<Config, CliError> {
    for (key, value) in settings {
        match value {
            Some(value) => flags.set(*key, FLAG, Some(value.clone())),
            None => flags.unset(*key, FLAG),
        }
    }
    Ok(Config::resolve(&Sources::of_this_process(flags)?)?)
}
