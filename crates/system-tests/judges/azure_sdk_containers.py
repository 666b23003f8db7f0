"""Container groups, as azure-mgmt-containerinstance sees them."""

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance import models

from azure_sdk import GROUP, GROUP_ID, LOCATION, client, equal, names, pages, refused

instances = client(ContainerInstanceManagementClient)
groups = instances.container_groups
SUBNET = f"{GROUP_ID}/providers/Microsoft.Network/virtualNetworks/sampleprivatenetwork/subnets/azure-devops-agents"


def container(name, cpu=1.0, **more):
    requests = models.ResourceRequests(cpu=cpu, memory_in_gb=1.5)
    return models.Container(
        name=name, image="registry.test/hello:1", resources=models.ResourceRequirements(requests=requests), **more
    )


def group(*containers, location=LOCATION, **more):
    return models.ContainerGroup(
        location=location, os_type="Linux", restart_policy="Never", containers=list(containers), **more
    )


variables = [
    models.EnvironmentVariable(name="GREETING", value="hello"),
    models.EnvironmentVariable(name="TOKEN", secure_value="12345678"),
]
asked = group(
    container("agent", environment_variables=variables),
    tags={"team": "platform"},
    identity=models.ContainerGroupIdentity(type="SystemAssigned"),
    subnet_ids=[models.ContainerGroupSubnetId(id=SUBNET)],
    image_registry_credentials=[
        models.ImageRegistryCredential(server="registry.test", username="puller", password="s3cret")
    ],
)
poller = groups.begin_create_or_update(GROUP, "agent-1", asked)
made = poller.result()
equal(poller.status(), "Succeeded")
equal((made.name, made.location, made.tags), ("agent-1", LOCATION, {"team": "platform"}))
equal(made.id, f"{GROUP_ID}/providers/Microsoft.ContainerInstance/containerGroups/agent-1")
equal((made.provisioning_state, made.os_type, made.restart_policy, made.sku), ("Succeeded", "Linux", "Never", "Standard"))
equal((made.identity.type, made.identity.principal_id is not None), ("SystemAssigned", True))
equal(made.subnet_ids[0].id, SUBNET)
equal(made.image_registry_credentials[0].password, None)
equal(made.instance_view.state, "Running")
agent = made.containers[0]
equal([(variable.name, variable.value) for variable in agent.environment_variables], [("GREETING", "hello"), ("TOKEN", None)])
equal((agent.resources.requests.cpu, agent.resources.requests.memory_in_gb), (1.0, 1.5))
equal((agent.instance_view.current_state.state, agent.instance_view.restart_count), ("Running", 0))
assert agent.instance_view.current_state.start_time is not None
events = {event.name: event for event in agent.instance_view.events}
assert events["Started"].first_timestamp <= events["Started"].last_timestamp and events["Started"].count == 1

groups.begin_create_or_update(GROUP, "agent-2", group(container("agent"))).result()
groups.begin_create_or_update(GROUP, "agent-3", group(container("agent"))).result()
equal(names(groups.list_by_resource_group(GROUP)), ["agent-1", "agent-2", "agent-3"])
equal(names(groups.list()), ["agent-1", "agent-2", "agent-3"])
equal(pages(groups.list()), 3)
equal([found.instance_view for found in groups.list()], [None, None, None])
equal(groups.update(GROUP, "agent-1", models.Resource(tags={"team": "another"})).tags, {"team": "another"})

# What a container prints is there a moment later.
while not (log := instances.containers.list_logs(GROUP, "agent-1", "agent").content):
    pass
equal(log, "hello, 8 letters\n")
log = instances.containers.list_logs(GROUP, "agent-1", "agent", tail=1, timestamps=True).content
assert log.endswith(" hello, 8 letters\n") and log[:2] == "20", log

groups.stop(GROUP, "agent-1")
equal(groups.get(GROUP, "agent-1").instance_view.state, "Stopped")
groups.begin_start(GROUP, "agent-1").result()
equal(groups.get(GROUP, "agent-1").instance_view.state, "Running")
groups.begin_restart(GROUP, "agent-1").result()

usage = {usage.name.value: usage for usage in instances.location.list_usage(LOCATION)}
equal((usage["ContainerGroups"].current_value, usage["ContainerGroups"].limit), (3, 100))
assert any(capability.os_type == "Linux" for capability in instances.location.list_capabilities(LOCATION))

refused(404, "ResourceNotFound", groups.get, GROUP, "nobody", error=ResourceNotFoundError)
refused(404, "ResourceGroupNotFound", groups.get, "nowhere", "nobody", error=ResourceNotFoundError)
refused(404, "ContainerNotFound", instances.containers.list_logs, GROUP, "agent-2", "x", error=ResourceNotFoundError)
for code, wrong in [
    ("InvalidResourceRequests", group(container("agent", cpu=100.0))),
    ("LocationNotAvailableForResourceType", group(container("agent"), location="atlantis")),
]:
    refused(400, code, groups.begin_create_or_update, GROUP, "agent-4", wrong, error=HttpResponseError)
changed = group(container("agent", cpu=2.0))
refused(400, "InvalidContainerGroupUpdate", groups.begin_create_or_update, GROUP, "agent-2", changed)

for name in ["agent-1", "agent-2", "agent-3"]:
    groups.begin_delete(GROUP, name).result()
equal(names(groups.list()), [])
groups.begin_delete(GROUP, "agent-1").result()
