//! Entries of a registry as entries of a configuration.

use serde_json::{Value, json};

use super::*;
use crate::config::{Origin, ServerEntry, Template, TransportEntry, Variables};

fn server(detail: &Value) -> ServerDetail {
    let mut whole =
        json!({"name": "io.github.acme/weather", "description": "d", "version": "1.2.3"});
    for (key, value) in detail.as_object().unwrap() {
        whole[key] = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

fn entry(server: &ServerDetail, answers: &Answers) -> Result<ServerEntry, NotUsable> {
    server.ways()[0].entry("weather", Origin { file: "f".into(), line: 1 }, answers)
}

/// The command line, with its environment before it.
fn line(entry: &ServerEntry) -> String {
    let TransportEntry::Stdio { command, args, env, .. } = &entry.transport else {
        panic!("no command: {entry:?}")
    };
    let env = env.iter().map(|(name, value)| format!("{name}={value}"));
    let words = std::iter::once(command).chain(args).map(Template::to_string);
    env.chain(words).collect::<Vec<_>>().join(" ")
}

fn package(kind: &str, more: &Value) -> ServerDetail {
    let mut package = json!({
        "registryType": kind, "identifier": "acme-weather", "version": "1.2.3",
        "transport": {"type": "stdio"},
    });
    for (key, value) in more.as_object().unwrap() {
        package[key] = value.clone();
    }
    server(&json!({"packages": [package]}))
}

#[test]
fn each_kind_of_package_has_its_command() {
    for (kind, more, want) in [
        ("npm", json!({}), "npx -y acme-weather@1.2.3"),
        ("npm", json!({"runtimeHint": "bunx"}), "bunx acme-weather@1.2.3"),
        // Whoever may name any program is not asked which.
        ("npm", json!({"runtimeHint": "sh"}), "npx -y acme-weather@1.2.3"),
        ("pypi", json!({"runtimeHint": "uvx"}), "uvx acme-weather@1.2.3"),
        ("nuget", json!({}), "dnx acme-weather@1.2.3 --yes"),
        (
            "nuget",
            json!({"packageArguments": [{"type": "positional", "value": "mcp"}]}),
            "dnx acme-weather@1.2.3 --yes -- mcp",
        ),
        ("oci", json!({}), "docker run -i --rm acme-weather:1.2.3"),
        (
            "oci",
            json!({"identifier": "ghcr.io/acme/weather:2", "version": null,
                "runtimeArguments": [{"type": "named", "name": "--network", "value": "host"}],
                "environmentVariables": [{"name": "UNITS", "default": "c"}]}),
            "UNITS=c docker run -i --rm -e UNITS --network host ghcr.io/acme/weather:2",
        ),
        (
            "oci",
            json!({"registryBaseUrl": "https://quay.io", "identifier": "acme/weather"}),
            "docker run -i --rm quay.io/acme/weather:1.2.3",
        ),
    ] {
        let made = entry(&package(kind, &more), &Answers::new()).unwrap();
        assert_eq!(line(&made), want);
    }
    for (kind, more, want) in [
        ("mcpb", json!({"identifier": "https://h/x.mcpb", "fileSha256": "ab"}), "SHA-256 is ab"),
        ("cargo", json!({}), "no runner"),
        (
            "npm",
            json!({"transport": {"type": "streamable-http", "url": "http://127.0.0.1:80/mcp"}}),
            "listens at http://127.0.0.1:80/mcp",
        ),
    ] {
        let error = entry(&package(kind, &more), &Answers::new()).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn answers_are_put_where_they_belong() {
    let server = package(
        "oci",
        &json!({
            "runtimeArguments": [
                {"type": "named", "name": "--mount", "value": "type=bind,src={source},dst={target}",
                 "isRequired": true, "variables": {
                    "source": {"description": "on the host", "format": "filepath", "isRequired": true},
                    "target": {"default": "/project"}}},
            ],
            "packageArguments": [
                {"type": "named", "name": "--port", "format": "number", "description": "p"},
                {"type": "named", "name": "--verbose"},
                {"type": "positional", "valueHint": "folder", "isRequired": true, "isRepeated": true},
            ],
            "environmentVariables": [
                {"name": "API_KEY", "isRequired": true, "isSecret": true},
                {"name": "MODE", "choices": ["fast", "good"], "default": "good"},
                {"name": "EXTRA"},
            ],
        }),
    );
    let needs = server.ways()[0].needs();
    let ids: Vec<_> = needs.iter().map(|need| (need.id.as_str(), need.is_required)).collect();
    assert_eq!(
        ids,
        [
            ("source", true),
            ("target", false),
            ("port", false),
            ("folder", true),
            ("API_KEY", true),
            ("MODE", false),
            ("EXTRA", false),
        ]
    );
    assert!(needs[4].is_secret && needs[3].is_repeated);
    let NotUsable::Missing { ids } = entry(&server, &Answers::new()).unwrap_err() else {
        panic!("not missing")
    };
    assert_eq!(ids, ["source", "folder"]);
    let answers = Answers::new().with("source", "/home/me").with("folder", "/a");
    let answers = answers.with("folder", "${SECOND}").with("--PORT", "8080");
    let made = entry(&server, &answers).unwrap();
    assert_eq!(
        line(&made),
        "API_KEY=${API_KEY} MODE=good docker run -i --rm -e API_KEY -e MODE --mount \
         type=bind,src=/home/me,dst=/project acme-weather:1.2.3 --port 8080 --verbose /a ${SECOND}"
    );
    assert_eq!(made.variables().len(), 2);
    for (id, answer) in [("port", "eighty"), ("mode", "slow")] {
        let error = entry(&server, &answers.clone().with(id, answer)).unwrap_err();
        assert!(matches!(error, NotUsable::Answer { .. }), "{error}");
    }
}

#[test]
fn a_url_has_its_variables_and_headers() {
    let server = server(&json!({"remotes": [
        {"type": "streamable-http", "url": "https://{region}.acme.example/{x}/mcp",
         "variables": {"region": {"isRequired": true, "choices": ["eu", "us"]}},
         "headers": [
            {"name": "Authorization", "value": "Bearer {token}", "variables": {
                "token": {"isRequired": true, "isSecret": true}}},
            {"name": "X-Plain", "value": "${AWS_SECRET_ACCESS_KEY}"},
         ]},
        {"type": "carrier-pigeon", "url": "https://h"},
    ]}));
    assert_eq!(server.kinds(), [Kind::Http, Kind::Other]);
    assert!(server.ways()[1].usable().is_err());
    let made = entry(&server, &Answers::new().with("region", "eu")).unwrap();
    let TransportEntry::Remote { url, headers, .. } = &made.transport else { panic!("no URL") };
    assert_eq!(url.as_text(), Some("https://eu.acme.example/{x}/mcp"));
    assert_eq!(headers["Authorization"].to_string(), "Bearer ${WEATHER_TOKEN}");
    assert_eq!(made.reach, mcp_transport::http::Reach::Public);
    // What a stranger wrote is never a variable of the user.
    assert_eq!(headers["X-Plain"].as_text(), Some("${AWS_SECRET_ACCESS_KEY}"));
    let unset = made.resolve(&Variables::new(&|_| None)).unwrap_err();
    assert!(unset.reason.contains("WEATHER_TOKEN"), "{}", unset.reason);
}

#[test]
fn one_bad_entry_hides_no_other() {
    let list: ServerList = serde_json::from_value(json!({"servers": [
        {"server": {"name": "a/b", "description": "", "version": "1", "packages": [
            {"registryType": "npm"}, {"registryType": "npm", "identifier": "x"}], "remotes": null}},
        {"server": {"title": "nameless"}},
        {"server": {"name": "a/c"}, "_meta": {"io.modelcontextprotocol.registry/official": {
            "status": "deprecated", "statusMessage": "use a/b", "isLatest": true}}},
    ], "metadata": {"nextCursor": "", "count": 3}}))
    .unwrap();
    let found = list.read();
    assert_eq!((found.servers.len(), found.unreadable, found.next), (2, 1, None));
    assert_eq!(found.servers[0].server.packages.len(), 1);
    assert_eq!(found.servers[1].status(), Status::Deprecated);
    assert_eq!(found.servers[1].status_message(), Some("use a/b"));
}

#[test]
fn addresses_must_be_safe() {
    for (url, want) in [
        ("https://h", "https://h/v0.1"),
        ("https://h/team/", "https://h/team/v0.1"),
        ("https://u:p@h/v0/?x#y", "https://h/v0"),
        ("http://127.0.0.1:9/v0", "http://127.0.0.1:9/v0"),
    ] {
        assert_eq!(Registry::at(url).unwrap().url(), want);
    }
    for url in ["http://h", "ftp://h", "h", ""] {
        assert!(matches!(Registry::at(url), Err(RegistryError::Url { .. })), "{url}");
    }
}
