//! Parsers of the settings' values.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use strum::VariantNames;

use crate::catalog::Catalog;
use crate::costs::Usd;
use crate::simulator::{Faults, Speed};
use crate::text::{sanitize_line, suggest};

/// One of the values of an enum.
pub fn one_of<T: FromStr + VariantNames>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| {
        let shown = sanitize_line(text, 40);
        format!("'{shown}' is not valid: must be one of {}", T::VARIANTS.join(", "))
    })
}

/// The speed of the simulator.
pub fn speed(text: &str) -> Result<Speed, String> {
    text.parse().map_err(|error: crate::simulator::InvalidSpeed| error.to_string())
}

/// Faults of the simulator, checked and unchanged.
pub fn faults(text: &str) -> Result<String, String> {
    list(text).iter().try_for_each(|fault| Faults::parse_flag(fault).map(drop).map_err(|error| error.to_string()))?;
    Ok(text.to_owned())
}

/// The name of a model of the catalog.
pub fn model(text: &str) -> Result<String, String> {
    let name = text.trim();
    let catalog = Catalog::builtin();
    if catalog.model(name).is_some() {
        return Ok(name.to_owned());
    }
    let shown = sanitize_line(text, 40);
    let nearest = suggest(name, catalog.models.iter().map(|model| model.name.as_str()));
    let hint = nearest.first().map_or_else(
        || "`darkroom submit --help` lists the models".to_owned(),
        |nearest| format!("did you mean {nearest}?"),
    );
    Err(format!("'{shown}' is not a known model; {hint}"))
}

/// The address of a server: `host:port` with an optional `http://` or `https://`. A missing port is `default_port`.
pub fn server_address(text: &str, default_port: u16) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    let invalid = || {
        format!("'{}' is not a valid address: use host:port, such as localhost:{default_port}", sanitize_line(text, 80))
    };
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    if !matches!(scheme, "" | "http" | "https") {
        return Err(invalid());
    }
    // A scheme without a default port, so that an explicit one is always reported.
    let url = url::Url::parse(&format!("server://{rest}")).map_err(|_| invalid())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
    if !url.username().is_empty() || !url.path().is_empty() || url.query().is_some() || url.fragment().is_some() {
        return Err(invalid());
    }
    let prefix = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    Ok(format!("{prefix}{host}:{}", url.port().unwrap_or(default_port)))
}

/// A whole number between two bounds, both allowed.
pub fn count(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text.trim().parse::<usize>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("'{}' is not a whole number from {least} to {most}", sanitize_line(text, 40)))
}

/// An amount of dollars, not negative.
pub fn usd(text: &str) -> Result<Usd, String> {
    let amount = Usd::from_str(text.trim()).ok().filter(|amount| *amount >= Usd::ZERO);
    amount.ok_or_else(|| format!("'{}' is not an amount of dollars such as 20 or 12.50", sanitize_line(text, 40)))
}

/// The name of a theme, which is also the name of a file.
pub fn theme(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
        let shown = sanitize_line(text, 40);
        return Err(format!("'{shown}' is not the name of a theme: it has letters, digits, - and _ only"));
    }
    Ok(name.to_owned())
}

/// A switch.
pub fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("'{}' must be true or false", sanitize_line(text, 40))),
    }
}

/// The address of an API: `https`, or `http` on this machine only, because every request carries the key.
pub fn api_url(text: &str) -> Result<url::Url, String> {
    let shown = sanitize_line(text, 80);
    let url = url::Url::parse(text.trim()).map_err(|why| format!("'{shown}' is not a URL: {why}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a user or a password is not accepted".to_owned());
    }
    let local = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(format!("'{shown}' has no host")),
    };
    match url.scheme() {
        "https" => Ok(without_version(url)),
        "http" if local => Ok(without_version(url)),
        "http" => Err(format!("'{shown}' is not encrypted: the key would be sent in plain text; use https")),
        _ => Err(format!("'{shown}' is not an https URL")),
    }
}

/// Removes `/v1` from the end of the path, because the client adds it.
fn without_version(mut url: url::Url) -> url::Url {
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}

/// An address to listen on; a port alone means loopback.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let local = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>().ok();
    let address = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok());
    address.ok_or_else(|| {
        format!("'{}' is not a valid address: use host:port, such as 127.0.0.1:9464", sanitize_line(text, 80))
    })
}

/// An absolute path: `~` is the home directory; a relative path is relative to `base`.
pub fn path(text: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => base.join(text),
    }
}

/// Parts between commas, without empty ones.
pub fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_never_sent_unencrypted() {
        for good in ["https://api.bfl.ai", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:2/x"] {
            assert!(api_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.bfl.ai",
            "ftp://127.0.0.1",
            "https://user:pw@api.bfl.ai",
            "api.bfl.ai",
            "http://127.0.0.1.evil",
        ] {
            assert!(api_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn api_version_in_the_path_is_removed() {
        for (text, expected) in [
            ("https://api.bfl.ai", "https://api.bfl.ai/"),
            ("https://api.bfl.ai/v1/", "https://api.bfl.ai/"),
            ("http://127.0.0.1:1/v1", "http://127.0.0.1:1/"),
            ("http://127.0.0.1:1/proxy/v1//", "http://127.0.0.1:1/proxy"),
            ("https://api.bfl.ai/av1", "https://api.bfl.ai/av1"),
        ] {
            assert_eq!(api_url(text).unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn missing_port_is_the_default() {
        for (text, expected) in [
            ("localhost", "localhost:7233"),
            ("localhost:80", "localhost:80"),
            (" 127.0.0.1:1 ", "127.0.0.1:1"),
            ("http://localhost", "http://localhost:7233"),
            ("http://localhost:80/", "http://localhost:80"),
            ("[::1]", "[::1]:7233"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(server_address(text, 7233), Ok(expected.to_owned()), "{text}");
        }
        for text in
            ["", "a b", "::1", "localhost:port", "localhost:70000", "grpc://localhost", "localhost/path", "u@localhost"]
        {
            assert!(server_address(text, 7233).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_model_names_the_closest() {
        assert_eq!(model("flux-2-pro"), Ok("flux-2-pro".to_owned()));
        let message = model("flux-2-por").unwrap_err();
        assert!(message.contains("did you mean flux-2-pro?"), "{message}");
        assert!(model("midjourney").is_err());
    }

    #[test]
    fn amounts_and_counts_are_bounded() {
        assert_eq!(usd("12.50").unwrap().to_string(), "12.5");
        assert!(usd("-1").is_err());
        assert!(usd("$3").is_err());
        assert_eq!(count("7", 1, 10), Ok(7));
        assert!(count("0", 1, 10).is_err());
        assert!(count("7.5", 1, 10).is_err());
    }

    #[test]
    fn port_alone_means_loopback() {
        for text in ["9464", "localhost:9464", "127.0.0.1:9464", " 9464 "] {
            assert_eq!(listen(text).unwrap().to_string(), "127.0.0.1:9464", "{text}");
        }
        assert_eq!(listen("[::]:1").unwrap().to_string(), "[::]:1");
        for text in ["", "127.0.0.1", "70000", "metrics:9464", "http://127.0.0.1:1"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_become_absolute() {
        let (base, home) = (Path::new("/base"), Some(Path::new("/home/someone")));
        assert_eq!(path("logs", base, home), Path::new("/base/logs"));
        assert_eq!(path("/var/x", base, home), Path::new("/var/x"));
        assert_eq!(path("~/x", base, home), Path::new("/home/someone/x"));
        assert_eq!(path("~x", base, home), Path::new("/base/~x"));
    }
}
