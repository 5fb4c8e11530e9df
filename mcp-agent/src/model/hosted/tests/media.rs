//! Pictures that a server refuses, over every API.

use super::*;
use crate::model::{Media, MediaSource, Part};

const PICTURE: &str = "cGljdHVyZQ==";

fn looking() -> ModelRequest {
    let picture = Media {
        mime_type: "image/png".into(),
        source: MediaSource::Base64(PICTURE.into()),
        name: None,
    };
    ModelRequest::new(vec![Message::user(vec![
        Part::Text("What is it?".into()),
        Part::Image(picture),
    ])])
}

/// Which requests held the picture, of two questions of which the first is refused in these words.
async fn shown(spoken: &Spoken, words: &str) -> Vec<bool> {
    let body = serde_json::json!({"error": {"message": words}}).to_string();
    let refusal = answer("400 Bad Request", "application/json", &body);
    let server = CannedServer::start([refusal, events(spoken.hello), events(spoken.hello)]).await;
    let model = (spoken.model)(&server.base_url());
    for _ in 0..2 {
        assert_eq!(model.respond(&looking()).await.unwrap().text(), "Hello", "{}", spoken.name);
    }
    server.requests().iter().map(|request| request.contains(PICTURE)).collect()
}

#[tokio::test]
async fn a_picture_that_is_too_large_does_not_blind_the_model() {
    for spoken in ALL {
        let shown = shown(&spoken, "image exceeds 5 MB maximum: 6291456 bytes").await;
        assert_eq!(shown, [true, false, true], "{}", spoken.name);
    }
}

#[tokio::test]
async fn a_model_that_cannot_see_is_shown_no_more_pictures() {
    for spoken in ALL {
        let shown = shown(&spoken, "This model does not support image input").await;
        assert_eq!(shown, [true, false, false], "{}", spoken.name);
    }
}
