//! Which of this program's environment variables a child may see.

use std::ffi::{OsStr, OsString};

/// What programs need to run at all, and nothing that is likely to hold a secret.
const ALLOWED: &[&str] = &[
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    // Where certificates lie: paths, without which servers cannot reach the network in places that
    // have an authority of their own.
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

const ALLOWED_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// Package runners cannot download anything without these where there is a proxy.
const PROXIES: &[&str] = &["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"];

/// The variables that every child gets, out of `all`.
pub(super) fn inherited(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    all.filter(|(name, value)| name.to_str().is_some_and(|name| is_allowed(name, value)))
}

fn is_allowed(name: &str, value: &OsStr) -> bool {
    let value = value.as_encoded_bytes();
    // Old shells run what follows in such a value.
    if value.starts_with(b"()") {
        return false;
    }
    if PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy)) {
        // With an `@` it holds a user's name and password.
        return !value.contains(&b'@');
    }
    ALLOWED.contains(&name) || ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_through_only_what_is_harmless() {
        for (name, value, allowed) in [
            ("PATH", "/bin", true),
            ("LC_ALL", "C", true),
            ("XDG_CONFIG_HOME", "/c", true),
            ("HTTPS_PROXY", "http://proxy:3128", true),
            ("no_proxy", "localhost", true),
            ("https_proxy", "http://me:secret@proxy:3128", false),
            ("OPENAI_API_KEY", "sk-1", false),
            ("AWS_SECRET_ACCESS_KEY", "x", false),
            ("LD_PRELOAD", "/evil.so", false),
            ("PATH_TO_SOMETHING", "x", false),
            ("TERM", "() { :; }; evil", false),
        ] {
            assert_eq!(is_allowed(name, OsStr::new(value)), allowed, "{name}={value}");
        }
    }
}
