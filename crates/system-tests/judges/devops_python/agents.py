"""One agent's record: registered, found by each filter, changed, replaced, removed; and what is refused of it."""

import base64

from azure.devops.v7_1.task_agent.models import TaskAgent, TaskAgentAuthorization, TaskAgentPublicKey
from cryptography.hazmat.primitives.asymmetric import rsa

from support import connect, refused, sample_pool

NAME = "by-python-1"


def public_key():
    """The public half of a new key, as agents send it."""
    modulus = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers().n
    return TaskAgentPublicKey(exponent="AQAB", modulus=base64.b64encode(modulus.to_bytes(256, "big")).decode())


def record(**capabilities):
    return TaskAgent(
        name=NAME,
        version="4.275.0",
        os_description="Linux",
        max_parallelism=1,
        enabled=True,
        authorization=TaskAgentAuthorization(public_key=public_key()),
        system_capabilities={"Agent.Name": NAME, "Agent.Version": "4.275.0", **capabilities},
    )


def added(agents, pool):
    made = agents.add_agent(record(docker="/usr/bin/docker"), pool)
    assert (made.name, made.status, made.enabled, made.max_parallelism) == (NAME, "offline", True, 1)
    assert made.created_on and made.authorization.client_id and made.authorization.authorization_url
    text = refused("TaskAgentExistsException", agents.add_agent, record(), pool)
    assert "already contains an agent with name by-python-1" in text
    return made


def found(agents, pool, made):
    def names(**filters):
        return [agent.name for agent in agents.get_agents(pool, **filters)]

    assert names() == ["placeholder", NAME]
    assert names(agent_name=NAME.upper()) == [NAME]
    assert names(agent_name="nobody") == []
    assert names(demands=["docker", f"Agent.Name -equals {NAME}"]) == [NAME]
    assert names(demands=["docker", "Agent.Version -gtVersion 5.0"]) == []
    (plain,) = agents.get_agents(pool, agent_name=NAME)
    assert (plain.id, plain.system_capabilities, plain.assigned_request) == (made.id, None, None)
    (whole,) = agents.get_agents(
        pool,
        agent_name=NAME,
        include_capabilities=True,
        include_assigned_request=True,
        include_last_completed_request=True,
        property_filters=["*"],
    )
    assert whole.system_capabilities["docker"] == "/usr/bin/docker"
    assert (whole.assigned_request, whole.last_completed_request) == (None, None)
    assert agents.get_agent(pool, made.id, include_capabilities=True).system_capabilities == whole.system_capabilities


def changed(agents, pool, id):
    assert agents.update_agent(TaskAgent(id=id, enabled=False), pool, id).enabled is False
    kept = agents.get_agent(pool, id, include_capabilities=True)
    assert (kept.enabled, kept.name, kept.system_capabilities["docker"]) == (False, NAME, "/usr/bin/docker")
    other = TaskAgent(id=id + 1, enabled=True)
    refused("VssPropertyValidationException", agents.update_agent, other, pool, id)
    assert agents.update_agent(TaskAgent(id=id, user_capabilities={"rack": "7"}), pool, id).user_capabilities == {"rack": "7"}
    assert len(agents.get_agents(pool, demands=["rack -equals 7"])) == 1


def replaced(agents, pool, made):
    anew = agents.replace_agent(record(java="21"), pool, made.id)
    assert anew.id == made.id and anew.authorization.client_id != made.authorization.client_id
    capabilities = agents.get_agent(pool, made.id, include_capabilities=True).system_capabilities
    assert "docker" not in capabilities and capabilities["java"] == "21"


def removed(agents, pool, id):
    agents.delete_agent(pool, id)
    gone = f"The agent with ID {id} cannot be found."
    assert refused("TaskAgentNotFoundException", agents.get_agent, pool, id) == gone
    assert refused("TaskAgentNotFoundException", agents.delete_agent, pool, id) == gone
    assert refused("TaskAgentNotFoundException", agents.update_agent, TaskAgent(id=id), pool, id) == gone
    assert refused("TaskAgentNotFoundException", agents.replace_agent, record(), pool, id) == gone


agents = connect().clients_v7_1.get_task_agent_client()
pool = sample_pool(agents)
made = added(agents, pool)
found(agents, pool, made)
changed(agents, pool, made.id)
replaced(agents, pool, made)
removed(agents, pool, made.id)
