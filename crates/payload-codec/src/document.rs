//! Payloads as JSON, as Temporal's UI and CLI send them to a codec server and want them back: protobuf's JSON form, with
//! bytes in base64. <https://docs.temporal.io/dataconversion#codec-server>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use temporalio_common::protos::temporal::api::common::v1::Payload;

/// The body of a request to a codec server, and of its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayloadsDocument {
    /// The payloads; the answer's are in the request's order.
    #[serde(default)]
    payloads: Vec<PayloadDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PayloadDocument {
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    data: String,
}

/// Something that should be base64 is not.
#[derive(Debug, thiserror::Error)]
#[error("payload {index}: `{field}` is not base64")]
pub struct InvalidDocument {
    index: usize,
    field: String,
}

impl PayloadsDocument {
    /// The payloads in it.
    pub fn into_payloads(self) -> Result<Vec<Payload>, InvalidDocument> {
        let payload = |(index, document): (usize, PayloadDocument)| {
            let bytes = |field: &str, text: &str| {
                STANDARD.decode(text).map_err(|_| InvalidDocument { index, field: field.to_owned() })
            };
            let entries = document.metadata.iter().map(|(name, text)| Ok((name.clone(), bytes(name, text)?)));
            Ok(Payload {
                metadata: entries.collect::<Result<_, _>>()?,
                data: bytes("data", &document.data)?,
                ..Payload::default()
            })
        };
        self.payloads.into_iter().enumerate().map(payload).collect()
    }

    /// The document of these payloads.
    pub fn of(payloads: &[Payload]) -> Self {
        let document = |payload: &Payload| PayloadDocument {
            metadata: payload.metadata.iter().map(|(name, value)| (name.clone(), STANDARD.encode(value))).collect(),
            data: STANDARD.encode(&payload.data),
        };
        Self { payloads: payloads.iter().map(document).collect() }
    }
}
