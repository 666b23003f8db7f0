//! No way to a service from here.

use system_tests::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::fails_as;

/// `.invalid` is a name that the resolver answers itself: nothing is asked of anybody.
#[tokio::test]
async fn a_name_without_an_address() {
    let world = World::start().await;
    let nowhere = world.provision().with("organization-url", "https://nowhere.invalid/contoso");
    fails_as(&world, "name-not-resolved", &nowhere).await;
    let nowhere = world.provision().with("cloud", "https://nowhere.invalid");
    fails_as(&world, "name-not-resolved", &nowhere).await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority() {
    let world = World::start().await;
    fails_as(&world, "certificate-not-trusted", &world.provision().without("ca-file")).await;
}

#[tokio::test]
async fn nobody_listens() {
    let world = World::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let nobody = world.provision().with("organization-url", &format!("https://localhost:{port}/contoso"));
    fails_as(&world, "connection-refused", &nobody).await;
}

/// A proxy that answers everything with one status, and where it listens.
async fn proxy(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ =
                stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_proxy_that_wants_a_password() {
    let world = World::start().await;
    let proxy = proxy("407 Proxy Authentication Required").await;
    fails_as(&world, "proxy-password", &world.provision().env("HTTPS_PROXY", &proxy)).await;
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    let world = World::start().await;
    let proxy = proxy("403 Forbidden").await;
    fails_as(&world, "proxy-refuses", &world.provision().env("HTTPS_PROXY", &proxy)).await;
}
