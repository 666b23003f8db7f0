//! What `provision` gives to whoever comes next: output variables of the pipeline, or JSON for a program.

use serde_json::{Map, Value, json};

use super::run::Provisioned;

/// Names and values. The first two are those of 2019.
pub(crate) fn of(all: &[Provisioned]) -> Vec<(&'static str, String)> {
    let listed = |part: &dyn Fn(&Provisioned) -> String| all.iter().map(part).collect::<Vec<_>>().join(",");
    let first = all.first();
    let name = first.map(|one| one.name.to_string()).unwrap_or_default();
    let id = first.map(|one| one.container_group_id.clone()).unwrap_or_default();
    vec![
        ("ImageNameOutput", name.clone()),
        ("ImageIdOutput", id.clone()),
        ("agentName", name),
        ("agentNames", listed(&|one| one.name.to_string())),
        ("agentMatrix", matrix(all).to_string()),
        ("containerGroupId", id),
        ("containerGroupIds", listed(&|one| one.container_group_id.clone())),
    ]
}

/// For `strategy: matrix: $[ … ]`: a job for each agent, in which `$(agentName)` is that agent's.
fn matrix(all: &[Provisioned]) -> Value {
    let legs = all.iter().enumerate();
    let leg = |(index, one): (usize, &Provisioned)| {
        (format!("agent{}", index + 1), json!({ "agentName": one.name.as_str() }))
    };
    Value::Object(legs.map(leg).collect::<Map<_, _>>())
}

/// For a program.
pub(crate) fn as_json(all: &[Provisioned]) -> Value {
    let agent = |one: &Provisioned| {
        json!({
            "agentName": one.name.as_str(),
            "containerGroupId": one.container_group_id,
            "online": one.online,
        })
    };
    let mut json = json!({
        "version": 1,
        "agents": all.iter().map(agent).collect::<Vec<_>>(),
        "online": all.iter().all(|one| one.online),
        "requestsBeforeWaiting": all.iter().map(|one| one.requests_before_waiting).max(),
    });
    for (name, value) in of(all) {
        json[name] = Value::from(value);
    }
    json["agentMatrix"] = matrix(all);
    json
}

#[cfg(test)]
mod tests {
    use lifecycle::AgentName;

    use super::{as_json, of};
    use crate::provision::run::Provisioned;

    fn provisioned(name: &str) -> Provisioned {
        Provisioned {
            name: AgentName::new(name).expect("valid"),
            container_group_id: format!("/groups/{name}"),
            online: true,
            requests_before_waiting: 7,
        }
    }

    #[test]
    fn one_agent() {
        let listed: Vec<_> =
            of(&[provisioned("a1")]).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(listed.join("\n"));
    }

    #[test]
    fn several_agents() {
        let all = [provisioned("a1"), provisioned("a2")];
        insta::assert_json_snapshot!(as_json(&all));
    }
}
