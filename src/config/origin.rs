//! The origin of a value.

use std::fmt;
use std::path::PathBuf;

use super::Key;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Not set.
    Default,
    /// A `darkroom.toml`, in a context's table where one is named.
    File {
        /// Which file.
        path: PathBuf,
        /// Which table.
        context: Option<String>,
    },
    /// The process environment.
    Environment(&'static str),
    /// A `.env` file.
    DotEnv {
        /// Which file.
        path: PathBuf,
        /// Which variable.
        variable: &'static str,
    },
    /// The command line.
    Flag(&'static str),
}

impl Origin {
    /// The kind for `--json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment(_) => "environment",
            Self::DotEnv { .. } => "dotenv",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, context: None } => write!(formatter, "{}", path.display()),
            Self::File { path, context: Some(context) } => {
                write!(formatter, "{} [context.{context}]", path.display())
            }
            Self::Environment(variable) => write!(formatter, "environment {variable}"),
            Self::DotEnv { path, variable } => write!(formatter, "{} {variable}", path.display()),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// One resolved setting, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The setting.
    pub key: Key,
    /// Its value; `set (hidden)` for a secret; `None` where it has no value.
    pub value: Option<String>,
    /// Where it was set.
    pub origin: Origin,
}
