//! What a `task.json` must have before the service takes it.

use serde_json::Value;

use crate::devops::tasks::member;

/// The stages in which a task runs something.
const STAGES: &[&str] = &["execution", "prejobexecution", "postjobexecution"];

/// The longest name that people see.
const LONGEST_FRIENDLY_NAME: usize = 40;

/// Checks a manifest. `has` says whether the task's folder holds a file.
pub(super) fn check(manifest: &Value, has: &dyn Fn(&str) -> bool) -> Result<(), String> {
    let text = |name: &str| manifest[name].as_str().filter(|text| !text.is_empty());
    let required = |name: &str| text(name).ok_or_else(|| format!("{name} is missing"));
    required("id")?;
    let name = required("name")?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(format!("the name {name:?} may have only letters, digits and hyphens"));
    }
    let friendly = required("friendlyName")?.chars().count();
    if friendly > LONGEST_FRIENDLY_NAME {
        return Err(format!(
            "friendlyName has {friendly} characters, and may have {LONGEST_FRIENDLY_NAME} at most"
        ));
    }
    required("instanceNameFormat")?;
    if member(manifest, "version").is_none() {
        return Err("version is missing".to_owned());
    }
    check_handlers(manifest, has)
}

fn check_handlers(manifest: &Value, has: &dyn Fn(&str) -> bool) -> Result<(), String> {
    let mut any = false;
    for stage in STAGES {
        for (handler, data) in manifest[*stage].as_object().into_iter().flatten() {
            any = true;
            let target = data["target"].as_str().filter(|target| !target.is_empty());
            let target = target.ok_or_else(|| format!("the handler {handler} in {stage} names no target"))?;
            let file = target.replace('\\', "/").replace("$(currentDirectory)/", "");
            // Only the job knows what a variable holds.
            if !file.contains("$(") && !has(file.trim_start_matches("./")) {
                return Err(format!(
                    "the handler {handler} in {stage} runs {target}, which is not in the task's folder"
                ));
            }
        }
    }
    if any {
        Ok(())
    } else {
        Err("execution is missing: the task has no handler, such as Node20_1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn manifest() -> Value {
        json!({
            "id": "11111111-2222-4333-8444-555555555555", "name": "Greeter", "friendlyName": "Greeter",
            "instanceNameFormat": "Greet", "version": {"Major": 1, "Minor": 0, "Patch": 0},
            "execution": {"Node20_1": {"target": "index.js"}},
        })
    }

    fn check(manifest: &Value) -> Result<(), String> {
        super::check(manifest, &|file| file == "index.js" || file == "lib/main.js")
    }

    #[test]
    fn what_is_complete_is_taken() {
        assert_eq!(check(&manifest()), Ok(()));
        for target in ["lib\\main.js", "$(currentDirectory)/index.js", "./index.js", "$(which).js"] {
            let mut changed = manifest();
            changed["execution"]["Node24"] = json!({ "target": target });
            assert_eq!(check(&changed), Ok(()), "{target}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for member in ["id", "name", "friendlyName", "instanceNameFormat", "version", "execution"] {
            let mut changed = manifest();
            changed.as_object_mut().expect("an object").remove(member);
            let refused = check(&changed).expect_err(member);
            assert!(refused.starts_with(&format!("{member} is missing")), "{refused}");
        }
        for (member, value, expected) in [
            ("name", json!("My Task"), "letters, digits and hyphens"),
            ("friendlyName", json!("x".repeat(41)), "41 characters"),
            ("execution", json!({"Node20_1": {}}), "names no target"),
            ("execution", json!({"Node20_1": {"target": "gone.js"}}), "runs gone.js, which is not"),
        ] {
            let mut changed = manifest();
            changed[member] = value;
            let refused = check(&changed).expect_err(expected);
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
