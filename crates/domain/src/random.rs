//! Unguessable values: API keys, OAuth state, PKCE verifiers, nonces. Not for simulation or jitter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The operating system gave no randomness; nothing secret can be made.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random source failed: {0}")]
pub struct RandomnessUnavailable(getrandom::Error);

/// Fills an array from the operating system's random source.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomnessUnavailable> {
    let mut out = [0_u8; N];
    getrandom::fill(&mut out).map_err(RandomnessUnavailable)?;
    Ok(out)
}

/// 32 random bytes as 43 characters of URL-safe base64: 256 bits, fit for a header, a URL or a PKCE verifier
/// (RFC 7636 section 4.1 asks for 43 to 128 characters of this alphabet).
pub fn token() -> Result<String, RandomnessUnavailable> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}
