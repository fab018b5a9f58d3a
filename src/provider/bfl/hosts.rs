//! Decides, on parsed URLs, which hosts a request may go to and which ones may receive the key.

use url::Url;

use crate::text::sanitize_line;

/// Longest URL that is taken from a reply, in bytes. Signed ones have about 600.
pub(super) const MAX_URL: usize = 4096;

/// The configured base, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct HostPolicy {
    base: Url,
}

impl HostPolicy {
    /// Takes the configured base URL, or says why it cannot be one.
    pub(super) fn new(mut base: Url) -> Result<Self, &'static str> {
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err("it must be an http or https URL with a host");
        }
        if has_user(&base) {
            return Err("it must not hold a user name or a password; the key has a setting of its own");
        }
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base })
    }

    /// `{base}/v1/{route}`.
    pub(super) fn endpoint(&self, route: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(route.split('/'));
        }
        url
    }

    /// `{base}/v1/get_result?id={id}`: where the configured host answers for a ticket.
    pub(super) fn result_of(&self, id: &str) -> Url {
        let mut url = self.endpoint("get_result");
        url.query_pairs_mut().append_pair("id", id);
        url
    }

    /// Whether the base is plain http, as the simulator's is.
    pub(super) fn is_http(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// An address for a ticket: the base's own host name on any port, or `bfl.ai` and what is under it over https. These, and
    /// only these, get the key. Plain http goes to the base's host and only where the base itself is plain, so that no reply can
    /// make us send the key unencrypted.
    pub(super) fn check_polling_url(&self, text: &str) -> Option<Url> {
        let url = parse(text)?;
        let host = url.host_str()?;
        let own = Some(host) == self.base.host_str();
        let trusted = match url.scheme() {
            "https" => own || host == "bfl.ai" || host.ends_with(".bfl.ai"),
            "http" => own && self.is_http(),
            _ => false,
        };
        trusted.then_some(url)
    }

    /// An address for an image, which never gets the key: any https host (delivery hosts vary), or plain http at the base's
    /// own host where the base itself is plain.
    pub(super) fn check_result_url(&self, text: &str) -> Option<Url> {
        let url = parse(text)?;
        let allowed = match url.scheme() {
            "https" => true,
            "http" => url.host_str() == self.base.host_str() && self.is_http(),
            _ => false,
        };
        allowed.then_some(url)
    }
}

fn parse(text: &str) -> Option<Url> {
    let url = (text.len() <= MAX_URL).then(|| Url::parse(text).ok())??;
    (url.host_str().is_some() && !has_user(&url)).then_some(url)
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The place of an address for a message or a log: host and path, without the query (signatures, ids). Anything may come in.
pub(super) fn shown(text: &str) -> String {
    match parse(text) {
        Some(url) => sanitize_line(&format!("{}{}", url.host_str().unwrap_or_default(), url.path()), 80),
        None => "an address that is no URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(base: &str) -> HostPolicy {
        HostPolicy::new(Url::parse(base).unwrap()).unwrap()
    }

    #[test]
    fn polling_url_must_be_base_or_bfl_host() {
        let live = hosts("https://api.bfl.ai");
        for url in [
            "https://api.bfl.ai/v1/get_result?id=1",
            "https://api.eu2.bfl.ai/v1/get_result?id=1",
            "https://gateway.bfl.ai/x",
            "https://bfl.ai/x",
            "https://API.EU1.BFL.AI/x",
            "https://api.bfl.ai:8443/x",
        ] {
            assert!(live.check_polling_url(url).is_some(), "{url}");
        }
        for url in [
            "http://api.bfl.ai/v1/get_result?id=1",
            "http://api.eu2.bfl.ai/v1/get_result?id=1",
            "https://evilbfl.ai/x",
            "https://api.bfl.ai.evil.example/x",
            "https://api.bfl.ai@evil.example/x",
            "https://user@api.bfl.ai/x",
            "https://api.bfl.ai./x",
            "https://evil.example/api.bfl.ai",
            "https://evil.example?.bfl.ai",
            "https://evil.example#.bfl.ai",
            "https://127.0.0.1/x",
            "ftp://api.bfl.ai/x",
            "file:///etc/passwd",
            "data:text/plain,x",
            "//api.bfl.ai/x",
            "/v1/get_result?id=1",
            "",
            "https://",
        ] {
            assert!(live.check_polling_url(url).is_none(), "{url}");
        }
        assert!(live.check_polling_url(&format!("https://api.bfl.ai/{}", "x".repeat(MAX_URL))).is_none());
    }

    #[test]
    fn http_base_trusts_own_host_on_any_port() {
        let simulator = hosts("http://127.0.0.1:4000");
        for (url, allowed) in [
            ("http://127.0.0.1:4001/v1/get_result?id=1", true),
            ("https://127.0.0.1/x", true),
            ("https://api.eu1.bfl.ai/x", true),
            ("http://127.0.0.2:4000/x", false),
            ("http://localhost:4000/x", false),
            ("http://api.bfl.ai/x", false),
        ] {
            assert_eq!(simulator.check_polling_url(url).is_some(), allowed, "{url}");
        }
    }

    #[test]
    fn result_url_may_be_any_https_host() {
        let (live, simulator) = (hosts("https://api.bfl.ai"), hosts("http://127.0.0.1:4000"));
        for (url, from_live, from_simulator) in [
            ("https://delivery-eu1.bfl.ai/a.jpg?sig=x", true, true),
            ("https://bfldeliveryprodeu4.blob.core.windows.net/a", true, true),
            ("http://delivery-eu1.bfl.ai/a.jpg", false, false),
            ("http://api.bfl.ai/a.jpg", false, false),
            ("http://127.0.0.1:9/a", false, true),
            ("https://user:pass@example.org/a", false, false),
            ("file:///etc/passwd", false, false),
            ("javascript:alert(1)", false, false),
        ] {
            assert_eq!(live.check_result_url(url).is_some(), from_live, "{url}");
            assert_eq!(simulator.check_result_url(url).is_some(), from_simulator, "{url}");
        }
    }

    #[test]
    fn endpoint_keeps_base_path() {
        for (base, expected) in [
            ("https://api.bfl.ai", "https://api.bfl.ai/v1/flux-tools/erase-v1"),
            ("https://api.bfl.ai/", "https://api.bfl.ai/v1/flux-tools/erase-v1"),
            ("http://127.0.0.1:1/gate/?x=1#y", "http://127.0.0.1:1/gate/v1/flux-tools/erase-v1"),
        ] {
            assert_eq!(hosts(base).endpoint("flux-tools/erase-v1").as_str(), expected);
        }
        for base in ["ftp://api.bfl.ai", "data:x", "https://user:pass@api.bfl.ai"] {
            assert!(HostPolicy::new(Url::parse(base).unwrap()).is_err(), "{base}");
        }
    }

    #[test]
    fn displayed_url_has_no_query() {
        assert_eq!(shown("https://d.bfl.ai/a.jpg?sig=secret#x"), "d.bfl.ai/a.jpg");
        assert_eq!(shown("\u{1b}[2J"), "an address that is no URL");
    }
}
