//! Microsoft.Storage.

use serde_json::json;

use super::{Place, Resource, ResourceGroupId, ResourceKind};

/// A storage account that only the subnets of these ids reach.
pub fn account(group: &ResourceGroupId, name: &str, place: &Place, subnets: &[String]) -> Resource {
    let rules: Vec<_> = subnets.iter().map(|id| json!({ "id": id, "action": "Allow" })).collect();
    let mut body = place.body(&json!({
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": true,
        "allowBlobPublicAccess": false,
        "networkAcls": { "bypass": "None", "defaultAction": "Deny", "virtualNetworkRules": rules, "ipRules": [] },
    }));
    body["sku"] = json!({ "name": "Standard_LRS" });
    body["kind"] = json!("StorageV2");
    Resource::new(ResourceKind::StorageAccount, group.resource(ResourceKind::StorageAccount, name), body)
}

/// A container for blobs, which nobody reads without being known. Made by Resource Manager, since the account itself
/// lets nobody in from outside.
pub fn blob_container(account: &Resource, name: &str) -> Resource {
    let id = format!("{}/blobServices/default/containers/{name}", account.id());
    Resource::new(ResourceKind::BlobContainer, id, json!({ "properties": { "publicAccess": "None" } }))
}

#[cfg(test)]
mod tests {
    use super::{account, blob_container};
    use crate::resources::tests::{group, place};

    #[test]
    fn an_account_and_its_container() {
        let account = account(&group(), "store", &place(), &["/subnet".to_owned()]);
        let container = blob_container(&account, "test");
        insta::assert_json_snapshot!(account.body());
        insta::assert_snapshot!(container.id(), @"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/store/blobServices/default/containers/test");
        insta::assert_json_snapshot!(container.body());
    }
}
