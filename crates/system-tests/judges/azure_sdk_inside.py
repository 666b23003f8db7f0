"""azure-identity in a container group that has a managed identity with one right: the group deletes itself."""

import os

from azure.identity import ManagedIdentityCredential
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

url = os.environ["EMULATOR_URL"]
instances = ContainerInstanceManagementClient(
    ManagedIdentityCredential(client_id=os.environ["IDENTITY_CLIENT_ID"]),
    os.environ["AZURE_SUBSCRIPTION_ID"],
    base_url=url,
    credential_scopes=[url + "/.default"],
)
instances.container_groups.begin_delete(os.environ["GROUP"], "inside").result()
