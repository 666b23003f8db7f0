//! Our own task in a pipeline. The published schema knows the tasks that every organization has; an organization that
//! has installed the extension gets ours in its own. So its inputs are held against its manifest here, and for the rest
//! it stands aside for a task that the schema knows.

use serde_json::{Value, json};

const NAME: &str = "AzureContainerAgentCreate@1";

/// Puts a known task in place of ours wherever it stands, and gives what is wrong with its inputs.
pub(crate) fn set_aside(document: &mut Value, manifest: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    match document {
        Value::Array(items) => {
            faults.extend(items.iter_mut().flat_map(|item| set_aside(item, manifest)));
        }
        Value::Object(members) if members.get("task").is_some_and(|task| task == NAME) => {
            faults.extend(inputs(members.get("inputs").unwrap_or(&Value::Null), manifest));
            members.insert("task".to_owned(), json!("CmdLine@2"));
            members.insert("inputs".to_owned(), json!({"script": "true"}));
        }
        Value::Object(members) => {
            faults.extend(members.values_mut().flat_map(|member| set_aside(member, manifest)));
        }
        _ => {}
    }
    faults
}

fn inputs(given: &Value, manifest: &Value) -> Vec<String> {
    let known: Vec<&Value> = manifest["inputs"].as_array().into_iter().flatten().collect();
    let is_called = |input: &Value, name: &str| {
        input["name"] == name || input["aliases"].as_array().is_some_and(|all| all.contains(&json!(name)))
    };
    let mut faults = Vec::new();
    for (name, value) in given.as_object().into_iter().flatten() {
        match known.iter().find(|input| is_called(input, name)) {
            None => faults.push(format!("{NAME} has no input {name}")),
            Some(input) => faults.extend(choice(input, value)),
        }
    }
    let is_given =
        |input: &Value| given.as_object().is_some_and(|all| all.keys().any(|name| is_called(input, name)));
    let needed = known.iter().filter(|input| input["required"] == true && input["defaultValue"] == "");
    faults.extend(
        needed.filter(|input| !is_given(input)).map(|input| format!("{NAME} needs {}", input["name"])),
    );
    faults
}

/// A value that is none of those which an input offers, unless it takes others too.
fn choice(input: &Value, value: &Value) -> Option<String> {
    let offered = input["options"].as_object()?;
    let text = value.as_str().unwrap_or_default();
    let fits = text.starts_with("$(") || offered.keys().any(|option| option.eq_ignore_ascii_case(text));
    (!fits).then(|| format!("{} is {text:?}, which is not offered", input["name"]))
}
