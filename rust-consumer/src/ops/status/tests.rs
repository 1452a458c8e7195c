use super::*;
use crate::contract::messages::Message;

/// Each thing that a request needs is missed by name until it is there.
#[tokio::test(start_paused = true)]
async fn readiness_names_what_is_missing() {
    let status = Status::default();
    assert!(status.now().unready().unwrap().contains("bus"));
    status.set_connected(true);
    assert!(status.now().unready().unwrap().contains("CHAT"));
    status.set_bound(true);
    assert!(status.now().unready().unwrap().contains("llama.cpp"));
    status.saw_llama(Some("m".into()), None);
    assert_eq!(status.now().unready(), None);
    tokio::time::advance(FRESH).await;
    assert!(
        status.now().unready().is_some(),
        "silence is not taken for health"
    );
    status.saw_llama(None, None);
    assert_eq!(status.now().unready(), None);
    assert!(status.set_clock_off(Some(640)));
    assert!(!status.set_clock_off(Some(640)) && !status.set_clock_off(Some(641)));
    assert_eq!(status.now().clock_off, Some(641));
    assert!(!status.set_clock_off(Some(640)));
    assert_eq!(status.now().unready().unwrap(), "the clock is 640 s off");
    assert!(status.set_clock_off(None));
    assert_eq!(status.now().unready(), None);
    for (obstacle, reason, is_stuck) in [
        (Obstacle::WrongKey, "STILE_LLAMA_KEY", false),
        (Obstacle::SlotHeld, "slot", true),
    ] {
        assert!(status.set_obstacle(Some(obstacle)));
        assert!(status.now().unready().unwrap().contains(reason));
        assert_eq!(status.now().is_stuck(), is_stuck);
    }
    assert!(status.set_obstacle(None));
    assert!(!status.set_obstacle(None));
    status.set_silent(true);
    assert!(status.now().unready().unwrap().contains("hangs"));
    assert!(status.now().is_stuck());
    status.set_silent(false);
    assert_eq!(status.now().unready(), None);
    status.set_stopping();
    assert!(status.now().unready().unwrap().contains("stopping"));
}

/// The average starts at the first request and moves by a fifth.
#[test]
fn the_average_moves_by_a_fifth() {
    let status = Status::default();
    let answered = |seconds, reply: &str| {
        let reply = Reply::read(reply.as_bytes()).unwrap();
        status.served(Duration::from_secs(seconds), &reply);
        status.now()
    };
    let is_about = |average: Option<f64>, expected: f64| {
        assert!((average.unwrap() - expected).abs() < 1e-9, "{average:?}");
    };
    let id = "00000000-0000-0000-0000-000000000000";
    let state = answered(2, &format!(r#"{{"response": "x", "id": "{id}"}}"#));
    is_about(state.service_seconds, 2.0);
    assert_eq!((state.prompt_per_second, state.answer_tokens), (None, None));
    for (prompt, tokens, expected) in [(100.0, 5, (100.0, 5.0)), (50.0, 10, (90.0, 6.0))] {
        let state = answered(
            7,
            &format!(
                r#"{{"response": "x", "id": "{id}",
                     "usage": {{"prompt_tokens": 1, "completion_tokens": {tokens}, "total_tokens": 1}},
                     "timings": {{"prompt_per_second": {prompt}, "predicted_per_second": 20}}}}"#
            ),
        );
        is_about(state.prompt_per_second, expected.0);
        is_about(state.answer_tokens, expected.1);
        is_about(state.predicted_per_second, 20.0);
    }
    is_about(status.now().service_seconds, 3.8);
}

/// A speed that cannot be one does not spoil the average.
#[test]
fn what_is_no_speed_moves_nothing() {
    let mut average = Some(2.0);
    for newest in [
        None,
        Some(0.0),
        Some(-1.0),
        Some(f64::INFINITY),
        Some(f64::NAN),
    ] {
        move_by(&mut average, newest);
    }
    assert_eq!(average, Some(2.0));
}
