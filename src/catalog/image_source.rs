//! The three forms of an input image: file path, https URL or base64.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use url::{Host, Url};

/// Where an input image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// The server fetches it.
    Url(String),
    /// The image itself, without a `data:` prefix.
    Base64(String),
    /// A file on this machine.
    File(String),
}

/// Why a text names no input image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ImageSourceError(pub &'static str);

/// Longest URL or path, in bytes.
const MAX_NAME: usize = 4096;

/// Largest input image as base64, in bytes: 20 MB (the API's limit) and what base64 adds.
const MAX_BASE64: usize = 28_000_000;

/// How base64 of an image begins: JPEG, PNG, WebP, GIF. A JPEG's slash looks like a path, so a path is what is not one of these.
const IMAGES: [&str; 4] = ["/9j/", "iVBORw0KGgo", "UklGR", "R0lGOD"];

impl ImageSource {
    /// Parses text. Text from a shared store may name a public https URL or be base64; it never opens a file.
    pub fn parse(text: &str, from_shared_store: bool) -> Result<Self, ImageSourceError> {
        let text = text.trim();
        if let Some(data) = text.strip_prefix("data:") {
            let base64 = data.split_once(";base64,").map(|(_, base64)| base64);
            return Self::base64(base64.ok_or(ImageSourceError("a data: image must be base64"))?);
        }
        if IMAGES.iter().any(|start| text.starts_with(start)) && text.len() > 32 && is_base64(text) {
            return Self::base64(text);
        }
        if text.is_empty() {
            return Err(ImageSourceError("is empty; give a file, an https URL or base64"));
        }
        if text.len() > MAX_NAME {
            return Err(ImageSourceError("is neither a URL, nor a file's name, nor base64 of a JPEG, PNG or WebP"));
        }
        if text.chars().any(char::is_control) {
            return Err(ImageSourceError("contains control characters"));
        }
        if text.contains("://") {
            let url = Url::parse(text).map_err(|_| ImageSourceError("is not a URL"))?;
            if url.scheme() != "https" || url.host().is_none() {
                return Err(ImageSourceError("only https URLs are taken"));
            }
            if from_shared_store && !is_public(&url) {
                return Err(ImageSourceError(
                    "the URL is not a public one; only public https hosts are taken from a shared store",
                ));
            }
            return Ok(Self::Url(text.to_owned()));
        }
        if from_shared_store {
            return Err(ImageSourceError("a shared store may name public https URLs or base64 only, no files"));
        }
        Ok(Self::File(text.to_owned()))
    }

    /// The text of an image whose path is relative, with that path in `base_dir`; `None` where the text can stay as it is.
    pub(super) fn absolute(text: &str, base_dir: &Path, from_shared_store: bool) -> Option<String> {
        let Ok(Self::File(path)) = Self::parse(text, from_shared_store) else { return None };
        let is_relative = !Path::new(&path).is_absolute();
        is_relative.then(|| base_dir.join(&path).to_str().map(str::to_owned)).flatten()
    }

    fn base64(text: &str) -> Result<Self, ImageSourceError> {
        if text.len() > MAX_BASE64 {
            return Err(ImageSourceError("is larger than 20 MB"));
        }
        if text.is_empty() || !is_base64(text) {
            return Err(ImageSourceError("is not valid base64"));
        }
        Ok(Self::Base64(text.to_owned()))
    }
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() - body.len() <= 2 && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Whether an untrusted URL points into the public internet, judged by its text: https on its own port, no
/// user, a host name with a dot that is no local one, or a public address.
fn is_public(url: &Url) -> bool {
    if url.scheme() != "https" || url.port().is_some() || !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let local =
                ["localhost", "local", "internal", "lan", "home", "intranet", "corp", "private", "test", "onion"];
            name.rsplit_once('.').is_some_and(|(_, last)| !local.contains(&last)) && !name.ends_with("home.arpa")
        }
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        None => false,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b); // RFC 6598, between carriers and their customers
    let benchmark = a == 198 && (b == 18 || b == 19); // RFC 2544
    let protocol = a == 192 && b == 0 && c == 0; // RFC 6890
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || shared
        || benchmark
        || protocol)
}

/// Only global unicast (`2000::/3`), and nothing that carries an IPv4 address which is not public itself.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    if let Some(IpAddr::V4(inner)) = address.to_ipv4().map(IpAddr::V4) {
        return is_public_v4(inner);
    }
    let tunnelled = first == 0x2002 || (first == 0x2001 && second == 0); // 6to4, Teredo
    let documentation = first == 0x2001 && second == 0x0db8;
    first & 0xe000 == 0x2000 && !tunnelled && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgIC";

    #[test]
    fn source_is_file_url_or_base64() {
        for (text, expected) in [
            ("photo.png", ImageSource::File("photo.png".into())),
            (" /home/ada/a b.jpg ", ImageSource::File("/home/ada/a b.jpg".into())),
            ("/9j/photo.png", ImageSource::File("/9j/photo.png".into())),
            ("C:\\a.png", ImageSource::File("C:\\a.png".into())),
            ("https://example.org/a.png?x=1", ImageSource::Url("https://example.org/a.png?x=1".into())),
            (JPEG, ImageSource::Base64(JPEG.into())),
            (&format!("data:image/jpeg;base64,{JPEG}"), ImageSource::Base64(JPEG.into())),
        ] {
            assert_eq!(ImageSource::parse(text, false).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "  ",
            "http://example.org/a.png",
            "ftp://x/y",
            "file:///etc/passwd",
            "https://",
            "a\u{1b}b.png",
            "data:image/png,abc",
            "data:image/png;base64,",
            "data:image/png;base64,a b",
            &"x".repeat(5000),
        ] {
            assert!(ImageSource::parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn shared_store_cannot_name_private_hosts() {
        for text in [
            "photo.png",
            "/etc/passwd",
            "\\\\server\\share\\a.png",
            "https://localhost/a",
            "https://printer/a",
            "https://db.internal/a",
            "https://mac.local/a",
            "https://mac.local./a",
            "https://x.home.arpa/a",
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://10.1.2.3/a",
            "https://172.16.0.1/a",
            "https://192.168.1.1/a",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/a",
            "https://0.0.0.0/a",
            "https://255.255.255.255/a",
            "https://198.18.0.1/a",
            "https://[::1]/a",
            "https://[::]/a",
            "https://[fe80::1]/a",
            "https://[fc00::1]/a",
            "https://[::ffff:127.0.0.1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://[2002:7f00:1::]/a",
            "https://[64:ff9b::7f00:1]/a",
            "https://user@example.org/a",
            "https://user:pass@example.org/a",
            "https://example.org:8443/a",
            "http://example.org/a",
        ] {
            assert!(ImageSource::parse(text, true).is_err(), "{text}");
        }
        for text in [
            "https://example.org/a.png",
            "https://example.org:443/a",
            "https://93.184.215.14/a",
            "https://[2606:4700::1]/a",
            JPEG,
        ] {
            assert!(ImageSource::parse(text, true).is_ok(), "{text}");
        }
    }
}
