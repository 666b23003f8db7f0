//! The session's secret: a key the server makes, and the message bodies it encrypts.

use aes::Aes256;
use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::Pkcs7};

use super::models::{AgentMessage, SessionKey};
use crate::configuration::key::AgentKey;

/// The AES-256 key of a session. Without one, bodies are plain text.
#[derive(Default)]
pub(crate) struct Cipher(Option<Vec<u8>>);

impl Cipher {
    /// The key the server sent: RSA-OAEP-SHA1 to the agent's public key, raw, or none.
    ///
    /// # Errors
    /// The key is encrypted, and not to ours.
    pub(crate) fn unlock(sent: Option<&SessionKey>, key: Option<&AgentKey>) -> anyhow::Result<Self> {
        let Some(sent) = sent.filter(|sent| !sent.value.is_empty()) else { return Ok(Self(None)) };
        let value = BASE64_STANDARD.decode(&sent.value).context("the session key is not base64")?;
        if !sent.encrypted {
            return Ok(Self(Some(value)));
        }
        let key = key.context("the session key is encrypted, but this agent has no key of its own")?;
        Ok(Self(Some(key.decrypt(&value)?)))
    }

    /// The JSON text of a message.
    ///
    /// # Errors
    /// The body does not decrypt with this session's key.
    pub(crate) fn open(&self, message: &AgentMessage) -> anyhow::Result<String> {
        let (Some(iv), Some(key)) = (message.iv.as_deref().filter(|iv| !iv.is_empty()), &self.0) else {
            return Ok(message.body.clone());
        };
        let iv = BASE64_STANDARD.decode(iv).context("the message's IV is not base64")?;
        let body = BASE64_STANDARD.decode(&message.body).context("the message's body is not base64")?;
        let cipher = cbc::Decryptor::<Aes256>::new_from_slices(key, &iv)
            .map_err(|_| anyhow!("the session key or the message's IV has the wrong length"))?;
        let plain = cipher
            .decrypt_padded_vec::<Pkcs7>(&body)
            .map_err(|_| anyhow!("the message does not decrypt with this session's key"))?;
        String::from_utf8(plain).context("the message is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use cbc::cipher::BlockModeEncrypt as _;

    use super::*;

    fn message(body: Vec<u8>, iv: Option<&[u8]>) -> AgentMessage {
        AgentMessage {
            message_id: 1,
            message_type: "x".into(),
            iv: iv.map(|iv| BASE64_STANDARD.encode(iv)),
            body: BASE64_STANDARD.encode(body),
        }
    }

    #[test]
    fn encrypted_body_opens_with_the_raw_key_only() {
        let (key, iv) = ([7; 32], [9; 16]);
        let body = cbc::Encryptor::<Aes256>::new_from_slices(&key, &iv)
            .unwrap()
            .encrypt_padded_vec::<Pkcs7>(b"{\"jobId\":1}");
        let raw = |key: [u8; 32]| SessionKey { encrypted: false, value: BASE64_STANDARD.encode(key) };
        let right = Cipher::unlock(Some(&raw(key)), None).unwrap();
        assert_eq!(right.open(&message(body.clone(), Some(&iv))).unwrap(), "{\"jobId\":1}");
        let wrong = Cipher::unlock(Some(&raw([8; 32])), None).unwrap();
        assert!(wrong.open(&message(body, Some(&iv))).is_err());
    }

    #[test]
    fn without_iv_the_body_is_the_text() {
        let mut plain = message(Vec::new(), None);
        plain.body = "{}".into();
        assert_eq!(Cipher::default().open(&plain).unwrap(), "{}");
    }

    #[test]
    fn an_encrypted_key_needs_ours() {
        let sent = SessionKey { encrypted: true, value: BASE64_STANDARD.encode([1; 256]) };
        assert!(Cipher::unlock(Some(&sent), None).is_err());
    }
}
