//! Answers that are not complete, in the provider's own words, and answers that are paused.

use super::*;

fn said(words: &str, stop: StopReason) -> Feed {
    Feed::Response(ModelResponse::new(vec![Part::Text(words.into())], stop))
}

#[test]
fn an_end_that_is_none_is_told_in_the_providers_words() {
    let odd = || StopReason::Other("LANGUAGE".into());
    let why = || Stop::Unfinished { reason: "LANGUAGE".into() };
    for (words, partial) in [("", None), ("I will", Some("I will".to_owned()))] {
        let mut run = asked(RunSettings::default());
        run.feed(said(words, odd())).unwrap();
        assert_eq!(outcome(&run), &Outcome::Stopped { why: why(), partial });
        assert!(why().to_string().contains("LANGUAGE"));
    }
    // No call of such an answer runs.
    let mut run = asked(RunSettings::default());
    let mut half = calls(&[("1", "mcp__demo__read", "{}")]);
    half.stop = odd();
    run.feed(Feed::Response(half)).unwrap();
    assert_eq!(outcome(&run), &Outcome::Stopped { why: why(), partial: None });
    assert!(run.transcript().pending().next().is_none());
    assert!(run.extend(1));
    assert!(matches!(run.step(), Step::CallModel(_)));
}

#[test]
fn a_call_that_cannot_be_read_is_asked_for_again_but_not_for_ever() {
    let reason = || "MALFORMED_FUNCTION_CALL".to_owned();
    let unreadable = |words| said(words, StopReason::UnreadableCall(reason()));
    let mut run = asked(RunSettings::default());
    for words in ["", "I will add."] {
        run.feed(unreadable(words)).unwrap();
        let Step::CallModel(request) = run.step() else { panic!("{:?}", run.step()) };
        let last = request.messages.last().unwrap();
        let told = last.parts[0].as_text().unwrap();
        assert!(last.role == Role::User && told.contains("could not be read"), "{last:?}");
    }
    // Written down and read elsewhere, it is asked for no more often.
    let mut elsewhere: Run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
    elsewhere.feed(unreadable("")).unwrap();
    let why = Stop::Unfinished { reason: reason() };
    let Outcome::Stopped { why: stopped, .. } = outcome(&elsewhere) else { panic!() };
    assert_eq!(*stopped, why);
    // A call that can be read runs, and the next prompt begins anew.
    run.feed(Feed::Response(calls(&[("1", "mcp__demo__read", "{}")]))).unwrap();
    assert_eq!(wanted(&run), ["mcp__demo__read {}"]);
    let mut elsewhere_again = elsewhere;
    elsewhere_again.prompt("Once more.");
    elsewhere_again.feed(unreadable("")).unwrap();
    assert!(matches!(elsewhere_again.step(), Step::CallModel(_)));
    // It is a step like others.
    let mut run = asked(RunSettings { max_steps: 1, ..RunSettings::default() });
    run.feed(unreadable("")).unwrap();
    let why = Stop::StepLimit { max_steps: 1 };
    assert_eq!(outcome(&run), &Outcome::Stopped { why, partial: None });
}

#[test]
fn a_paused_answer_goes_on_from_what_was_said() {
    let mut run = asked(RunSettings::default());
    run.feed(said("I search.", StopReason::Paused)).unwrap();
    let Step::CallModel(request) = run.step() else { panic!("{:?}", run.step()) };
    let last = request.messages.last().unwrap();
    assert_eq!(
        (last.role, &last.parts[..]),
        (Role::Assistant, &[Part::Text("I search.".into())][..])
    );
    run.feed(text("Found.")).unwrap();
    assert_eq!(outcome(&run), &Outcome::Final { text: "Found.".into() });
    assert_eq!(run.steps(), 2);
}

#[test]
fn an_answer_is_not_paused_for_ever() {
    let settings = RunSettings { max_steps: 3, announce_last_step: true, ..RunSettings::default() };
    let mut run = asked(settings);
    for _ in 0..3 {
        let Step::CallModel(request) = run.step() else { panic!("{:?}", run.step()) };
        // Nothing is said after the paused answer, not even that this is the last step.
        assert_ne!(request.messages.last().unwrap().role, Role::Tool);
        let user = request.messages.iter().filter(|message| message.role == Role::User).count();
        assert_eq!(user, 1);
        run.feed(said("I search.", StopReason::Paused)).unwrap();
    }
    let why = Stop::StepLimit { max_steps: 3 };
    assert_eq!(outcome(&run), &Outcome::Stopped { why, partial: Some("I search.".into()) });
}

#[test]
fn tools_of_a_paused_answer_run_first() {
    let mut run = asked(RunSettings::default());
    let mut paused = calls(&[("1", "mcp__demo__read", "{}")]);
    paused.stop = StopReason::Paused;
    run.feed(Feed::Response(paused)).unwrap();
    assert_eq!(wanted(&run), ["mcp__demo__read {}"]);
}
