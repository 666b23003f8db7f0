//! The agent's key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use redact::Secret;
use rsa::PrivateKey;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use serde_json::json;

use crate::wire::PublicKey;

/// Length of the modulus in bits and in bytes: what the official agent makes.
const BITS: usize = 2048;
const BYTES: usize = BITS / 8;

/// An RSA key that belongs to one agent and dies with it.
#[derive(Clone)]
pub struct AgentKey(PrivateKey);

/// The key could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the agent's key could not be made: {}", self.0)
    }
}

impl std::error::Error for KeyError {}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentKey")
    }
}

impl AgentKey {
    /// A new key from the system's randomness. Takes a tenth of a second or so of processor time.
    pub fn generate() -> Result<Self, KeyError> {
        PrivateKey::new(&mut SysRng, BITS).map(Self).map_err(|error| KeyError(error.to_string()))
    }

    /// The half that the service gets.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey { exponent: STANDARD.encode(self.0.e_bytes()), modulus: STANDARD.encode(self.0.n_bytes()) }
    }

    /// The text of `.credentials_rsaparams`. .NET wants each number at its full length.
    pub(crate) fn file(&self) -> Result<Secret, KeyError> {
        let incomplete = || KeyError("it lacks a part".to_owned());
        let key = &self.0;
        let [p, q] = key.primes() else { return Err(incomplete()) };
        let full = |number: &rsa::BoxedUint| number_text(number, BYTES);
        let half = |number: &rsa::BoxedUint| number_text(number, BYTES / 2);
        let file = json!({
            "d": full(key.d()),
            "dp": half(key.dp().ok_or_else(incomplete)?),
            "dq": half(key.dq().ok_or_else(incomplete)?),
            "exponent": STANDARD.encode(key.e_bytes()),
            "inverseQ": half(&key.crt_coefficient().ok_or_else(incomplete)?),
            "modulus": full(key.n()),
            "p": half(p),
            "q": half(q),
        });
        Ok(Secret::new(file.to_string()))
    }
}

/// A number in base64, big-endian, with leading zeros up to `length` bytes.
fn number_text(number: &rsa::BoxedUint, length: usize) -> String {
    let bytes = number.to_be_bytes_trimmed_vartime();
    let mut padded = vec![0; length.saturating_sub(bytes.len())];
    padded.extend_from_slice(&bytes);
    STANDARD.encode(padded)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rsa::BoxedUint;
    use rsa::traits::PublicKeyParts as _;

    use super::{AgentKey, number_text};

    #[test]
    fn the_file_holds_the_whole_key_at_full_length() {
        let key = AgentKey::generate().expect("a key");
        let file = key.file().expect("a file");
        let numbers: BTreeMap<String, String> = serde_json::from_str(file.expose()).expect("JSON");
        let bytes = |name: &str| STANDARD.decode(&numbers[name]).expect("base64");
        for (name, length) in [
            ("d", 256),
            ("modulus", 256),
            ("p", 128),
            ("q", 128),
            ("dp", 128),
            ("dq", 128),
            ("inverseQ", 128),
        ] {
            assert_eq!(bytes(name).len(), length, "{name}");
        }
        assert_eq!(bytes("exponent"), [1, 0, 1]);

        let number = |name: &str| BoxedUint::from_be_slice_vartime(&bytes(name));
        let again = rsa::PrivateKey::from_components(
            number("modulus"),
            number("exponent"),
            number("d"),
            vec![number("p"), number("q")],
        )
        .expect("the numbers are one key");
        assert_eq!(STANDARD.encode(again.n_bytes()), key.public_key().modulus);
        assert!(!format!("{key:?}").contains(&numbers["d"]));
    }

    #[test]
    fn a_short_number_keeps_its_length() {
        let one = BoxedUint::from_be_slice_vartime(&[1]);
        assert_eq!(STANDARD.decode(number_text(&one, 4)).expect("base64"), [0, 0, 0, 1]);
    }
}
