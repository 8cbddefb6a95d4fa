//! Origins of web pages, which gateway and codec endpoint both read.

use evercal_config::{ConfigError, Reader};
use http::HeaderValue;
use url::Url;

/// Origins as in the header `Origin`, comma-separated; none where nothing is given.
pub(crate) fn origins(reader: &Reader<'_>) -> Result<Vec<HeaderValue>, ConfigError> {
    let Some(text) = reader.text() else { return Ok(Vec::new()) };
    let origin = |text: &str| {
        let url: Url = reader.parse(text)?;
        if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != text {
            return Err(reader.error("an origin is a scheme, a host and no path"));
        }
        reader.parse(text)
    };
    text.split(',').map(|text| origin(text.trim())).collect()
}
