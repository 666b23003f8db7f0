"""Azure's SDKs for Python, aimed at the emulator the way they are aimed at any cloud that is not the public one."""

import os

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

URL = os.environ["EMULATOR_URL"]
TENANT = os.environ["AZURE_TENANT_ID"]
CLIENT = os.environ["AZURE_CLIENT_ID"]
LOCATION = os.environ["AZURE_LOCATION"]
GROUP = os.environ["AZURE_RESOURCE_GROUP"]
SUBSCRIPTION_ID = os.environ["AZURE_SUBSCRIPTION_ID"]
SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION_ID}"
GROUP_ID = f"{SUBSCRIPTION}/resourceGroups/{GROUP}"

# Where to sign in; without the question at login.microsoftonline.com whether that is a cloud of Microsoft's.
HERE = {"authority": URL, "disable_instance_discovery": True}


def secret():
    """The credential of somebody who may do everything."""
    return ClientSecretCredential(TENANT, CLIENT, os.environ["AZURE_CLIENT_SECRET"], **HERE)


def client(of, credential=None):
    """A client of one of the management SDKs."""
    scopes = [URL + "/.default"]
    return of(credential or secret(), SUBSCRIPTION_ID, base_url=URL, credential_scopes=scopes)


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def names(found):
    """Of all that a list holds, over all its pages."""
    return sorted(resource.name for resource in found)


def pages(listed):
    """How many pages a list has."""
    return sum(1 for _ in listed.by_page())


def refused(status, code, call, *arguments, error=HttpResponseError, **named):
    """A call that fails with this status and code, as the SDK's exception has them."""
    try:
        call(*arguments, **named)
    except error as problem:
        equal((problem.status_code, problem.error.code), (status, code))
        assert problem.error.message and code in str(problem), str(problem)
    else:
        raise AssertionError(f"{call} was not refused with {code}")
