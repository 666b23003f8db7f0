//! Corporate networks: certificates that only the image knows, and proxies.

use std::sync::{Arc, Mutex, PoisonError};

use system_tests::{Engine, World};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Nothing but the image tells the supervisor, the agent and the job whom to trust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_in_the_image_is_trusted_by_all_that_runs_in_it() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let image = engine.image_that_trusts(&world, engine.agent_image(), "own-authority");
    let provisioned = world.provision().without("agent-ca-file").with("image", &image).run().await;
    let agent = provisioned.agent_name();
    let call = "curl --silent --show-error --output /dev/null --write-out 'curl says %{http_code}'";
    let run = world.job(agent, &format!("{call} {}/metadata/endpoints", world.setting("EMULATOR_URL"))).await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.job_log(run));
    let log = world.job_log(run);
    assert!(log.contains("curl says ") && !log.contains("curl says 000"), "{log}");
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
    world.end().await;
    engine.docker(&["rmi", &image]);
}

/// What a proxy was asked for: the first line of each request.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy for every container, which lets all through: its port, and what it was asked for.
async fn proxy() -> (u16, Asked) {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tunnel(stream, Arc::clone(&noted)));
        }
    });
    (port, asked)
}

/// Serves one `CONNECT`.
async fn tunnel(stream: TcpStream, asked: Asked) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await? > 0 {}
    let first = head.lines().next().unwrap_or_default().to_owned();
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(first);
    let mut other = TcpStream::connect(target).await?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut stream, &mut other).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_goes_through_the_proxy_that_the_container_is_told() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let (port, asked) = proxy().await;
    let url = world.setting("EMULATOR_URL");
    let here = url.strip_prefix("https://").expect("an address");
    let proxy = format!("http://{}:{port}", here.split(':').next().expect("a host"));
    let provision = world.provision().with("image", engine.agent_image());
    let provisioned = provision.and("env", &format!("HTTPS_PROXY={proxy}")).run().await;
    let agent = provisioned.agent_name();
    let asked = || asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let wanted = format!("CONNECT {here} HTTP/1.1");
    assert!(asked().contains(&wanted), "{:?}", asked());
    // The agent's own process has it, and the job that it starts.
    let container = engine.container_of(agent);
    let script = "for process in /proc/[0-9]*; do tr '\\0' ' ' < $process/cmdline | grep -q '[A]gent.Listener run' && \
                  tr '\\0' '\\n' < $process/environ | grep ^HTTPS_PROXY=; done; true";
    // Root in a container may not look there.
    let found = engine.docker(&["exec", "--user", "agent", &container, "sh", "-c", script]);
    assert_eq!(found, format!("HTTPS_PROXY={proxy}"));
    let run = world.job(agent, "echo the job has $HTTPS_PROXY").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.job_log(run));
    assert!(world.job_log(run).contains(&format!("the job has {proxy}")), "{}", world.job_log(run));
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
    world.end().await;
}
