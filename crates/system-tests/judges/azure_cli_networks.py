"""Networks, as the Azure CLI sees them: what the samples make, and what keeps it from being deleted."""

from azure_cli import LOCATION, SUBSCRIPTION, az, has, names, new_group, refused, sign_in

sign_in()
group, group_id = new_group("networks")
in_group = ("--resource-group", group)
at = (*in_group, "--location", LOCATION)
provider = f"{group_id}/providers/Microsoft.Network"


def same(shown, listed):
    """A list shows a resource as it shows itself."""
    assert listed == [shown], f"{listed}\nis not\n{[shown]}"


# A security group, with a rule of its own.
made = az("network nsg create", *at, "--name", "filter")["NewNSG"]
has(made, id=f"{provider}/networkSecurityGroups/filter", provisioningState="Succeeded", securityRules=[])
assert made["etag"] and made["resourceGuid"]
assert {rule["name"] for rule in made["defaultSecurityRules"]} >= {"AllowVnetInBound", "DenyAllOutBound"}
rule = az(
    *("network nsg rule create", *in_group, "--nsg-name", "filter", "--name", "to-storage", "--priority", "100"),
    *("--direction", "Outbound", "--access", "Allow", "--protocol", "Tcp", "--destination-port-ranges", "443"),
    *("--source-address-prefixes", "VirtualNetwork", "--destination-address-prefixes", "Storage"),
)
has(rule, name="to-storage", priority=100, direction="Outbound", access="Allow", protocol="Tcp")
has(rule, destinationPortRange="443", destinationAddressPrefix="Storage", sourceAddressPrefix="VirtualNetwork")
assert rule["etag"]
of_rule = (*in_group, "--nsg-name", "filter")
assert az("network nsg rule show", *of_rule, "--name", "to-storage") == rule
same(rule, az("network nsg rule list", *of_rule))
az("network nsg rule create", *of_rule, "--name", "other", "--priority", "200")
clash = (*of_rule, "--name", "third", "--priority", "200")
refused("SecurityRuleConflict", "network nsg rule create", *clash)
az("network nsg rule update", *of_rule, "--name", "other", "--priority", "300")
az("network nsg rule delete", *of_rule, "--name", "other")
assert names(az("network nsg rule list", *of_rule)) == ["to-storage"]

# The way out.
zones = ("WARNING: [Coming breaking change]",)
standard = ("--sku", "Standard", "--allocation-method", "Static")
address = az("network public-ip create", *at, "--name", "out", *standard, says=zones)["publicIp"]
has(address, id=f"{provider}/publicIPAddresses/out", publicIPAllocationMethod="Static", publicIPAddressVersion="IPv4")
has(address, sku={"name": "Standard", "tier": "Regional"}, provisioningState="Succeeded", idleTimeoutInMinutes=4)
assert address["ipAddress"] and address["etag"] and address["resourceGuid"]
assert az("network public-ip show", *in_group, "--name", "out") == address
same(address, az("network public-ip list", *in_group))
gateway = az("network nat gateway create", *at, "--name", "nat", "--public-ip-addresses", "out", "--idle-timeout", "10")
has(gateway, id=f"{provider}/natGateways/nat", idleTimeoutInMinutes=10, provisioningState="Succeeded")
assert [used["id"] for used in gateway["publicIpAddresses"]] == [address["id"]]
assert gateway["etag"] and gateway["resourceGuid"]

# The network of the samples.
network = az(
    *("network vnet create", *at, "--name", "corp", "--address-prefixes", "10.10.0.0/16"),
    *("--subnet-name", "compute", "--subnet-prefixes", "10.10.0.0/21", "--network-security-group", "filter"),
)["newVNet"]
has(network, id=f"{provider}/virtualNetworks/corp", location=LOCATION, provisioningState="Succeeded")
has(network, addressSpace={"addressPrefixes": ["10.10.0.0/16"]})
assert network["etag"] and network["resourceGuid"]
assert names(network["subnets"]) == ["compute"]
has(network["subnets"][0]["networkSecurityGroup"], id=made["id"])
of_network = (*in_group, "--vnet-name", "corp")
subnet = az(
    *("network vnet subnet create", *of_network, "--name", "azure-devops-agents"),
    *("--address-prefixes", "10.10.254.0/23", "--delegations", "Microsoft.ContainerInstance/containerGroups"),
    *("--nat-gateway", "nat", "--network-security-group", "filter", "--service-endpoints", "Microsoft.Storage"),
)
has(subnet, id=f"{network['id']}/subnets/azure-devops-agents", addressPrefix="10.10.254.0/23")
has(subnet, provisioningState="Succeeded", privateEndpointNetworkPolicies="Disabled")
has(subnet["natGateway"], id=gateway["id"])
has(subnet["networkSecurityGroup"], id=made["id"])
has(subnet["serviceEndpoints"][0], service="Microsoft.Storage", locations=[LOCATION])
has(subnet["delegations"][0], serviceName="Microsoft.ContainerInstance/containerGroups")
assert subnet["etag"] and subnet["delegations"][0]["etag"]
assert az("network vnet subnet show", *of_network, "--name", "azure-devops-agents") == subnet
az("network vnet subnet update", *of_network, "--name", "compute", "--service-endpoints", "Microsoft.Storage")
compute = az("network vnet subnet update", *of_network, "--name", "compute", "--nat-gateway", "nat")
has(compute["serviceEndpoints"][0], service="Microsoft.Storage")
assert names(az("network vnet subnet list", *of_network)) == ["azure-devops-agents", "compute"]
refused("NetcfgSubnetRangesOverlap", "network vnet subnet create", *of_network, "--name", "x", "--address-prefixes", "10.10.4.0/24")
az("network vnet update", *in_group, "--name", "corp", "--set", "tags.team=platform")
shown = az("network vnet show", *in_group, "--name", "corp")
has(shown, tags={"team": "platform"})
same(shown, az("network vnet list", *in_group))
assert "corp" in names(az("network vnet list"))
# What uses a resource is shown with it, in lists too.
shown = az("network nat gateway show", *in_group, "--name", "nat")
assert [used["id"] for used in shown["subnets"]] == [compute["id"], subnet["id"]], shown["subnets"]
same(shown, az("network nat gateway list", *in_group))
shown = az("network nsg show", *in_group, "--name", "filter")
assert len(shown["subnets"]) == 2
same(shown, az("network nsg list", *in_group))

# It goes in the right order only.
az("network vnet subnet delete", *of_network, "--name", "compute")
refused("InUseNatGatewayCannotBeDeleted", "network nat gateway delete", *in_group, "--name", "nat")
refused("InUseNetworkSecurityGroupCannotBeDeleted", "network nsg delete", *in_group, "--name", "filter")
refused("PublicIPAddressCannotBeDeleted", "network public-ip delete", *in_group, "--name", "out")
az("network vnet delete", *in_group, "--name", "corp")
az("network nat gateway delete", *in_group, "--name", "nat")
az("network public-ip delete", *in_group, "--name", "out")
az("network nsg delete", *in_group, "--name", "filter")
refused("ResourceNotFound", "network vnet show", *in_group, "--name", "corp")
assert az("resource list", *in_group) == []
