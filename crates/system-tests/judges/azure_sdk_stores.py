"""Registries and storage accounts, as azure-mgmt-containerregistry and azure-mgmt-storage see them."""

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.storage import StorageManagementClient

from azure_sdk import GROUP, LOCATION, client, equal, names, pages, refused

registries = client(ContainerRegistryManagementClient).registries

asked = {"location": LOCATION, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": True}}
assert registries.check_name_availability({"name": "judgedone", "type": "Microsoft.ContainerRegistry/registries"}).name_available
poller = registries.begin_create(GROUP, "judgedone", asked)
made = poller.result()
equal((poller.status(), made.name, made.sku.name), ("Succeeded", "judgedone", "Basic"))
equal((made.properties.provisioning_state, made.properties.admin_user_enabled), ("Succeeded", True))
assert made.properties.login_server and made.properties.creation_date
registries.begin_create(GROUP, "judgedtwo", asked).result()
equal(names(registries.list_by_resource_group(GROUP)), ["judgedone", "judgedtwo"])
equal((names(registries.list()), pages(registries.list())), (["judgedone", "judgedtwo"], 2))
user = registries.list_credentials(GROUP, "judgedone")
equal((user.username, len(user.passwords)), ("judgedone", 2))
renewed = registries.regenerate_credential(GROUP, "judgedone", {"name": "password2"})
assert renewed.passwords[1].value != user.passwords[1].value
changed = registries.begin_update(GROUP, "judgedone", {"properties": {"adminUserEnabled": False}}).result()
equal(changed.properties.admin_user_enabled, False)
refused(400, "UnAuthorizedForCredentialOperations", registries.list_credentials, GROUP, "judgedone")
refused(400, "InvalidResourceName", registries.begin_create, GROUP, "no-hyphens", asked)
registries.begin_delete(GROUP, "judgedone").result()
refused(404, "ResourceNotFound", registries.get, GROUP, "judgedone", error=ResourceNotFoundError)

storage = client(StorageManagementClient)
accounts, containers = storage.storage_accounts, storage.blob_containers

asked = {"location": LOCATION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
assert accounts.check_name_availability({"name": "judgedone", "type": "Microsoft.Storage/storageAccounts"}).name_available
poller = accounts.begin_create(GROUP, "judgedone", asked)
made = poller.result()
equal((poller.status(), made.name, made.kind, made.sku.name), ("Succeeded", "judgedone", "StorageV2", "Standard_LRS"))
equal(made.properties.provisioning_state, "Succeeded")
equal((made.properties.encryption.key_source, made.properties.network_rule_set.default_action), ("Microsoft.Storage", "Allow"))
assert made.properties.primary_endpoints.blob.startswith("https://")
equal(names(accounts.list()), ["judgedone"])
keys = accounts.list_keys(GROUP, "judgedone").keys_property
equal([key.key_name for key in keys], ["key1", "key2"])
changed = accounts.update(GROUP, "judgedone", {"properties": {"networkAcls": {"defaultAction": "Deny"}}})
equal(changed.properties.network_rule_set.default_action, "Deny")

for name in ["one", "two"]:
    equal(containers.create(GROUP, "judgedone", name, {}).name, name)
equal((names(containers.list(GROUP, "judgedone")), pages(containers.list(GROUP, "judgedone"))), (["one", "two"], 2))
equal(containers.get(GROUP, "judgedone", "one").container_properties.public_access, "None")
containers.delete(GROUP, "judgedone", "one")
refused(404, "ContainerNotFound", containers.get, GROUP, "judgedone", "one", error=ResourceNotFoundError)
refused(400, "AccountNameInvalid", accounts.begin_create, GROUP, "Upper", asked)
accounts.delete(GROUP, "judgedone")
refused(404, "ResourceNotFound", accounts.get_properties, GROUP, "judgedone", error=ResourceNotFoundError)
