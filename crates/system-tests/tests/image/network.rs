//! A virtual network: a group has an address of its subnet, reaches what is in the network, and has no way out unless
//! there is a NAT gateway.

use emulator::arm::{Resource, Subnet, VirtualNetwork};
use serde_json::{Value, json};
use system_tests::{Engine, Printed, World};

const DELEGATE: &str = "Microsoft.ContainerInstance/containerGroups";

/// What is private: a container in the network that answers on a port, as a database would.
const SERVER: &str = r#"ENTRYPOINT ["perl", "-MIO::Socket::INET", "-e", "$s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1); while ($c = $s->accept) { print $c \"private data\\n\"; close $c }"]"#;

/// Makes something that a network needs, and gives its id.
fn resource(world: &World, kind: &str, properties: Value) -> String {
    let id = format!("{}/providers/{kind}/agents", world.resource_group());
    let resource = Resource {
        id: id.clone(),
        name: "agents".to_owned(),
        kind: kind.to_owned(),
        location: emulator::world::LOCATION.to_owned(),
        tags: json!({}),
        sku: Value::Null,
        properties,
    };
    world.emulator().change(|state| state.arm.resources.insert(id.to_ascii_lowercase(), resource));
    id
}

/// A NAT gateway with an address to call out from.
fn nat_gateway(world: &World) -> String {
    let properties = json!({"publicIpAddresses": [{"id": "/addresses/out"}]});
    resource(world, "Microsoft.Network/natGateways", properties)
}

/// A network of 10.`part`.0.0/16 with a subnet for agents.
fn network(world: &World, part: u8, nat_gateway: Option<String>) -> String {
    let group = world.resource_group();
    let id = format!("{group}/providers/Microsoft.Network/virtualNetworks/private");
    let network = VirtualNetwork {
        id: id.clone(),
        name: "private".to_owned(),
        location: emulator::world::LOCATION.to_owned(),
        tags: json!({}),
        properties: json!({"addressSpace": {"addressPrefixes": [format!("10.{part}.0.0/16")]}}),
        subnets: vec![Subnet {
            name: "agents".to_owned(),
            address_prefix: format!("10.{part}.7.0/24"),
            delegations: vec![DELEGATE.into()],
            nat_gateway,
            ..Subnet::default()
        }],
    };
    let key = id.to_ascii_lowercase();
    world.emulator().change(|state| state.arm.networks.insert(key.clone(), network));
    key
}

fn joined(world: &World, image: &str) -> system_tests::Invocation {
    world.provision().with("image", image).and("vnet-name", "private").and("subnet-name", "agents")
}

/// A job that says which of these addresses it reaches.
fn reach(addresses: &[&str]) -> String {
    let lines = addresses.iter().map(|address| {
        let (host, port) = address.split_once(':').expect("host:port");
        format!(
            "if timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}; head -n 1 <&3' 2>/dev/null; then \
             echo {address} is reached; else echo {address} is out of reach; fi"
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_network_is_reached_and_nothing_else() {
    let Some(engine) = Engine::prepared() else { return };
    let server = engine.image_with("server", SERVER);
    let world = World::on(&engine).await;
    let gateway = nat_gateway(&world);
    network(&world, 41, Some(gateway));
    let started = joined(&world, &server).and("timeout-agent-online", "0").run().await;
    let server_name = started.agent_name().to_owned();
    let provisioned = joined(&world, engine.agent_image()).run().await;
    let agent = provisioned.agent_name();

    let address = |name: &str| {
        world.emulator().read(|state| {
            let mut groups = state.arm.container_groups.values();
            groups
                .find(|group| group.name == name)
                .and_then(|group| group.address)
                .expect("an address")
                .to_string()
        })
    };
    assert_eq!((address(&server_name), address(agent)), ("10.41.7.4".to_owned(), "10.41.7.5".to_owned()));
    let container = engine.container_of(agent);
    assert!(engine.inside(&container, "cat /proc/net/fib_trie").contains("10.41.7.5"));
    assert_eq!(engine.docker(&["port", &container]), "", "no port is published");
    assert_eq!(engine.docker(&["port", &engine.container_of(&server_name)]), "");

    let run = world.job(agent, &reach(&["10.41.7.4:8080", "10.41.7.4:8081"])).await;
    assert_eq!(world.result(run).await, "succeeded");
    let log = world.job_log(run);
    assert!(log.contains("private data") && log.contains("10.41.7.4:8080 is reached"), "{log}");
    assert!(log.contains("10.41.7.4:8081 is out of reach"), "the test can fail: {log}");
    world.life(agent).await.has_row("job-finished");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_network_is_out_of_reach() {
    let Some(engine) = Engine::prepared() else { return };
    let server = engine.image_with("server", SERVER);
    let world = World::on(&engine).await;
    network(&world, 42, None);
    joined(&world, &server).and("timeout-agent-online", "0").run().await;
    let provisioned = world.provision().with("image", engine.agent_image()).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, &reach(&["10.42.7.4:8080"])).await;
    assert_eq!(world.result(run).await, "succeeded");
    assert!(world.job_log(run).contains("10.42.7.4:8080 is out of reach"), "{}", world.job_log(run));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nat_gateway_is_a_way_out() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let gateway = nat_gateway(&world);
    network(&world, 43, Some(gateway));
    let provisioned = joined(&world, engine.agent_image()).run().await;
    let agent = provisioned.agent_name();
    assert!(!provisioned.said().contains("no NAT gateway"), "{}", provisioned.said());
    assert!(has_way_out(&engine, &engine.container_of(agent)));
    world.end().await;
}

/// Neither Azure DevOps nor anything else outside is reached: the agent does not come online, and it is said why.
async fn without_way_out(engine: &Engine, world: &World) -> Printed {
    let provision = joined(world, engine.agent_image()).and("timeout-agent-online", "15");
    let printed = provision.and("keep-on-error", "").run().await;
    printed.has_row("agent-never-online-network");
    let groups = world.groups();
    assert!(!has_way_out(engine, &engine.container_of(&groups[0])));
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_nat_gateway_there_is_no_way_out() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    network(&world, 45, None);
    let printed = without_way_out(&engine, &world).await;
    assert!(printed.said().contains("no NAT gateway"), "it is warned of: {}", printed.said());
    world.end().await;
}

/// Whether a container is on a network of the engine that is not internal: from the others nothing gets out, whatever
/// routes they give.
fn has_way_out(engine: &Engine, container: &str) -> bool {
    let names = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    let names = engine.docker(&["inspect", "--format", names, container]);
    assert!(!names.trim().is_empty(), "it is on some");
    names
        .split_whitespace()
        .any(|name| engine.docker(&["network", "inspect", "--format", "{{.Internal}}", name]) == "false")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_security_group_that_denies_the_internet_takes_the_way_out() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let gateway = nat_gateway(&world);
    let key = network(&world, 44, Some(gateway));
    let rule = json!({"name": "closed", "properties": {
        "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "*", "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationAddressPrefix": "Internet", "destinationPortRange": "*",
    }});
    let properties = json!({"securityRules": [rule]});
    let group = resource(&world, "Microsoft.Network/networkSecurityGroups", properties);
    world.emulator().change(|state| {
        let network = state.arm.networks.get_mut(&key).expect("the network");
        network.subnets[0].network_security_group = Some(group);
    });
    let printed = without_way_out(&engine, &world).await;
    assert!(!printed.said().contains("no NAT gateway"), "there is one: {}", printed.said());
    world.end().await;
}
