use super::*;
use crate::{
    run::{Compaction, ExpectedOutput, OutputMode},
    transcript::Entry,
};

/// A conversation of so many prompts, each with a call, in a window that it will not fit.
fn long(prompts: u32) -> Run {
    let mut transcript = Transcript::new();
    transcript.push_system("Be brief.");
    let mut compaction = Compaction::of_window(4000);
    compaction.keep = 3;
    let settings = RunSettings { compaction: Some(compaction), ..RunSettings::default() };
    let mut run = Run::new(transcript, tools(), settings);
    for prompt in 0..prompts {
        run.prompt(format!("question {prompt}"));
        run.feed(call("mcp__demo__read", "{}")).unwrap();
        run.feed(output("1", &format!("{prompt} {}", "lorem ipsum ".repeat(100)))).unwrap();
        if matches!(run.step(), Step::Compact(_)) {
            return run;
        }
        run.feed(text(&format!("answer {prompt}"))).unwrap();
    }
    run
}

#[test]
fn the_start_of_a_long_conversation_is_summarised() {
    let mut run = long(20);
    let Step::Compact(request) = run.step() else { panic!("{:?}", run.step()) };
    let before = run.context_tokens();
    assert!(before >= 3200, "{before}");
    // The request begins as all others do, and the model may not call.
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!((&request.tools, request.tool_choice), (run.tools(), ToolChoice::None));
    let entries = run.transcript().entries().to_vec();

    let mut summary =
        ModelResponse::new(vec![Part::Text("All was lorem.".into())], StopReason::EndTurn);
    summary.usage = Some(Usage::new(3000, 20));
    run.feed(Feed::Summary(summary)).unwrap();
    let now = run.transcript().entries();
    assert_eq!(now[..2], [entries[0].clone(), Entry::Summary("All was lorem.".into())]);
    // The latest three are untouched, the calls with their results.
    assert_eq!(now[now.len() - 3..], entries[entries.len() - 3..]);
    assert!(run.context_tokens() < before / 2);
    assert_eq!(run.usage(), Usage::new(3000, 20));
    let Step::CallModel(request) = run.step() else { panic!("{:?}", run.step()) };
    let last_prompt = request.messages.iter().rfind(|message| message.role == Role::User).unwrap();
    assert!(last_prompt.parts[0].as_text().unwrap().starts_with("question"));
}

#[test]
fn a_long_job_keeps_its_prompt() {
    let mut run = long(0);
    run.prompt("count to a hundred");
    for turn in 0.. {
        run.feed(call("mcp__demo__read", "{}")).unwrap();
        run.feed(output("1", &format!("{turn} {}", "x".repeat(1500)))).unwrap();
        if matches!(run.step(), Step::Compact(_)) {
            break;
        }
    }
    run.feed(text_summary("")).unwrap();
    let messages = run.transcript().messages();
    assert!(messages[1].parts[0].as_text().unwrap().contains("no summary"));
    assert_eq!(messages[2].parts, [Part::Text("count to a hundred".into())]);
}

fn text_summary(text: &str) -> Feed {
    Feed::Summary(ModelResponse::new(vec![Part::Text(text.into())], StopReason::EndTurn))
}

#[test]
fn the_providers_count_is_believed_and_nothing_is_summarised_unasked() {
    let mut run = long(0);
    run.prompt("hello");
    let mut response = calls(&[("1", "mcp__demo__read", "{}")]);
    response.usage = Some(Usage::new(500, 10));
    run.feed(Feed::Response(response)).unwrap();
    run.feed(output("1", &"x".repeat(400))).unwrap();
    assert_eq!(run.context_tokens(), 610);
    assert_eq!(run.feed(text_summary("no")), Err(OutOfTurn::Summary));
}

#[test]
fn a_summary_is_words_whatever_shape_the_answer_has() {
    for mode in [OutputMode::Auto, OutputMode::Native, OutputMode::Tool, OutputMode::Prompted] {
        let mut run = long(20);
        let mut expected = ExpectedOutput::new("city", json!({"type": "object"}));
        expected.mode = mode;
        run.settings.output = Some(expected);
        let Step::Compact(summary) = run.step() else { panic!("{:?}", run.step()) };
        assert_eq!((&summary.output, summary.tool_choice), (&None, ToolChoice::None), "{mode:?}");
        let asks = serde_json::to_string(&summary.messages).unwrap();
        assert!(!asks.contains("JSON Schema"), "{mode:?}: {asks}");
        run.feed(text_summary("All was lorem.")).unwrap();
        // The tools, with which every request begins, are the same; the shape is asked for again.
        let Step::CallModel(request) = run.step() else { panic!("{:?}", run.step()) };
        assert_eq!(request.tools, summary.tools, "{mode:?}");
        let asks = serde_json::to_string(&request.messages).unwrap();
        let by_tool = request.tools.len() > run.tools().len();
        let shaped = request.output.is_some() || by_tool || asks.contains("JSON Schema");
        assert!(shaped, "{mode:?}: {asks}");
    }
}

#[test]
fn half_a_summary_counts_as_none() {
    let other = StopReason::Other("OTHER".into());
    for stop in [StopReason::Length, StopReason::ContentFilter, StopReason::Refusal, other] {
        let mut run = long(20);
        let said = vec![Part::Text("I cannot".into())];
        run.feed(Feed::Summary(ModelResponse::new(said, stop.clone()))).unwrap();
        let Entry::Summary(summary) = &run.transcript().entries()[1] else { panic!("{stop:?}") };
        assert!(summary.contains("no summary"), "{stop:?}: {summary}");
    }
}
