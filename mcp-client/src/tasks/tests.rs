use std::time::Duration;

use super::pace::{Pace, life_left};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn waits_as_long_as_the_server_says_and_a_little_more() {
    for (interval, jitter, expected) in [
        (Some(1_000), 0.0, ms(1_000)),
        (Some(1_000), 1.0, ms(1_100)),
        (Some(0), 0.0, ms(20)),
        (Some(3_600_000), 0.0, ms(60_000)),
        (Some(u64::MAX), 1.0, ms(66_000)),
        (None, 0.0, ms(500)),
    ] {
        assert_eq!(Pace::default().next(interval, jitter), expected, "{interval:?} {jitter}");
    }
}

#[test]
fn asks_more_seldom_where_the_server_says_nothing() {
    let mut pace = Pace::default();
    let waits: Vec<_> = (0..12).map(|_| pace.next(None, 0.0)).collect();
    assert!(waits.is_sorted(), "{waits:?}");
    assert_eq!(waits[1], ms(750));
    assert_eq!(waits[11], ms(10_000));
}

#[test]
fn backs_off_and_gives_up_after_failures_in_a_row() {
    let mut pace = Pace::default();
    assert!((0..4).all(|_| pace.failed()));
    assert_eq!(pace.next(Some(100), 0.0), ms(1_600));
    pace.succeeded();
    assert_eq!(pace.next(Some(100), 0.0), ms(100));
    assert!((0..4).all(|_| pace.failed()));
    assert!(!pace.failed());
}

// covers: tasks-ttl
#[test]
fn a_task_lives_as_long_as_the_server_said() {
    for (created, ttl, now, expected) in [
        (1_000, Some(500), 1_200, Some(ms(300))),
        (1_000, Some(500), 9_000, Some(ms(0))),
        (1_000, None, 9_000, None),
        // The clock was set back.
        (1_000, Some(500), 100, Some(ms(500))),
    ] {
        assert_eq!(life_left(created, ttl, now), expected, "{created} {ttl:?} {now}");
    }
}
