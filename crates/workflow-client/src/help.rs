//! What to do when Temporal cannot be reached: which variable of the SDK's configuration is missing or wrong.
//!
//! The SDK hands on what TLS and gRPC said, and only as text. Tests against a real server hold the words below to it
//! (`starter/tests/dev/temporal_tls.rs`).

/// What an error says, and what helps; the first that fits counts.
const HELP: [(&str, &str); 6] = [
    ("Frontend is not healthy", "Temporal is still starting: try again in a few seconds"),
    (
        "UnknownIssuer",
        "Temporal's certificate was signed by an authority that is not trusted here: name its file in \
         TEMPORAL_TLS_SERVER_CA_CERT_PATH, or `tls.server_ca_cert_path` of the profile",
    ),
    (
        "NotValidForName",
        "Temporal's certificate is for another name than the one that was asked for: give the certificate's name as \
         TEMPORAL_TLS_SERVER_NAME, or `tls.server_name` of the profile",
    ),
    (
        "InvalidContentType",
        "Temporal does not speak TLS there: correct TEMPORAL_ADDRESS, or set TEMPORAL_TLS=false if it is meant to be so",
    ),
    (
        "Request unauthorized",
        "Temporal does not accept this API key, or it has no rights in this namespace: correct TEMPORAL_API_KEY and \
         TEMPORAL_NAMESPACE, or `api_key` and `namespace` of the profile",
    ),
    // Whom a server does not want, it lets connect and then hangs up, without a word that gets as far as here.
    (
        "`get_system_info` call error",
        "Temporal hung up. If it wants a certificate of its clients, name its files in TEMPORAL_TLS_CLIENT_CERT_PATH and \
         TEMPORAL_TLS_CLIENT_KEY_PATH (`tls.client_cert_path` and `tls.client_key_path` of the profile); if it speaks \
         TLS and these settings do not, set TEMPORAL_TLS=true",
    ),
];

/// What helps against an error of the way to Temporal, if it is one that we know.
pub fn temporal_help(error: &str) -> Option<&'static str> {
    HELP.iter().find(|(said, _)| error.contains(said)).map(|(_, help)| *help)
}
