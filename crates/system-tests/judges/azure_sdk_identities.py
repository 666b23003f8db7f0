"""Signing in, identities and roles, as azure-identity, azure-mgmt-msi and azure-mgmt-authorization see them."""

import logging
import os
import uuid

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient, models
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource.resources import ResourceManagementClient

from azure_sdk import CLIENT, GROUP, GROUP_ID, HERE, LOCATION, SUBSCRIPTION, TENANT, URL
from azure_sdk import client, equal, names, pages, refused

# It logs what it raises.
logging.getLogger("azure.identity").setLevel(logging.CRITICAL)

path = os.path.join(os.environ["HOME"], "app.pem")
certificate = CertificateCredential(TENANT, CLIENT, certificate_path=path, **HERE)
equal(names(client(ResourceManagementClient, certificate).resource_groups.list()), [GROUP])
wrong = ClientSecretCredential(TENANT, CLIENT, "wrong", **HERE)
for credential, said in [(wrong, "AADSTS7000215"), (ClientSecretCredential(TENANT, str(uuid.uuid4()), "x", **HERE), "AADSTS700016")]:
    try:
        credential.get_token(URL + "/.default")
    except ClientAuthenticationError as problem:
        assert said in str(problem), problem
    else:
        raise AssertionError(f"not refused with {said}")

identities = client(ManagedServiceIdentityClient).user_assigned_identities
made = identities.create_or_update(GROUP, "one", {"location": LOCATION, "tags": {"a": "b"}})
equal((made.name, made.location, made.tags, made.tenant_id), ("one", LOCATION, {"a": "b"}, TENANT))
equal(made.id, f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one")
assert made.client_id and made.principal_id
identities.create_or_update(GROUP, "two", {"location": LOCATION})
equal(identities.get(GROUP, "ONE").principal_id, made.principal_id)
listed = identities.list_by_resource_group
equal((names(listed(GROUP)), pages(listed(GROUP))), (["one", "two"], 2))
equal(names(identities.list_by_subscription()), ["one", "two"])
equal(identities.update(GROUP, "one", {"tags": {"c": "d"}}).tags, {"c": "d"})

authorization = client(AuthorizationManagementClient)
roles, assignments = authorization.role_definitions, authorization.role_assignments
reader = list(roles.list(SUBSCRIPTION, filter="roleName eq 'Reader'"))
equal([role.role_name for role in reader], ["Reader"])
equal(reader[0].permissions[0].actions, ["*/read"])
assert len(list(roles.list(SUBSCRIPTION))) > 5
action = "Microsoft.ContainerInstance/containerGroups/delete"
asked = {"properties": {
    "roleName": "Deleter", "type": "CustomRole", "assignableScopes": [GROUP_ID], "permissions": [{"actions": [action]}],
}}
role = roles.create_or_update(GROUP_ID, str(uuid.uuid4()), asked)
equal((role.role_name, role.role_type, role.permissions[0].actions), ("Deleter", "CustomRole", [action]))


def assignment(role, principal):
    return {"properties": {"roleDefinitionId": role.id, "principalId": principal, "principalType": "ServicePrincipal"}}


name = str(uuid.uuid4())
given = assignments.create(GROUP_ID, name, assignment(role, made.principal_id))
equal((given.name, given.scope, given.principal_id, given.principal_type), (name, GROUP_ID, made.principal_id, "ServicePrincipal"))
assert given.created_on is not None and given.updated_on is not None
equal(assignments.get(GROUP_ID, name).role_definition_id, role.id)
equal(roles.get(SUBSCRIPTION, role.name).role_name, "Deleter")
equal([allowed.actions for allowed in authorization.permissions.list_for_resource_group(GROUP)], [["*"]])

# What a container group does with an identity that has that role.
settings = ("EMULATOR_URL", "AZURE_SUBSCRIPTION_ID", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY")
variables = {"IDENTITY_CLIENT_ID": made.client_id, "GROUP": GROUP} | {name: os.environ[name] for name in settings}
inside = models.ContainerGroup(
    location=LOCATION,
    os_type="Linux",
    restart_policy="Never",
    identity=models.ContainerGroupIdentity(type="UserAssigned", user_assigned_identities={made.id: {}}),
    containers=[models.Container(
        name="inside",
        image="azure-sdk",
        resources=models.ResourceRequirements(requests=models.ResourceRequests(cpu=1.0, memory_in_gb=1.0)),
        environment_variables=[models.EnvironmentVariable(name=name, value=value) for name, value in variables.items()],
    )],
)
containers = client(ContainerInstanceManagementClient).container_groups
# Nobody waits until it is made: it may be gone by then.
shown = containers.begin_create_or_update(GROUP, "inside", inside, polling=False).result()
equal(shown.identity.user_assigned_identities[made.id].client_id, made.client_id)
while "inside" in names(containers.list_by_resource_group(GROUP)):
    pass

again = (GROUP_ID, str(uuid.uuid4()), assignment(role, made.principal_id))
refused(409, "RoleAssignmentExists", assignments.create, *again)
stranger = (GROUP_ID, str(uuid.uuid4()), assignment(role, str(uuid.uuid4())))
refused(400, "PrincipalNotFound", assignments.create, *stranger)
filter = f"principalId eq '{made.principal_id}'"
equal(names(assignments.list_for_scope(GROUP_ID, filter=filter)), [name])
equal(len(list(assignments.list_for_resource_group(GROUP))), 2)
equal(len(list(assignments.list_for_subscription())), 2)
refused(400, "RoleDefinitionHasAssignments", roles.delete, SUBSCRIPTION, role.name, error=HttpResponseError)
equal(assignments.delete(GROUP_ID, name).name, name)
equal(assignments.delete(GROUP_ID, name), None)
roles.delete(SUBSCRIPTION, role.name)
refused(404, "RoleDefinitionDoesNotExist", roles.get, SUBSCRIPTION, role.name, error=ResourceNotFoundError)

for name in ["one", "two"]:
    identities.delete(GROUP, name)
refused(404, "ResourceNotFound", identities.get, GROUP, "one", error=ResourceNotFoundError)
