//! Where Azure is.

use serde::Deserialize;
use url::Url;

use crate::{Dialect, HttpError, Method, Pipeline, Request};

/// Version of the metadata document.
const METADATA_VERSION: &str = "2022-09-01";

/// One of Azure's clouds: its addresses and audiences. Nothing is built from a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Its name, as the Azure CLI calls it; for a custom one, the address of its Resource Manager.
    pub name: String,
    /// Where tokens come from.
    pub authority: Url,
    /// Resource Manager.
    pub resource_manager: Url,
    /// Whom Resource Manager's tokens are for.
    pub audience: String,
}

impl Cloud {
    /// A cloud by its name: `AzureCloud` (also for an empty one), `AzureUSGovernment`, `AzureChinaCloud`. `None` for
    /// any other, which may be the address of a Resource Manager: see [`Cloud::discover`].
    pub fn named(name: &str) -> Option<Self> {
        let (name, authority, resource_manager) = match name.to_ascii_lowercase().as_str() {
            "" | "azurecloud" => {
                ("AzureCloud", "https://login.microsoftonline.com", "https://management.azure.com")
            }
            "azureusgovernment" => (
                "AzureUSGovernment",
                "https://login.microsoftonline.us",
                "https://management.usgovcloudapi.net",
            ),
            "azurechinacloud" => {
                ("AzureChinaCloud", "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn")
            }
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            authority: authority.parse().ok()?,
            resource_manager: resource_manager.parse().ok()?,
            audience: resource_manager.to_owned(),
        })
    }

    /// The cloud that `name_or_address` names: one of the known, or one whose Resource Manager is at that address and
    /// is asked for the rest.
    pub async fn discover(pipeline: &Pipeline, name_or_address: &str) -> Result<Self, HttpError> {
        if let Some(known) = Self::named(name_or_address) {
            return Ok(known);
        }
        let unusable = |detail: &str| HttpError::Settings {
            what: format!("the cloud {name_or_address:?}"),
            detail: detail.to_owned(),
        };
        let resource_manager =
            Url::parse(name_or_address).ok().filter(|url| url.scheme() == "https").ok_or_else(|| {
                unusable(
                    "known are AzureCloud, AzureUSGovernment, AzureChinaCloud, and the https:// address of a \
                     Resource Manager",
                )
            })?;
        let address =
            resource_manager.join("/metadata/endpoints").map_err(|error| unusable(&error.to_string()))?;
        let request = Request::new(Method::Get, address, Dialect::ResourceManager)
            .query("api-version", METADATA_VERSION);
        let metadata: OneOrMany = pipeline.send(request).await?.json()?;
        let Authentication { login_endpoint, audiences } = metadata.first().authentication;
        let authority = login_endpoint.parse().map_err(|_| unusable("its login endpoint is no address"))?;
        let audience = audiences.into_iter().next().ok_or_else(|| unusable("it names no audience"))?;
        Ok(Self { name: name_or_address.to_owned(), authority, resource_manager, audience })
    }

    /// The scope of Resource Manager's tokens.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.audience.trim_end_matches('/'))
    }

    /// The authority without a slash at its end.
    pub(crate) fn authority_text(&self) -> String {
        self.authority.as_str().trim_end_matches('/').to_owned()
    }
}

/// One object, in older versions a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Metadata),
    Many([Metadata; 1]),
}

impl OneOrMany {
    fn first(self) -> Metadata {
        match self {
            Self::One(metadata) | Self::Many([metadata]) => metadata,
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    authentication: Authentication,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    login_endpoint: String,
    audiences: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::Cloud;

    #[test]
    fn defect_03_no_name_means_the_public_cloud() {
        let public = Cloud::named("").expect("known");
        assert_eq!(public.name, "AzureCloud");
        assert_eq!(public.scope(), "https://management.azure.com/.default");
        assert_eq!(Cloud::named("azureCLOUD"), Some(public));
        assert_eq!(Cloud::named("AzureCloude"), None);
    }

    #[test]
    fn sovereign_clouds_have_their_own_addresses() {
        for (name, authority) in [
            ("AzureUSGovernment", "https://login.microsoftonline.us"),
            ("AzureChinaCloud", "https://login.chinacloudapi.cn"),
        ] {
            assert_eq!(Cloud::named(name).expect("known").authority_text(), authority);
        }
    }
}
