//! Parsers of the settings' values.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use strum::VariantNames;

use crate::costs::Usd;
use crate::simulator::Speed;
use crate::text::sanitize_line;

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
        "https" => Ok(url),
        "http" if local => Ok(url),
        "http" => Err(format!("'{shown}' is not encrypted: the key would be sent in plain text; use https")),
        _ => Err(format!("'{shown}' is not an https URL")),
    }
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
    fn a_key_never_travels_in_the_open() {
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
    fn amounts_and_counts_are_bounded() {
        assert_eq!(usd("12.50").unwrap().to_string(), "12.5");
        assert!(usd("-1").is_err());
        assert!(usd("$3").is_err());
        assert_eq!(count("7", 1, 10), Ok(7));
        assert!(count("0", 1, 10).is_err());
        assert!(count("7.5", 1, 10).is_err());
    }

    #[test]
    fn a_port_alone_is_this_machines_own() {
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
