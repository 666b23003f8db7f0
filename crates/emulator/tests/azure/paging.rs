//! Lists of container groups: pages that lead to one another, and no instance view.

use serde_json::{Value, json};

use crate::support::{Azure, container_group, options};

#[tokio::test]
async fn pages_lead_to_one_another_and_hold_each_group_once() {
    let azure = Azure::start(options()).await;
    azure.fault("arm.page-size", json!(2)).await;
    for number in 0..5 {
        azure.put(&azure.group(&format!("group-{number}")), &container_group("agent", &json!({}))).await;
    }
    let of_subscription =
        format!("{}/providers/Microsoft.ContainerInstance/containerGroups", azure.subscription());
    let of_group = azure.group("");
    for start in [of_subscription.as_str(), of_group.trim_end_matches('/')] {
        let (mut names, mut pages) = (Vec::new(), 0);
        let mut next = Some(start.to_owned());
        while let Some(page) = next {
            let answer = azure.get(&page).await.body;
            pages += 1;
            for group in answer["value"].as_array().unwrap() {
                assert_eq!(group["properties"]["instanceView"], Value::Null);
                names.push(group["name"].as_str().unwrap().to_owned());
            }
            next = answer["nextLink"].as_str().map(str::to_owned);
        }
        assert_eq!(pages, 3);
        assert_eq!(names, ["group-0", "group-1", "group-2", "group-3", "group-4"]);
    }
}
