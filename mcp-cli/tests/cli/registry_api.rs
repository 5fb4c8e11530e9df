//! Whether the registry of these tests speaks as the published API (2025-12-01) demands, so that
//! the client is not tested against our own idea of it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use crate::registry::Registry;

/// What a value must be.
enum Shape {
    /// A text that fits this.
    Text(fn(&str) -> bool),
    Flag,
    Number,
    List(&'static Self),
    /// Values of one shape under any names.
    Map(&'static Self),
    /// Members: the name, whether it must be there, and its shape. Others are allowed.
    Object(&'static [(&'static str, bool, &'static Self)]),
    /// The same without any others.
    Closed(&'static [(&'static str, bool, &'static Self)]),
    /// Both.
    Both(&'static Self, &'static Self),
    /// One of these at least.
    Any(&'static [&'static Self]),
}

use Shape::{Any, Both, Closed, Flag, List, Map, Number, Object, Text};

const ANY: Shape = Text(|_| true);
const URI: Shape = Text(|text| text.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty()));
const SHORT: Shape = Text(|text| (1..=100).contains(&text.chars().count()));
const URL_TEMPLATE: Shape = Text(|text| {
    let rest = ["http://", "https://"].iter().find_map(|start| text.strip_prefix(start));
    let is_variable = text.starts_with('{') && text.contains('}');
    (is_variable || rest.is_some_and(|rest| !rest.is_empty())) && !text.contains(' ')
});
/// As RFC 3339 writes them, in UTC.
const TIME: Shape = Text(|text| {
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || ".-:".contains(c));
    text.strip_suffix('Z').and_then(|text| text.split_once('T')).is_some_and(|(day, time)| {
        day.len() == 10 && time.len() >= 8 && digits(day) && digits(time)
    })
});
const SERVER_NAME: Shape = Text(|text| {
    let fits = |part: &str, more: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let parts = text.split_once('/');
    (3..=200).contains(&text.len())
        && parts.is_some_and(|(space, name)| fits(space, ".-") && fits(name, "._-"))
});
const INPUT: Shape = Object(&[
    ("description", false, &ANY),
    ("isRequired", false, &Flag),
    ("format", false, &Text(|text| ["string", "number", "boolean", "filepath"].contains(&text))),
    ("value", false, &ANY),
    ("isSecret", false, &Flag),
    ("default", false, &ANY),
    ("placeholder", false, &ANY),
    ("choices", false, &List(&ANY)),
]);
const VARIABLES: Shape = Object(&[("variables", false, &Map(&INPUT))]);
const VARIED: Shape = Both(&INPUT, &VARIABLES);
const PAIR: Shape = Both(&VARIED, &Object(&[("name", true, &ANY)]));
const POSITIONAL: Shape = Both(
    &VARIED,
    &Both(
        &Object(&[
            ("type", true, &Text(|text| text == "positional")),
            ("isRepeated", false, &Flag),
        ]),
        &Any(&[&Object(&[("valueHint", true, &ANY)]), &Object(&[("value", true, &ANY)])]),
    ),
);
const NAMED: Shape = Both(
    &VARIED,
    &Object(&[
        ("type", true, &Text(|text| text == "named")),
        ("name", true, &ANY),
        ("isRepeated", false, &Flag),
    ]),
);
const ARGUMENTS: Shape = List(&Any(&[&POSITIONAL, &NAMED]));
const STDIO: Shape = Object(&[("type", true, &Text(|text| text == "stdio"))]);
const BY_URL: Shape = Object(&[
    ("type", true, &Text(|text| ["streamable-http", "sse"].contains(&text))),
    ("url", true, &URL_TEMPLATE),
    ("headers", false, &List(&PAIR)),
]);
const PACKAGE: Shape = Object(&[
    ("registryType", true, &ANY),
    ("registryBaseUrl", false, &URI),
    ("identifier", true, &ANY),
    ("version", false, &Text(|text| !text.is_empty() && text != "latest")),
    (
        "fileSha256",
        false,
        &Text(|text| {
            text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit() && !c.is_uppercase())
        }),
    ),
    ("runtimeHint", false, &ANY),
    ("transport", true, &Any(&[&STDIO, &BY_URL])),
    ("runtimeArguments", false, &ARGUMENTS),
    ("packageArguments", false, &ARGUMENTS),
    ("environmentVariables", false, &List(&PAIR)),
]);
const SERVER: Shape = Object(&[
    ("name", true, &SERVER_NAME),
    ("description", true, &SHORT),
    ("title", false, &SHORT),
    ("version", true, &Text(|text| text.len() <= 255)),
    (
        "repository",
        false,
        &Object(&[("url", true, &URI), ("source", true, &ANY), ("id", false, &ANY)]),
    ),
    ("websiteUrl", false, &URI),
    ("packages", false, &List(&PACKAGE)),
    ("remotes", false, &List(&Both(&BY_URL, &VARIABLES))),
]);
const OFFICIAL: Shape = Closed(&[
    ("status", false, &Text(|text| ["active", "deprecated", "deleted"].contains(&text))),
    ("statusMessage", false, &Text(|text| text.len() <= 500)),
    ("statusChangedAt", false, &TIME),
    ("publishedAt", false, &TIME),
    ("updatedAt", false, &TIME),
    ("isLatest", false, &Flag),
]);
const RESPONSE: Shape = Object(&[
    ("server", true, &SERVER),
    ("_meta", false, &Object(&[("io.modelcontextprotocol.registry/official", false, &OFFICIAL)])),
]);
const SERVERS: Shape = Object(&[
    ("servers", true, &List(&RESPONSE)),
    ("metadata", false, &Object(&[("nextCursor", false, &ANY), ("count", false, &Number)])),
]);

/// Where a value is not what it must be.
fn fault(value: &Value, shape: &Shape, place: &str) -> Option<String> {
    let wrong = |is_right: bool| (!is_right).then(|| format!("{place}: {value}"));
    let members = |members: &[(&str, bool, &Shape)]| {
        let Some(object) = value.as_object() else { return wrong(false) };
        members.iter().find_map(|(name, must_be, shape)| match object.get(*name) {
            Some(member) => fault(member, shape, &format!("{place}.{name}")),
            None => must_be.then(|| format!("{place} has no `{name}`")),
        })
    };
    match shape {
        Text(fits) => wrong(value.as_str().is_some_and(fits)),
        Flag => wrong(value.is_boolean()),
        Number => wrong(value.is_u64()),
        List(each) => match value.as_array() {
            Some(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| fault(item, each, &format!("{place}[{index}]"))),
            None => wrong(false),
        },
        Map(each) => match value.as_object() {
            Some(object) => {
                object.iter().find_map(|(key, one)| fault(one, each, &format!("{place}.{key}")))
            }
            None => wrong(false),
        },
        Object(known) => members(known),
        Closed(known) => members(known).or_else(|| {
            let others = value.as_object()?.keys();
            let mut others = others.filter(|key| known.iter().all(|(name, ..)| name != key));
            others.next().map(|key| format!("{place} has `{key}`, which is not known"))
        }),
        Both(one, other) => fault(value, one, place).or_else(|| fault(value, other, place)),
        Any(shapes) => {
            let faults: Option<Vec<_>> =
                shapes.iter().map(|shape| fault(value, shape, place)).collect();
            faults.map(|faults| faults.join(", or "))
        }
    }
}

/// The status and the body.
fn get(registry: &Registry, path: &str) -> (String, Value) {
    let host = registry.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn the_registry_of_these_tests_speaks_the_published_api() {
    let registry = Registry::new();
    let check = |path: &str, shape: &Shape| {
        let (status, answer) = get(&registry, path);
        assert_eq!(status, "200", "{path}");
        assert_eq!(fault(&answer, shape, path), None);
        answer
    };
    let mut path = "/v0.1/servers?limit=2&include_deleted=true".to_owned();
    let mut names = Vec::new();
    loop {
        let page = check(&path, &SERVERS);
        for one in page["servers"].as_array().unwrap() {
            names.push(one["server"]["name"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["metadata"]["nextCursor"].as_str() else { break };
        path = format!("/v0.1/servers?limit=2&include_deleted=true&cursor={cursor}");
    }
    assert_eq!(names.len(), 7, "{names:?}");
    check("/v0.1/servers?search=weather&version=latest", &SERVERS);
    for name in names {
        let name = name.replace('/', "%2F");
        check(&format!("/v0.1/servers/{name}/versions?include_deleted=true"), &SERVERS);
        check(&format!("/v0.1/servers/{name}/versions/latest?include_deleted=true"), &RESPONSE);
    }
    for path in ["/v0.1/servers/a%2Fb/versions", "/v0.1/servers/a%2Fb/versions/latest"] {
        assert_eq!(get(&registry, path).0, "404", "{path}");
    }
}

#[test]
fn what_is_not_as_it_must_be_is_found() {
    let entry = |server: Value| serde_json::json!({"servers": [{"server": server}]});
    let good = serde_json::json!({"name": "a.b/c", "description": "d", "version": "1"});
    assert_eq!(fault(&entry(good.clone()), &SERVERS, "list"), None);
    for (key, value) in [
        ("name", serde_json::json!("no-slash")),
        ("version", Value::Null),
        ("description", serde_json::json!("")),
        ("packages", serde_json::json!([{"registryType": "npm", "identifier": "x"}])),
        ("remotes", serde_json::json!([{"type": "stdio"}])),
        ("remotes", serde_json::json!([{"type": "sse", "url": "ftp://x"}])),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let found = fault(&entry(bad), &SERVERS, "list");
        assert!(found.is_some_and(|found| found.contains(key)), "{key}");
    }
}
