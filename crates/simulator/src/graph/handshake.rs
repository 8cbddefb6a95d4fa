//! The question to the addresses of a subscription before it is there: a sentence that has to be sent back as it is.

use std::time::Duration;

use axum::http::header;

use super::Shared;
use super::errors::ApiError;
use super::ids::guid;
use super::request::Handshake;
use crate::core::faults::Dice;

/// Asks each address; the first wrong answer is that of all.
pub(crate) async fn run(shared: &Shared, addresses: Vec<String>, call: u64) -> Handshake {
    let Ok((seed, timeout_ms)) =
        shared.with_world(|world| (world.seed(), world.provider.endpoint_rules.validation_timeout_ms))
    else {
        return Handshake::Failed(ApiError::internal());
    };
    for (position, address) in addresses.iter().enumerate() {
        let id = guid(seed, "validation", &format!("{call}/{position}"));
        let token = format!("Validation: Testing client application reachability for subscription Request-Id: {id}");
        let with_plus = Dice::new(seed, "validation token", call).percent(50, position % 8);
        let asked = ask(shared, address, &token, with_plus, Duration::from_millis(timeout_ms));
        let answer = tokio::select! {
            answer = asked => answer,
            () = shared.shutdown.cancelled() => Err("The simulator ends.".to_owned()),
        };
        if let Err(reason) = answer {
            return Handshake::Failed(ApiError::new(400, "ValidationError", reason));
        }
    }
    if addresses.is_empty() { Handshake::None } else { Handshake::Passed }
}

async fn ask(shared: &Shared, address: &str, token: &str, with_plus: bool, timeout: Duration) -> Result<(), String> {
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let encoded = if with_plus { encoded } else { encoded.replace('+', "%20") };
    let joint = if address.contains('?') { '&' } else { '?' };
    let failed = |what: String| format!("Subscription validation request failed. {what}");
    let response = shared
        .webhook_client
        .post(format!("{address}{joint}validationToken={encoded}"))
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .timeout(timeout)
        .send()
        .await
        .map_err(|error| {
            if error.is_timeout() {
                failed("The request timed out. Notification endpoint must respond within 10 seconds.".to_owned())
            } else {
                failed(format!("The endpoint could not be reached: {}.", error.without_url()))
            }
        })?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(failed(format!(
            "Notification endpoint must respond with 200 OK to validation request; it responded with {status}."
        )));
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/plain"));
    if !is_text {
        return Err(failed(format!("Response must be of content type text/plain; it was '{kind}'.")));
    }
    let body = response.text().await.map_err(|error| failed(format!("No body: {}.", error.without_url())))?;
    if body == token { Ok(()) } else { Err(failed("Response must match validationToken query parameter.".to_owned())) }
}
