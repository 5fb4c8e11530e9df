//! Refusals of pictures, sounds and files, told apart from refusals of one of them.

use crate::model::ModelError;

/// How far a refusal of media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaRefusal {
    /// This request, such as one with a picture that is too large.
    ThisRequest,
    /// Every request: the model cannot see.
    EveryRequest,
}

impl MediaRefusal {
    /// `None` for errors that are about something else.
    pub(super) fn of(error: &ModelError) -> Option<Self> {
        const WORDS: [&str; 5] = ["image", "audio", "multimodal", "mmproj", "content type"];
        if !matches!(error.status()?, 400 | 404 | 415 | 422 | 500 | 501) {
            return None;
        }
        let body = error.body_snippet()?.to_lowercase();
        if cannot_see(&body) {
            return Some(Self::EveryRequest);
        }
        WORDS.iter().any(|word| body.contains(word)).then_some(Self::ThisRequest)
    }
}

/// Whether these are words for a model that takes no pictures at all. What only may mean that costs
/// no more than a second attempt for each request with a picture. Sounds are not looked for: most
/// models that cannot hear can see.
fn cannot_see(body: &str) -> bool {
    const WORDS: [&str; 11] = [
        // llama.cpp, which gives the same hint about sounds.
        "image input is not supported",
        "image input is not enabled",
        "image input modality is not enabled",
        "support image input",
        "not support images.",
        "not support images\"",
        "not a multimodal model",
        "at most 0 image",
        // OpenAI
        "image_url is only supported by certain models",
        // Ollama
        "missing data required for image input",
        // DeepSeek
        "unknown variant `image_url`",
    ];
    WORDS.iter().any(|word| body.contains(word))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::model::failure;

    fn refusal(status: u16, message: &str) -> Option<MediaRefusal> {
        let body = serde_json::json!({"error": {"message": message}}).to_string();
        let status = StatusCode::from_u16(status).unwrap();
        MediaRefusal::of(&failure::decode(status, &HeaderMap::new(), body.as_bytes()))
    }

    #[test]
    fn models_that_cannot_see_say_so() {
        for (status, message) in [
            (
                500,
                "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
            ),
            (400, "Invalid content type. image_url is only supported by certain models."),
            (404, "No endpoints found that support image input"),
            (400, "m is not a multimodal model"),
            (400, "At most 0 image(s) may be provided in one prompt."),
            (422, "unknown variant `image_url`, expected `text`"),
            (400, "Image input modality is not enabled for models/gemma-3-1b-it"),
            (400, "This model does not support images."),
            (400, "This model does not support images"),
        ] {
            assert_eq!(refusal(status, message), Some(MediaRefusal::EveryRequest), "{message}");
        }
    }

    #[test]
    fn a_picture_that_cannot_be_taken_says_nothing_about_others() {
        for message in [
            "messages.0.content.0.image.source.base64: image exceeds 5 MB maximum",
            "You uploaded an unsupported image. Please make sure your image is of a known format.",
            "Could not process image",
            "This model does not support images larger than 2048x2048",
            "At most 5 image(s) may be provided in one request.",
            "audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        ] {
            assert_eq!(refusal(400, message), Some(MediaRefusal::ThisRequest), "{message}");
        }
        assert_eq!(refusal(400, "max_tokens is too large"), None);
        assert_eq!(refusal(429, "image input is not supported"), None);
    }
}
