"""The client as its readme has it made, and what it raises when it is refused."""

import os

from azure.devops.connection import Connection
from azure.devops.exceptions import AzureDevOpsServiceError
from msrest.authentication import BasicAuthentication

POOL = os.environ["AZURE_DEVOPS_POOL"]
PROJECT = os.environ["AZURE_DEVOPS_PROJECT"]


def connect(token=os.environ["AZURE_DEVOPS_EXT_PAT"]):
    return Connection(base_url=os.environ["AZURE_DEVOPS_ORG_URL"], creds=BasicAuthentication("", token))


def sample_pool(agents):
    (pool,) = agents.get_agent_pools(pool_name=POOL)
    return pool.id


def refused(type_key, call, *arguments, **named):
    """Requires that a call fails with the service's short name for what is wrong, and gives what it says."""
    try:
        answer = call(*arguments, **named)
    except AzureDevOpsServiceError as error:
        assert error.type_key == type_key, (error.type_key, error.message)
        return error.message
    raise AssertionError(f"not refused: {answer}")
