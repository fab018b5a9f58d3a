//! A stored image, and the object name that darkroom derives for it: never a name from outside.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::JobId;

/// Image formats that the FLUX API delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/webp`
    Webp,
}

impl ImageFormat {
    /// `jpeg`, `png`, `webp`: the API's `output_format`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    /// What a file's name ends in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            other => other.as_str(),
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// The format of a media type, parameters and case ignored.
    pub fn from_content_type(text: &str) -> Option<Self> {
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "image/jpeg" | "image/jpg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            "image/webp" => Some(Self::Webp),
            _ => None,
        }
    }
}

/// The name of an object in a bucket: `generated-art/<job>-<attempt>.<ext>`, made by us from safe characters only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectName(String);

impl ObjectName {
    /// Where the data contract puts images.
    pub const FOLDER: &str = "generated-art";

    /// The one name of an attempt's image: storing it twice stores one object.
    ///
    /// An id of up to 64 letters, digits and dashes stands in it as it is; any other is replaced by its digest.
    pub fn for_attempt(job: &JobId, attempt: u32, format: ImageFormat) -> Self {
        let id = job.as_str();
        let plain = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let stem = if plain { id.to_owned() } else { format!("x_{:.32}", sha256_hex(id.as_bytes())) };
        Self(format!("{}/{stem}-{attempt}.{}", Self::FOLDER, format.extension()))
    }

    /// Folder and file, with one slash between.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file's name without the folder.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether this is a name that `for_attempt` makes: another program may have changed a stored document.
    pub fn is_ours(&self) -> bool {
        self.0.strip_prefix(Self::FOLDER).and_then(|rest| rest.strip_prefix('/')).is_some_and(|file| {
            (1..=128).contains(&file.len())
                && !file.starts_with('.')
                && file.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        })
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::text::sanitize_line(&self.0, 160))
    }
}

/// SHA-256 of `bytes`, hexadecimal, 64 characters.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An image that is safe in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// The object.
    pub object: ObjectName,
    /// A URL that a browser opens.
    pub url: String,
    /// The image's own format.
    pub format: ImageFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Size of the object.
    pub bytes: u64,
    /// SHA-256 of the object, hexadecimal.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_name_stays_in_its_folder() {
        for id in ["..\\..\\etc", "a b", "ünï", "%2e%2e", "CON", &"x".repeat(1000)] {
            let name = ObjectName::for_attempt(&JobId::new(id).unwrap(), 1, ImageFormat::Png);
            assert!(name.is_ours(), "{name}");
        }
        assert!(!ObjectName("generated-art/../secret".into()).is_ours());
        assert!(!ObjectName("/etc/passwd".into()).is_ours());
        assert!(!ObjectName("generated-art/.hidden".into()).is_ours());
        assert!(!ObjectName("generated-art/".into()).is_ours());
    }

    #[test]
    fn object_name_keeps_plain_id() {
        let id = JobId::new("02FShWubqQUKG3QCO5dW").unwrap();
        assert_eq!(
            ObjectName::for_attempt(&id, 2, ImageFormat::Jpeg).as_str(),
            "generated-art/02FShWubqQUKG3QCO5dW-2.jpg"
        );
    }
}
