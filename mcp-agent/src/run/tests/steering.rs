//! Words while tools run, when the run stops before the model is asked again.

use super::*;

const WORDS: &str = "Only in French.";

/// What the user said so far, as the model would be shown it.
fn said(transcript: &Transcript) -> Vec<String> {
    let messages = transcript.messages();
    let user = messages.iter().filter(|message| message.role == Role::User);
    user.flat_map(|message| &message.parts).filter_map(Part::as_text).map(str::to_owned).collect()
}

/// A run that was told something while its tool was running.
fn told(max_steps: u32) -> Run {
    let mut run = asked(RunSettings { max_steps, ..RunSettings::default() });
    run.feed(call("mcp__demo__read", "{}")).unwrap();
    run.steer(WORDS);
    run
}

/// A run that has stopped since: at a limit, or by somebody's word.
fn stopped() -> [Run; 2] {
    let mut limited = told(1);
    limited.feed(output("1", "a cat")).unwrap();
    let mut cancelled = told(9);
    cancelled.cancel("enough");
    for run in [&limited, &cancelled] {
        assert!(matches!(outcome(run), Outcome::Stopped { .. }));
    }
    [limited, cancelled]
}

#[test]
fn they_come_before_the_next_prompt() {
    for mut run in stopped() {
        run.prompt("And now?");
        assert_eq!(said(run.transcript()), ["go", WORDS, "And now?"]);
        // They come once.
        run.feed(call("mcp__demo__read", "{}")).unwrap();
        run.cancel("enough");
        run.prompt("Well?");
        assert_eq!(said(run.transcript()), ["go", WORDS, "And now?", "Well?"]);
    }
}

#[test]
fn they_come_before_what_makes_the_run_go_on() {
    let [_, mut run] = stopped();
    run.feed(Feed::GoOn(vec![Part::Text("Not yet.".into())])).unwrap();
    assert!(matches!(run.step(), Step::CallModel(_)));
    assert_eq!(said(run.transcript()), ["go", WORDS, "Not yet."]);
}

#[test]
fn they_are_part_of_the_conversation_that_is_taken_along() {
    for run in stopped() {
        assert_eq!(said(&run.into_transcript()), ["go", WORDS]);
    }
    // Not while the tool still runs: its result comes first.
    assert_eq!(said(&told(9).into_transcript()), ["go"]);
}
