//! Encrypts what evercal gives to Temporal: arguments, results, signals, updates and states of workflows and activities.
//!
//! A payload is sealed whole, its own metadata included, so that Temporal's database and UI see nothing but that there is
//! one. One that is not sealed is read as it is: an installation can begin to encrypt while its workflows go on. What
//! Temporal must read stays plain: ids, types, task queues, search attributes and the summaries of a start. Not for where
//! keys come from (`crates/settings`) or who may read (`gateway/src/codec.rs`).

mod document;

use std::collections::HashMap;
use std::sync::Arc;

use evercal_sealing::{Context, Keyring, SealingError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;
use temporalio_common::data_converters::{
    DataConverter, DefaultFailureConverter, PayloadCodec, PayloadConversionError, PayloadConverter,
    SerializationContextData,
};

pub use document::{InvalidDocument, PayloadsDocument};
pub use temporalio_common::protos::temporal::api::common::v1::Payload;

/// The metadata entry that says how a payload is written.
const ENCODING: &str = "encoding";
/// Its value for a sealed payload: the one of Temporal's own samples, by which its tools know one.
const SEALED: &[u8] = b"binary/encrypted";
/// All payloads are sealed for one context: Temporal moves them between workflows as it pleases.
const CONTEXT: Context<'static> = Context { table: "temporal", row: "", field: "payload" };

/// A payload could not be sealed or opened. Never shows its content.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Another key, or damaged.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// It opens, but no payload is inside.
    #[error("a sealed payload does not hold a payload: {0}")]
    NoPayload(#[from] prost::DecodeError),
}

/// Seals payloads with the first key of a keyring, and opens them with any.
#[derive(Debug, Clone)]
pub struct SealingCodec {
    keyring: Arc<Keyring>,
}

impl SealingCodec {
    /// A codec with these keys.
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring: Arc::new(keyring) }
    }

    /// The SDK's own conversion to JSON, sealed; the messages of failures too.
    pub fn into_converter(self) -> DataConverter {
        DataConverter::new(PayloadConverter::default(), DefaultFailureConverter::new(true), self)
    }

    /// Seals one payload; one that is sealed already stays as it is.
    pub fn seal(&self, payload: &Payload) -> Result<Payload, CodecError> {
        if is_sealed(payload) {
            return Ok(payload.clone());
        }
        let data = self.keyring.seal(CONTEXT, &payload.encode_to_vec())?;
        let metadata = HashMap::from([(ENCODING.to_owned(), SEALED.to_vec())]);
        Ok(Payload { metadata, data, ..Payload::default() })
    }

    /// Opens one payload; one that is not sealed is answered as it is.
    pub fn open(&self, payload: Payload) -> Result<Payload, CodecError> {
        if !is_sealed(&payload) {
            return Ok(payload);
        }
        let plain = self.keyring.open(CONTEXT, &payload.data)?;
        Ok(Payload::decode(plain.as_slice())?)
    }
}

fn is_sealed(payload: &Payload) -> bool {
    payload.metadata.get(ENCODING).is_some_and(|encoding| encoding == SEALED)
}

impl PayloadCodec for SealingCodec {
    fn encode(
        &self,
        _context: &SerializationContextData,
        payloads: Vec<Payload>,
    ) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
        ready(payloads.iter().map(|payload| self.seal(payload)).collect())
    }

    fn decode(
        &self,
        _context: &SerializationContextData,
        payloads: Vec<Payload>,
    ) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
        ready(payloads.into_iter().map(|payload| self.open(payload)).collect())
    }
}

/// Sealing takes microseconds: nothing is gained by waiting for it elsewhere.
fn ready(result: Result<Vec<Payload>, CodecError>) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
    futures::future::ready(result.map_err(|error| PayloadConversionError::EncodingError(Box::new(error)))).boxed()
}

#[cfg(test)]
mod tests;
