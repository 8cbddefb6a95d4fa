//! Tokens that are opaque to clients, sealed against tampering, and stateless, so that they outlive a restart.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const SEAL_CHARS: usize = 10;

/// The token that stands for `content`. Tokens of one purpose are no tokens of another.
pub(crate) fn write<T: Serialize>(seed: u64, purpose: &[u8], content: &T) -> String {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(content).unwrap_or_default());
    let seal = seal(seed, purpose, &payload);
    format!("{payload}{seal}")
}

/// What a token stands for, if it is one that [`write`] made.
pub(crate) fn read<T: DeserializeOwned>(seed: u64, purpose: &[u8], text: &str) -> Option<T> {
    let (payload, found) = text.split_at_checked(text.len().checked_sub(SEAL_CHARS)?)?;
    if found != seal(seed, purpose, payload) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn seal(seed: u64, purpose: &[u8], payload: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(purpose);
    hash.update(payload.as_bytes());
    short(&hash.finalize())
}

/// The first characters of a digest.
pub(crate) fn short(digest: &[u8]) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(digest);
    text.truncate(SEAL_CHARS);
    text
}
