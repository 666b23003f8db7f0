//! What several of these tests do to a world.

use emulator::State;
use emulator::devops::{NewAgent, register_agent};
use system_tests::{Invocation, NETWORK, Printed, SUBNET, World};

/// Runs it; what is printed is that row, and afterwards nothing is left.
pub(crate) async fn fails_as(world: &World, row: &str, invocation: &Invocation) {
    invocation.run().await.has_row(row);
    world.nothing_left().await;
}

/// `provision` into the sample's subnet.
pub(crate) fn in_network(world: &World) -> Invocation {
    world.provision().and("vnet-name", NETWORK).and("subnet-name", SUBNET)
}

/// Runs the command that was printed for what is left.
pub(crate) async fn clean_up(world: &World, printed: &Printed) {
    let said = printed.said();
    let command = said.split('`').find(|part| part.starts_with("ephemeral-agents deprovision"));
    let words = command.unwrap_or_else(|| panic!("no command:\n{said}")).split_whitespace().skip(1);
    let words: Vec<&str> = words.map(|word| word.trim_matches('\'')).collect();
    let mut cleaning = world.command(&words);
    for given in ["subscription", "resource-group", "cloud", "ca-file"] {
        cleaning = cleaning.without(given);
    }
    let cleaned = cleaning.run().await;
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.said());
    world.nothing_left().await;
}

/// Waits until a reply is held back.
pub(crate) async fn held(world: &World) {
    world.wait_for("a reply that is held back", |state| (state.held > 0).then_some(())).await;
}

/// Registers an agent of that name, as somebody else.
pub(crate) fn register(world: &World, name: &str) {
    world.emulator().change(|state| {
        let pool = emulator::devops::pool_by_name(state, emulator::world::POOL).expect("the pool").id;
        let new = NewAgent { name: name.to_owned(), version: "4.0.0".to_owned(), ..NewAgent::default() };
        register_agent(state, pool, new).expect("registered");
    });
}

/// How many requests came whose method and path hold these.
pub(crate) fn requests(state: &State, method: &str, part: &str) -> u64 {
    let known = state.requests.iter().filter(|(request, _)| {
        request.starts_with(method) && request.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
    });
    known.map(|(_, count)| count).sum()
}
