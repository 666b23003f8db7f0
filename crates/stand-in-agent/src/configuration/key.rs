//! The agent's RSA key and its file, `.credentials_rsaparams`.

use std::fmt;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BoxedUint, PrivateKey};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::wire::models::PublicKey;

/// Length of a new key, as the official agent makes it.
const KEY_BITS: usize = 2048;

/// A private RSA key.
#[derive(Clone)]
pub(crate) struct AgentKey(PrivateKey);

impl fmt::Debug for AgentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AgentKey(…)")
    }
}

/// The file: the parameters of the key, base64, big-endian, of fixed length.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    d: String,
    #[serde(default)]
    dp: String,
    #[serde(default)]
    dq: String,
    exponent: String,
    #[serde(default)]
    inverse_q: String,
    modulus: String,
    p: String,
    q: String,
}

impl AgentKey {
    /// Makes a new key. Takes a noticeable part of a second.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let key = PrivateKey::new(&mut rand::rng(), KEY_BITS);
        key.map(Self).map_err(|error| anyhow!("no key could be made: {error}"))
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// It is not the official form, or not a key.
    pub(crate) fn from_file_text(text: &str) -> anyhow::Result<Self> {
        let parameters: Parameters =
            serde_json::from_str(text).context(".credentials_rsaparams is not what configure writes")?;
        let number = |base64: &str| -> anyhow::Result<BoxedUint> {
            let bytes = BASE64_STANDARD.decode(base64).context("a number of the key is not base64")?;
            Ok(BoxedUint::from_be_slice_vartime(&bytes))
        };
        let primes = vec![number(&parameters.p)?, number(&parameters.q)?];
        let (modulus, exponent) = (number(&parameters.modulus)?, number(&parameters.exponent)?);
        let key = PrivateKey::from_components(modulus, exponent, number(&parameters.d)?, primes);
        key.map(Self).map_err(|error| anyhow!(".credentials_rsaparams does not hold an RSA key: {error}"))
    }

    /// The file's text.
    ///
    /// # Errors
    /// The key is not one of two primes.
    pub(crate) fn to_file_text(&self) -> anyhow::Result<String> {
        let missing = || anyhow!("the key lacks its prime factors");
        let (whole, half) = (self.0.size(), self.0.size() / 2);
        let encode = |number: &BoxedUint, length| fixed(&number.to_be_bytes(), length);
        let primes = self.0.primes();
        let [p, q] = primes else { return Err(missing()) };
        let public = self.public_half();
        let parameters = Parameters {
            d: encode(self.0.d(), whole),
            dp: encode(self.0.dp().ok_or_else(missing)?, half),
            dq: encode(self.0.dq().ok_or_else(missing)?, half),
            exponent: public.exponent,
            inverse_q: encode(&self.0.crt_coefficient().ok_or_else(missing)?, half),
            modulus: public.modulus,
            p: encode(p, half),
            q: encode(q, half),
        };
        serde_json::to_string_pretty(&parameters).context("the key cannot be written down")
    }

    /// What the server is told.
    pub(crate) fn public_half(&self) -> PublicKey {
        let exponent = self.0.e().to_be_bytes();
        let leading = exponent.iter().take_while(|byte| **byte == 0).count();
        PublicKey {
            exponent: BASE64_STANDARD.encode(&exponent[leading..]),
            modulus: fixed(&self.0.n().to_be_bytes(), self.0.size()),
        }
    }

    /// RS256.
    ///
    /// # Errors
    /// The key is broken.
    pub(crate) fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let digest = Sha256::digest(message);
        self.0
            .sign(Pkcs1v15Sign::new::<Sha256>(), &digest)
            .map_err(|error| anyhow!("signing failed: {error}"))
    }

    /// RSA-OAEP with SHA-1.
    ///
    /// # Errors
    /// It was not encrypted to this key.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> anyhow::Result<Vec<u8>> {
        let plain = self.0.oaep_decrypt::<Sha1>(ciphertext);
        plain.map_err(|_| anyhow!("the session key was not encrypted to this agent's key"))
    }
}

/// Base64 of a big-endian number cut or filled with zeros in front to `length` bytes, as .NET wants it.
fn fixed(bytes: &[u8], length: usize) -> String {
    let significant = &bytes[bytes.len().saturating_sub(length)..];
    let mut number = vec![0; length - significant.len()];
    number.extend_from_slice(significant);
    BASE64_STANDARD.encode(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        let key = AgentKey::generate().unwrap();
        let text = key.to_file_text().unwrap();
        let read = AgentKey::from_file_text(&text).unwrap();
        assert_eq!(read.sign(b"x").unwrap(), key.sign(b"x").unwrap());
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["exponent"], "AQAB");
        for (name, bytes) in [("modulus", 256), ("d", 256), ("p", 128), ("dq", 128), ("inverseQ", 128)] {
            assert_eq!(BASE64_STANDARD.decode(file[name].as_str().unwrap()).unwrap().len(), bytes, "{name}");
        }
    }

    #[test]
    fn numbers_have_a_fixed_length() {
        assert_eq!(fixed(&[0, 0, 1, 2], 3), BASE64_STANDARD.encode([0, 1, 2]));
        assert_eq!(fixed(&[1], 2), BASE64_STANDARD.encode([0, 1]));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", AgentKey::generate().unwrap()), "AgentKey(…)");
    }
}
