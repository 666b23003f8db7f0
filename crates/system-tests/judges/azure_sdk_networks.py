"""Networks, as azure-mgmt-network sees them."""

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient

from azure_sdk import GROUP, GROUP_ID, LOCATION, client, equal, names, pages, refused

network = client(NetworkManagementClient)


def done(poller):
    result = poller.result()
    equal((poller.status(), result.properties.provisioning_state), ("Succeeded", "Succeeded"))
    assert result.etag
    return result


rule = {"name": "to-storage", "properties": {
    "priority": 100, "direction": "Outbound", "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*",
    "sourceAddressPrefix": "VirtualNetwork", "destinationAddressPrefix": "Storage", "destinationPortRange": "443",
}}
body = {"location": LOCATION, "properties": {"securityRules": [rule]}}
filter = done(network.network_security_groups.begin_create_or_update(GROUP, "filter", body))
equal(names(network.security_rules.list(GROUP, "filter")), ["to-storage"])
equal(network.security_rules.get(GROUP, "filter", "to-storage").properties.priority, 100)
rule["properties"]["priority"] = 5000
wrong = (GROUP, "filter", "other", rule)
refused(400, "SecurityRuleInvalidPriority", network.security_rules.begin_create_or_update, *wrong)

body = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
address = done(network.public_ip_addresses.begin_create_or_update(GROUP, "out", body))
assert address.properties.ip_address
body = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": address.id}]}}
gateway = done(network.nat_gateways.begin_create_or_update(GROUP, "nat", body))
equal(gateway.properties.public_ip_addresses[0].id, address.id)

body = {"location": LOCATION, "properties": {"addressSpace": {"addressPrefixes": ["10.20.0.0/16"]}}}
corp = done(network.virtual_networks.begin_create_or_update(GROUP, "corp", body))
equal(corp.properties.address_space.address_prefixes, ["10.20.0.0/16"])
body = {"properties": {
    "addressPrefix": "10.20.0.0/23", "natGateway": {"id": gateway.id}, "networkSecurityGroup": {"id": filter.id},
    "delegations": [{"name": "aci", "properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"}}],
}}
subnet = done(network.subnets.begin_create_or_update(GROUP, "corp", "agents", body))
equal(subnet.id, f"{GROUP_ID}/providers/Microsoft.Network/virtualNetworks/corp/subnets/agents")
equal(subnet.properties.delegations[0].properties.service_name, "Microsoft.ContainerInstance/containerGroups")
equal(subnet.properties.delegations[0].name, "aci")
body["properties"]["addressPrefix"] = "10.30.0.0/23"
wrong = (GROUP, "corp", "elsewhere", body)
refused(400, "NetcfgSubnetRangeOutsideVnet", network.subnets.begin_create_or_update, *wrong)

equal(names(network.virtual_networks.list(GROUP)), ["corp", "sampleprivatenetwork"])
equal(pages(network.virtual_networks.list_all()), 2)
equal(names(network.subnets.list(GROUP, "corp")), ["agents"])
equal(names(network.nat_gateways.list(GROUP)), names(network.nat_gateways.list_all()))
equal(names(network.public_ip_addresses.list(GROUP)), names(network.public_ip_addresses.list_all()))
equal(names(network.network_security_groups.list(GROUP)), names(network.network_security_groups.list_all()))
equal(network.service_association_links.list(GROUP, "corp", "agents").value, [])
usage = list(network.virtual_networks.list_usage(GROUP, "corp"))
equal([(used.current_value, used.limit) for used in usage], [(0.0, 507.0)])
equal(network.virtual_networks.update_tags(GROUP, "corp", {"tags": {"a": "b"}}).tags, {"a": "b"})

used = network.nat_gateways.begin_delete
refused(400, "InUseNatGatewayCannotBeDeleted", used, GROUP, "nat", error=HttpResponseError)
network.subnets.begin_delete(GROUP, "corp", "agents").result()
network.virtual_networks.begin_delete(GROUP, "corp").result()
network.nat_gateways.begin_delete(GROUP, "nat").result()
network.public_ip_addresses.begin_delete(GROUP, "out").result()
network.security_rules.begin_delete(GROUP, "filter", "to-storage").result()
network.network_security_groups.begin_delete(GROUP, "filter").result()
refused(404, "ResourceNotFound", network.virtual_networks.get, GROUP, "corp", error=ResourceNotFoundError)
