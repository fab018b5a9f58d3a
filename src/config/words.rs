//! Owns the settings that are one of a few words. Must not know what follows from a choice.

use std::fmt;
use std::str::FromStr;

/// A setting that is one of a few words: the enum, its words, and reading them.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$each])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in files, variables and flags.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                known.ok_or_else(|| {
                    let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    let shown = crate::text::sanitize_line(text, 40);
                    format!("'{shown}' is none of: {}", words.join(", "))
                })
            }
        }
    };
}

words! {
    /// Who makes the images.
    ProviderKind {
        /// The simulator of the FLUX API: no real money.
        Simulator = "simulator",
        /// The real FLUX API: real money.
        Bfl = "bfl",
    }
}

words! {
    /// Where job documents are kept.
    StoreKind {
        /// One file on this machine.
        Sqlite = "sqlite",
        /// Google's Firestore.
        Firestore = "firestore",
    }
}

words! {
    /// Where images are kept.
    BucketKind {
        /// A folder on this machine.
        Folder = "folder",
        /// Google Cloud Storage.
        Gcs = "gcs",
    }
}

words! {
    /// Who runs the workflows.
    EngineKind {
        /// This process.
        Local = "local",
        /// The workers of a Temporal task queue.
        Temporal = "temporal",
    }
}

words! {
    /// How images are drawn on the terminal.
    ImagesMode {
        /// What the terminal answers that it can.
        Auto = "auto",
        /// Coloured half blocks, everywhere.
        Halfblocks = "halfblocks",
        /// Not at all.
        Off = "off",
    }
}

words! {
    /// Colours for a kind of terminal.
    ThemeName {
        /// Dark background.
        Dark = "dark",
        /// Light background.
        Light = "light",
    }
}

/// How fast the simulator answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SimulatorSpeed {
    /// Without any waiting.
    Instant,
    /// That many times as fast as the real API; 1 is its usual time.
    Times(f64),
}

impl fmt::Display for SimulatorSpeed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant => formatter.write_str("instant"),
            Self::Times(factor) => write!(formatter, "{factor}"),
        }
    }
}

impl FromStr for SimulatorSpeed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(text, "instant" | "0") {
            return Ok(Self::Instant);
        }
        match text.parse::<f64>() {
            Ok(factor) if factor.is_finite() && factor > 0.0 && factor <= 10_000.0 => Ok(Self::Times(factor)),
            _ => Err(format!(
                "'{}' is neither 'instant' nor a number above 0 and up to 10000",
                crate::text::sanitize_line(text, 40)
            )),
        }
    }
}
