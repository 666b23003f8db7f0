//! The command `doctor`, in a pipeline.

use crate::support::{world, yaml};

#[tokio::test]
async fn it_looks_with_the_inputs_of_create_and_speaks_of_inputs() {
    let Some(world) = world().await else { return };
    let inputs = [("command", "doctor"), ("imageName", "127.0.0.1:9/agent:1")];
    // The first of its jobs alone.
    let looks = |inputs: &[(&str, &str)]| {
        let yaml = yaml(&world, inputs);
        yaml.split("  - job: work").next().expect("a beginning").to_owned()
    };
    let printed = world.pipeline("pipeline", &looks(&inputs)).run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(0), "{said}");
    for part in ["CHECK           STATE", "Every pipeline of sample may use", "1 warning, 0 failed."] {
        assert!(said.contains(part), "{part} in {said}");
    }
    world
        .emulator()
        .change(|state| state.devops.queues.values_mut().for_each(|queue| queue.permissions.all = false));
    let wrong = [inputs[0], inputs[1], ("vnetName", "nowhere"), ("subnetName", "agents")];
    let printed = world.pipeline("pipeline", &looks(&wrong)).run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(1), "{said}");
    assert!(said.contains("may not use `sample-ephemeralpool` yet."), "{said}");
    assert!(said.contains("To do: correct vnetName, subnetName or vnetResourceGroupName;"), "{said}");
    assert!(said.contains("Agents would not come to life: pipelines, subnet."), "{said}");
    assert_eq!((world.agents(), world.groups()), (vec![], vec![]), "it only looks");
    world.end().await;
}
