//! What Entra ID's error numbers mean.

use std::fmt;

/// Why Entra ID gave no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraError {
    /// Its number: the digits after `AADSTS`.
    pub number: Option<u32>,
    /// Its own first sentence.
    pub message: String,
}

impl EntraError {
    /// From the fields of the token endpoint's answer. The description repeats the number, and goes on with trace ids
    /// that help nobody but Microsoft: the first line without the number is what a person needs.
    pub(crate) fn new(numbers: &[u32], error: &str, description: &str) -> Self {
        let line = description.lines().next().unwrap_or_default();
        let (prefix, rest) = line.split_once(':').unwrap_or(("", line));
        let in_text = prefix.strip_prefix("AADSTS").and_then(|digits| digits.parse().ok());
        let sentence = if in_text.is_some() { rest } else { line };
        let sentence = sentence.split(" Trace ID:").next().unwrap_or_default().trim();
        let message = if sentence.is_empty() { error } else { sentence };
        Self { number: numbers.first().copied().or(in_text), message: message.to_owned() }
    }

    /// What it means and what to do, for the numbers people meet.
    pub fn remedy(&self) -> &'static str {
        match self.number {
            Some(7_000_215) => {
                "the client secret is wrong: copy the secret's value (not its id) from the app registration"
            }
            Some(7_000_222) => "the client secret has expired: make a new one in the app registration",
            Some(700_016) => {
                "no app registration has this client id in this tenant: check the client id and the tenant id"
            }
            Some(90_002 | 900_023) => "there is no such tenant: check the tenant id",
            Some(700_024) => {
                "the signed assertion is not valid at this time: check this machine's clock, or fetch a new token"
            }
            Some(70_021 | 700_211..=700_213) => {
                "no federated credential of the app registration matches this token: compare issuer, subject and \
                 audience with the token's"
            }
            Some(500_011) => "the resource is not known in this tenant: check the cloud and the audience",
            Some(700_027) => {
                "the certificate's signature is not accepted: check that this certificate is in the app \
                 registration and has not expired"
            }
            Some(53_003) => "a conditional access policy of the tenant blocks this sign-in",
            _ => "check tenant id, client id and the credential of the service principal",
        }
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "AADSTS{number}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EntraError;

    #[test]
    fn keeps_the_sentence_and_the_number() {
        let text =
            "AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2\r\nTimestamp: now";
        let error = EntraError::new(&[7_000_215], "invalid_client", text);
        assert_eq!(error.to_string(), "AADSTS7000215: Invalid client secret provided.");
        assert!(error.remedy().contains("client secret is wrong"));
        assert_eq!(EntraError::new(&[], "invalid_client", text).number, Some(7_000_215));
        assert_eq!(EntraError::new(&[], "unauthorized_client", "").to_string(), "unauthorized_client");
    }
}
