//! Addresses of providers.

use url::Url;

use super::{ModelError, ModelErrorKind};

pub(super) fn invalid(setting: &'static str, reason: &str) -> ModelError {
    ModelError::new(ModelErrorKind::InvalidSetting { setting, reason: reason.to_owned() })
}

/// An address without what people paste too much of; one without a path gets the usual one.
pub(super) fn base(text: &str, usual_path: &str, endings: &[&str]) -> Result<Url, ModelError> {
    let mut url =
        Url::parse(text.trim()).map_err(|error| invalid("base URL", &error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("base URL", "it is not an address of http or https"));
    }
    let path = url.path().trim_end_matches('/');
    let path = endings.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path);
    let path = if path.is_empty() { usual_path } else { path }.to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The address of an OpenAI-compatible server under which `models` and `chat/completions` are.
pub(super) fn base_url_of(text: &str) -> Result<Url, ModelError> {
    base(text, "/v1", &["/chat/completions", "/responses"])
}

/// The address of something below the base; a query, such as Azure's version, stays.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// Host and port, which name the place that serves a model.
pub(super) fn provider(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
