//! What providers say when they do not answer.

use std::time::Duration;

use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use mcp_protocol::decode::snippet;
use serde_json::Value;

use crate::model::{ModelError, ModelErrorKind, StatusError};

/// Reads an answer whose status is not success.
pub fn decode(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ModelError {
    let mut error =
        serde_json::from_slice::<Value>(body).map(|body| describe(&body)).unwrap_or_default();
    error.status = Some(status.as_u16());
    error.retry_after = retry_after(headers).or(error.retry_after);
    error.body_snippet = snippet(body);
    ModelError::new(ModelErrorKind::Status(error))
}

/// Reads an error inside an answer that had begun well.
pub(super) fn in_answer(error: &Value) -> ModelError {
    let mut described = describe(error);
    described.body_snippet = if error.is_null() {
        "the model's side failed while it answered".to_owned()
    } else {
        snippet(error.to_string().as_bytes())
    };
    // Aggregators pass the status of the provider behind them on in `code`.
    described.status = error["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| *code >= 400)
        .or_else(|| status_of_name(described.code.as_deref()?));
    ModelError::new(ModelErrorKind::Status(described))
}

/// The status that goes with an error's name, where the error came without one.
fn status_of_name(name: &str) -> Option<u16> {
    Some(match name {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" => 429,
        "api_error" | "server_error" => 500,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// The forms in use: `{"error": {"message", "type", "code"}}`, `{"error": "text"}`,
/// `{"message"}`, `{"detail": "text"}`, and a list with one of these in it.
fn describe(body: &Value) -> StatusError {
    let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
    let error = body.get("error").unwrap_or(body);
    let word = |value: &Value| value.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
    let message = word(error)
        .or_else(|| word(&error["message"]))
        .or_else(|| word(&error["detail"]))
        .or_else(|| word(&body["message"]))
        .unwrap_or_default();
    let code = [&error["code"], &error["status"], &error["type"]].into_iter().find_map(word);
    StatusError { message, code, retry_after: retry_delay(error), ..StatusError::default() }
}

/// Google says in the body how long to wait: `{"retryDelay": "12s"}` among the details.
fn retry_delay(error: &Value) -> Option<Duration> {
    let details = error["details"].as_array()?;
    let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

/// Seconds, of which some servers write fractions, or a date as gateways send it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let milliseconds = text("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok());
    if let Some(milliseconds) = milliseconds {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let wait = text(RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = wait.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    // By the provider's own clock, so that none is needed here.
    let until = httpdate::parse_http_date(wait).ok()?;
    let now = httpdate::parse_http_date(text(DATE.as_str())?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}
