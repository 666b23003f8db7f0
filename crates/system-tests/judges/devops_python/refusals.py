"""What the client raises where something is missing or forbidden: to `anybody`, and to a `reader` of pools."""

import sys

from azure.devops.v7_1.build.models import Build, DefinitionReference
from azure.devops.v7_1.pipelines.models import RunPipelineParameters
from azure.devops.v7_1.task_agent.models import TaskAgent, TaskAgentPool

from support import PROJECT, connect, refused, sample_pool


def missing(clients):
    agents = clients.get_task_agent_client()
    pool = "TaskAgentPoolNotFoundException"
    assert refused(pool, agents.get_agent_pool, 99) == "Agent pool 99 not found."
    refused(pool, agents.get_agents, 99)
    refused(pool, agents.add_agent, TaskAgent(name="a", version="4.275.0"), 99)
    refused(pool, agents.delete_agent_pool, 99)
    refused("TaskAgentQueueNotFoundException", agents.get_agent_queue, 99, PROJECT)
    project = "ProjectDoesNotExistWithNameException"
    refused(project, agents.get_agent_queues, "unknown")
    refused(project, clients.get_core_client().get_project, "unknown")
    nobody = "00000000-0000-0000-0000-000000000001"
    refused("ProjectDoesNotExistException", clients.get_core_client().get_project, nobody)
    pipelines = clients.get_pipelines_client()
    refused("DefinitionNotFoundException", pipelines.run_pipeline, RunPipelineParameters(), PROJECT, 99)
    builds = clients.get_build_client()
    new = Build(definition=DefinitionReference(id=99))
    refused("DefinitionNotFoundException", builds.queue_build, new, PROJECT)
    refused("BuildNotFoundException", builds.get_build, PROJECT, 99)
    refused("BuildNotFoundException", builds.update_build, Build(status="cancelling"), PROJECT, 99)
    refused("BuildNotFoundException", builds.get_build_log_lines, PROJECT, 99, 1)


def wrong(clients):
    agents = clients.get_task_agent_client()
    pool = sample_pool(agents)
    refused("VssPropertyValidationException", agents.add_agent, TaskAgent(name="", version="4.275.0"), pool)
    refused("TaskAgentPoolExistsException", agents.add_agent_pool, TaskAgentPool(name="default"))


def stranger():
    """Somebody whose token is nobody's is refused before anything is given."""
    clients = connect("A" * 52).clients_v7_1
    text = refused("UnauthorizedRequestException", clients.get_task_agent_client)
    assert text == "TF400813: The user '' is not authorized to access this resource."


def reader(clients):
    """Somebody who may only look: `reader` is run as one."""
    agents = clients.get_task_agent_client()
    pool = sample_pool(agents)
    assert agents.get_agent_pools(action_filter="manage") == []
    assert agents.get_agent_queues(PROJECT, action_filter="use") == []
    (agent,) = agents.get_agents(pool)
    for call, arguments in [
        (agents.add_agent, [TaskAgent(name="a", version="4.275.0"), pool]),
        (agents.update_agent, [TaskAgent(id=agent.id, enabled=False), pool, agent.id]),
        (agents.delete_agent, [pool, agent.id]),
    ]:
        assert "needs Manage permissions for pool" in refused("AccessDeniedException", call, *arguments)


def anybody(clients):
    missing(clients)
    wrong(clients)
    stranger()


{"anybody": anybody, "reader": reader}[sys.argv[1]](connect().clients_v7_1)
