//! What is told to Prometheus, read as strictly as its format is written.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mcp_agent::service::ServiceOptions;
use mcp_client::{Client, EraChoice};
use serde_json::json;

use crate::asking::{Serving, misbehaving};

/// The samples of a text in the format of Prometheus, by name and labels. Panics where the text is
/// not in that format: each family has its help and its kind, and stands in one place; no sample is
/// there twice; the classes of a histogram grow up to its count.
pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut all = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()), "two families {name}");
            name.clone_into(&mut family);
            kind.clear();
        } else if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, said) = said.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&said), "{line}");
            said.clone_into(&mut kind);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let of_family = name.strip_prefix(&*family).unwrap_or_else(|| panic!("{line}"));
            let parts: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.contains(&of_family), "{line}");
            check_labels(&series[name.len()..]);
            let value: f64 = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(all.insert(series.to_owned(), value).is_none(), "twice: {series}");
        }
    }
    check_histograms(&all, &families);
    all
}

fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let mut rest = labels.strip_prefix('{').unwrap();
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("{labels}"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{labels}");
        let mut escaped = false;
        let end = quoted.find(|c| match c {
            _ if escaped => {
                assert!(['\\', '"', 'n'].contains(&c), "{labels}");
                escaped = false;
                false
            }
            '\\' => {
                escaped = true;
                false
            }
            c => c == '"',
        });
        rest = &quoted[end.unwrap() + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    assert_eq!(rest, "}", "{labels}");
}

fn check_histograms(all: &BTreeMap<String, f64>, families: &BTreeSet<String>) {
    for (series, count) in all {
        let Some((family, labels)) = series.split_once("_count{") else { continue };
        if !families.contains(family) {
            continue;
        }
        let labels = labels.strip_suffix('}').unwrap();
        assert!(all.contains_key(&format!("{family}_sum{{{labels}}}")), "{series}");
        let class = format!("{family}_bucket{{{labels},le=\"");
        let mut classes: Vec<(f64, f64)> = all
            .iter()
            .filter_map(|(name, value)| {
                let bound = name.strip_prefix(&class)?.strip_suffix("\"}").unwrap();
                Some((bound.replace("+Inf", "inf").parse().unwrap(), *value))
            })
            .collect();
        classes.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(classes.is_sorted_by(|one, other| one.1 <= other.1), "{series}: {classes:?}");
        assert_eq!(classes.last(), Some(&(f64::INFINITY, *count)), "{series}");
    }
}

#[tokio::test]
async fn requests_of_mcp_are_measured_by_method_tool_and_end() {
    let servers = vec![misbehaving("a", "ok"), misbehaving("b\"c", "exit-mid-call")];
    let serving = Serving::start(servers, ServiceOptions::new()).await;
    let url = format!("http://{}/mcp", serving.address);
    let tool = "a__good";
    for era in [EraChoice::Legacy, EraChoice::Modern] {
        let client = Client::http(&url).era(era).connect().await.unwrap();
        client.list_tools().await.unwrap();
        client.call_tool(tool, json!({})).await.unwrap();
        client.call_tool("made up", json!({})).await.unwrap_err();
        assert!(client.call_tool("b\"c__good", json!({})).await.unwrap().is_error);
        client.close().await;
    }
    let text = serving.get("/metrics").await.body;
    let samples = samples(&text);
    let name = "mcp_server_operation_duration_seconds_count";
    let call = r#"mcp_method_name="tools/call""#;
    let execute = r#"gen_ai_operation_name="execute_tool",gen_ai_tool_name="good""#;
    for (labels, count) in [
        (r#"mcp_method_name="initialize""#.to_owned(), 1.0),
        (r#"mcp_method_name="tools/list""#.to_owned(), 2.0),
        (format!(r#"{call},error_type="-32602""#), 2.0),
        (format!(r#"{call},{execute},server="a""#), 2.0),
        (format!(r#"{call},{execute},server="b\"c",error_type="tool_error""#), 2.0),
    ] {
        assert_eq!(samples.get(&format!("{name}{{{labels}}}")), Some(&count), "{labels}\n{text}");
    }
    assert!(!text.contains("made up"), "{text}");
    // The way to the servers has the same words.
    let name = "mcp_client_operation_duration_seconds_count";
    let lost = format!(r#"{name}{{server="b\"c",{call},error_type="lost"}}"#);
    assert_eq!(samples.get(&lost), Some(&2.0), "{text}");
    let name = "mcp_client_session_duration_seconds_count";
    // It is counted by whoever watches over the connection, maybe after the answer is here.
    // However the next call wished for another at the same time.
    let lost = format!(r#"{name}{{server="b\"c",error_type="lost"}}"#);
    let counted = async {
        while !serving.get("/metrics").await.body.contains(&lost) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.unwrap();
    serving.end().await;
}
