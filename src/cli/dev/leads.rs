//! Owns what leads into the stack: the configuration of this process, and the environment for others. Must not let anything of
//! the person's own configuration lead out of it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::stack::{BUCKET, PROJECT, Stack};
use crate::cli::error::CliError;
use crate::config::{BucketKind, Config, EngineKind, Flags, Key, ProviderKind, Sources, StoreKind};
use crate::devstack::Server;

/// Where a value of this command comes from.
const FLAG: &str = "darkroom dev";

/// What leads into the stack.
pub struct Leads {
    /// For this process.
    pub config: Config,
    /// For others.
    pub environment: Vec<(&'static str, String)>,
    folder: PathBuf,
}

/// The file for other terminals. It is gone with the value: afterwards it would lead nowhere.
pub struct LeadsFile(PathBuf);

impl Drop for LeadsFile {
    fn drop(&mut self) {
        // One that stays is replaced by the next stack.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Leads {
    /// On those servers that run; on what needs none in place of the others. `flags` are those of the command line.
    pub fn new(stack: &Stack, folder: &Path, flags: &Flags) -> Result<Self, CliError> {
        // Real money is spent only where it is asked for in this very command.
        let provider = flags.given(Key::Provider).unwrap_or(ProviderKind::Simulator.as_str()).to_owned();
        let mut settings = vec![
            (Key::Provider, Some(provider)),
            (Key::DataDir, Some(folder.display().to_string())),
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
            // Or the profile of whoever types this would be read.
            (Key::TemporalConfigFile, temporal.map(|_| folder.join("temporal.toml").display().to_string())),
        ]);
        let engines = temporal.map(|_| EngineKind::Temporal).into_iter().chain([EngineKind::Local]);
        let mut config = None;
        for engine in engines {
            settings.retain(|(key, _)| *key != Key::Engine);
            settings.push((Key::Engine, Some(engine.to_string())));
            let resolved = resolve(flags.clone(), &settings)?;
            // A build may be without Temporal.
            let is_built_in = resolved.require_built_in();
            config = Some(resolved);
            if is_built_in.is_ok() {
                break;
            }
        }
        let Some(mut config) = config else { return Err(CliError::Failed("no engine".to_owned())) };
        config.context = Some("dev".to_owned());
        let environment: Vec<_> =
            settings.into_iter().filter_map(|(key, value)| Some((key.variable(), value?))).collect();
        // Temporal's client reads more names than there are keys: certificates, metadata, other profiles.
        config.temporal.variables.retain(|name, _| environment.iter().any(|(ours, _)| ours == name));
        Ok(Self { config, environment, folder: folder.to_owned() })
    }

    /// The file for other terminals.
    pub fn file(&self) -> PathBuf {
        self.folder.join("environment")
    }

    /// The environment as a shell reads it.
    pub fn exports(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.environment {
            // Writing into a string does not fail.
            let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
        }
        text
    }

    /// Writes the file. Errors: the folder does not take it.
    pub fn write_file(&self) -> Result<LeadsFile, CliError> {
        let path = self.file();
        std::fs::write(&path, self.exports())
            .map_err(|why| CliError::Failed(format!("cannot write {}: {why}", path.display())))?;
        Ok(LeadsFile(path))
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
