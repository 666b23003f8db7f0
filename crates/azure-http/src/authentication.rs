//! As whom a request is sent.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redact::Secret;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use crate::{Credential, HttpError};

/// As whom a request is sent.
#[derive(Clone)]
pub enum Auth {
    /// As nobody.
    None,
    /// With a personal access token. Azure DevOps ignores the user's part.
    Basic(Secret),
    /// With a user's name and password, as registries take them.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// With a token that is at hand: a pipeline's `System.AccessToken`.
    Bearer(Secret),
    /// With what the platform gave a Windows container to ask its own endpoint for tokens.
    ContainerHeader(Secret),
    /// With an Entra ID token for `scope`, fetched when it is needed and kept until shortly before it expires.
    Entra {
        /// Who asks for the token.
        credential: Credential,
        /// What it is good for, `{audience}/.default`.
        scope: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic(_) => "Basic",
            Self::Password { .. } => "Password",
            Self::Bearer(_) => "Bearer",
            Self::ContainerHeader(_) => "ContainerHeader",
            Self::Entra { .. } => "Entra",
        })
    }
}

/// What goes out on one try.
pub(crate) enum Token {
    Basic { user: String, password: Secret },
    Bearer(Secret),
    ContainerHeader(Secret),
}

impl Token {
    pub(crate) fn secret(&self) -> &Secret {
        match self {
            Self::Basic { password: secret, .. } | Self::Bearer(secret) | Self::ContainerHeader(secret) => {
                secret
            }
        }
    }

    /// The header that it goes out in, its value marked so that nothing below prints it.
    pub(crate) fn header(&self) -> Result<(HeaderName, HeaderValue), HttpError> {
        let (name, text) = match self {
            Self::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose());
                (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
            }
            Self::Bearer(secret) => (AUTHORIZATION, format!("Bearer {}", secret.expose())),
            Self::ContainerHeader(secret) => (HeaderName::from_static("secret"), secret.expose().to_owned()),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| HttpError::Settings {
            what: "the token".to_owned(),
            detail: "it holds characters that no token has, perhaps a line end in the middle".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

impl Auth {
    /// The token for one try; asks for a new one where that is needed.
    pub(crate) async fn token(&self) -> Result<Option<Token>, HttpError> {
        Ok(match self {
            Self::None => None,
            Self::Basic(secret) => Some(Token::Basic { user: String::new(), password: secret.clone() }),
            Self::Password { user, password } => {
                Some(Token::Basic { user: user.clone(), password: password.clone() })
            }
            Self::Bearer(secret) => Some(Token::Bearer(secret.clone())),
            Self::ContainerHeader(secret) => Some(Token::ContainerHeader(secret.clone())),
            Self::Entra { credential, scope } => Some(Token::Bearer(credential.token(scope).await?)),
        })
    }

    /// After a refusal of `token`: whether there may be a better one, which the next try will fetch. There may be where
    /// the token was fetched before `call_began`, for another call.
    pub(crate) async fn renew(&self, token: &Token, call_began: Instant) -> bool {
        match (self, token) {
            (Self::Entra { credential, scope }, Token::Bearer(refused)) => {
                credential.forget(scope, refused, call_began).await
            }
            _ => false,
        }
    }

    /// Credentials go over TLS, or stay on this machine.
    pub(crate) fn check_channel(&self, url: &Url) -> Result<(), HttpError> {
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // The platform itself names the address that a container's header goes to, on the same machine.
        let is_local = loopback || matches!(self, Self::None | Self::ContainerHeader(_));
        if is_local || url.scheme() == "https" {
            return Ok(());
        }
        Err(HttpError::Settings {
            what: format!("the address {}", crate::sanitize::url(url)),
            detail: "a token would travel unencrypted; the address has to begin with https://".to_owned(),
        })
    }
}
