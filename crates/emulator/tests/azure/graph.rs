//! Microsoft Graph, where clients look up whom roles are given to.

use reqwest::Method;
use serde_json::json;

use crate::support::{Azure, options};

#[tokio::test]
async fn principals_are_found_by_what_clients_know_of_them() {
    let azure = Azure::start(options()).await;
    let identity =
        format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine", azure.resource_group());
    let made = azure.put(&identity, &json!({"location": "westeurope"})).await.body;
    let (client, principal) = (&made["properties"]["clientId"], &made["properties"]["principalId"]);
    let graph = format!("{}/graph", azure.url());
    let token = azure.sign_in(&graph).await;

    let filter = format!("servicePrincipalNames/any(c:c eq '{}')", client.as_str().unwrap());
    let url = format!("{graph}/v1.0/servicePrincipals?$filter={filter}");
    let found = azure.call_as(&token, Method::GET, &url, None).await.body;
    assert_eq!(found["value"][0]["id"], *principal);
    assert_eq!(found["value"][0]["servicePrincipalType"], "ManagedIdentity");
    let url = format!("{graph}/v1.0/servicePrincipals?$filter=startswith(displayName,'MI')");
    assert_eq!(azure.call_as(&token, Method::GET, &url, None).await.body["value"][0]["id"], *principal);
    let url = format!("{graph}/v1.0/servicePrincipals?$filter=endswith(displayName,'e')");
    assert_eq!(azure.call_as(&token, Method::GET, &url, None).await.code(), "Request_UnsupportedQuery");

    let by_ids = format!("{graph}/v1.0/directoryObjects/getByIds");
    let ids = json!({"ids": [principal, azure.setting("AZURE_SUBSCRIPTION_ID")]});
    let found = azure.call_as(&token, Method::POST, &by_ids, Some(&ids)).await.body;
    assert_eq!(found["value"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["value"][0]["@odata.type"], "#microsoft.graph.servicePrincipal");
    let one = format!("{graph}/v1.0/servicePrincipals/{}", principal.as_str().unwrap());
    assert_eq!(azure.call_as(&token, Method::GET, &one, None).await.body["displayName"], "mine");
    let nobody = format!("{graph}/v1.0/servicePrincipals/{}", azure.setting("AZURE_SUBSCRIPTION_ID"));
    let refused = azure.call_as(&token, Method::GET, &nobody, None).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (404, "Request_ResourceNotFound"));

    // A token for Resource Manager is none for Graph.
    assert_eq!(azure.get(&one).await.code(), "InvalidAuthenticationToken");
}
