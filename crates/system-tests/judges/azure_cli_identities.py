"""Managed identities and roles, as the Azure CLI sees them; and the CLI within a container group that has one."""

import os

from azure_cli import LOCATION, SUBSCRIPTION, az, az_text, has, names, new_group, refused, sign_in, until


def ended(shown):
    return shown if shown["instanceView"]["state"] in ("Succeeded", "Failed") else None


# What keeps the CLI from talking to the rest of the world.
KEPT_HERE = ("AZURE_CORE_COLLECT_TELEMETRY", "HTTPS_PROXY", "NO_PROXY")

sign_in()
group, group_id = new_group("identities")
in_group = ("--resource-group", group)

identity = az("identity create", *in_group, "--name", "deleter", "--location", LOCATION, "--tags", "a=b")
identity_id = f"{group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deleter"
has(identity, id=identity_id, name="deleter", location=LOCATION, tags={"a": "b"}, resourceGroup=group)
has(identity, tenantId=os.environ["AZURE_TENANT_ID"], type="Microsoft.ManagedIdentity/userAssignedIdentities")
client, principal = identity["clientId"], identity["principalId"]
assert client and principal and client != principal
assert az("identity show", *in_group, "--name", "deleter") == identity
assert az("identity list", *in_group) == [identity] == az("identity list")
refused("ResourceNotFound", "identity show", *in_group, "--name", "nobody")

# What Microsoft Graph says of it.
has(az("ad sp show", "--id", client), id=principal, appId=client, displayName="deleter")
assert [known["id"] for known in az("ad sp list", "--display-name", "deleter")] == [principal]

reader = az("role definition list", "--name", "Reader")
assert [role["roleName"] for role in reader] == ["Reader"]
has(reader[0], roleType="BuiltInRole", name="acdd72a7-3385-48ef-bd42-f606fba81ae7", assignableScopes=["/"])
assert reader[0]["permissions"][0]["actions"] == ["*/read"]
delete = "Microsoft.ContainerInstance/containerGroups/delete"
role = {"Name": "Deleter", "Description": "Deletes.", "Actions": [delete], "AssignableScopes": [SUBSCRIPTION]}
role = az("role definition create", "--role-definition", str(role).replace("'", '"'))
has(role, roleName="Deleter", roleType="CustomRole", description="Deletes.", assignableScopes=[SUBSCRIPTION])
assert role["permissions"][0]["actions"] == [delete]
assert az("role definition list", "--custom-role-only", "true") == [role]

# By object id as in scripts, and by client id, for which the CLI asks Microsoft Graph.
of_group = ("--scope", group_id)
by_object = ("--assignee-object-id", principal, "--assignee-principal-type", "ServicePrincipal")
made = az("role assignment create", "--role", "Reader", *by_object, *of_group)
has(made, principalId=principal, principalType="ServicePrincipal", scope=group_id, resourceGroup=group)
assert made["roleDefinitionId"].endswith(reader[0]["name"])
az("role assignment create", "--role", "Deleter", "--assignee", client, *of_group)
listed = az("role assignment list", "--assignee", client, *of_group)
assert sorted(shown["roleDefinitionName"] for shown in listed) == ["Deleter", "Reader"]
assert {shown["principalName"] for shown in listed} == {client}, listed
assert len(az("role assignment list", *in_group)) == 2
assert len(az("role assignment list", "--all")) == 3
refused("RoleDefinitionHasAssignments", "role definition delete", "--name", "Deleter")
az("role assignment delete", "--assignee", client, "--role", "Deleter", *of_group)
assert az("role assignment list", "--assignee", client, *of_group) == [
    shown for shown in listed if shown["roleDefinitionName"] == "Reader"
]
az("role definition delete", "--name", "Deleter")
assert az("role definition list", "--custom-role-only", "true") == []

settings = ("EMULATOR_URL", "AZURE_SUBSCRIPTION_ID", "AZURE_LOCATION", "REQUESTS_CA_BUNDLE", *KEPT_HERE)
settings = [f"IDENTITY_CLIENT_ID={client}", f"GROUP={group}", *(f"{name}={os.environ[name]}" for name in settings)]
az(
    *("container create", *in_group, "--location", LOCATION, "--name", "inside", "--image", "azure-cli"),
    *("--os-type", "Linux", "--cpu", "1", "--memory", "1", "--restart-policy", "Never"),
    *("--assign-identity", identity_id, "--environment-variables", *settings),
)
shown = until(lambda: ended(az("container show", *in_group, "--name", "inside")))
said = az_text("container logs", *in_group, "--name", "inside")
assert said == "sees inside\ndone\n\n", said
has(shown["instanceView"], state="Succeeded")

az("container delete", *in_group, "--name", "inside", "--yes")
az("identity delete", *in_group, "--name", "deleter")
assert names(az("identity list", *in_group)) == []
