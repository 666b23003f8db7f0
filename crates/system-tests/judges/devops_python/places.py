"""What is there: areas, who is connected, pools, queues, projects, service connections, pipelines' settings."""

import os
from datetime import datetime, timedelta, timezone

from azure.devops.v7_1.pipeline_permissions.models import (
    Permission,
    PipelinePermission,
    ResourcePipelinePermissions,
)
from azure.devops.v7_1.task_agent.models import TaskAgentPool

from support import POOL, PROJECT, connect, sample_pool


def names(things):
    return [thing.name for thing in things]


def connection(clients):
    location = clients.get_location_client()
    data = location.get_connection_data(connect_options="includeServices")
    assert data.authenticated_user.provider_display_name == "Owner of contoso"
    assert data.deployment_type == "onPremises"
    assert any(found.display_name == "pools" for found in data.location_service_data.service_definitions)
    kept = location.get_service_definitions()
    assert len(kept) == len(data.location_service_data.service_definitions)
    pools = next(found for found in kept if found.display_name == "pools")
    assert location.get_service_definition(pools.service_type, pools.identifier).relative_path == pools.relative_path
    assert not location.get_resource_areas()


def pools(agents):
    assert names(agents.get_agent_pools()) == ["Default", "Azure Pipelines", POOL]
    assert names(agents.get_agent_pools(pool_name="azure PIPELINES")) == ["Azure Pipelines"]
    assert agents.get_agent_pools(pool_name="unknown") == []
    assert agents.get_agent_pools(pool_type="deployment") == []
    (managed,) = agents.get_agent_pools(pool_name=POOL, properties=["*"], pool_type="automation", action_filter="manage")
    assert abs(managed.created_on - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert names(agents.get_agent_pools_by_ids([managed.id, 1])) == ["Default", POOL]
    one = agents.get_agent_pool(managed.id)
    assert (one.name, one.is_hosted, one.pool_type, one.auto_update) == (POOL, False, "automation", True)
    assert one.owner.display_name == "Owner of contoso"


def changed_pools(agents):
    made = agents.add_agent_pool(TaskAgentPool(name="by-python", auto_update=False))
    assert (made.name, made.auto_update) == ("by-python", False)
    assert agents.update_agent_pool(TaskAgentPool(name="renamed"), made.id).name == "renamed"
    agents.delete_agent_pool(made.id)
    assert agents.get_agent_pools(pool_name="renamed") == []


def queues(agents):
    (queue,) = agents.get_agent_queues(PROJECT, queue_name=POOL)
    assert (queue.name, queue.pool.id) == (POOL, sample_pool(agents))
    assert agents.get_agent_queue(queue.id, PROJECT).pool.name == POOL
    for found in [
        agents.get_agent_queues_by_ids([queue.id], PROJECT),
        agents.get_agent_queues_by_names([POOL], PROJECT),
        agents.get_agent_queues_for_pools([queue.pool.id], PROJECT),
    ]:
        assert [one.id for one in found] == [queue.id]
    assert len(agents.get_agent_queues(PROJECT, action_filter="use")) == 3


def projects(core):
    (project,) = core.get_projects()
    assert (project.name, project.state, project.visibility) == (PROJECT, "wellFormed", "private")
    assert core.get_project(project.id).name == PROJECT
    assert core.get_project(PROJECT, include_capabilities=True).id == project.id


def connections(endpoints):
    (found,) = endpoints.get_service_endpoints(PROJECT, type="azurerm", auth_schemes=["ServicePrincipal"])
    assert (found.name, found.is_ready, found.owner) == ("azure", True, "library")
    parameters = found.authorization.parameters
    assert (parameters["tenantid"], parameters["serviceprincipalkey"]) == (os.environ["AZURE_TENANT_ID"], None)
    assert names(endpoints.get_service_endpoints_by_names(PROJECT, ["AZURE", "other"])) == ["azure"]
    assert endpoints.get_service_endpoints(PROJECT, type="dockerregistry") == []
    assert endpoints.get_service_endpoint_details(PROJECT, found.id).data["subscriptionName"] == "Sample"


def pipelines_of_a_queue(agents, permissions):
    (queue,) = agents.get_agent_queues(PROJECT, queue_name=POOL)
    open_to_all = permissions.get_pipeline_permissions_for_resource(PROJECT, "queue", str(queue.id))
    assert open_to_all.all_pipelines.authorized
    change = ResourcePipelinePermissions(
        all_pipelines=Permission(authorized=False), pipelines=[PipelinePermission(authorized=True, id=12)]
    )
    changed = permissions.update_pipeline_permisions_for_resource(change, PROJECT, "queue", str(queue.id))
    assert (changed.all_pipelines, [one.id for one in changed.pipelines]) == (None, [12])
    assert (changed.resource.type, changed.resource.id) == ("queue", str(queue.id))


clients = connect().clients_v7_1
agents = clients.get_task_agent_client()
connection(clients)
pools(agents)
changed_pools(agents)
queues(agents)
projects(clients.get_core_client())
connections(clients.get_service_endpoint_client())
pipelines_of_a_queue(agents, clients.get_pipeline_permissions_client())
