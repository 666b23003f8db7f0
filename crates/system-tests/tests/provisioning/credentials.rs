//! Who provisions is not known, or may not.

use system_tests::World;

use crate::support::fails_as;

#[tokio::test]
async fn a_wrong_token() {
    let world = World::start().await;
    fails_as(&world, "token-wrong", &world.provision().env("AZURE_DEVOPS_EXT_PAT", "planted-token")).await;
}

#[tokio::test]
async fn an_expired_token() {
    let world = World::start().await;
    world.fault("devops.token-expired", true);
    fails_as(&world, "token-expired", &world.provision()).await;
}

#[tokio::test]
async fn a_token_without_the_scope() {
    let world = World::start().await;
    world.fault("devops.token-scope", "none");
    fails_as(&world, "token-wrong", &world.provision()).await;
    world.fault("devops.token-scope", "read");
    fails_as(&world, "token-scope-read", &world.provision()).await;
}

#[tokio::test]
async fn the_token_of_a_job_that_is_over() {
    let world = World::start().await;
    let over = world.provision().env("AZURE_DEVOPS_EXT_PAT", "").env("SYSTEM_ACCESSTOKEN", "planted-token");
    fails_as(&world, "token-of-a-job", &over).await;
}

#[tokio::test]
async fn a_service_principal_that_is_not_in_the_organization() {
    let world = World::start().await;
    world.emulator().change(|state| state.devops.members.clear());
    fails_as(&world, "not-in-organization", &world.provision().env("AZURE_DEVOPS_EXT_PAT", "")).await;
}

#[tokio::test]
async fn a_pool_to_which_one_may_add_no_agent() {
    let world = World::start().await;
    for role in ["reader", "user"] {
        world.fault("devops.pool-role", role);
        fails_as(&world, "pool-not-manageable", &world.provision()).await;
    }
}

#[tokio::test]
async fn a_hosted_pool() {
    let world = World::start().await;
    fails_as(&world, "pool-hosted", &world.provision().with("agent-pool", "Azure Pipelines")).await;
}

#[tokio::test]
async fn a_wrong_client_secret() {
    let world = World::start().await;
    fails_as(&world, "secret-wrong", &world.provision().env("AZURE_CLIENT_SECRET", "planted-secret")).await;
}

#[tokio::test]
async fn an_expired_client_secret() {
    let world = World::start().await;
    world.emulator().change(|state| {
        for app in &mut state.entra.apps {
            app.secrets.iter_mut().for_each(|secret| secret.expired = true);
        }
    });
    fails_as(&world, "secret-expired", &world.provision()).await;
}

#[tokio::test]
async fn a_tenant_or_an_app_that_is_not_there() {
    let world = World::start().await;
    let nobody = "11111111-2222-3333-4444-555555555555";
    fails_as(&world, "app-unknown", &world.provision().env("AZURE_CLIENT_ID", nobody)).await;
    fails_as(&world, "tenant-unknown", &world.provision().env("AZURE_TENANT_ID", nobody)).await;
}

#[tokio::test]
async fn a_subscription_that_is_not_there() {
    let world = World::start().await;
    let nowhere = world.provision().with("subscription", "11111111-2222-3333-4444-555555555555");
    fails_as(&world, "subscription-unknown", &nowhere).await;
}

#[tokio::test]
async fn a_resource_group_that_is_not_there() {
    let world = World::start().await;
    fails_as(&world, "resource-group-unknown", &world.provision().with("resource-group", "nowhere")).await;
}

#[tokio::test]
async fn no_role_in_the_subscription() {
    let world = World::start().await;
    world.emulator().change(|state| state.arm.role_assignments.clear());
    fails_as(&world, "role-missing", &world.provision()).await;
}

#[tokio::test]
async fn a_role_that_may_only_read() {
    let world = World::start().await;
    world.only_role("Reader");
    fails_as(&world, "role-reads-only", &world.provision()).await;
}

#[tokio::test]
async fn a_role_that_may_not_look_at_the_network() {
    let world = World::start().await;
    world.only_role("Azure Container Instances Contributor Role");
    fails_as(&world, "role-network", &crate::support::in_network(&world)).await;
}

#[tokio::test]
async fn a_role_that_may_not_join_the_network() {
    let world = World::start().await;
    world.only_role("Reader");
    world.emulator().change(|state| {
        let roles = &state.arm.role_definitions;
        let role = roles
            .iter()
            .find(|role| role.role_name.starts_with("Azure Container Instances"))
            .expect("a role");
        let more = emulator::arm::RoleAssignment {
            role: role.name.clone(),
            ..state.arm.role_assignments[0].clone()
        };
        state.arm.role_assignments.push(more);
    });
    fails_as(&world, "role-join", &crate::support::in_network(&world)).await;
}

#[tokio::test]
async fn a_provider_that_is_not_registered() {
    let world = World::start().await;
    world.emulator().change(|state| {
        state.arm.unregistered_providers.push("Microsoft.ContainerInstance".to_owned());
    });
    fails_as(&world, "provider-not-registered", &world.provision()).await;
}

#[tokio::test]
async fn a_certificate_that_the_app_does_not_have() {
    let world = World::start().await;
    let provision = world.provision().certified(&world);
    world.emulator().change(|state| state.entra.apps[0].certificates.clear());
    fails_as(&world, "certificate-unknown", &provision).await;
}

#[tokio::test]
async fn nobody_is_signed_in() {
    let world = World::start().await;
    let nobody = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
    let provision = nobody.iter().fold(world.provision(), |provision, name| provision.env(name, ""));
    fails_as(&world, "not-signed-in", &provision.env("PATH", "/nowhere")).await;
}

#[tokio::test]
async fn a_clock_that_is_off() {
    let world = World::start().await;
    world.fault("entra.clock-skew-seconds", 7200);
    fails_as(&world, "clock-behind", &world.provision().certified(&world)).await;
    world.fault("entra.clock-skew-seconds", -7200);
    fails_as(&world, "clock-ahead", &world.provision().certified(&world)).await;
    world.mend("entra.clock-skew-seconds");
    let fine = world.provision().certified(&world).with("timeout-agent-online", "0").run().await;
    assert_eq!(fine.code, Some(0), "{}", fine.said());
}
