//! Checks of single values, each a function from text to a value or to what is wrong with it.

use std::net::IpAddr;

use lifecycle::AgentName;
use url::Url;

use super::{Cloud, Identity, Size};

/// Why a value cannot be used, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Continues the option's name.
    pub(super) what: String,
    /// What to do.
    pub(super) remedy: String,
}

fn refused<T>(what: impl Into<String>, remedy: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { what: what.into(), remedy: remedy.into() })
}

/// A cloud's name, or the URL of a Resource Manager.
pub(super) fn cloud(text: &str) -> Result<Cloud, Refused> {
    match text.to_lowercase().as_str() {
        "azurecloud" => return Ok(Cloud::Public),
        "azureusgovernment" => return Ok(Cloud::UsGovernment),
        "azurechinacloud" => return Ok(Cloud::China),
        _ => {}
    }
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => Ok(Cloud::Custom(text.trim_end_matches('/').to_owned())),
        _ => refused(
            format!("is {text:?}, which is no cloud"),
            "give AzureCloud, AzureUSGovernment, AzureChinaCloud, or the https URL of a Resource Manager",
        ),
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && groups == [8, 4, 4, 4, 12]
}

/// A Log Analytics workspace's id.
pub(super) fn workspace(text: String) -> Result<String, Refused> {
    if is_guid(&text) {
        return Ok(text);
    }
    refused(
        format!("is {text:?}, which is no id of a workspace"),
        "give its workspace id, not its name or resource id; `az monitor log-analytics workspace show --query customerId` \
         prints it",
    )
}

/// A subscription's id.
pub(super) fn subscription(text: String) -> Result<String, Refused> {
    if is_guid(&text) {
        Ok(text)
    } else {
        refused(
            format!("is {text:?}, which is no id of a subscription"),
            "give its id, not its name; `az account show --query id` prints it",
        )
    }
}

/// A resource group's name.
pub(super) fn resource_group(text: String) -> Result<String, Refused> {
    let allowed = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    if !text.is_empty() && text.chars().count() <= 90 && text.chars().all(allowed) && !text.ends_with('.') {
        Ok(text)
    } else {
        refused(
            format!("is {text:?}, which is no name of a resource group"),
            "give a name of at most 90 letters, digits and - _ . ( )",
        )
    }
}

/// A service principal's object id.
pub(super) fn object_id(text: String) -> Result<String, Refused> {
    if is_guid(&text) {
        return Ok(text);
    }
    refused(
        format!("is {text:?}, which is no object id"),
        "give the object id of the service principal, not its name; \
         `az ad sp show --id <client id> --query id` prints it",
    )
}

/// The name of a storage account: small letters and digits, 3 to 24.
pub(super) fn storage_account(text: String) -> Result<String, Refused> {
    let fits =
        (3..=24).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if fits {
        return Ok(text);
    }
    refused(
        format!("is {text:?}, which is no name of a storage account"),
        "give 3 to 24 lower-case letters and digits",
    )
}

/// The name of a container registry: letters and digits, 5 to 50.
pub(super) fn registry_name(text: String) -> Result<String, Refused> {
    if (5..=50).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(text);
    }
    refused(format!("is {text:?}, which is no name of a registry"), "give 5 to 50 letters and digits")
}

/// The name of a container for blobs.
pub(super) fn blob_container(text: String) -> Result<String, Refused> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    if (3..=63).contains(&text.len()) && text.chars().all(allowed) && !ends {
        return Ok(text);
    }
    refused(
        format!("is {text:?}, which is no name of a container for blobs"),
        "give 3 to 63 lower-case letters, digits and single hyphens between them",
    )
}

/// The name of a network or a subnet.
pub(super) fn network_name(text: String) -> Result<String, Refused> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let ends = text.chars().last().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if (2..=64).contains(&text.len()) && text.chars().all(allowed) && begins && ends {
        return Ok(text);
    }
    refused(
        format!("is {text:?}, which is no name of a network or subnet"),
        "give 2 to 64 letters, digits and - _ . that begin with a letter or digit",
    )
}

/// The first two numbers of a private range of 65,536 addresses, such as `10.10.0.0/16`.
pub(super) fn address_space(text: &str) -> Result<(u8, u8), Refused> {
    let address = text.strip_suffix("/16").and_then(|address| address.parse::<std::net::Ipv4Addr>().ok());
    match address.map(|address| (address.octets(), address.is_private())) {
        Some(([first, second, 0, 0], true)) => Ok((first, second)),
        _ => refused(
            format!("is {text:?}, which is no private range with /16"),
            "give one such as 10.10.0.0/16; the subnets are cut out of it",
        ),
    }
}

/// An organization's URL, without a slash at its end.
pub(super) fn organization(text: &str) -> Result<String, Refused> {
    let example = "give its URL, such as https://dev.azure.com/contoso";
    let Ok(url) = Url::parse(text) else {
        return refused(format!("is {text:?}, which is no URL"), example);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("has a user or a token in it", "take it out; tokens have their own variables");
    }
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return refused(format!("is {text:?}, which is no web address"), example);
    }
    let segments = url.path_segments().map_or(0, |parts| parts.filter(|part| !part.is_empty()).count());
    if url.host_str() == Some("dev.azure.com") && segments != 1 {
        return refused(
            format!(
                "is {text:?}, which names {}",
                if segments == 0 { "no organization" } else { "more than an organization" }
            ),
            example,
        );
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// What an agent's name begins with: `^[a-z][a-z0-9]*$`, and room for the rest of the name.
pub(super) fn prefix(text: String, run: Option<u64>) -> Result<String, Refused> {
    let mut letters = text.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_lowercase());
    if !first || !letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return refused(
            format!("is {text:?}"),
            "give a lower-case letter, then lower-case letters and digits only",
        );
    }
    match AgentName::mint(&text, run, lifecycle::Timestamp(0), 0) {
        Ok(_) => Ok(text),
        Err(why) => refused(format!("makes names that cannot be used: {why}"), "give a shorter one"),
    }
}

/// An agent's name.
pub(super) fn name(text: &str) -> Result<AgentName, Refused> {
    AgentName::new(text).or_else(|why| {
        refused(
            format!("is {text:?}, which cannot be used: {why}"),
            "give another name, or none to have one minted",
        )
    })
}

/// A region, as Resource Manager writes it: `West Europe` is `westeurope`.
pub(super) fn location(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// A number of agents: a subscription may have 100 container groups in a region unless it asked for more.
pub(super) fn count(number: u32) -> Result<u32, Refused> {
    if (1..=100).contains(&number) {
        Ok(number)
    } else {
        refused(format!("is {number}"), "give at least 1 and at most 100")
    }
}

/// Cores: more than none, and at most what the service's largest group has.
pub(super) fn cpu(cores: f64) -> Result<f64, Refused> {
    if cores > 0.0 && cores <= 31.0 {
        Ok(cores)
    } else {
        refused(format!("is {cores}"), "give more than 0 and at most 31, the most a container group can have")
    }
}

/// Memory in GB: steps of 0.1, at most what the service's largest group has.
pub(super) fn memory(gigabytes: f64) -> Result<f64, Refused> {
    let tenths = gigabytes * 10.0;
    let whole = (tenths - tenths.round()).abs() < 1e-6;
    if gigabytes > 0.0 && gigabytes <= 240.0 && whole {
        Ok(tenths.round() / 10.0)
    } else {
        refused(
            format!("is {gigabytes}"),
            "give more than 0 and at most 240, in steps of 0.1, as the service counts it",
        )
    }
}

/// A size, written as cores:GB.
pub(super) fn size(text: &str) -> Result<Size, Refused> {
    let numbers = text.split_once(':').and_then(|(cores, gigabytes)| {
        Some((cores.trim().parse::<f64>().ok()?, gigabytes.trim().parse::<f64>().ok()?))
    });
    let Some((cores, gigabytes)) = numbers else {
        return refused(format!("is {text:?}"), "write it as cores:GB, such as 0.5:1.5");
    };
    let within = |part: &str, refusal: Refused| Refused {
        what: format!("is {text:?}, whose {part} {}", refusal.what),
        ..refusal
    };
    Ok(Size {
        cpu: cpu(cores).map_err(|refusal| within("core count", refusal))?,
        memory_gb: memory(gigabytes).map_err(|refusal| within("memory", refusal))?,
    })
}

/// A DNS server's address.
pub(super) fn dns_server(text: &str) -> Result<IpAddr, Refused> {
    text.trim().parse().or_else(|_| refused(format!("is {text:?}"), "give an IP address, such as 10.0.0.4"))
}

/// Resource id of a user-assigned identity.
pub(super) fn user_assigned(text: String) -> Result<String, Refused> {
    let lower = text.to_lowercase();
    if lower.starts_with("/subscriptions/")
        && lower.contains("/microsoft.managedidentity/userassignedidentities/")
    {
        Ok(text)
    } else {
        refused(
            format!("is {text:?}, which is no resource id of a user-assigned identity"),
            "give what `az identity show --query id` prints",
        )
    }
}

/// A managed identity of a container group.
pub(super) fn identity(text: String) -> Result<Identity, Refused> {
    if text.eq_ignore_ascii_case("system") {
        return Ok(Identity::SystemAssigned);
    }
    user_assigned(text).map(Identity::UserAssigned)
}

/// `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), Refused> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => refused(format!("has {text:?}"), "write it as name=value"),
    }
}

/// The name of a variable that a user may set in the container.
pub(super) fn variable(name: &str) -> Result<(), Refused> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 63 || !name.chars().all(allowed) {
        return refused(format!("has {name:?}"), "use at most 63 letters, digits and underscores");
    }
    if name.starts_with("AZP_") || name.starts_with("AZ_") {
        return refused(
            format!("has {name}, which is ours: the container is told its settings by it"),
            "use the option for it, or another name",
        );
    }
    Ok(())
}

/// A tag that a user may set: Resource Manager's rules, and none of ours.
pub(super) fn tag(name: &str, value: &str) -> Result<(), Refused> {
    let ours = ["managed-by", "created-at", "expires-at"];
    let lower = name.to_lowercase();
    if ours.contains(&lower.as_str()) || lower.starts_with("ephemeral-agents") {
        return refused(format!("has {name:?}, by which we know what is ours"), "use another name");
    }
    if name.len() > 512 || value.len() > 256 || name.contains(['<', '>', '%', '&', '\\', '?', '/']) {
        return refused(
            format!("has {name:?}, which Azure does not take"),
            "use a name of at most 512 characters without < > % & \\ ? / and a value of at most 256",
        );
    }
    Ok(())
}

/// The full name of an image: as it is where it names its registry, else within `registry`.
pub(super) fn image(image: &str, registry: Option<&str>) -> Result<String, Refused> {
    if image.is_empty() || image.chars().any(char::is_whitespace) || image.contains("://") {
        return refused(format!("is {image:?}"), "give it as registry/name:tag, without a scheme");
    }
    super::image::check(image, registry_of(image))?;
    match (registry, registry_of(image)) {
        (None, _) => Ok(image.to_owned()),
        (Some(server), None) => Ok(format!("{server}/{image}")),
        (Some(server), Some(other)) if server.eq_ignore_ascii_case(other) => Ok(image.to_owned()),
        (Some(server), Some(other)) => refused(
            format!("is in the registry {other}, and --registry is {server}"),
            "make them the same, or leave the registry out of one",
        ),
    }
}

/// Name of a virtual network, or of a subnet in one. A resource id is what `az` prints, so it is often given instead.
pub(super) fn network_part(text: &str) -> Result<String, Refused> {
    let parts: Vec<&str> = text.trim_matches('/').split('/').collect();
    if let ["subscriptions", subscription, _, group, "providers", _, "virtualNetworks", network, rest @ ..] =
        parts.as_slice()
    {
        let subnet = rest.get(1).unwrap_or(&"<subnet>");
        return refused(
            format!("is a resource id, in the subscription {subscription}; a name is wanted"),
            format!(
                "give --vnet-resource-group {group} --vnet-name {network} --subnet-name {subnet}; a container group \
                 joins networks of its own --subscription only"
            ),
        );
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > 80 || !text.chars().all(allowed) {
        return refused(format!("is {text:?}"), "give a name of at most 80 letters, digits and - _ .");
    }
    Ok(text.to_owned())
}

/// A registry's server: the host of the URL that connections of Azure Pipelines carry.
pub(super) fn registry_server(text: &str) -> String {
    let text = text.trim_start_matches("https://").trim_start_matches("http://");
    text.trim_end_matches('/').to_owned()
}

/// The registry that an image's name begins with: its first part, where that can only be a host.
pub(super) fn registry_of(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds() {
        assert_eq!(cloud("azureusgovernment"), Ok(Cloud::UsGovernment));
        assert_eq!(cloud("https://localhost:8443/"), Ok(Cloud::Custom("https://localhost:8443".to_owned())));
        for text in ["AzureCloudd", "http://plain.example", ""] {
            assert!(cloud(text).is_err(), "{text}");
        }
    }

    #[test]
    fn organizations() {
        let fine = [
            ("https://dev.azure.com/contoso/", "https://dev.azure.com/contoso"),
            ("https://contoso.visualstudio.com", "https://contoso.visualstudio.com"),
            (
                "https://tfs.corp.example:8080/tfs/DefaultCollection",
                "https://tfs.corp.example:8080/tfs/DefaultCollection",
            ),
        ];
        for (text, expected) in fine {
            assert_eq!(organization(text), Ok(expected.to_owned()));
        }
        for text in ["contoso", "https://dev.azure.com", "https://dev.azure.com/contoso/project", "ftp://x/y"]
        {
            assert!(organization(text).is_err(), "{text}");
        }
        let with_token = organization("https://pat:hunter2@dev.azure.com/contoso").expect_err("refused");
        assert!(!format!("{with_token:?}").contains("hunter2"), "a token in the URL is not repeated");
    }

    #[test]
    fn prefixes_follow_the_original_pattern() {
        for text in ["a", "agent", "a1b2"] {
            assert!(prefix(text.to_owned(), Some(1)).is_ok(), "{text}");
        }
        for text in ["", "1a", "Agent", "a-b", "a_b"] {
            assert!(prefix(text.to_owned(), Some(1)).is_err(), "{text}");
        }
        assert!(prefix("a".repeat(40), Some(1)).is_ok());
        assert!(prefix("a".repeat(41), Some(1)).is_err(), "no room for the rest of the name");
    }

    #[test]
    fn images_and_registries() {
        let table = [
            ("contoso.azurecr.io/agent:1", None, Some("contoso.azurecr.io/agent:1")),
            ("agent:1", Some("contoso.azurecr.io"), Some("contoso.azurecr.io/agent:1")),
            ("team/agent:1", Some("contoso.azurecr.io"), Some("contoso.azurecr.io/team/agent:1")),
            ("Contoso.azurecr.io/agent", Some("contoso.azurecr.io"), Some("Contoso.azurecr.io/agent")),
            ("localhost:5000/agent", None, Some("localhost:5000/agent")),
            ("contoso.azurecr.io/Agent:1", None, None),
            ("agent@sha256:1", Some("contoso.azurecr.io"), None),
            ("fabrikam.azurecr.io/agent", Some("contoso.azurecr.io"), None),
            ("https://contoso.azurecr.io/agent", None, None),
            ("", None, None),
        ];
        for (name, registry, expected) in table {
            assert_eq!(image(name, registry).ok().as_deref(), expected, "{name} {registry:?}");
        }
        assert_eq!(registry_server("https://contoso.azurecr.io/"), "contoso.azurecr.io");
    }

    #[test]
    fn networks_are_named_not_identified() {
        assert_eq!(network_part("agents-1.a_b"), Ok("agents-1.a_b".to_owned()));
        for text in ["", "a b", "a/b", "a?b"] {
            assert!(network_part(text).is_err(), "{text}");
        }
        let id =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/agents";
        let Refused { what, remedy } = network_part(id).expect_err("an id");
        insta::assert_snapshot!(format!("{what}; {remedy}"), @"is a resource id, in the subscription s; a name is wanted; give --vnet-resource-group g --vnet-name v --subnet-name agents; a container group joins networks of its own --subscription only");
    }

    #[test]
    fn sizes() {
        assert_eq!(memory(1.5), Ok(1.5));
        assert_eq!(memory(0.3), Ok(0.3));
        for gigabytes in [0.0, -1.0, 1.25, 241.0, f64::NAN] {
            assert!(memory(gigabytes).is_err(), "{gigabytes}");
        }
        for cores in [0.0, 32.0, f64::NAN] {
            assert!(cpu(cores).is_err(), "{cores}");
        }
    }

    #[test]
    fn names_that_are_ours_cannot_be_set() {
        for name in ["AZP_TOKEN", "AZ_ACI_NAME", "", "A B", "A-B"] {
            assert!(variable(name).is_err(), "{name}");
        }
        assert_eq!(variable("AZURE_REGION"), Ok(()));
        for name in ["managed-by", "Expires-At", "ephemeral-agents-pool", "a/b"] {
            assert!(tag(name, "x").is_err(), "{name}");
        }
        assert_eq!(tag("cost center", "42"), Ok(()));
    }

    #[test]
    fn regions_and_subscriptions() {
        assert_eq!(location("West Europe"), "westeurope");
        assert!(subscription("00000000-1111-2222-3333-444444444444".to_owned()).is_ok());
        assert!(subscription("Production".to_owned()).is_err());
    }
}
