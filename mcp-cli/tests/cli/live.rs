//! Resources that the model is shown and told of when they change, resources and prompts that it
//! reads by itself, and changes that people hear of.

use serde_json::{Value, json};

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

const SERVER: [&str; 4] = ["--", "python3", "files.py", "plan.md"];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add_server("files.py");
    sandbox.write("plan.md", "Ship on Friday.");
    sandbox
}

fn ask(sandbox: &Sandbox, model: &Model, more: &[&str]) -> Ended {
    let first = ["run", "--base-url", &model.url, "-m", "scripted", "--approve", "auto"];
    sandbox.mcp(&[&first[..], more, &SERVER].concat())
}

fn moves_the_date() -> Answer {
    let arguments = json!({"name": "plan.md", "text": "Ship on Monday."});
    Answer::Calls(vec![("mcp__files__write", arguments)])
}

/// The texts of the messages of a person in a request.
fn prompts(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().unwrap().iter();
    let of_user = messages.filter(|message| message["role"] == "user");
    of_user.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_resource_is_shown_before_the_question() {
    let (sandbox, model) = (sandbox(), Model::start(vec![Answer::Text("On Friday.")]));
    let ended = ask(&sandbox, &model, &["When?", "-r", "notes:///*.md"]);
    assert_eq!(ended.stdout, "On Friday.\n", "{}", ended.stderr);
    let prompt = &prompts(&model.requests()[0])[0];
    assert!(prompt.starts_with(r#"<resource server="files" uri="notes:///plan.md""#), "{prompt}");
    assert!(prompt.contains("Ship on Friday.") && prompt.ends_with("When?"), "{prompt}");
    let ended = ask(&sandbox, &model, &["When?", "-r", "notes:///*.txt"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("no resource matches --resource"), "{}", ended.stderr);
}

#[test]
fn a_change_is_said_after_the_answer_and_told_with_the_next_question() {
    let sandbox = sandbox();
    let answers = vec![
        Answer::Text("On Friday."),
        moves_the_date(),
        Answer::Text("Moved."),
        Answer::Text("On Monday."),
    ];
    let model = Model::start(answers);
    let line = format!(
        "printf 'When?\\nMove it.\\n/refresh\\n' | mcp chat --base-url {} -m scripted --no-save \
         --approve auto -r 'notes:///*' {}",
        model.url,
        SERVER.join(" ")
    );
    let ended = sandbox.shell(&line);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "changed since the answer: notes:///plan.md";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    let requests = model.requests();
    let last = prompts(requests.last().unwrap());
    assert_eq!(last.len(), 3, "{last:#?}");
    // What was said before stays as it was.
    assert_eq!(last[..2], prompts(&requests[2])[..]);
    assert!(last[0].contains("Ship on Friday."), "{last:#?}");
    assert_eq!(last[1], "Move it.");
    let news = "[notes:///plan.md has changed; what was said of it before is old]";
    assert!(last[2].starts_with(news) && last[2].contains("Ship on Monday."), "{last:#?}");
    assert!(last[2].ends_with("Answer my last question again with the resources as they are now."));
}

#[test]
fn every_turn_has_the_resources_as_they_are_then_and_the_conversation_does_not() {
    let sandbox = sandbox();
    let model = Model::start(vec![moves_the_date(), Answer::Text("Moved.")]);
    let more = ["Move it.", "-r", "notes:///*", "--every-turn", "--save"];
    let ended = ask(&sandbox, &model, &more);
    assert_eq!(ended.stdout, "Moved.\n", "{}", ended.stderr);
    let requests = model.requests();
    for (request, here, gone) in [(0, "Friday", "Monday"), (1, "Monday", "Friday")] {
        let prompt = &prompts(&requests[request])[0];
        assert!(prompt.contains(&format!("Ship on {here}.")), "{prompt}");
        assert!(!prompt.contains(&format!("Ship on {gone}.")), "{prompt}");
    }
    let kept = sandbox.mcp(&["sessions", "show"]).stdout;
    assert!(kept.contains("Move it.") && !kept.contains("<resource"), "{kept}");
    let ended = ask(&sandbox, &model, &["x", "--every-turn"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn a_model_reads_what_it_is_offered() {
    let sandbox = sandbox();
    let read = json!({"server": "files", "uri": "notes:///plan.md"});
    let get = json!({"server": "files", "name": "plan"});
    let calls = vec![("list_resources", json!({})), ("read_resource", read), ("get_prompt", get)];
    let model = Model::start(vec![Answer::Calls(calls), Answer::Text("On Friday.")]);
    let ended = ask(&sandbox, &model, &["When?", "--offer", "resources,prompts", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let texts: Vec<_> = document["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["tool"].as_str().unwrap(), call["text"].as_str().unwrap()))
        .collect();
    let text_of = |tool: &str| texts.iter().find(|(name, _)| *name == tool).unwrap().1;
    assert!(text_of("list_resources").contains("notes:///plan.md"), "{texts:?}");
    assert!(text_of("read_resource").contains("Ship on Friday."), "{texts:?}");
    assert!(text_of("get_prompt").contains("Plan my day."), "{texts:?}");
    // Nothing of it is there unasked.
    let model = Model::start(vec![Answer::Text("No.")]);
    ask(&sandbox, &model, &["When?"]);
    assert!(!model.requests()[0]["tools"].to_string().contains("read_resource"));
}

#[test]
fn changes_can_be_chosen_among() {
    let sandbox = sandbox();
    sandbox.write("restless", "");
    let watch = |more: &[&str]| {
        let first = ["watch", "-r", "notes:///plan.md", "-n", "1", "-o", "raw"];
        sandbox.mcp(&[&first[..], more, &SERVER].concat())
    };
    // The server tells of its tools first, then of the resource.
    assert_eq!(watch(&[]).stdout, "tools\n");
    assert_eq!(watch(&["--lists", "tools,prompts"]).stdout, "tools\n");
    for others in ["none", "prompts", "resources"] {
        let ended = watch(&["--lists", others]);
        assert_eq!(ended.stdout, "notes:///plan.md\n", "{}", ended.stderr);
    }
}
