//! What a service connection needs, by its type and scheme: what the forms of the service ask, and what its tasks read.
//!
//! Names of parameters and data are those of the service's own form descriptions, as Microsoft's task libraries
//! (`azure-pipelines-tasks-azure-arm-rest`, `azure-pipelines-tasks-docker-common`) read them. Assumed: that the service
//! refuses what lacks one, in whatever words.

use super::NewConnection;

/// What one kind of connection needs.
struct Kind {
    kind: &'static str,
    /// Of which sort, where a type has several: what `registrytype` says.
    sort: Option<&'static str>,
    scheme: &'static str,
    parameters: &'static [&'static str],
}

const fn kind(
    kind: &'static str,
    sort: Option<&'static str>,
    scheme: &'static str,
    parameters: &'static [&'static str],
) -> Kind {
    Kind { kind, sort, scheme, parameters }
}

const KINDS: &[Kind] = &[
    kind("azurerm", None, "ServicePrincipal", &["tenantid", "serviceprincipalid"]),
    kind("azurerm", None, "WorkloadIdentityFederation", &["tenantid", "serviceprincipalid"]),
    kind("azurerm", None, "ManagedServiceIdentity", &["tenantid"]),
    kind(
        "dockerregistry",
        Some("ACR"),
        "ServicePrincipal",
        &["loginServer", "tenantId", "servicePrincipalId"],
    ),
    kind(
        "dockerregistry",
        Some("ACR"),
        "WorkloadIdentityFederation",
        &["loginServer", "tenantId", "servicePrincipalId"],
    ),
    kind("dockerregistry", Some("ACR"), "ManagedServiceIdentity", &["loginServer", "tenantId"]),
    kind("dockerregistry", Some("Others"), "UsernamePassword", &["registry", "username", "password"]),
    kind("dockerregistry", Some("DockerHub"), "UsernamePassword", &["registry", "username", "password"]),
    kind("generic", None, "UsernamePassword", &[]),
];

/// Azure's clouds, as `environment` names them, and where Resource Manager is in each.
const CLOUDS: &[(&str, &str)] = &[
    ("AzureCloud", "https://management.azure.com/"),
    ("AzureUSGovernment", "https://management.usgovcloudapi.net/"),
    ("AzureChinaCloud", "https://management.chinacloudapi.cn/"),
    ("AzureGermanCloud", "https://management.microsoftazure.de/"),
];

/// A cloud of somebody's own: Azure Stack, and the emulator.
const OWN_CLOUD: &str = "AzureStack";

/// Fills in what the service knows by itself, and refuses what lacks something.
pub(super) fn complete(mut new: NewConnection) -> Result<NewConnection, String> {
    let sort = new.data("registrytype").unwrap_or("Others").to_owned();
    let of_kind = |known: &&Kind| {
        known.kind.eq_ignore_ascii_case(&new.kind)
            && known.sort.is_none_or(|own| own.eq_ignore_ascii_case(&sort))
    };
    let found = KINDS.iter().filter(of_kind).find(|known| known.scheme.eq_ignore_ascii_case(&new.scheme));
    let Some(found) = found else {
        return Err(unknown(
            &new,
            &KINDS.iter().filter(of_kind).map(|known| known.scheme).collect::<Vec<_>>(),
        ));
    };
    for name in found.parameters {
        require(new.parameter(name), "parameters", name)?;
    }
    if found.scheme == "ServicePrincipal" {
        check_credential(&new)?;
    }
    if found.kind == "azurerm" {
        complete_azure(&mut new)?;
    }
    if found.kind == "dockerregistry" && new.url.is_empty() {
        let server = new.parameter("loginServer").map(|server| format!("https://{server}"));
        new.url = server.or_else(|| new.parameter("registry").map(str::to_owned)).unwrap_or_default();
    }
    // Tasks compare them letter by letter.
    found.kind.clone_into(&mut new.kind);
    found.scheme.clone_into(&mut new.scheme);
    Ok(new)
}

fn unknown(new: &NewConnection, schemes: &[&str]) -> String {
    if schemes.is_empty() {
        return format!(
            "type {:?} (of the registrytype {:?}) is not emulated: there are azurerm, dockerregistry (ACR, DockerHub, \
             Others) and generic",
            new.kind,
            new.data("registrytype").unwrap_or_default()
        );
    }
    format!(
        "scheme {:?} is none of a connection of this type, which may have {}",
        new.scheme,
        schemes.join(", ")
    )
}

fn require<'a>(value: Option<&'a str>, place: &str, name: &str) -> Result<&'a str, String> {
    value.ok_or_else(|| format!("{place}.{name} is missing"))
}

/// A service principal has a key or a certificate, as `authenticationType` says.
fn check_credential(new: &NewConnection) -> Result<(), String> {
    match new.parameter("authenticationType").unwrap_or("spnKey") {
        kind if kind.eq_ignore_ascii_case("spnKey") => {
            require(new.parameter("serviceprincipalkey"), "parameters", "serviceprincipalkey").map(drop)
        }
        kind if kind.eq_ignore_ascii_case("spnCertificate") => {
            let name = "servicePrincipalCertificate";
            let pem = require(new.parameter(name), "parameters", name)?;
            for part in ["CERTIFICATE", "PRIVATE KEY"] {
                if !pem.contains(&format!("{part}-----")) {
                    return Err(format!("parameters.{name} has no {part}: it is one PEM text with both"));
                }
            }
            Ok(())
        }
        other => {
            Err(format!("parameters.authenticationType is {other:?}, and must be spnKey or spnCertificate"))
        }
    }
}

fn complete_azure(new: &mut NewConnection) -> Result<(), String> {
    let cloud = new.data("environment").unwrap_or("AzureCloud").to_owned();
    if cloud.eq_ignore_ascii_case(OWN_CLOUD) {
        let url = new.data("environmentUrl").filter(|_| new.url.is_empty()).unwrap_or(&new.url).to_owned();
        require(Some(url.as_str()).filter(|url| !url.is_empty()), "data", "environmentUrl")?;
        new.data.entry("environmentUrl".to_owned()).or_insert_with(|| url.clone());
        new.url = url;
    } else {
        let known = CLOUDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&cloud)).ok_or_else(|| {
            let names: Vec<&str> = CLOUDS.iter().map(|(name, _)| *name).chain([OWN_CLOUD]).collect();
            format!("data.environment is {cloud:?}, and must be one of {}", names.join(", "))
        })?;
        if new.url.is_empty() {
            known.1.clone_into(&mut new.url);
        }
    }
    let level = new.data("scopeLevel").unwrap_or("Subscription").to_owned();
    let needed: &[&str] = match level.to_ascii_lowercase().as_str() {
        "subscription" => &["subscriptionId", "subscriptionName"],
        "managementgroup" => &["managementGroupId", "managementGroupName"],
        _ => {
            return Err(format!("data.scopeLevel is {level:?}, and must be Subscription or ManagementGroup"));
        }
    };
    for name in needed {
        require(new.data(name), "data", name)?;
    }
    for (name, value) in
        [("environment", cloud), ("scopeLevel", level), ("creationMode", "Manual".to_owned())]
    {
        if new.data(name).is_none() {
            new.data.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::NewConnection;

    fn complete(value: Value) -> Result<NewConnection, String> {
        super::complete(serde_json::from_value(value).expect("a connection"))
    }

    /// An `azurerm` connection with these parameters and this change of its data.
    fn azure(scheme: &str, parameters: Value, data: Value) -> Value {
        let mut connection = json!({
            "type": "azurerm", "scheme": scheme, "data": {"subscriptionId": "s", "subscriptionName": "Sample"},
        });
        connection["parameters"] = parameters;
        let (Value::Object(data), Some(all)) = (data, connection["data"].as_object_mut()) else {
            panic!("data is an object")
        };
        all.extend(data);
        connection
    }

    fn registry(sort: &str, scheme: &str, parameters: Value) -> Value {
        let mut connection =
            json!({"type": "dockerregistry", "scheme": scheme, "data": {"registrytype": sort}});
        connection["parameters"] = parameters;
        connection
    }

    #[test]
    fn every_scheme_is_taken_with_what_it_needs() {
        let principal = json!({"tenantid": "t", "serviceprincipalid": "c"});
        let with_key = json!({"tenantid": "t", "serviceprincipalid": "c", "serviceprincipalkey": "k"});
        let with_certificate = json!({
            "tenantid": "t", "serviceprincipalid": "c", "authenticationType": "spnCertificate",
            "servicePrincipalCertificate": "-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n",
        });
        let acr = json!({"loginServer": "r.azurecr.io", "tenantId": "t", "servicePrincipalId": "c"});
        let acr_key = json!({
            "loginServer": "r.azurecr.io", "tenantId": "t", "servicePrincipalId": "c", "servicePrincipalKey": "k",
            "role": "r", "scope": "s",
        });
        let login = json!({"registry": "https://r.example", "username": "u", "password": "p"});
        for connection in [
            azure("ServicePrincipal", with_key, json!({})),
            azure("ServicePrincipal", with_certificate, json!({})),
            azure("WorkloadIdentityFederation", principal, json!({})),
            azure("ManagedServiceIdentity", json!({"tenantid": "t"}), json!({})),
            registry("ACR", "ServicePrincipal", acr_key),
            registry("ACR", "WorkloadIdentityFederation", acr),
            registry(
                "ACR",
                "ManagedServiceIdentity",
                json!({"loginServer": "r.azurecr.io", "tenantId": "t"}),
            ),
            registry("DockerHub", "UsernamePassword", login.clone()),
            json!({"type": "dockerregistry", "scheme": "UsernamePassword", "parameters": login}),
            json!({"type": "generic", "scheme": "UsernamePassword", "url": "https://g.example"}),
        ] {
            let taken = complete(connection.clone());
            assert!(taken.is_ok(), "{connection}: {:?}", taken.err());
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let key = json!({"tenantid": "t", "serviceprincipalid": "c", "serviceprincipalkey": "k"});
        let certificate = json!({
            "tenantid": "t", "serviceprincipalid": "c", "authenticationType": "spnCertificate",
            "servicePrincipalCertificate": "-----BEGIN CERTIFICATE-----",
        });
        for (connection, expected) in [
            (
                azure("ServicePrincipal", json!({"tenantid": "t"}), json!({})),
                "parameters.serviceprincipalid is",
            ),
            (
                azure("ServicePrincipal", json!({"tenantid": "t", "serviceprincipalid": "c"}), json!({})),
                "parameters.serviceprincipalkey is missing",
            ),
            (azure("ServicePrincipal", certificate, json!({})), "has no PRIVATE KEY"),
            (
                azure("WorkloadIdentityFederation", json!({"tenantid": "t"}), json!({})),
                "serviceprincipalid is",
            ),
            (azure("ManagedServiceIdentity", json!({}), json!({})), "parameters.tenantid is missing"),
            (azure("UsernamePassword", json!({}), json!({})), "which may have ServicePrincipal, Workload"),
            (azure("ServicePrincipal", key.clone(), json!({"subscriptionId": ""})), "data.subscriptionId is"),
            (
                azure("ServicePrincipal", key.clone(), json!({"environment": "AzureMoon"})),
                "AzureUSGovernment",
            ),
            (azure("ServicePrincipal", key, json!({"environment": "AzureStack"})), "data.environmentUrl is"),
            (registry("ACR", "ServicePrincipal", json!({})), "parameters.loginServer is missing"),
            (
                registry("Others", "UsernamePassword", json!({"registry": "r"})),
                "parameters.username is missing",
            ),
            (json!({"type": "kubernetes", "scheme": "Token"}), "\"kubernetes\""),
        ] {
            let refused = complete(connection.clone()).map(|_| ()).expect_err(expected);
            assert!(refused.contains(expected), "{connection}: {refused}");
        }
    }

    #[test]
    fn a_registry_says_where_it_is() {
        let acr = json!({"loginServer": "r.azurecr.io", "tenantId": "t"});
        let login = json!({"registry": "https://r.example", "username": "u", "password": "p"});
        for (connection, url) in [
            (registry("ACR", "ManagedServiceIdentity", acr), "https://r.azurecr.io"),
            (registry("Others", "UsernamePassword", login), "https://r.example"),
        ] {
            assert_eq!(complete(connection).map(|taken| taken.url).ok().as_deref(), Some(url));
        }
    }

    #[test]
    fn the_cloud_says_where_resource_manager_is() {
        let parameters = json!({"tenantid": "t"});
        for (data, url) in [
            (json!({}), "https://management.azure.com/"),
            (json!({"environment": "AzureChinaCloud"}), "https://management.chinacloudapi.cn/"),
            (json!({"environment": "azurestack", "environmentUrl": "https://own/"}), "https://own/"),
        ] {
            let taken =
                complete(azure("managedserviceidentity", parameters.clone(), data)).expect("complete");
            assert_eq!((taken.url.as_str(), taken.scheme.as_str()), (url, "ManagedServiceIdentity"));
            assert!(taken.data("environment").is_some() && taken.data("creationMode") == Some("Manual"));
        }
    }
}
