//! Certificates and tokens for a Temporal server with TLS, made by `openssl` in a folder: nothing of it is checked in.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The id of the key that signs tokens.
const KEY_ID: &str = "evercal-test";

/// An authority, and what it has signed.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes an authority of its own in a new folder `name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let authority = Self { folder };
        let subject = format!("/CN=evercal {name}");
        let extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
        authority.request(&["-x509", "-subj", &subject, "-keyout", "ca.key", "-out", "ca.pem"], &extensions);
        authority
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A new certificate with the alternative name `name`, and its key.
    pub fn sign(&self, file: &str, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (format!("{file}.pem"), format!("{file}.key"));
        let subject = format!("/CN={file}");
        let name = format!("subjectAltName={name}");
        let signed = ["-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", &subject];
        let files = ["-keyout", &key, "-out", &certificate];
        self.request(&[signed.as_slice(), &files].concat(), &["basicConstraints=critical,CA:FALSE", &name]);
        (self.folder.join(certificate), self.folder.join(key))
    }

    fn request(&self, arguments: &[&str], extensions: &[&str]) {
        let mut all = vec!["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        all.extend(arguments);
        all.extend(extensions.iter().flat_map(|extension| ["-addext", extension]));
        openssl(&self.folder, &all);
    }
}

/// Who signs tokens.
pub struct TokenSigner {
    folder: PathBuf,
}

impl TokenSigner {
    /// Makes a key and its key set in a new folder `name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        openssl(&folder, &["genrsa", "-out", "token.key", "2048"]);
        let modulus = openssl(&folder, &["rsa", "-in", "token.key", "-noout", "-modulus"]);
        let modulus = String::from_utf8(modulus).unwrap();
        let modulus = URL_SAFE_NO_PAD.encode(bytes(modulus.trim().trim_start_matches("Modulus=")));
        // AQAB is 65537, which is what openssl takes.
        let key = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": modulus, "e": "AQAB"});
        std::fs::write(folder.join("jwks.json"), json!({"keys": [key]}).to_string()).unwrap();
        Self { folder }
    }

    /// The file that verifies the tokens.
    pub fn key_set(&self) -> PathBuf {
        self.folder.join("jwks.json")
    }

    /// A token with permissions such as `default:write`.
    pub fn token(&self, permissions: &[&str]) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(&json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID}));
        let body = part(&json!({"sub": "evercal", "permissions": permissions}));
        let signed = format!("{head}.{body}");
        std::fs::write(self.folder.join("signed"), &signed).unwrap();
        let signature = openssl(&self.folder, &["dgst", "-sha256", "-sign", "token.key", "signed"]);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
