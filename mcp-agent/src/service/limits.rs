//! How much a service takes on.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Bounds of a service, for connections, requests and what is kept between requests. How many calls
/// run at the same time, and how often, is bounded by
/// [`ServiceOptions::layers`](super::ServiceOptions::layers).
///
/// In a file, times are numbers of seconds:
///
/// ```toml
/// [limits]
/// body_bytes = 1048576
/// requests = 100
/// drain = 60
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ServiceLimits {
    /// Connections at the same time; further ones wait to be accepted. Default: 4096.
    pub connections: usize,
    /// How long a client may take to send the head of a request. Default: 10 s.
    #[serde(deserialize_with = "seconds")]
    pub head: Duration,
    /// How long a connection is kept on which nothing happens. Default: 75 s.
    #[serde(deserialize_with = "seconds")]
    pub idle: Duration,
    /// Header fields of a request; with more it is answered 431. Default: 100.
    pub headers: usize,
    /// The head of a request, in bytes; a larger one is answered 431. Default: 64 KiB, and not less
    /// than 8 KiB.
    pub head_bytes: usize,
    /// The body of a request, in bytes; a larger one is answered 413. Default: 4 MiB.
    pub body_bytes: usize,
    /// How long a client may take to send a body, before it is answered 408. Default: 30 s.
    #[serde(deserialize_with = "seconds")]
    pub body: Duration,
    /// How deep the JSON of a body may be nested; a deeper one is answered 400. Default: 64.
    pub json_depth: usize,
    /// Requests that are worked on at the same time. Default: 512.
    pub requests: usize,
    /// Requests that wait for their turn; further ones are answered 503. Default: 512.
    pub waiting: usize,
    /// How long a request waits for its turn before it is answered 503. Default: 2 s.
    #[serde(deserialize_with = "seconds")]
    pub wait: Duration,
    /// Streams of clients that only listen, at the same time; further ones are answered 503.
    /// Default: 4096.
    pub streams: usize,
    /// Legacy sessions of one principal at one address; beyond it the one that was idle for longest
    /// is ended. Default: 4096.
    pub sessions: usize,
    /// How long a legacy session is kept that nobody uses. Default: 30 min.
    #[serde(deserialize_with = "seconds")]
    pub session_idle: Duration,
    /// Connections on behalf of callers, each of one caller with one server, where the
    /// configuration says that a server is reached so; beyond it the one that was idle for longest
    /// is ended. Default: 256.
    pub callers: usize,
    /// How long a connection on behalf of a caller is kept that they do not use. Default: 10 min.
    #[serde(deserialize_with = "seconds")]
    pub caller_idle: Duration,
    /// How long what is under way may go on when the service is told to stop. Default: 25 s.
    #[serde(deserialize_with = "seconds")]
    pub drain: Duration,
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            headers: 100,
            head_bytes: 64 << 10,
            body_bytes: 4 << 20,
            body: Duration::from_secs(30),
            json_depth: 64,
            requests: 512,
            waiting: 512,
            wait: Duration::from_secs(2),
            streams: 4096,
            sessions: 4096,
            session_idle: Duration::from_secs(1800),
            callers: 256,
            caller_idle: Duration::from_secs(600),
            drain: Duration::from_secs(25),
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

/// Whether JSON is nested no deeper than this. Anything else than JSON is as deep as its brackets.
pub(super) fn is_shallow(json: &[u8], depth: usize) -> bool {
    let (mut open, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                open += 1;
                if open > depth {
                    return false;
                }
            }
            b']' | b'}' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_texts() {
        for (json, depth) in
            [("1", 0), ("[]", 1), (r#"{"a":[1,{}]}"#, 3), (r#"["[[[\"[["]"#, 1), ("[[],[],[]]", 2)]
        {
            assert!(is_shallow(json.as_bytes(), depth), "{json}");
            assert!(depth == 0 || !is_shallow(json.as_bytes(), depth - 1), "{json}");
        }
        assert!(!is_shallow("[".repeat(65).as_bytes(), 64));
    }

    #[test]
    fn words_that_are_not_known_are_errors() {
        let read = serde_json::from_str::<ServiceLimits>;
        let limits = read(r#"{"requests": 3, "wait": 0.5}"#).unwrap();
        assert_eq!((limits.requests, limits.wait), (3, Duration::from_millis(500)));
        assert_eq!(limits.streams, ServiceLimits::default().streams);
        read(r#"{"request": 3}"#).unwrap_err();
        read(r#"{"wait": -1}"#).unwrap_err();
    }
}
