//! Azure's SDKs for Python.

use system_tests::World;

use crate::support::{judge, program};

#[tokio::test]
async fn resource_groups() {
    let Some(python) = program("SDK_PYTHON") else { return };
    let world = World::start().await;
    judge(&world, &python, "azure_groups.py").await;
    world.end().await;
}
