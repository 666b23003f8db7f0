"""Storage accounts, as the Azure CLI sees them."""

import os

from azure_cli import LOCATION, az, has, names, new_group, refused, sign_in

sign_in()
group, group_id = new_group("storage")
in_group, name = ("--resource-group", group), ("--name", "judgedstorage")

has(az("storage account check-name", *name), nameAvailable=True)
made = az("storage account create", *in_group, *name, "--location", LOCATION, "--sku", "Standard_LRS", "--kind", "StorageV2")
account_id = f"{group_id}/providers/Microsoft.Storage/storageAccounts/judgedstorage"
has(made, id=account_id, name="judgedstorage", kind="StorageV2", location=LOCATION, provisioningState="Succeeded")
has(made, sku={"name": "Standard_LRS", "tier": "Standard"}, statusOfPrimary="available", primaryLocation=LOCATION)
has(made, accessTier="Hot", enableHttpsTrafficOnly=True, minimumTlsVersion="TLS1_2", allowBlobPublicAccess=False)
has(made["networkRuleSet"], defaultAction="Allow", bypass="AzureServices", ipRules=[], virtualNetworkRules=[])
has(made["encryption"], keySource="Microsoft.Storage")
assert made["encryption"]["services"]["blob"]["enabled"] is True
assert made["primaryEndpoints"]["blob"].startswith("https://") and made["creationTime"]
assert made["keyCreationTime"]["key1"]
has(az("storage account check-name", *name), nameAvailable=False, reason="AlreadyExists")
assert az("storage account show", *in_group, *name) == made == az("storage account show", *name)
assert az("storage account list", *in_group) == [made] == az("storage account list")

keys = az("storage account keys list", *in_group, "--account-name", "judgedstorage")
assert [key["keyName"] for key in keys] == ["key1", "key2"]
assert all(key["permissions"] == "FULL" and key["value"] and key["creationTime"] for key in keys)
connection = az("storage account show-connection-string", *in_group, *name)["connectionString"]
assert f"AccountKey={keys[0]['value']}" in connection, connection

# Only the agents' subnet reaches it.
network = ("--vnet-name", "corp", "--name", "agents")
az("network vnet create", *in_group, "--name", "corp", "--location", LOCATION, "--address-prefixes", "10.10.0.0/16")
reaches = ("--address-prefixes", "10.10.254.0/23", "--service-endpoints", "Microsoft.Storage")
subnet = az("network vnet subnet create", *in_group, *network, *reaches)
has(az("storage account update", *in_group, *name, "--default-action", "Deny")["networkRuleSet"], defaultAction="Deny")
of_account = (*in_group, "--account-name", "judgedstorage")
az("storage account network-rule add", *of_account, "--vnet-name", "corp", "--subnet", "agents")
az("storage account network-rule add", *of_account, "--ip-address", "198.51.100.7")
rules = az("storage account network-rule list", *of_account)
assert [rule["virtualNetworkResourceId"] for rule in rules["virtualNetworkRules"]] == [subnet["id"]]
assert [(rule["ipAddressOrRange"], rule["action"]) for rule in rules["ipRules"]] == [("198.51.100.7", "Allow")]
az("storage account network-rule remove", *of_account, "--ip-address", "198.51.100.7")
assert az("storage account network-rule list", *of_account)["ipRules"] == []

# Containers, through Resource Manager.
container = az("storage container-rm create", *in_group, "--storage-account", "judgedstorage", "--name", "test")
has(container, name="test", id=f"{account_id}/blobServices/default/containers/test", publicAccess="None")
has(container, leaseStatus="Unlocked", leaseState="Available", hasLegalHold=False, hasImmutabilityPolicy=False)
of_storage = (*in_group, "--storage-account", "judgedstorage")
assert names(az("storage container-rm list", *of_storage)) == ["test"]
assert az("storage container-rm exists", *of_storage, "--name", "test") == {"exists": True}
az("storage container-rm delete", *of_storage, "--name", "test", "--yes")
assert az("storage container-rm exists", *of_storage, "--name", "test") == {"exists": False}

az("storage account delete", *in_group, *name, "--yes")
refused("ResourceNotFound", "storage account show", *in_group, *name)
