//! Building our image: with the agent in it, and twice with the same result.

use std::process::{Command, Output};

use system_tests::{Engine, World};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::azure::Azure;

/// The emulator's agent.
const VERSION: &str = "4.275.0";

/// Serves a package as the download host does, and gives its address.
async fn serve(package: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let wanted = format!("GET /agent/{VERSION}/vsts-agent-linux-x64-{VERSION}.tar.gz ");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            let (status, body) =
                if head.starts_with(&wanted) { ("200 OK", &package[..]) } else { ("404 Not Found", &[][..]) };
            let reply =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.write_all(body).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("http://{address}/agent")
}

fn sha256(folder: &std::path::Path, bytes: &[u8]) -> String {
    let file = folder.join("package");
    std::fs::write(&file, bytes).expect("a file");
    let sum = Command::new("sha256sum").arg(&file).output().expect("sha256sum");
    String::from_utf8_lossy(&sum.stdout).split(' ').next().expect("a sum").to_owned()
}

/// Builds with this agent; the build calls what listens on this machine only.
fn with_agent(engine: &Engine, packages: &str, checksum: &str) -> Output {
    let version = format!("AGENT_VERSION={VERSION}");
    let (packages, checksum) = (format!("AGENT_PACKAGES={packages}"), format!("AGENT_SHA256={checksum}"));
    let more =
        ["--network", "host", "--build-arg", &version, "--build-arg", &packages, "--build-arg", &checksum];
    engine.build("basic", "ephemeral-agents/with-agent:test", &more)
}

/// What a build says that must fail.
fn failure(output: &Output) -> String {
    assert!(!output.status.success(), "it failed");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_in_the_image_is_checked_when_it_is_built_and_not_fetched_when_it_starts() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let organization = emulator::world::ORGANIZATION;
    let file = format!("vsts-agent-linux-x64-{VERSION}.tar.gz");
    let path = format!("{organization}/_apis/packages-content/agent/{VERSION}/{file}");
    let package = Azure::of(&world).await.download(&path).await;
    let checksum = sha256(world.folder(), &package);
    let packages = serve(package).await;

    let without = failure(&with_agent(&engine, &packages, ""));
    assert!(without.contains("AGENT_VERSION is given without AGENT_SHA256"), "{without}");
    let wrong = "0".repeat(64);
    let wrong = failure(&with_agent(&engine, &packages, &wrong));
    let expected = format!("{file} does not match AGENT_SHA256: it is {checksum}");
    assert!(wrong.contains(&expected), "{wrong}");
    let built = with_agent(&engine, &packages, &checksum);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let asked = world.asked(&["packages"]);
    let image = "ephemeral-agents/with-agent:test";
    let provisioned = world.provision().with("image", image).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo run by $AGENT_VERSION as $(id -un)").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    assert!(world.job_log(run).contains("run by 4.275.0 as agent"), "{}", world.job_log(run));
    world.life(agent).await.has_row("job-finished");
    assert_eq!(world.asked(&["packages"]), asked, "nobody asks for a package");
    world.nothing_left().await;
    world.end().await;
    engine.docker(&["rmi", image]);
}

/// What does not come from a package archive is the same each time: the system's packages are taken from the cache, and
/// what is ours is built anew.
#[test]
fn two_builds_of_the_same_files_have_the_same_layers() {
    let Some(engine) = Engine::prepared() else { return };
    let system = "ephemeral-agents/system:test";
    assert!(engine.build("system", system, &[]).status.success());
    let built = ["ephemeral-agents/once:test", "ephemeral-agents/again:test"].map(|tag| {
        let built = engine.build("basic", tag, &["--cache-from", system]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let inspect = |what: &str| engine.docker(&["image", "inspect", "--format", what, tag]);
        let (made, layers) = (inspect("{{.Id}} {{.Created}}"), inspect("{{join .RootFS.Layers \"\\n\"}}"));
        engine.docker(&["rmi", tag]);
        (made, layers)
    });
    let [(first, layers), (second, again)] = built;
    assert_ne!(first, second, "it was built twice");
    assert_eq!(layers, again);
}
