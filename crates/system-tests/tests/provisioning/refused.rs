//! What preflight finds: nothing is created.

use system_tests::World;

#[tokio::test]
async fn a_pool_that_is_not_there() {
    let world = World::start().await;
    let printed = world.provision().with("agent-pool", "nowhere").run().await;
    printed.has_row("pool-unknown");
    world.nothing_left().await;
}
