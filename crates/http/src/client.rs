//! Sends requests. The only place of the workspace that builds a client.

use std::time::Duration;

use async_trait::async_trait;
use evercal_domain::limits::PROVIDER_RESPONSE_BYTES_MAX;
use reqwest::redirect;

use crate::error::{TransportError, TransportErrorKind};
use crate::request::{Body, HttpRequest};
use crate::response::HttpResponse;

/// How long an idle connection is kept for the next request.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(90);

/// Sends a request and reads the whole answer. [`HttpClient`] does it over the network.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`. Any status is an answer; an error means that none came.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError>;
}

/// What a client may spend on one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte read; a body that trickles in ends here too.
    pub total_timeout: Duration,
    /// Largest body that is read, in bytes after decompression.
    pub response_bytes_max: usize,
    /// How we introduce ourselves.
    pub user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            response_bytes_max: PROVIDER_RESPONSE_BYTES_MAX,
            // Some providers compress only for agents that say "gzip" in their name as well.
            user_agent: concat!("evercal/", env!("CARGO_PKG_VERSION"), " (gzip)").to_owned(),
        }
    }
}

/// The client could not be built: settings that HTTP does not allow, or a machine without trusted certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up (are CA certificates installed?)")]
pub struct SetupError(#[source] reqwest::Error);

/// The client; cheap to clone, clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    response_bytes_max: usize,
}

impl HttpClient {
    /// Builds a client; errors where the machine has no trusted certificates.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds HTTP clients")]
    pub fn new(settings: &HttpSettings) -> Result<Self, SetupError> {
        install_crypto_provider();
        let client = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.total_timeout)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
            // No provider call needs a redirect, and following one would leave the host that was asked for.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(&settings.user_agent)
            .build()
            .map_err(SetupError)?;
        Ok(Self { client, response_bytes_max: settings.response_bytes_max })
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, TransportErrorKind> {
        let mut outgoing = self.client.request(request.method, request.url);
        for (name, value) in request.headers {
            outgoing = outgoing.header(name, value);
        }
        if let Some(token) = request.bearer {
            outgoing = outgoing.bearer_auth(token.expose());
        }
        outgoing = match request.body {
            Body::Empty => outgoing,
            Body::Json(value) => outgoing.json(&value),
            Body::Form(fields) => outgoing.form(&fields),
        };
        let mut incoming = outgoing.send().await.map_err(|error| TransportErrorKind::of(&error))?;

        let limit = self.response_bytes_max;
        let announced = incoming.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        if announced > limit {
            return Err(TransportErrorKind::TooLarge);
        }
        let mut body = Vec::with_capacity(announced);
        while let Some(chunk) = incoming.chunk().await.map_err(|error| TransportErrorKind::of(&error))? {
            if chunk.len() > limit - body.len() {
                return Err(TransportErrorKind::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let headers = incoming
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok(HttpResponse { status: incoming.status().as_u16(), headers, body })
    }
}

#[async_trait]
impl Transport for HttpClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let call = request.call;
        self.answer(request).await.map_err(|kind| TransportError { kind, call })
    }
}

/// Makes ring the process's provider of cryptography for TLS. May be called any number of times: the first call
/// decides, and every caller in evercal asks for the same one.
pub fn install_crypto_provider() {
    // The error says that one is installed already, which is all that we want.
    drop(rustls::crypto::ring::default_provider().install_default());
}

#[cfg(test)]
mod tests;
