//! The port's rules against the emulator, where it is built.

#[expect(dead_code, reason = "an agent pool moves without being stepped")]
#[path = "../../azure-http/tests/conformance/emulator.rs"]
mod emulator;

use std::collections::BTreeMap;

use azure_devops::registration::{AgentKey, AgentRegistration};
use azure_devops::{Organization, PoolClient, PoolRight};
use azure_http::Auth;
use azure_http::identity::DEVOPS_SCOPE;
use emulator::Emulator;
use lifecycle::AgentName;
use lifecycle::conformance::{PoolSubject, agent_pool};
use redact::Secret;

async fn conforms(test: &str, auth: impl AsyncFn(&Emulator) -> Auth) {
    let Some(emulator) = Emulator::start(test).await else { return };
    let auth = auth(&emulator).await;
    let organization = Organization::new(emulator.pipeline(), emulator.value("AZURE_DEVOPS_ORG_URL"), auth)
        .expect("an organization");
    let name = emulator.value("AZURE_DEVOPS_POOL");
    let pool = organization.pool(name, PoolRight::Manage).await.expect("an answer").expect("the pool");
    let registration = AgentRegistration {
        key: AgentKey::generate().expect("a key"),
        version: "4.275.0".to_owned(),
        os_description: "Linux".to_owned(),
        os: "Linux".to_owned(),
        extra_capabilities: BTreeMap::new(),
    };
    let subject = PoolSubject {
        pool: &PoolClient::new(organization, pool),
        name: AgentName::new("conformance-20261124000000-abcdef").expect("a name"),
        registration: &registration,
    };
    agent_pool(subject).await;
}

#[tokio::test]
async fn an_agent_pool_conforms_with_a_personal_access_token() {
    conforms("pat", async |emulator| Auth::Basic(Secret::new(emulator.value("AZURE_DEVOPS_EXT_PAT")))).await;
}

#[tokio::test]
async fn an_agent_pool_conforms_with_a_service_principal() {
    conforms("principal", async |emulator| {
        let cloud = emulator.cloud().await;
        let credential = emulator.credential(&emulator.pipeline(), &cloud);
        Auth::Entra { credential, scope: DEVOPS_SCOPE.to_owned() }
    })
    .await;
}
