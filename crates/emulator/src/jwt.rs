//! Tokens: signed by the emulator's key, and verified with anybody's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs1v15;
use rsa::pss;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Verifier as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{PrivateKey, PublicKey};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// The key that signs every token the emulator gives out.
pub struct SigningKey {
    key: PrivateKey,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    /// Wraps a key; its id is made from its modulus.
    pub fn new(key: PrivateKey) -> Self {
        use sha2::Digest as _;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(key.to_public_key().n_bytes())[..12]);
        Self { key, id }
    }

    /// The public half as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        let public = self.key.to_public_key();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(public.n_bytes()), "e": URL_SAFE_NO_PAD.encode(public.e_bytes()),
        })
    }

    /// A signed token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.id, "x5t": self.id});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signer = pkcs1v15::SigningKey::<Sha256>::new(self.key.clone());
        let signature = signer.sign_with_rng(&mut rand::rng(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The claims of a token of ours whose signature is right. Its times are the caller's to check.
    pub fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let token = Jwt::parse(token)?;
        token.is_signed_by(&self.key.to_public_key()).then_some(token.claims)
    }
}

/// A token taken apart, its signature not yet checked.
pub struct Jwt {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    /// Takes a token apart; `None` where it is none.
    pub fn parse(token: &str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()? {
            Value::Object(object) => Some(object),
            _ => None,
        };
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Whether `key` signed it, in the way its header says (RS256 or PS256, and nothing else).
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature = self.signature.as_slice();
        match self.header.get("alg").and_then(Value::as_str) {
            Some("RS256") => pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| {
                pkcs1v15::VerifyingKey::<Sha256>::new(key.clone())
                    .verify(self.signed.as_bytes(), &signature)
                    .is_ok()
            }),
            Some("PS256") => pss::Signature::try_from(signature).is_ok_and(|signature| {
                pss::VerifyingKey::<Sha256>::new(key.clone())
                    .verify(self.signed.as_bytes(), &signature)
                    .is_ok()
            }),
            _ => false,
        }
    }

    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// A claim that is a moment in seconds; some clients send it with a fraction.
    pub fn seconds(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seconds of this epoch fit, and only whole ones count"
        )]
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::{Jwt, SigningKey};
    use serde_json::json;

    #[test]
    fn a_token_is_ours_only_with_our_signature() {
        let key = || SigningKey::new(rsa::PrivateKey::new(&mut rand::rng(), 2048).expect("key"));
        let (ours, other) = (key(), key());
        let token = ours.sign(&json!({"sub": "me", "exp": 12.75}));
        assert_eq!(ours.verify(&token).expect("ours")["sub"], "me");
        assert!(other.verify(&token).is_none(), "signed by another key");
        let forged = token.replace('.', "A.");
        assert!(ours.verify(&forged).is_none(), "changed");
        assert_eq!(Jwt::parse(&token).expect("a token").seconds("exp"), Some(12));
    }
}
