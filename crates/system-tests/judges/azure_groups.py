"""Resource groups, as azure-mgmt-resource sees them."""

import os

from azure.identity import ClientSecretCredential
from azure.mgmt.resource.resources import ResourceManagementClient

url = os.environ["EMULATOR_URL"]
credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"],
    os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"],
    authority=url,
    disable_instance_discovery=True,
)
resources = ResourceManagementClient(
    credential,
    os.environ["AZURE_SUBSCRIPTION_ID"],
    base_url=url,
    credential_scopes=[url + "/.default"],
)
names = [group.name for group in resources.resource_groups.list()]
assert names == [os.environ["AZURE_RESOURCE_GROUP"]], names
