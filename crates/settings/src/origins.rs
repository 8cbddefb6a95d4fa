//! Origins of web pages, which gateway and codec endpoint both read.

use evercal_config::{ConfigError, Given};
use http::HeaderValue;
use url::Url;

/// Origins as in the header `Origin`, comma-separated; none where nothing is given.
pub(crate) fn origins(given: &Given<'_>) -> Result<Vec<HeaderValue>, ConfigError> {
    let Some(text) = given.text() else { return Ok(Vec::new()) };
    let origin = |text: &str| {
        let url: Url = given.parse(text)?;
        if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != text {
            return Err(given.error("an origin is a scheme, a host and no path"));
        }
        given.parse(text)
    };
    text.split(',').map(|text| origin(text.trim())).collect()
}
