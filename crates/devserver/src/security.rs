//! How an own server is closed to strangers, as servers of a cluster are: TLS, certificates of clients, tokens; and how
//! its owner gets in all the same. Only names files: making certificates and keys is the caller's.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use temporalio_client::{ClientTlsOptions, ConnectionOptions, TlsOptions};

use crate::connecting::connection_options;
use crate::error::DevserverError;

/// TLS at the server's door. All files are PEM, all paths absolute.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// What the server shows; it has to name 127.0.0.1.
    pub certificate: PathBuf,
    /// The key of `certificate`.
    pub key: PathBuf,
    /// Who signed `certificate`.
    pub authority: PathBuf,
    /// Certificates that clients have to show. `None`: they need none.
    pub clients: Option<ClientCertificates>,
}

/// Which clients the server lets in.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Who has to have signed the certificate of a client.
    pub authority: PathBuf,
    /// What we and the UI show.
    pub certificate: PathBuf,
    /// The key of `certificate`.
    pub key: PathBuf,
}

/// Callers need a token (`Authorization: Bearer`, which is how an API key travels): a JWT whose `permissions` name
/// namespaces and roles, checked by Temporal's own authorizer.
#[derive(Clone)]
pub struct ServerTokens {
    /// A JSON Web Key Set, whose keys have signed the tokens; an absolute path.
    pub key_set: PathBuf,
    /// A token with the permission `temporal-system:admin`, for making the namespace ready. The UI has none.
    pub admin_token: String,
}

impl std::fmt::Debug for ServerTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ServerTokens").field("key_set", &self.key_set).finish_non_exhaustive()
    }
}

/// How closed a server is.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// `None`: anybody on this machine can read along.
    pub tls: Option<ServerTls>,
    /// `None`: whoever connects may do everything.
    pub tokens: Option<ServerTokens>,
}

impl Security {
    /// Whether the server's own parts need a door of their own, beside the one that is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.tls.is_some() || self.tokens.is_some()
    }

    /// What the section `global` of the server's configuration has on it.
    pub(crate) fn global_config(&self) -> Map<String, Value> {
        let mut global = Map::new();
        if let Some(tls) = &self.tls {
            let clients: Vec<_> = tls.clients.iter().map(|clients| &clients.authority).collect();
            let server = json!({
                "certFile": tls.certificate,
                "keyFile": tls.key,
                "requireClientAuth": !clients.is_empty(),
                "clientCaFiles": clients,
            });
            global.insert("tls".to_owned(), json!({ "frontend": { "server": server } }));
        }
        if let Some(tokens) = &self.tokens {
            let provider = json!({ "keySourceURIs": [format!("file://{}", tokens.key_set.display())] });
            let authorization =
                json!({ "authorizer": "default", "claimMapper": "default", "jwtKeyProvider": provider });
            global.insert("authorization".to_owned(), authorization);
        }
        global
    }

    /// What the section `tls` of the UI's configuration says.
    pub(crate) fn ui_config(&self) -> Value {
        let Some(tls) = &self.tls else { return json!({}) };
        let mut config = json!({ "caFile": tls.authority, "enableHostVerification": true, "serverName": "127.0.0.1" });
        if let (Some(clients), Some(config)) = (&tls.clients, config.as_object_mut()) {
            config.insert("certFile".to_owned(), json!(clients.certificate));
            config.insert("keyFile".to_owned(), json!(clients.key));
        }
        config
    }

    pub(crate) fn connection_options(&self, address: &str) -> Result<ConnectionOptions, DevserverError> {
        let read = |path: &PathBuf| fs::read(path).map_err(DevserverError::io("read", path));
        let mut options = match &self.tls {
            None => connection_options(address)?,
            Some(tls) => {
                let mut options = connection_options(&format!("https://{address}"))?;
                let identity = tls.clients.as_ref().map(|clients| {
                    let options = ClientTlsOptions::builder().client_cert(read(&clients.certificate)?);
                    Ok::<_, DevserverError>(options.client_private_key(read(&clients.key)?).build())
                });
                let trusted = TlsOptions::builder().server_root_ca_cert(read(&tls.authority)?);
                options.tls_options = Some(trusted.maybe_client_tls_options(identity.transpose()?).build());
                options
            }
        };
        options.api_key = self.tokens.as_ref().map(|tokens| tokens.admin_token.clone());
        Ok(options)
    }
}
