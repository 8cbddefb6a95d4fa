//! The listener that speaks TLS, with a certificate of its own that is made at start: official clients send no token without
//! TLS. Whoever shall trust it is given the file of its authority.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::error::SimulatorError;
use super::net::{ConnectionHandle, ResettableStream};
use super::shared::Shared;

pub(crate) const CA_FILE: &str = "ca.pem";
/// How long a client may take to agree on a cipher.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that wait to be served.
const WAITING_MAX: usize = 64;

/// What is needed to speak TLS.
pub(crate) struct Certified {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate, in PEM.
    pub(crate) ca_path: PathBuf,
}

/// Makes an authority, and a certificate of this machine. The file of the former lies in the data folder, else with temporary
/// files under a name of its own.
pub(crate) fn certify(address: SocketAddr, data_dir: Option<&Path>) -> Result<Certified, SimulatorError> {
    let failed = |error: rcgen::Error| SimulatorError::Certificate(error.to_string());
    let mut authority = CertificateParams::new(Vec::new()).map_err(failed)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "evercal simulator");
    let authority_key = KeyPair::generate().map_err(failed)?;
    let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;
    let issuer = Issuer::new(authority, authority_key);
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let key = KeyPair::generate().map_err(failed)?;
    let own = CertificateParams::new(names).map_err(failed)?.signed_by(&key, &issuer).map_err(failed)?;
    let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // An error means that a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], private_key)
        .map_err(|error| SimulatorError::Certificate(error.to_string()))?;
    let ca_path = match data_dir {
        Some(folder) => folder.join(CA_FILE),
        None => std::env::temp_dir().join(format!("evercal-simulator-{}-{CA_FILE}", address.port())),
    };
    std::fs::write(&ca_path, authority_certificate.pem())
        .map_err(|error| SimulatorError::Certificate(format!("{}: {error}", ca_path.display())))?;
    Ok(Certified { acceptor: TlsAcceptor::from(Arc::new(config)), ca_path })
}

/// Connections that have agreed on a cipher.
pub(crate) struct TlsListener {
    address: SocketAddr,
    agreed: mpsc::Receiver<(ResettableStream, SocketAddr)>,
}

impl TlsListener {
    pub(crate) fn new<P: Send + 'static>(
        listener: TcpListener,
        address: SocketAddr,
        acceptor: TlsAcceptor,
        shared: Arc<Shared<P>>,
    ) -> Self {
        let (sender, agreed) = mpsc::channel(WAITING_MAX);
        let accepting = Arc::clone(&shared);
        drop(shared.tasks.spawn("listener of TLS", async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = accepting.shutdown.cancelled() => return,
                };
                // What fails here fails for one client.
                let Ok((stream, from)) = accepted else { continue };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                drop(accepting.tasks.spawn("handshake of TLS", async move {
                    let agreed = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = agreed {
                        // Nobody listens any more when it ends.
                        drop(sender.send((ResettableStream::encrypted(stream), from)).await);
                    }
                }));
            }
        }));
        Self { address, agreed }
    }
}

impl Listener for TlsListener {
    type Io = ResettableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.agreed.recv().await {
            Some(agreed) => agreed,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.io().handle()
    }
}
