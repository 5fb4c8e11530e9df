//! Shows that something is going on, while it is going on.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{measure::show_time, messages::Messages};

/// What is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(100);
/// The steps of the spinner.
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// How wide the bar is.
const BAR_CHARS: usize = 20;

/// Runs a future; draws `line` from time to time and hands on events as they come.
///
/// `line` is given the time so far. The events are those of the future's own callbacks.
pub(crate) async fn watch<F: Future, E>(
    messages: &Messages,
    future: F,
    events: &mut UnboundedReceiver<E>,
    mut on_event: impl FnMut(E),
    line: impl Fn(Duration) -> String,
) -> F::Output {
    let mut future = pin!(future);
    let started = Instant::now();
    let mut ticks = interval_at(started + PATIENCE, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut listening = true;
    let output = loop {
        tokio::select! {
            biased;
            event = events.recv(), if listening => match event {
                Some(event) => on_event(event),
                None => listening = false,
            },
            output = &mut future => break output,
            _ = ticks.tick(), if messages.is_live() => {
                let elapsed = started.elapsed();
                messages.draw(&format!("{} {}", spinner(elapsed), line(elapsed)));
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        on_event(event);
    }
    messages.clear();
    output
}

/// [`watch`] for what has no events.
pub(crate) async fn wait<F: Future>(
    messages: &Messages,
    future: F,
    line: impl Fn(Duration) -> String,
) -> F::Output {
    let (_, mut none) = tokio::sync::mpsc::unbounded_channel::<()>();
    watch(messages, future, &mut none, |()| (), line).await
}

/// The step of the spinner at this time.
pub(crate) fn spinner(elapsed: Duration) -> char {
    let step = elapsed.as_millis() / TICK.as_millis();
    let index = (step % SPINNER.len() as u128) as usize;
    SPINNER[index]
}

/// How far a call is, by its last progress notification.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reached {
    /// The value.
    pub(crate) progress: f64,
    /// The value at the end, if known.
    pub(crate) total: Option<f64>,
    /// The server's words.
    pub(crate) message: Option<String>,
}

/// The live line of a call, such as `fs.copy  ━━━━━╸──────  3/5  6.1 s  step 3 of 5`.
pub(crate) fn call_line(name: &str, reached: Option<&Reached>, elapsed: Duration) -> String {
    let mut parts = vec![name.to_owned()];
    if let Some(Reached { progress, total, .. }) = reached {
        match total.filter(|total| *total > 0.0) {
            Some(total) => {
                parts.push(bar(progress / total));
                parts.push(format!("{}/{}", figure(*progress), figure(total)));
            }
            None => parts.push(figure(*progress)),
        }
    }
    parts.push(show_time(elapsed));
    if let Some(message) = reached.and_then(|reached| reached.message.clone()) {
        parts.push(message);
    }
    parts.join("  ")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a small bar"
)]
fn bar(part: f64) -> String {
    let halves = (part.clamp(0.0, 1.0) * (BAR_CHARS * 2) as f64).round() as usize;
    let full = halves / 2;
    let mut bar = "━".repeat(full);
    if halves % 2 == 1 {
        bar.push('╸');
    }
    let drawn = bar.chars().count();
    bar.push_str(&"─".repeat(BAR_CHARS - drawn));
    bar
}

/// A number with as few digits as it needs.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_how_far_it_is() {
        let line = |progress, total, message: Option<&str>| {
            let reached = Reached { progress, total, message: message.map(str::to_owned) };
            call_line("ev.long", Some(&reached), Duration::from_millis(6100))
        };
        assert_eq!(
            line(3.0, Some(5.0), Some("step 3 of 5")),
            "ev.long  ━━━━━━━━━━━━────────  3/5  6.1 s  step 3 of 5"
        );
        assert_eq!(line(2.5, None, None), "ev.long  2.5  6.1 s");
        assert_eq!(line(9.0, Some(0.0), None), "ev.long  9  6.1 s");
        assert_eq!(call_line("ev.long", None, Duration::from_millis(300)), "ev.long  300 ms");
        assert_eq!(bar(2.0), "━".repeat(20));
        assert_eq!(bar(f64::NAN), "─".repeat(20));
        assert_eq!(bar(0.125), format!("━━╸{}", "─".repeat(17)));
    }

    #[tokio::test(start_paused = true)]
    async fn hands_on_events_in_order() {
        let messages = Messages::new(
            crate::theme::Theme::Plain,
            crate::messages::Loudness::Silent,
            crate::messages::ErrorForm::Text,
            false,
        );
        let (send, mut events) = tokio::sync::mpsc::unbounded_channel();
        let mut seen = Vec::new();
        let work = async move {
            for step in 0..3 {
                send.send(step).unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            send.send(3).unwrap();
            "done"
        };
        let output = watch(&messages, work, &mut events, |e| seen.push(e), |_| String::new()).await;
        assert_eq!((output, seen), ("done", vec![0, 1, 2, 3]));
    }
}
