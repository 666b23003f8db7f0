"""Registries, as the Azure CLI sees them."""

from azure_cli import LOCATION, az, has, names, new_group, refused, sign_in

sign_in()
group, group_id = new_group("registries")
in_group, name = ("--resource-group", group), ("--name", "judgedregistry")

has(az("acr check-name", *name), nameAvailable=True)
made = az("acr create", *in_group, *name, "--location", LOCATION, "--sku", "Basic", "--admin-enabled", "true")
registry_id = f"{group_id}/providers/Microsoft.ContainerRegistry/registries/judgedregistry"
has(made, id=registry_id, name="judgedregistry", location=LOCATION, provisioningState="Succeeded", resourceGroup=group)
has(made, sku={"name": "Basic", "tier": "Basic"}, adminUserEnabled=True, publicNetworkAccess="Enabled")
assert made["loginServer"] and made["creationDate"]
taken = az("acr check-name", *name)
has(taken, nameAvailable=False, reason="AlreadyExists")
assert az("acr show", *in_group, *name) == made
# By its name alone: the CLI looks for its group itself.
assert az("acr show", *name) == made
assert az("acr list", *in_group) == [made] == az("acr list")

admin = az("acr credential show", *name)
has(admin, username="judgedregistry")
assert names(admin["passwords"]) == ["password", "password2"] and admin["passwords"][0]["value"]
renewed = az("acr credential renew", *name, "--password-name", "password")
assert renewed["passwords"][0]["value"] != admin["passwords"][0]["value"]
assert renewed["passwords"][1] == admin["passwords"][1]

note = ("WARNING: Note: The token in both", "WARNING: You can perform manual login")
token = az("acr login", *name, "--expose-token", says=note)
has(token, loginServer=made["loginServer"], username="00000000-0000-0000-0000-000000000000")
assert token["refreshToken"]
# Which takes the registry's own doors: a token for it, and its catalogue.
assert az("acr repository list", *name) == []

has(az("acr update", *name, "--admin-enabled", "false", "--tags", "team=platform"), adminUserEnabled=False)
has(az("acr show", *name), adminUserEnabled=False, tags={"team": "platform"})
az("acr delete", *name, "--yes")
refused("ResourceNotFound", "acr show", *in_group, *name)
has(az("acr check-name", *name), nameAvailable=True)
