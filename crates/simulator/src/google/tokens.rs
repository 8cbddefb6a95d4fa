//! Sync tokens and page tokens: opaque to clients, sealed against tampering, and stateless, so that they outlive a
//! restart. A sync token is a position in a collection's history; a page token is a place in one list, with the
//! position at which that list began.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::World;
use super::errors::ApiError;

const SEAL_CHARS: usize = 10;

/// Where an incremental list begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncToken {
    #[serde(rename = "c")]
    pub(crate) collection: String,
    /// Of the parameters that must stay the same.
    #[serde(rename = "d")]
    pub(crate) digest: String,
    #[serde(rename = "g")]
    pub(crate) generation: u64,
    #[serde(rename = "v")]
    pub(crate) version: u64,
}

impl SyncToken {
    /// Reads a token of this collection; anything else is 400.
    pub(crate) fn read(world: &World, text: &str, collection: &str) -> Result<Self, ApiError> {
        read::<Self>(world, text)
            .filter(|token| token.collection == collection)
            .ok_or_else(ApiError::invalid_sync_token)
    }
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageToken {
    #[serde(rename = "c")]
    pub(crate) collection: String,
    /// Of all parameters but the page size.
    #[serde(rename = "d")]
    pub(crate) digest: String,
    /// Page tokens of an older generation of their collection have ended.
    #[serde(rename = "g", default)]
    pub(crate) generation: u64,
    #[serde(rename = "p")]
    pub(crate) cursor: Cursor,
    #[serde(rename = "s")]
    pub(crate) snapshot: Snapshot,
}

impl PageToken {
    /// Reads a token of this collection, these parameters and this generation; anything else is 400.
    pub(crate) fn read(
        world: &World,
        text: &str,
        collection: &str,
        digest: &str,
        generation: u64,
    ) -> Result<Self, ApiError> {
        read::<Self>(world, text)
            .filter(|token| token.collection == collection)
            .filter(|token| token.digest == digest && token.generation == generation)
            .ok_or_else(ApiError::invalid_page_token)
    }
}

/// The sort key of the last entry of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cursor {
    #[serde(rename = "n")]
    pub(crate) position: i64,
    #[serde(rename = "i")]
    pub(crate) id: String,
}

/// How far a collection had come when the first page of a list was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    #[serde(rename = "v")]
    pub(crate) version: u64,
    #[serde(rename = "o")]
    pub(crate) ordinal: u64,
}

/// A short digest of query parameters.
pub(crate) fn digest(parameters: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (name, value) in parameters {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(value.as_bytes());
        hash.update([0]);
    }
    short(&hash.finalize())
}

pub(crate) fn write<T: Serialize>(world: &World, token: &T) -> String {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default());
    let seal = seal(world, &payload);
    format!("{payload}{seal}")
}

fn read<T: DeserializeOwned>(world: &World, text: &str) -> Option<T> {
    let (payload, found) = text.split_at_checked(text.len().checked_sub(SEAL_CHARS)?)?;
    if found != seal(world, payload) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn seal(world: &World, payload: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(world.seed().to_be_bytes());
    hash.update(b"list token");
    hash.update(payload.as_bytes());
    short(&hash.finalize())
}

fn short(digest: &[u8]) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(digest);
    text.truncate(SEAL_CHARS);
    text
}
