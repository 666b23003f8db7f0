//! Why an agent did not come online: what is known, the likely cause, and what to do. Pure.

use super::wait::Why;
use crate::errors::Blame;
use crate::life_end;
use crate::services::{Event, GroupView};

/// The likely cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// What it is, a sentence.
    pub(crate) what: String,
    /// What to do, a sentence.
    pub(crate) remedy: String,
    /// Whose it is.
    pub(crate) blame: Blame,
}

/// What there is to go by.
pub(crate) struct Evidence<'a> {
    /// Why we stopped waiting.
    pub(crate) why: Why,
    /// The container group, as it was last seen.
    pub(crate) group: Option<&'a GroupView>,
    /// The last lines of its container.
    pub(crate) log: Option<&'a str>,
    /// The image.
    pub(crate) image: &'a str,
    /// Whether it is in a virtual network.
    pub(crate) in_network: bool,
}

/// Everything a user is told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// Why we stopped waiting, in words.
    pub(crate) why: String,
    /// The likely cause.
    pub(crate) cause: Cause,
    /// Whether another place, or another size, may do.
    pub(crate) is_for_want_of_room: bool,
    image: String,
    state: Option<String>,
    events: Vec<Event>,
    log: Vec<String>,
}

/// Lines of the container's log that are shown.
pub(crate) const LOG_LINES: u32 = 20;

impl Diagnosis {
    /// Puts together what is known.
    pub(crate) fn of(evidence: &Evidence<'_>) -> Self {
        Self {
            why: evidence.why.words(),
            cause: likely_cause(evidence),
            is_for_want_of_room: evidence.group.is_some_and(|group| no_room(&group.events).is_some()),
            image: evidence.image.to_owned(),
            state: evidence.group.map(state),
            events: evidence.group.map(in_time_order).unwrap_or_default(),
            log: evidence.log.map(|log| log.lines().map(str::to_owned).collect()).unwrap_or_default(),
        }
    }

    /// What is known besides the cause, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("Image: {}", self.image)];
        lines.extend(self.state.iter().map(|state| format!("State: {state}")));
        if !self.events.is_empty() {
            lines.push("Events:".to_owned());
            lines.extend(self.events.iter().map(|event| {
                let at = event.at.map_or_else(|| "(no time)".to_owned(), |at| at.to_string());
                let times = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
                format!("  {at} {}{times}: {}", event.name, event.message.trim())
            }));
        }
        if self.log.is_empty() {
            lines.push("Log: the container printed nothing.".to_owned());
        } else {
            lines.push("Log, last lines:".to_owned());
            let skipped = self.log.len().saturating_sub(LOG_LINES as usize);
            lines.extend(self.log[skipped..].iter().map(|line| format!("  {line}")));
        }
        lines
    }
}

fn state(group: &GroupView) -> String {
    let mut text = format!("container group {}", group.provisioning_state);
    if let Some(container) = &group.container {
        text.push_str(", container ");
        text.push_str(&container.state);
        if let Some(code) = container.exit_code {
            text.push_str(", exit code ");
            text.push_str(&code.to_string());
        }
        if !container.detail.is_empty() {
            text.push_str(", ");
            text.push_str(&container.detail);
        }
    }
    text
}

/// The service lists events in no order, and several of one second; those then stand in the order of a container's
/// life. What has no time is the service's last word.
fn in_time_order(group: &GroupView) -> Vec<Event> {
    const LIFE: [&str; 7] = ["Pulling", "Pulled", "Created", "Started", "Failed", "BackOff", "Killing"];
    let place = |event: &Event| LIFE.iter().position(|name| *name == event.name).unwrap_or(LIFE.len());
    let mut events = group.events.clone();
    events.sort_by_key(|event| (event.at.is_none(), event.at, place(event)));
    events
}

fn cause(blame: Blame, what: impl Into<String>, remedy: impl Into<String>) -> Cause {
    Cause { what: what.into(), remedy: remedy.into(), blame }
}

/// The likely cause. The nearer to the beginning of a container's life something went wrong, the more certain it is,
/// so that is the order of the questions.
pub(crate) fn likely_cause(evidence: &Evidence<'_>) -> Cause {
    let events = evidence.group.map(in_time_order).unwrap_or_default();
    no_room(&events)
        .or_else(|| said_by_supervisor(evidence))
        .or_else(|| image_trouble(evidence, &events))
        .or_else(|| container_ended(evidence))
        .or_else(|| said_in_log(evidence))
        .unwrap_or_else(|| by_state(evidence, &events))
}

/// What the supervisor itself says is more than anybody else can know.
fn said_by_supervisor(evidence: &Evidence<'_>) -> Option<Cause> {
    let end = life_end::find(evidence.log?)?;
    Some(cause(
        Blame::User,
        format!("its supervisor says: {}: {}", end.outcome, end.detail),
        "do what the supervisor says; its whole log is above.",
    ))
}

fn no_room(events: &[Event]) -> Option<Cause> {
    let full = events.iter().any(|event| {
        event.name.starts_with("InsufficientCapacity")
            || has(&event.message, &["is not available in the location"])
    });
    full.then(|| {
        cause(
            Blame::Service,
            "the region has no room for a container group of this size now.",
            "try again later, with less --cpu and --memory, or in another region (--location); --fallback-location \
             and its like try by themselves.",
        )
    })
}

/// Trouble with the image counts only while nothing later says that it was pulled after all.
fn image_trouble(evidence: &Evidence<'_>, events: &[Event]) -> Option<Cause> {
    if events.iter().any(|event| ["Pulled", "Created", "Started"].contains(&event.name.as_str())) {
        return None;
    }
    let image = evidence.image;
    // The reason is in one of them only ("Back-off pulling" comes last), and the image's name may look like one.
    let failed: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.name.as_str(), "Failed" | "BackOff"))
        .map(|event| event.message.replace(image, ""))
        .filter(|message| has(message, &["pull", "image"]))
        .collect();
    let waiting =
        evidence.group.and_then(|group| group.container.as_ref()).map(|container| &container.detail);
    let text = match waiting {
        _ if !failed.is_empty() => &failed.join("\n"),
        Some(detail) if has(detail, &["imagepull", "errimage"]) => detail,
        _ => return None,
    };
    Some(if has(text, &["toomanyrequests", "rate limit"]) {
        cause(
            Blame::User,
            format!("the registry of {image} refuses anonymous pulls for now, because there were too many."),
            "log in to the registry (--registry-user), or keep the image in a registry of your own.",
        )
    } else if has(
        text,
        &["unauthorized", "authentication required", "no basic auth", "denied", "forbidden", "401", "403"],
    ) {
        cause(
            Blame::User,
            format!("the registry does not let the container group pull {image}."),
            "correct --registry-user and its password, or its role AcrPull; or give that role to --registry-identity.",
        )
    } else if has(text, &["not found", "manifest unknown", "does not exist", "404"]) {
        cause(Blame::User, format!("there is no image {image}."), "correct --image: repository and tag.")
    } else if has(
        text,
        &["no such host", "i/o timeout", "dial tcp", "connection refused", "deadline exceeded"],
    ) {
        cause(
            Blame::User,
            format!("the registry of {image} cannot be reached from there."),
            way_out(evidence),
        )
    } else {
        cause(
            Blame::User,
            format!("the image {image} could not be pulled."),
            "look at the events above; check --image and how the registry is logged in to.",
        )
    })
}

fn container_ended(evidence: &Evidence<'_>) -> Option<Cause> {
    let container = evidence.group?.container.as_ref()?;
    if has(&container.detail, &["exec format error"])
        || evidence.log.is_some_and(|log| has(log, &["exec format error"]))
    {
        return Some(cause(
            Blame::User,
            format!("the image {} is for another kind of processor.", evidence.image),
            "build it for linux/amd64.",
        ));
    }
    Some(match container.exit_code? {
        7147 | 7148 => cause(
            Blame::Service,
            "Azure took the machine away for maintenance.",
            "provision again; it does not happen twice in a row.",
        ),
        137 => cause(
            Blame::User,
            "the container was killed, most often for want of memory.",
            "give it more --memory.",
        ),
        126..=128 => cause(
            Blame::User,
            format!("the image {} starts something that it does not have or may not run.", evidence.image),
            "keep the start command of the image that yours is built on.",
        ),
        0 => return None,
        code if evidence.log.is_none_or(str::is_empty) => cause(
            Blame::User,
            format!("the container ended with exit code {code} and printed nothing."),
            "run the image on your machine with the same variables (`provision --dry-run` shows them).",
        ),
        _ => return None,
    })
}

fn said_in_log(evidence: &Evidence<'_>) -> Option<Cause> {
    let log = evidence.log.filter(|log| !log.trim().is_empty())?;
    let unresolved = [
        "could not resolve",
        "no such host",
        "name or service not known",
        "name resolution",
        "cannot be resolved",
    ];
    let untrusted =
        ["not trusted", "unable to get local issuer", "self-signed", "self signed", "unknownissuer"];
    let refused = ["vs30063", "unauthorized", "invalid_client", "access denied", "authentication failed"];
    let unreachable = ["timed out", "unreachable", "connection refused", "no route to host"];
    if has(log, &unresolved) {
        let remedy = if evidence.in_network {
            "the container does not inherit the network's DNS servers: name them with --dns-server."
        } else {
            "check --organization-url and --agent-url."
        };
        return Some(cause(Blame::User, "the container cannot resolve a host name.", remedy));
    }
    if has(log, &untrusted) {
        return Some(cause(
            Blame::User,
            "the container does not trust the certificate of a server, as where a proxy opens TLS.",
            "give the proxy's certificates with --agent-ca-file.",
        ));
    }
    if has(log, &refused) {
        return Some(cause(
            Blame::User,
            "Azure DevOps does not accept who the agent says it is.",
            "if it is --registration token: renew the token (Agent Pools, Read & manage); else: somebody removed the \
             agent from the pool meanwhile.",
        ));
    }
    has(log, &unreachable)
        .then(|| cause(Blame::User, "the container cannot reach Azure DevOps.", way_out(evidence)))
}

/// Nothing said why; so by how far it came.
fn by_state(evidence: &Evidence<'_>, events: &[Event]) -> Cause {
    let has_event = |name: &str| events.iter().any(|event| event.name == name);
    let running = evidence
        .group
        .and_then(|group| group.container.as_ref())
        .is_some_and(|container| container.state.eq_ignore_ascii_case("Running"));
    match evidence.why {
        Why::GroupGone => cause(
            Blame::User,
            "somebody deleted the container group, or it took itself down, as it does when its one job is over.",
            "look for who may delete in this resource group, and whether another run's job took the agent: let jobs \
             demand theirs by name.",
        ),
        Why::AgentGone => cause(
            Blame::User,
            "somebody removed the agent from its pool before it was online.",
            "look for who may administer the pool, and for clean-ups that take agents that are offline.",
        ),
        Why::ProvisioningFailed => cause(
            Blame::Service,
            match events.iter().find(|event| event.at.is_none()) {
                Some(reason) => format!("Azure gave the container group up: {}", reason.message),
                None => "Azure gave the container group up without a reason that we know.".to_owned(),
            },
            "look at the events above, and try again or in another region.",
        ),
        Why::ContainerEnded => cause(
            Blame::User,
            "what runs in the container ended by itself.",
            "its log above says why; the image has to start the supervisor (see the image's documentation).",
        ),
        Why::TimedOut(_) if running => cause(
            Blame::User,
            "the container runs, but its agent cannot reach Azure DevOps, or it is slow to start.",
            format!("{} Or wait longer with --timeout-agent-online.", way_out(evidence)),
        ),
        Why::TimedOut(_) if has_event("Pulling") && !has_event("Pulled") => cause(
            Blame::User,
            format!("the image {} is still being pulled: it is large, or its registry far.", evidence.image),
            "use a smaller image, a registry in the same region, or a longer --timeout-agent-online.",
        ),
        Why::TimedOut(_) => cause(
            Blame::Service,
            "Azure has not started the container yet.",
            "try again, or wait longer with --timeout-agent-online.",
        ),
    }
}

fn way_out(evidence: &Evidence<'_>) -> String {
    if evidence.in_network {
        "give the subnet a NAT gateway, or let its firewall and network security group pass port 443 to Azure DevOps \
         and the registry."
    } else {
        "check the host names, and whether a firewall of theirs lets Azure in."
    }
    .to_owned()
}

fn has(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifecycle::{AgentName, Timestamp};

    use super::{Diagnosis, Evidence, likely_cause};
    use crate::errors::{Failure, Kept};
    use crate::fake;
    use crate::provision::wait::Why;
    use crate::services::{ContainerState, Event, GroupView};

    const TIMED_OUT: Why = Why::TimedOut(Duration::from_mins(4));

    fn event(at: u64, name: &str, message: &str) -> Event {
        Event {
            at: Some(Timestamp(1_795_478_400 + at)),
            name: name.to_owned(),
            message: message.to_owned(),
            count: 1,
        }
    }

    fn group(state: &str, exit_code: Option<i64>, detail: &str, events: Vec<Event>) -> GroupView {
        let container = ContainerState { state: state.to_owned(), exit_code, detail: detail.to_owned() };
        GroupView { container: Some(container), events, ..fake::group_view() }
    }

    fn evidence<'a>(why: Why, group: &'a GroupView, log: Option<&'a str>) -> Evidence<'a> {
        Evidence { why, group: Some(group), log, image: "contoso.azurecr.io/agent:1", in_network: true }
    }

    #[test]
    fn likely_causes() {
        let pull = |message: &str| {
            group("Waiting", None, "", vec![event(0, "Pulling", "p"), event(1, "Failed", message)])
        };
        let running = || group("Running", None, "", vec![event(0, "Pulled", "p"), event(1, "Started", "s")]);
        let ended = |code| group("Terminated", Some(code), "Error", vec![event(1, "Started", "s")]);
        let table = [
            (
                TIMED_OUT,
                pull("Failed to pull image: unauthorized: authentication required"),
                None,
                "the registry does not let",
            ),
            (TIMED_OUT, pull("Failed to pull image: manifest unknown"), None, "there is no image"),
            (TIMED_OUT, pull("Failed to pull image: toomanyrequests: rate limit"), None, "too many"),
            (
                TIMED_OUT,
                pull("Failed to pull image: dial tcp 1.2.3.4:443: i/o timeout"),
                None,
                "cannot be reached from there",
            ),
            (TIMED_OUT, pull("Failed to pull image: strange"), None, "could not be pulled"),
            (TIMED_OUT, group("Waiting", None, "ImagePullBackOff", vec![]), None, "could not be pulled"),
            (
                TIMED_OUT,
                group(
                    "Waiting",
                    None,
                    "ImagePullBackOff",
                    vec![
                        event(
                            1,
                            "Failed",
                            "Failed to pull image \"contoso.azurecr.io/agent:1\": manifest unknown",
                        ),
                        event(2, "Failed", "Error: ErrImagePull"),
                        event(3, "BackOff", "Back-off pulling image \"contoso.azurecr.io/agent:1\""),
                    ],
                ),
                None,
                "there is no image",
            ),
            (
                TIMED_OUT,
                group("Waiting", None, "", vec![event(0, "Pulling", "p")]),
                None,
                "still being pulled",
            ),
            (TIMED_OUT, group("Waiting", None, "", vec![]), None, "has not started the container"),
            (TIMED_OUT, running(), None, "the container runs, but"),
            (
                TIMED_OUT,
                running(),
                Some("curl: Could not resolve host: dev.azure.com"),
                "resolve a host name",
            ),
            (TIMED_OUT, running(), Some("certificate is not trusted"), "does not trust"),
            (TIMED_OUT, running(), Some("VS30063: You are not authorized"), "does not accept"),
            (TIMED_OUT, running(), Some("connection timed out"), "cannot reach Azure DevOps"),
            (Why::ContainerEnded, ended(137), None, "want of memory"),
            (Why::ContainerEnded, ended(127), None, "does not have or may not run"),
            (Why::ContainerEnded, ended(7147), None, "maintenance"),
            (Why::ContainerEnded, ended(3), None, "exit code 3 and printed nothing"),
            (Why::ContainerEnded, ended(3), Some("boom"), "ended by itself"),
            (Why::ContainerEnded, ended(0), Some("done"), "ended by itself"),
            (
                Why::ContainerEnded,
                group("Terminated", Some(1), "exec format error", vec![]),
                None,
                "another kind of processor",
            ),
            (Why::GroupGone, running(), None, "deleted the container group"),
            (Why::ProvisioningFailed, group("", None, "", vec![]), None, "without a reason"),
            (
                Why::ProvisioningFailed,
                group("", None, "", vec![Event { at: None, ..event(0, "Strange", "something is wrong.") }]),
                None,
                "gave the container group up: something is wrong.",
            ),
            (
                Why::ProvisioningFailed,
                group("", None, "", vec![event(0, "InsufficientCapacity.", "x")]),
                None,
                "no room",
            ),
        ];
        for (row, (why, group, log, expected)) in table.iter().enumerate() {
            let found = likely_cause(&evidence(*why, group, *log));
            assert!(found.what.contains(expected), "row {row}: {}", found.what);
        }
    }

    #[test]
    fn a_pull_that_failed_and_then_worked_is_no_cause() {
        let group = group(
            "Running",
            None,
            "",
            // The service lists events in no order.
            vec![event(5, "Pulled", "p"), event(5, "Failed", "Failed to pull image: unauthorized")],
        );
        assert!(likely_cause(&evidence(TIMED_OUT, &group, None)).what.starts_with("the container runs"));
    }

    #[test]
    fn defect_11_the_user_sees_why_it_did_not_come_online() {
        let group = group(
            "Terminated",
            Some(1),
            "Error",
            vec![
                event(9, "Started", "Started container"),
                event(2, "Pulling", "pulling image"),
                event(5, "Pulled", "pulled"),
            ],
        );
        let diagnosis =
            Diagnosis::of(&evidence(Why::ContainerEnded, &group, Some("starting\nCould not resolve host\n")));
        let failure = Failure::NotOnline {
            name: AgentName::new("a-1").expect("valid"),
            diagnosis: Box::new(diagnosis),
            kept: Some(Kept {
                time: std::time::Duration::from_hours(2),
                command: "ephemeral-agents deprovision a-1".to_owned(),
            }),
        };
        insta::assert_snapshot!(failure.message());
    }

    #[test]
    fn the_log_is_shown_from_its_end() {
        let group = group("Running", None, "", vec![]);
        let log: Vec<_> = (0..100).map(|line| format!("line {line}")).collect();
        let log = log.join("\n");
        let lines = Diagnosis::of(&evidence(TIMED_OUT, &group, Some(&log))).lines();
        assert!(lines.contains(&"  line 99".to_owned()) && lines.contains(&"  line 80".to_owned()));
        assert!(!lines.contains(&"  line 79".to_owned()));
    }
}
