//! As whom, and where: Azure and Azure DevOps.

use std::path::{Path, PathBuf};

use redact::Secret;

use super::environment::Environment;
use super::layers::undefined_macro;
use super::{Azure, AzureCredential, Cloud, DevOps, DevOpsCredential, Problems, checks};
use crate::arguments::{AzureArguments, DevOpsArguments, Global};
use crate::errors::Failure;

/// Azure alone.
pub(crate) fn azure(
    global: &Global,
    arguments: &AzureArguments,
    environment: &Environment,
) -> Result<Azure, Failure> {
    let mut problems = Problems::default();
    let azure = read_azure(global, arguments, environment, &mut problems);
    problems.unless(azure)
}

/// Azure and Azure DevOps.
pub(crate) fn azure_and_devops(
    global: &Global,
    arguments: (&AzureArguments, &DevOpsArguments),
    environment: &Environment,
) -> Result<(Azure, DevOps), Failure> {
    let mut problems = Problems::default();
    let azure = read_azure(global, arguments.0, environment, &mut problems);
    let devops = read_devops(arguments.1, environment, &mut problems);
    problems.unless(azure.zip(devops))
}

pub(super) fn read_azure(
    global: &Global,
    arguments: &AzureArguments,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Azure> {
    let access = read_access(global, arguments.azure_identity.as_deref(), environment, problems);
    let subscription = problems.require("subscription", arguments.subscription.clone());
    let subscription = subscription.and_then(|id| problems.check("subscription", checks::subscription(id)));
    let group = problems.require("resource-group", arguments.resource_group.clone());
    let group = group.and_then(|name| problems.check("resource-group", checks::resource_group(name)));
    Some(Azure { subscription: subscription?, resource_group: group?, ..access? })
}

/// How to reach Azure, and as whom; no subscription and no resource group.
pub(super) fn read_access(
    global: &Global,
    identity: Option<&str>,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Azure> {
    let cloud = match &global.cloud {
        Some(text) => problems.check("cloud", checks::cloud(text)),
        None => Some(Cloud::Public),
    };
    let extra_ca = certificates("ca-file", global.ca_file.as_deref(), problems);
    let credential = credential(identity, environment, problems);
    Some(Azure {
        cloud: cloud?,
        extra_ca: extra_ca?,
        ca_file: global.ca_file.clone(),
        credential: credential?,
        subscription: String::new(),
        resource_group: String::new(),
    })
}

pub(super) fn read_devops(
    arguments: &DevOpsArguments,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<DevOps> {
    let organization = problems.require("organization-url", arguments.organization.as_deref());
    let organization =
        organization.and_then(|url| problems.check("organization-url", checks::organization(url)));
    let credential = match (&arguments.token_file, environment.credentials()) {
        (_, Some(given)) => Some(given.devops.clone()),
        (Some(path), None) => secret_file("token-file", path, problems).map(devops_token),
        (None, None) => Some(devops_credential(environment, problems)),
    };
    Some(DevOps { organization: organization?, credential: credential? })
}

/// A JSON Web Token is a bearer, anything else a personal access token.
pub(crate) fn devops_token(token: Secret) -> DevOpsCredential {
    if token.expose().starts_with("eyJ") {
        DevOpsCredential::Bearer(token)
    } else {
        DevOpsCredential::PersonalAccessToken(token)
    }
}

/// The token that was set for us first, the job's own second, nobody else's third.
fn devops_credential(environment: &Environment, problems: &mut Problems) -> DevOpsCredential {
    let own = secret_variable("AZURE_DEVOPS_EXT_PAT", environment, problems);
    match (own, environment.secret("SYSTEM_ACCESSTOKEN")) {
        (Some(token), _) => DevOpsCredential::PersonalAccessToken(token),
        (None, Some(token)) => DevOpsCredential::Bearer(token),
        (None, None) => DevOpsCredential::SameAsAzure,
    }
}

/// A secret of the environment, unless it is a pipeline's macro that nobody defined: sent as a password, it would only
/// be refused.
pub(super) fn secret_variable(
    name: &str,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Secret> {
    if let Some(problem) = environment.get(name).and_then(|value| undefined_macro(name, value)) {
        problems.0.push(problem);
        return None;
    }
    environment.secret(name)
}

/// As whom to ask Azure: what was chosen, what the environment holds, or the Azure CLI.
fn credential(
    chosen: Option<&str>,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<AzureCredential> {
    if let Some(given) = environment.credentials() {
        return Some(given.azure.clone());
    }
    if let Some(id) = chosen {
        let own = id.eq_ignore_ascii_case("system");
        return Some(AzureCredential::ManagedIdentity((!own).then(|| id.to_owned())));
    }
    let secret = secret_variable("AZURE_CLIENT_SECRET", environment, problems);
    let certificate = environment.get("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from);
    let federated = environment.get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
    if secret.is_none() && certificate.is_none() && federated.is_none() {
        return Some(AzureCredential::AzureCli);
    }
    let mut variable = |name: &str| {
        let value = environment.get(name).map(str::to_owned);
        if value.is_none() {
            problems.add(
                name,
                "is missing, although a credential of a service principal is set",
                "set it too",
            );
        }
        value
    };
    let (tenant, client) = (variable("AZURE_TENANT_ID"), variable("AZURE_CLIENT_ID"));
    let (tenant, client) = (tenant?, client?);
    if let Some(secret) = secret {
        return Some(AzureCredential::ClientSecret { tenant, client, secret });
    }
    if let Some(path) = certificate {
        let pem = secret_file("AZURE_CLIENT_CERTIFICATE_PATH", &path, problems)?;
        return Some(AzureCredential::ClientCertificate { tenant, client, pem });
    }
    federated.map(|token_file| AzureCredential::Federated { tenant, client, token_file })
}

/// A file of certificates, where one is named. `None`: a problem was noted.
#[expect(clippy::option_option, reason = "outer: checked or not; inner: given or not")]
pub(super) fn certificates(
    option: &str,
    path: Option<&Path>,
    problems: &mut Problems,
) -> Option<Option<Vec<u8>>> {
    let Some(path) = path else { return Some(None) };
    match std::fs::read(path) {
        Ok(pem) if String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") => Some(Some(pem)),
        Ok(_) => {
            problems.add(
                option,
                format!("is {}, which holds no certificate in PEM", path.display()),
                "give a PEM file",
            );
            None
        }
        Err(error) => {
            problems.add(
                option,
                format!("is {}, which cannot be read: {error}", path.display()),
                "correct the path",
            );
            None
        }
    }
}

/// A file that holds a secret.
pub(super) fn secret_file(option: &str, path: &Path, problems: &mut Problems) -> Option<Secret> {
    let read = std::fs::read_to_string(path);
    let what = match read {
        Ok(text) if !text.trim().is_empty() => return Some(Secret::new(text)),
        Ok(_) => format!("is {}, which is empty", path.display()),
        Err(error) => format!("is {}, which cannot be read: {error}", path.display()),
    };
    problems.add(option, what, "correct the path, or the file's permissions");
    None
}

#[cfg(test)]
mod tests {
    use super::{credential, devops_credential};
    use crate::settings::environment::Environment;
    use crate::settings::{AzureCredential, DevOpsCredential, Problems};

    fn read(chosen: Option<&str>, environment: &Environment) -> (&'static str, Vec<String>) {
        let mut problems = Problems::default();
        let kind = match credential(chosen, environment, &mut problems) {
            Some(AzureCredential::ClientSecret { .. }) => "secret",
            Some(AzureCredential::ClientCertificate { .. }) => "certificate",
            Some(AzureCredential::Federated { .. }) => "federated",
            Some(AzureCredential::ServiceConnection { .. }) => "service connection",
            Some(AzureCredential::ManagedIdentity(_)) => "identity",
            Some(AzureCredential::AzureCli) => "cli",
            None => "none",
        };
        (kind, problems.0.into_iter().map(|problem| problem.setting).collect())
    }

    #[test]
    fn azure_credentials() {
        let who = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        let with = |name| Environment::from([who[0], who[1], (name, "Cargo.toml")]);
        assert_eq!(read(None, &with("AZURE_CLIENT_SECRET")), ("secret", vec![]));
        assert_eq!(read(None, &with("AZURE_CLIENT_CERTIFICATE_PATH")), ("certificate", vec![]));
        assert_eq!(read(None, &with("AZURE_FEDERATED_TOKEN_FILE")), ("federated", vec![]));
        assert_eq!(read(None, &Environment::from(who)), ("cli", vec![]));
        assert_eq!(read(Some("system"), &with("AZURE_CLIENT_SECRET")), ("identity", vec![]));
        let half = Environment::from([("AZURE_CLIENT_SECRET", "s")]);
        assert_eq!(
            read(None, &half),
            ("none", vec!["AZURE_TENANT_ID".to_owned(), "AZURE_CLIENT_ID".to_owned()])
        );
    }

    #[test]
    fn a_secret_that_the_pipeline_does_not_define_is_said_to_be_missing() {
        let mut problems = Problems::default();
        let environment = Environment::from([("AZURE_DEVOPS_EXT_PAT", "$(devOpsToken)")]);
        assert!(devops_credential(&environment, &mut problems) == DevOpsCredential::SameAsAzure);
        assert_eq!(problems.0.len(), 1);
        assert!(problems.0[0].remedy.contains("define devOpsToken"), "{:?}", problems.0);
    }

    #[test]
    fn a_token_that_was_set_for_us_wins_over_the_jobs_own() {
        let both = Environment::from([("AZURE_DEVOPS_EXT_PAT", "pat"), ("SYSTEM_ACCESSTOKEN", "job")]);
        let devops_credential =
            |environment: &Environment| devops_credential(environment, &mut Problems::default());
        assert!(devops_credential(&both) == DevOpsCredential::PersonalAccessToken("pat".into()));
        let job = Environment::from([("SYSTEM_ACCESSTOKEN", "job")]);
        assert!(devops_credential(&job) == DevOpsCredential::Bearer("job".into()));
        assert!(devops_credential(&Environment::default()) == DevOpsCredential::SameAsAzure);
    }
}
