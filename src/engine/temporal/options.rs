//! How Temporal is reached: its own environment variables and profile file, read by its own client.

use std::collections::HashMap;
use std::time::Duration;

use temporalio_client::ConnectionOptions;
use temporalio_client::envconfig::{ConfigError, LoadClientConfigProfileOptions};
use temporalio_common::envconfig::load_client_config_profile;

use super::policy;
use crate::text::sanitize_line;

/// The task queue of the data contract.
pub const DEFAULT_TASK_QUEUE: &str = "image-generation-queue";

/// The namespace and the addresses that Temporal's own command line uses unless it is given others.
const DEFAULT_NAMESPACE: &str = "default";
const DEFAULT_ADDRESS: &str = "localhost:7233";
const LOCAL_ADDRESS: &str = "127.0.0.1:7233";

/// How long a connection may take to be established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Temporal's settings cannot be used; one sanitized line why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid Temporal settings: {0}")]
pub struct InvalidProfile(String);

/// How Temporal is reached, and what the task queue may carry.
#[derive(Debug, Clone)]
pub struct TemporalOptions {
    pub(super) connection: ConnectionOptions,
    /// The namespace.
    pub namespace: String,
    /// The server's address, for display.
    pub address: String,
    /// The task queue that workflows and workers share.
    pub task_queue: String,
    /// After this time without a heartbeat a worker is presumed dead.
    pub heartbeat: Duration,
    /// Activities per second on the whole task queue, at most.
    pub rate: Option<f64>,
    /// The fingerprint of this process's store: workers on different stores may share a namespace.
    pub store_fingerprint: String,
}

impl TemporalOptions {
    /// From `TEMPORAL_*` variables, and the profile file that they name or that exists at its default path.
    pub fn from_variables(variables: &HashMap<String, String>) -> Result<Self, InvalidProfile> {
        let profile = load_client_config_profile(LoadClientConfigProfileOptions::default(), Some(variables));
        let profile = profile.map_err(|error| InvalidProfile(error_line(&error)))?;
        let namespace = profile.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let mut connection =
            ConnectionOptions::try_from(profile).map_err(|error| InvalidProfile(error_line(&error)))?;
        connection.connect_timeout = Some(CONNECT_TIMEOUT);
        let host = connection.target.host_str().unwrap_or_default();
        let port = connection.target.port_or_known_default();
        let address = sanitize_line(&port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")), 80);
        Ok(Self {
            connection,
            namespace,
            address,
            task_queue: DEFAULT_TASK_QUEUE.to_owned(),
            heartbeat: policy::HEARTBEAT_TIMEOUT,
            rate: None,
            store_fingerprint: String::new(),
        })
    }

    /// The command that ends an open workflow of another program, for a shell.
    pub(super) fn terminate_command(&self, workflow_id: &str) -> String {
        let mut command = format!("temporal workflow terminate --workflow-id {}", shell_word(workflow_id));
        if self.namespace != DEFAULT_NAMESPACE {
            command = format!("{command} --namespace {}", shell_word(&self.namespace));
        }
        if self.address != DEFAULT_ADDRESS && self.address != LOCAL_ADDRESS {
            command = format!("{command} --address {}", shell_word(&self.address));
        }
        command
    }
}

/// One word of a shell's command line.
fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@%+,=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", sanitize_line(text, 1_000).replace('\'', r"'\''"))
}

/// The error as one line, without lines of the file: it may contain a key.
fn error_line(error: &ConfigError) -> String {
    match error {
        ConfigError::LoadError(source) if source.downcast_ref::<std::io::Error>().is_none() => {
            "the profile file is not valid (not shown, it may contain a key)".to_owned()
        }
        other => sanitize_line(&other.to_string(), 200),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(variables: &[(&str, &str)]) -> Result<TemporalOptions, InvalidProfile> {
        // A missing file, or the profile of the user who runs the test would be read.
        let mut all = HashMap::from([("TEMPORAL_CONFIG_FILE".to_owned(), "/nonexistent/temporal.toml".to_owned())]);
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        TemporalOptions::from_variables(&all)
    }

    #[test]
    fn temporal_variables_set_address_and_key() {
        let none = options(&[]).unwrap();
        assert_eq!((none.address.as_str(), none.namespace.as_str()), ("localhost:7233", "default"));
        assert!(none.connection.tls_options.is_none() && none.connection.api_key.is_none());
        let cloud = options(&[
            ("TEMPORAL_ADDRESS", "team.abc12.tmprl.cloud:7233"),
            ("TEMPORAL_NAMESPACE", "team.abc12"),
            ("TEMPORAL_API_KEY", "very-secret"),
        ])
        .unwrap();
        assert_eq!((cloud.address.as_str(), cloud.namespace.as_str()), ("team.abc12.tmprl.cloud:7233", "team.abc12"));
        assert!(cloud.connection.tls_options.is_some(), "a key implies TLS");
        assert_eq!(cloud.connection.target.scheme(), "https");
    }

    #[test]
    fn terminate_command_is_complete_and_quoted() {
        let mut local = options(&[]).unwrap();
        assert_eq!(local.terminate_command("image-gen-a_1"), "temporal workflow terminate --workflow-id image-gen-a_1");
        local.namespace = "art".to_owned();
        local.address = "prod:7233".to_owned();
        assert_eq!(
            local.terminate_command("image-gen-it's"),
            r"temporal workflow terminate --workflow-id 'image-gen-it'\''s' --namespace art --address prod:7233"
        );
    }

    #[test]
    fn client_certificates_are_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, name).unwrap();
            path.display().to_string()
        };
        let (cert, key) = (write("cert.pem"), write("key.pem"));
        let both = [("TEMPORAL_TLS_CLIENT_CERT_PATH", cert.as_str()), ("TEMPORAL_TLS_CLIENT_KEY_PATH", key.as_str())];
        let tls = options(&both).unwrap().connection.tls_options.unwrap();
        assert_eq!(tls.client_tls_options.unwrap().client_cert, b"cert.pem");
        let message = options(&both[..1]).unwrap_err().to_string();
        assert!(message.contains("must be provided together"), "{message}");
    }

    #[test]
    fn profile_is_selected_and_bad_file_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("temporal.toml");
        std::fs::write(&file, "[profile.prod]\naddress = \"prod:7233\"\nnamespace = \"prod\"\n").unwrap();
        let named = file.display().to_string();
        let prod = options(&[("TEMPORAL_CONFIG_FILE", &named), ("TEMPORAL_PROFILE", "prod")]).unwrap();
        assert_eq!((prod.address.as_str(), prod.namespace.as_str()), ("prod:7233", "prod"));
        let missing = options(&[("TEMPORAL_CONFIG_FILE", &named), ("TEMPORAL_PROFILE", "prd")]).unwrap_err();
        assert!(missing.to_string().contains("'prd' not found"), "{missing}");
        std::fs::write(&file, "[profile.default]\napi_key = very-secret\n").unwrap();
        let broken = options(&[("TEMPORAL_CONFIG_FILE", &named)]).unwrap_err().to_string();
        assert!(broken.contains("is not valid") && !broken.contains("secret"), "{broken}");
    }
}
