//! Microsoft.Network: networks, subnets, the way out, security groups.

use serde_json::{Value, json};

use crate::support::{Answer, Azure, container_group, options};

const DELEGATE: &str = "Microsoft.ContainerInstance/containerGroups";

fn path(azure: &Azure, kind: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Network/{kind}/{name}", azure.resource_group())
}

fn network(prefixes: &[&str], subnets: &Value) -> Value {
    json!({"location": "westeurope", "properties": {
        "addressSpace": {"addressPrefixes": prefixes}, "subnets": subnets,
    }})
}

fn subnet(name: &str, prefix: &str) -> Value {
    json!({"name": name, "properties": {"addressPrefix": prefix}})
}

/// Puts something and waits until it is done; gives the status of the first reply.
async fn made(azure: &Azure, path: &str, body: &Value) -> u16 {
    let answer = azure.put(path, body).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    done(azure, &answer, path, "Updating", 200).await;
    answer.status.as_u16()
}

/// Follows an operation to its end.
async fn done(azure: &Azure, answer: &Answer, path: &str, during: &str, after: u16) {
    let operation = answer.header("azure-asyncoperation").to_owned();
    assert_eq!(azure.get(&operation).await.body["status"], "Pending", "{answer:?}");
    assert_eq!(azure.get(path).await.body["properties"]["provisioningState"], during);
    azure.step(1).await;
    assert_eq!(azure.get(&operation).await.body["status"], "Succeeded");
    assert_eq!(azure.get(path).await.status, after);
}

async fn deleted(azure: &Azure, path: &str) {
    let answer = azure.delete(path).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").to_owned();
    assert_eq!(azure.get(&location).await.status, 202);
    done(azure, &answer, path, "Deleting", 404).await;
    assert_eq!(azure.get(&location).await.status, 200);
    assert_eq!(azure.delete(path).await.status, 204);
}

async fn refused(azure: &Azure, path: &str, body: &Value, code: &str) {
    let answer = azure.put(path, body).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, code), "{body} {answer:?}");
}

#[tokio::test]
async fn a_network_is_made_changed_and_deleted_and_takes_its_time() {
    let azure = Azure::start(options()).await;
    let net = path(&azure, "virtualNetworks", "net");
    let body = network(&["10.20.0.0/16"], &json!([subnet("a", "10.20.0.0/24")]));
    assert_eq!(made(&azure, &net, &body).await, 201);
    let first = azure.get(&net).await.body;
    assert_eq!(azure.get(&net).await.body["etag"], first["etag"]);

    let again = azure.put(&net, &body).await;
    assert_eq!(again.status, 200);
    let busy = azure.put(&format!("{net}/subnets/b"), &subnet("b", "10.20.1.0/24")).await;
    assert_eq!((busy.status.as_u16(), busy.code()), (429, "AnotherOperationInProgress"));
    assert_eq!(busy.header("retry-after"), "1");
    azure.step(1).await;
    assert_eq!(made(&azure, &format!("{net}/subnets/b"), &subnet("b", "10.20.1.0/24")).await, 201);
    assert_eq!(made(&azure, &format!("{net}/subnets/b"), &subnet("b", "10.20.2.0/24")).await, 200);
    assert_ne!(azure.get(&net).await.body["etag"], first["etag"]);

    let mut silent = body.clone();
    silent["properties"].as_object_mut().unwrap().remove("subnets");
    made(&azure, &net, &silent).await;
    let names = |body: &Value| body["value"].as_array().unwrap().len();
    assert_eq!(names(&azure.get(&format!("{net}/subnets")).await.body), 2, "subnets not named stay");
    made(&azure, &net, &body).await;
    assert_eq!(
        names(&azure.get(&format!("{net}/subnets")).await.body),
        1,
        "a list without one takes it away"
    );
    deleted(&azure, &format!("{net}/subnets/a")).await;
    deleted(&azure, &net).await;
}

#[tokio::test]
async fn ranges_that_do_not_fit_are_refused() {
    let azure = Azure::start(options()).await;
    let net = path(&azure, "virtualNetworks", "net");
    for (prefixes, subnets, code) in [
        (&[][..], json!([]), "InvalidRequestFormat"),
        (&["10.20.0.0"], json!([]), "InvalidAddressPrefixFormat"),
        (&["10.20.1.0/16"], json!([]), "InvalidCIDRNotation"),
        (&["10.20.0.0/16", "10.20.8.0/24"], json!([]), "NetcfgAddressPrefixesOverlap"),
        (&["10.20.0.0/16"], json!([subnet("a", "10.21.0.0/24")]), "NetcfgSubnetRangeOutsideVnet"),
        (&["10.20.0.0/16"], json!([subnet("a", "10.20.0.0/30")]), "NetcfgInvalidSubnet"),
        (&["10.20.0.0/16"], json!([subnet("a", "10.20.0.1/24")]), "InvalidCIDRNotation"),
        (&["10.20.0.0/16"], json!([subnet("a", "x")]), "InvalidAddressPrefixFormat"),
        (
            &["10.20.0.0/16"],
            json!([subnet("a", "10.20.0.0/21"), subnet("b", "10.20.7.0/24")]),
            "NetcfgSubnetRangesOverlap",
        ),
    ] {
        refused(&azure, &net, &network(prefixes, &subnets), code).await;
    }
    assert_eq!(azure.get(&net).await.status, 404);
    let sample = path(&azure, "virtualNetworks", "sampleprivatenetwork");
    let over = subnet("over", "10.10.255.0/24");
    refused(&azure, &format!("{sample}/subnets/over"), &over, "NetcfgSubnetRangesOverlap").await;
    azure
        .call(
            reqwest::Method::POST,
            &format!("{}/providers/Microsoft.Network/unregister", azure.subscription()),
            None,
        )
        .await;
    let unregistered = azure.put(&net, &network(&["10.20.0.0/16"], &json!([]))).await;
    assert_eq!(unregistered.code(), "MissingSubscriptionRegistration");
}

#[tokio::test]
async fn a_way_out_is_made_of_an_address_a_gateway_and_a_subnet_and_unmade_in_reverse() {
    let azure = Azure::start(options()).await;
    let address = path(&azure, "publicIPAddresses", "out");
    let gateway = path(&azure, "natGateways", "out");
    let agents =
        format!("{}/subnets/azure-devops-agents", path(&azure, "virtualNetworks", "sampleprivatenetwork"));
    let of = |sku: &str, method: &str| json!({"location": "westeurope", "sku": {"name": sku}, "properties": {"publicIPAllocationMethod": method}});
    refused(&azure, &address, &of("Basic", "Static"), "BasicSkuPublicIpAddressRetired").await;
    refused(&azure, &address, &of("Standard", "Dynamic"), "StandardSkuPublicIPAddressesMustBeStatic").await;
    let nat = json!({"location": "westeurope", "sku": {"name": "Standard"}, "properties": {
        "publicIpAddresses": [{ "id": address }], "idleTimeoutInMinutes": 4,
    }});
    refused(&azure, &gateway, &nat, "InvalidResourceReference").await;
    assert_eq!(made(&azure, &address, &of("Standard", "Static")).await, 201);
    assert_eq!(made(&azure, &gateway, &nat).await, 201);
    assert_eq!(made(&azure, &gateway, &nat).await, 200);
    refused(&azure, &gateway.replace("/out", "/second"), &nat, "PublicIPAddressInUse").await;

    let mut body = azure.get(&agents).await.body;
    body["properties"]["natGateway"] = json!({"id": gateway.replace("/out", "/absent")});
    refused(&azure, &agents, &body, "InvalidResourceReference").await;
    body["properties"]["natGateway"] = json!({ "id": gateway });
    body["properties"]["serviceEndpoints"] = json!([{"service": "Microsoft.Storage"}]);
    assert_eq!(made(&azure, &agents, &body).await, 200);
    let shown = azure.get(&agents).await.body["properties"].clone();
    assert_eq!(shown["natGateway"]["id"], json!(gateway));
    assert_eq!(shown["serviceEndpoints"][0]["service"], "Microsoft.Storage");
    assert_eq!(shown["delegations"][0]["properties"]["serviceName"], DELEGATE);
    assert_eq!(azure.get(&gateway).await.body["properties"]["subnets"][0]["id"], json!(agents));
    assert_eq!(azure.get(&address).await.body["properties"]["natGateway"]["id"], json!(gateway));

    assert_eq!(azure.delete(&gateway).await.code(), "InUseNatGatewayCannotBeDeleted");
    assert_eq!(azure.delete(&address).await.code(), "PublicIPAddressCannotBeDeleted");
    body["properties"]["natGateway"] = Value::Null;
    made(&azure, &agents, &body).await;
    deleted(&azure, &gateway).await;
    deleted(&azure, &address).await;
}

fn rule(priority: u32) -> Value {
    json!({"properties": {
        "priority": priority, "direction": "Outbound", "access": "Deny", "protocol": "*",
        "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "Internet",
        "destinationPortRange": "*",
    }})
}

#[tokio::test]
async fn a_security_group_holds_rules_and_is_held_by_subnets() {
    let azure = Azure::start(options()).await;
    let group = path(&azure, "networkSecurityGroups", "shared");
    let first = |priority| json!({"name": "first", "properties": rule(priority)["properties"]});
    let body =
        |priority| json!({"location": "westeurope", "properties": {"securityRules": [first(priority)]}});
    refused(&azure, &group, &body(99), "SecurityRuleInvalidPriority").await;
    assert_eq!(made(&azure, &group, &body(100)).await, 201);
    let second = format!("{group}/securityRules/second");
    refused(&azure, &second, &rule(100), "SecurityRuleConflict").await;
    let added = azure.put(&second, &rule(200)).await;
    assert_eq!((added.status.as_u16(), &added.body["name"]), (201, &json!("second")));
    azure.step(1).await;
    let shown = azure.get(&group).await.body["properties"].clone();
    assert_eq!(shown["securityRules"].as_array().unwrap().len(), 2);
    assert_eq!(shown["defaultSecurityRules"][5]["name"], "DenyAllOutBound");
    assert_eq!(azure.delete(&second).await.status, 202);
    azure.step(1).await;
    assert_eq!(azure.delete(&second).await.status, 204);

    let agents =
        format!("{}/subnets/azure-devops-agents", path(&azure, "virtualNetworks", "sampleprivatenetwork"));
    let mut subnet = azure.get(&agents).await.body;
    subnet["properties"]["networkSecurityGroup"] = json!({ "id": group });
    made(&azure, &agents, &subnet).await;
    let held = azure.delete(&group).await;
    assert_eq!((held.status.as_u16(), held.code()), (400, "InUseNetworkSecurityGroupCannotBeDeleted"));
    subnet["properties"]["networkSecurityGroup"] = Value::Null;
    made(&azure, &agents, &subnet).await;
    deleted(&azure, &group).await;
}

#[tokio::test]
async fn a_link_that_is_left_over_holds_the_subnet_until_time_or_its_own_call_takes_it() {
    let azure = Azure::start(options()).await;
    let net = path(&azure, "virtualNetworks", "sampleprivatenetwork");
    let subnet = format!("{net}/subnets/azure-devops-agents");
    let link = format!(
        "{subnet}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default?api-version=2018-10-01"
    );
    let leave = async |value: Value| {
        azure.fault("arm.leftover-association-link", value).await;
        let group = container_group("agent", &json!({"subnetIds": [{ "id": subnet }]}));
        assert_eq!(azure.put(&azure.group("agent"), &group).await.status, 201);
        assert_eq!(azure.delete(&link).await.code(), "ServiceAssociationLinkInUse");
        azure.delete(&azure.group("agent")).await;
        let refused = azure.delete(&subnet).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "InUseSubnetCannotBeDeleted"));
        assert_eq!(azure.delete(&net).await.code(), "InUseSubnetCannotBeDeleted");
    };
    leave(json!(60)).await;
    let shown = azure.get(&subnet).await.body;
    assert_eq!(shown["properties"]["serviceAssociationLinks"][0]["name"], "acisal");
    let bare = json!({"properties": {"addressPrefix": "10.10.254.0/23"}});
    refused(&azure, &subnet, &bare, "SubnetMissingRequiredDelegation").await;
    azure.step(61).await;
    assert_eq!(azure.get(&subnet).await.body["properties"]["serviceAssociationLinks"], Value::Null);

    leave(json!(true)).await;
    azure.step(3600).await;
    let token = azure.sign_in(&format!("{}/", azure.url())).await;
    let freed = azure.call_as(&token, reqwest::Method::DELETE, &link, None).await;
    assert_eq!(freed.status, 200);
    let again = azure.call_as(&token, reqwest::Method::DELETE, &link, None).await;
    assert_eq!(again.status, 204);
    let gone = azure.call_as(&token, reqwest::Method::DELETE, &subnet, None).await;
    assert_eq!(gone.status, 202);
}

#[tokio::test]
async fn lists_of_every_kind_come_in_pages() {
    let azure = Azure::start(options()).await;
    azure.fault("arm.page-size", json!(1)).await;
    for name in ["a", "b"] {
        let body = json!({"location": "westeurope"});
        assert_eq!(azure.put(&path(&azure, "networkSecurityGroups", name), &body).await.status, 201);
    }
    let all = format!("{}/providers/Microsoft.Network/networkSecurityGroups", azure.subscription());
    let first = azure.get(&all).await.body;
    let second = azure.get(first["nextLink"].as_str().unwrap()).await.body;
    assert_eq!((&first["value"][0]["name"], &second["value"][0]["name"]), (&json!("a"), &json!("b")));
    assert_eq!(second["nextLink"], Value::Null);
    let filter =
        "api-version=2024-11-01&$filter=resourceType%20eq%20'Microsoft.Network/networkSecurityGroups'";
    let listed = azure.get(&format!("{}/resources?{filter}", azure.resource_group())).await.body;
    let next = azure.get(listed["nextLink"].as_str().unwrap()).await.body;
    assert_eq!((&listed["value"][0]["name"], &next["value"][0]["name"]), (&json!("a"), &json!("b")));
}

#[tokio::test]
async fn a_list_shows_a_resource_as_it_shows_itself_with_its_tag_and_guid() {
    let azure = Azure::start(options()).await;
    let group = path(&azure, "networkSecurityGroups", "filter");
    let body = json!({"location": "westeurope"});
    made(&azure, &group, &body).await;
    let network = network(
        &["10.20.0.0/16"],
        &json!([{
            "name": "a", "properties": {"addressPrefix": "10.20.0.0/24", "networkSecurityGroup": {"id": group}},
        }]),
    );
    made(&azure, &path(&azure, "virtualNetworks", "net"), &network).await;
    let shown = azure.get(&group).await.body;
    assert_eq!(shown["properties"]["subnets"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(azure.get(&path(&azure, "networkSecurityGroups", "")).await.body["value"], json!([shown]));

    assert_eq!(made(&azure, &group, &body).await, 200);
    let again = azure.get(&group).await.body;
    assert_eq!(again["etag"], shown["etag"], "nothing has changed");
    assert_eq!(again["properties"]["resourceGuid"], shown["properties"]["resourceGuid"]);
    let other = path(&azure, "networkSecurityGroups", "other");
    made(&azure, &other, &body).await;
    assert_ne!(
        azure.get(&other).await.body["properties"]["resourceGuid"],
        shown["properties"]["resourceGuid"]
    );
}

#[tokio::test]
async fn a_delegation_keeps_the_name_that_its_maker_gave_it() {
    let azure = Azure::start(options()).await;
    let net = path(&azure, "virtualNetworks", "net");
    let delegation = json!({"name": "containers", "properties": {"serviceName": DELEGATE}});
    let subnet = json!({
        "name": "a", "properties": {"addressPrefix": "10.20.0.0/24", "delegations": [delegation]},
    });
    made(&azure, &net, &network(&["10.20.0.0/16"], &json!([subnet]))).await;
    let shown = azure.get(&format!("{net}/subnets/a")).await.body;
    let shown = &shown["properties"]["delegations"][0];
    assert_eq!(
        (&shown["name"], &shown["properties"]["serviceName"]),
        (&json!("containers"), &json!(DELEGATE))
    );
    assert!(shown["id"].as_str().unwrap().ends_with("/subnets/a/delegations/containers"), "{shown}");
}
