"""Resource groups and container groups, as the Azure CLI sees them."""

import os

from azure_cli import LOCATION, SUBSCRIPTION, az, az_text, has, names, refused, sign_in, until


def is_in(state, group):
    return group if group["instanceView"]["state"] == state else None


sign_in()

made = az("group create", "--name", "agents", "--location", LOCATION, "--tags", "team=platform")
group_id = f"{SUBSCRIPTION}/resourceGroups/agents"
has(made, id=group_id, name="agents", location=LOCATION, tags={"team": "platform"})
has(made, type="Microsoft.Resources/resourceGroups", properties={"provisioningState": "Succeeded"})
assert az("group show", "--name", "AGENTS") == made
assert names(az("group list")) == ["agents", os.environ["AZURE_RESOURCE_GROUP"]]
assert names(az("group list", "--tag", "team=platform")) == ["agents"]
assert az("group exists", "--name", "agents") is True
assert az("group exists", "--name", "nowhere") is False
has(az("group update", "--name", "agents", "--set", "tags.cost=1"), tags={"team": "platform", "cost": "1"})
refused("ResourceGroupNotFound", "group show", "--name", "nowhere")

in_group = ("--resource-group", "agents")
assert LOCATION in names(az("account list-locations"))
az("network vnet create", *in_group, "--name", "corp", "--location", LOCATION, "--address-prefixes", "10.10.0.0/16")
subnet = az(
    *("network vnet subnet create", *in_group, "--vnet-name", "corp", "--name", "agents"),
    *("--address-prefixes", "10.10.254.0/23", "--delegations", "Microsoft.ContainerInstance/containerGroups"),
)

# What the original asked for, in its order.
made = az(
    *("container create", *in_group, "--location", LOCATION, "--name", "agent-1", "--image", "registry.test/hello:1"),
    *("--os-type", "Linux", "--cpu", "1", "--memory", "1.5", "--restart-policy", "Never"),
    *("--registry-login-server", "registry.test", "--registry-username", "puller", "--registry-password", "s3cret"),
    *("--vnet", "corp", "--subnet", "agents", "--ip-address", "Private"),
    *("--environment-variables", "GREETING=hello", "AZP_POOL=private"),
    *("--secure-environment-variables", "TOKEN=12345678"),
    *("--assign-identity", "[system]"),
)
identity, container = made["identity"], made["containers"][0]
has(made, id=f"{group_id}/providers/Microsoft.ContainerInstance/containerGroups/agent-1", name="agent-1")
has(made, location=LOCATION, osType="Linux", restartPolicy="Never", provisioningState="Succeeded", sku="Standard")
has(made, resourceGroup="agents", type="Microsoft.ContainerInstance/containerGroups")
has(made["ipAddress"], ip="10.10.254.4", type="Private", ports=[{"port": 80, "protocol": "TCP"}])
assert [joined["id"] for joined in made["subnetIds"]] == [subnet["id"]]
has(made["imageRegistryCredentials"][0], server="registry.test", username="puller", password=None)
has(identity, type="SystemAssigned", tenantId=os.environ["AZURE_TENANT_ID"], userAssignedIdentities=None)
assert identity["principalId"]
has(container, name="agent-1", image="registry.test/hello:1", command=None)
has(container["resources"]["requests"], cpu=1.0, memoryInGb=1.5)
assert container["environmentVariables"] == [
    {"name": "GREETING", "value": "hello", "secureValue": None},
    {"name": "AZP_POOL", "value": "private", "secureValue": None},
    {"name": "TOKEN", "value": None, "secureValue": None},
], container["environmentVariables"]
has(made["instanceView"], state="Running")
has(container["instanceView"], restartCount=0)
has(container["instanceView"]["currentState"], state="Running", exitCode=None)
assert {"Pulling", "Pulled", "Started"} <= {event["name"] for event in container["instanceView"]["events"]}

# Without a network, with a command of its own that ends.
ended = az(
    *("container create", *in_group, "--location", LOCATION, "--name", "agent-2", "--image", "hello"),
    *("--os-type", "Linux", "--cpu", "1", "--memory", "1", "--restart-policy", "Never"),
    *("--command-line", "/bin/sh -c 'echo one; echo two; exit 3'"),
)
has(ended, ipAddress=None, subnetIds=None, identity=None)
assert ended["containers"][0]["command"] == ["/bin/sh", "-c", "echo one; echo two; exit 3"]

shown = az("container show", *in_group, "--name", "agent-1")
assert shown == made, shown
# A list holds more than a page, and tells nothing of what goes on in a group.
listed = az("container list", *in_group)
assert names(listed) == ["agent-1", "agent-2"]
assert [group["instanceView"] for group in listed] == [None, None]
assert names(az("container list")) == ["agent-1", "agent-2"]
# What a container prints is there a moment later.
until(lambda: az_text("container logs", *in_group, "--name", "agent-1") == "hello, 8 letters\n\n")
ended = until(lambda: is_in("Failed", az("container show", *in_group, "--name", "agent-2")))
has(ended["containers"][0]["instanceView"]["currentState"], state="Terminated", exitCode=3, detailStatus="Error")
until(lambda: az_text("container logs", *in_group, "--name", "agent-2") == "one\ntwo\n\n")

az("container stop", *in_group, "--name", "agent-1")
has(az("container show", *in_group, "--name", "agent-1")["instanceView"], state="Stopped")
az("container start", *in_group, "--name", "agent-1")
has(az("container show", *in_group, "--name", "agent-1")["instanceView"], state="Running")
az("container restart", *in_group, "--name", "agent-1")

# With a public address and a name; and from a file, as what was exported is.
made = az(
    *("container create", *in_group, "--name", "agent-4", "--image", "hello", "--os-type", "Linux"),
    *("--cpu", "1", "--memory", "1", "--ip-address", "Public", "--dns-name-label", "judged", "--ports", "80", "443"),
)
has(made, location=LOCATION, restartPolicy="Always")
has(made["ipAddress"], type="Public", fqdn=f"judged.{LOCATION}.azurecontainer.io", dnsNameLabel="judged")
assert made["ipAddress"]["ip"] and [port["port"] for port in made["ipAddress"]["ports"]] == [80, 443]
exported = os.path.join(os.environ["HOME"], "agent.yaml")
az("container export", *in_group, "--name", "agent-4", "--file", exported)
az("container delete", *in_group, "--name", "agent-4", "--yes")
again = az("container create", *in_group, "--file", exported)
has(again, id=made["id"], name="agent-4")
has(again["properties"], restartPolicy="Always", provisioningState="Succeeded")
has(again["properties"]["ipAddress"], fqdn=f"judged.{LOCATION}.azurecontainer.io")
az("container delete", *in_group, "--name", "agent-4", "--yes")

refused("ResourceNotFound", "container show", *in_group, "--name", "nobody")
refused("ResourceNotFound", "container logs", *in_group, "--name", "nobody")
plain = ("--image", "hello", "--os-type", "Linux", "--memory", "1", "--restart-policy", "Never")
too_large = (*in_group, "--name", "agent-3", "--location", LOCATION, *plain, "--cpu", "100")
refused("InvalidResourceRequests", "container create", *too_large)
elsewhere = (*in_group, "--name", "agent-3", "--location", "atlantis", *plain, "--cpu", "1")
refused("LocationNotAvailableForResourceType", "container create", *elsewhere)

# What a lock keeps.
lock = ("--name", "keep", *in_group)
made = az("lock create", *lock, "--lock-type", "CanNotDelete", "--notes", "Ask first.")
has(made, level="CanNotDelete", notes="Ask first.", id=f"{group_id}/providers/Microsoft.Authorization/locks/keep")
assert az("lock show", *lock) == made
assert az("lock list", *in_group) == [made]
refused("ScopeLocked", "container delete", *in_group, "--name", "agent-2", "--yes")
az("lock delete", *lock)

az("container delete", *in_group, "--name", "agent-2", "--yes")
refused("ResourceNotFound", "container show", *in_group, "--name", "agent-2")
assert az("container delete", *in_group, "--name", "agent-2", "--yes") is None
# The last group that leaves a subnet can leave its link there: the known way to be rid of it.
az("container delete", *in_group, "--name", "agent-1", "--yes")
subnet_delete = ("network vnet subnet delete", *in_group, "--vnet-name", "corp", "--name", "agents")
refused("InUseSubnetCannotBeDeleted", *subnet_delete)
link = f"{subnet['id']}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default"
az("resource delete", "--ids", link, "--api-version", "2018-10-01")
az(*subnet_delete)

az("group delete", "--name", "agents", "--yes")
assert az("group exists", "--name", "agents") is False
