"""The Azure CLI in a container group: it signs in with the group's managed identity, and looks around."""

import os

from azure_cli import az, has, names, refused, register_cloud

register_cloud()
az("login --identity --client-id", os.environ["IDENTITY_CLIENT_ID"])
has(az("account show")["user"], type="servicePrincipal", name="userAssignedIdentity")
group = os.environ["GROUP"]
print("sees", *names(az("container list", "--resource-group", group)))
refused("AuthorizationFailed", "container list")
refused("AuthorizationFailed", "group delete", "--name", group, "--yes")
print("done")
