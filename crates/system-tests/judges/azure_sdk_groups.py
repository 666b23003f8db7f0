"""Resource groups and what is in them, as azure-mgmt-resource sees them."""

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.resources.models import ResourceGroup

from azure_sdk import GROUP, LOCATION, SUBSCRIPTION, client, equal, names, pages, refused

resources = client(ResourceManagementClient)
groups = resources.resource_groups

made = groups.create_or_update("one", ResourceGroup(location=LOCATION, tags={"team": "platform"}))
equal((made.id, made.name, made.location), (f"{SUBSCRIPTION}/resourceGroups/one", "one", LOCATION))
equal((made.type, made.properties.provisioning_state), ("Microsoft.Resources/resourceGroups", "Succeeded"))
groups.create_or_update("two", ResourceGroup(location=LOCATION))
equal(groups.get("ONE"), made)
equal(names(groups.list()), [GROUP, "one", "two"])
equal(pages(groups.list()), 3)
equal(names(groups.list(filter="tagName eq 'team' and tagValue eq 'platform'")), ["one"])
assert groups.check_existence("one") and not groups.check_existence("three")
equal(groups.update("one", {"tags": {"team": "another"}}).tags, {"team": "another"})
refused(404, "ResourceGroupNotFound", groups.get, "three", error=ResourceNotFoundError)
refused(400, "LocationNotAvailableForResourceGroup", groups.create_or_update, "three", ResourceGroup(location="atlantis"))

within = list(resources.resources.list_by_resource_group(GROUP))
equal([(found.name, found.type) for found in within], [("sampleprivatenetwork", "Microsoft.Network/virtualNetworks")])
equal(names(resources.resources.list(filter="resourceType eq 'Microsoft.Network/virtualNetworks'")), names(within))

provider = resources.providers.get("Microsoft.ContainerInstance")
equal((provider.namespace, provider.registration_state), ("Microsoft.ContainerInstance", "Registered"))
assert "containerGroups" in [kind.resource_type for kind in provider.resource_types]
assert "Microsoft.Storage" in [found.namespace for found in resources.providers.list()]
equal(resources.providers.unregister("Microsoft.Network").registration_state, "NotRegistered")
equal(resources.providers.register("Microsoft.Network").registration_state, "Registered")
refused(404, "InvalidResourceNamespace", resources.providers.get, "Microsoft.Nothing", error=ResourceNotFoundError)

groups.begin_delete("two").result()
assert not groups.check_existence("two")
