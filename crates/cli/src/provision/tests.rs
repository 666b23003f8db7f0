//! The flow of `provision`, against a world in memory on virtual time.

use std::time::Duration;

use redact::Secret;

use super::preview::{as_text, preview};
use super::run::{Provisioned, choose_name, preflight, provision};
use crate::arguments::Output;
use crate::errors::{Blame, Failure};
use crate::fake::{self, Fault, World};
use crate::interrupts::Interrupts;
use crate::report::{Masker, Report, Talk, capture};
use crate::services::{ErrorKind, Services as _};
use crate::settings::{Proof, ProvisionSettings, Registration, TakeDown};

const NAME: &str = "agent4711-20261124000000-yypnqa";

fn quiet() -> Report {
    capture::report(Talk::Plain, Output::Text, Masker::default()).0
}

async fn run(world: &World, settings: &ProvisionSettings) -> Result<Provisioned, Failure> {
    let (_counter, interrupts) = Interrupts::new();
    let mut made = provision(world, settings, &quiet(), &interrupts).await?;
    assert_eq!(made.len(), 1, "as many as were asked for");
    Ok(made.remove(0))
}

async fn run_several(world: &World, count: u32) -> Result<Vec<Provisioned>, Failure> {
    let (_counter, interrupts) = Interrupts::new();
    let settings = ProvisionSettings { count, ..fake::settings() };
    provision(world, &settings, &quiet(), &interrupts).await
}

fn keeping() -> ProvisionSettings {
    let mut settings = fake::settings();
    settings.life.keep_on_error = Some(Duration::from_hours(2));
    settings
}

#[tokio::test(start_paused = true)]
async fn an_agent_comes_online() {
    let world = World::default();
    let provisioned = run(&world, &fake::settings()).await.expect("online");
    assert_eq!(provisioned.name.as_str(), NAME);
    assert!(provisioned.online);
    assert!(provisioned.container_group_id.ends_with(&format!("/containerGroups/{NAME}")));
    assert_eq!(world.changes(), [format!("register {NAME}"), format!("create {NAME}")]);
}

#[tokio::test(start_paused = true)]
async fn several_agents_come_online_side_by_side() {
    let world = World::default();
    let begin = tokio::time::Instant::now();
    let made = run_several(&world, 3).await.expect("online");
    assert!(made.iter().all(|agent| agent.online));
    assert!(begin.elapsed() < Duration::from_mins(1), "side by side, not one after the other");
    let mut names: Vec<_> = made.iter().map(|agent| agent.name.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), 3, "each has a name of its own: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn where_one_of_several_fails_nothing_is_left_of_the_others() {
    let world = World::default();
    world.stumbles.set((1, ErrorKind::Refused));
    let begin = tokio::time::Instant::now();
    let failure = run_several(&world, 3).await.expect_err("one was refused");
    world.assert_empty();
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "the others are not waited for: {:?}",
        begin.elapsed()
    );
    assert_eq!(failure.blame(), Blame::User);
    let text = failure.message().to_string();
    assert!(text.contains("the service answered Refused") && text.contains("one of 3 agents"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn few_requests_before_the_wait() {
    let mut settings = fake::settings();
    settings.network = Some(fake::network());
    settings.life.online_timeout = None;
    let world = World::default();
    let provisioned = run(&world, &settings).await.expect("created");
    assert!(!provisioned.online);
    // With a token request for each of two services it is still within ten.
    assert!(provisioned.requests_before_waiting <= 8, "{} calls", provisioned.requests_before_waiting);
}

#[tokio::test(start_paused = true)]
async fn defect_11_what_never_came_online_is_explained_and_then_taken_down() {
    let world = World::default();
    world.online_after.set(None);
    let failure = run(&world, &fake::settings()).await.expect_err("never online");
    world.assert_empty();
    let text = failure.message().to_string();
    assert!(text.contains("not within 240 s") && text.contains("Likely cause"), "{text}");
    assert!(text.contains("Started container"), "the group's events: {text}");
    assert_eq!(failure.blame(), Blame::User);
    let tail = world.changes().split_off(2);
    assert_eq!(tail, ["disable 1", "remove 1", &format!("delete {NAME}")], "in this order");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_at_once_is_not_waited_for() {
    let world = World::default();
    world.online_after.set(None);
    world.exit.set(Some((Duration::from_secs(5), 127)));
    let begin = tokio::time::Instant::now();
    let failure = run(&world, &fake::settings()).await.expect_err("ended");
    assert!(begin.elapsed() < Duration::from_secs(15), "after {:?}", begin.elapsed());
    assert!(failure.message().to_string().contains("exit code 127"), "{}", failure.message());
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_kept_on_request_with_an_end_to_it() {
    let world = World::default();
    world.online_after.set(None);
    let failure = run(&world, &keeping()).await.expect_err("never online");
    let text = failure.message().to_string();
    assert!(text.contains(&format!("ephemeral-agents deprovision {NAME} --subscription")), "{text}");
    assert!(world.changes().contains(&"disable 1".to_owned()), "it gets no job");
    let tags = lifecycle::OwnershipTags::from_map(&world.tags_of_the_group()).expect("ours");
    assert_eq!(tags.expires_at, world.now().after(Duration::from_hours(2)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_created_when_preflight_says_no() {
    let world = World::default();
    world.unknown_pool.set(true);
    let failure = run(&world, &fake::settings()).await.expect_err("no such pool");
    assert!(matches!(failure, Failure::Preflight(_)), "{failure:?}");
    assert!(world.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refused_registration_creates_nothing() {
    let world = World::default();
    world.register_fault.set(Some(Fault::Answers(ErrorKind::Refused)));
    let failure = run(&world, &fake::settings()).await.expect_err("refused");
    assert!(matches!(failure, Failure::Service { .. }), "{failure:?}");
    assert!(world.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn defect_05_an_agent_of_that_name_is_neither_replaced_nor_removed() {
    let world = World::default();
    world.add_agent(NAME, lifecycle::AgentStatus::Online);
    world.register_fault.set(Some(Fault::Answers(ErrorKind::Taken)));
    let failure = run(&world, &fake::settings()).await.expect_err("taken");
    assert!(matches!(failure, Failure::Service { .. }), "{failure:?}");
    assert!(world.changes().is_empty(), "{:?}", world.changes());
}

#[tokio::test(start_paused = true)]
async fn a_group_of_that_name_that_is_not_ours_is_left_alone() {
    let world = World::default();
    world.add_foreign_group(NAME);
    world.create_fault.set(Some(Fault::Answers(ErrorKind::Taken)));
    run(&world, &fake::settings()).await.expect_err("taken");
    assert_eq!(world.changes(), [&format!("register {NAME}"), "disable 1", "remove 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_registration_whose_answer_was_lost_is_taken_back() {
    let world = World::default();
    world.register_fault.set(Some(Fault::LostReply));
    run(&world, &fake::settings()).await.expect_err("lost");
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_was_lost_goes_on() {
    let world = World::default();
    world.create_fault.set(Some(Fault::LostReply));
    assert!(run(&world, &fake::settings()).await.expect("it was created").online);
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_failed_takes_the_registration_back() {
    for kind in [ErrorKind::Refused, ErrorKind::Capacity, ErrorKind::Indeterminate, ErrorKind::Unavailable] {
        let world = World::default();
        world.create_fault.set(Some(Fault::Answers(kind)));
        run(&world, &fake::settings()).await.expect_err("not created");
        world.assert_empty();
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_the_next_place_is_tried_under_a_new_name() {
    let mut settings = fake::settings();
    settings.fallbacks.locations = vec!["northeurope".to_owned(), "swedencentral".to_owned()];
    let world = World::default();
    world.full_regions.replace(vec!["westeurope", "northeurope"]);
    let provisioned = run(&world, &settings).await.expect("the third has room");
    let plans = world.plans.borrow();
    let tried: Vec<_> = plans.iter().map(|plan| (plan.location.as_str(), plan.name.clone())).collect();
    assert_eq!(
        tried.iter().map(|(location, _)| *location).collect::<Vec<_>>(),
        ["westeurope", "northeurope", "swedencentral"]
    );
    assert!(tried[0].1 != tried[1].1 && tried[1].1 != tried[2].1, "{tried:?}");
    assert_eq!(provisioned.name, tried[2].1);
    assert_eq!(world.agents_left(), [provisioned.name.to_string()], "the others were unregistered");
}

#[tokio::test(start_paused = true)]
async fn where_no_place_has_room_all_that_were_tried_are_named() {
    let mut settings = keeping();
    settings.fallbacks.locations = vec!["northeurope".to_owned()];
    let world = World::default();
    world.full_regions.replace(vec!["westeurope", "northeurope"]);
    let failure = run(&world, &settings).await.expect_err("no room");
    world.assert_empty();
    let text = failure.message().to_string();
    assert!(text.contains("Tried, in this order: westeurope with 1 CPU and 1 GB; northeurope"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn another_place_is_no_help_against_anything_but_want_of_room() {
    let mut settings = fake::settings();
    settings.fallbacks.locations = vec!["northeurope".to_owned()];
    let world = World::default();
    world.create_fault.set(Some(Fault::Answers(ErrorKind::Refused)));
    run(&world, &settings).await.expect_err("refused");
    assert_eq!(world.plans.borrow().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_asked_for_again_as_often_as_its_refusal_is_worth() {
    for (kind, stumbles, tries, succeeds) in [
        (ErrorKind::Transient, 2, 3, true),
        (ErrorKind::Transient, 3, 3, false),
        (ErrorKind::Image, 1, 2, true),
        (ErrorKind::Image, 2, 2, false),
        (ErrorKind::Refused, 1, 1, false),
    ] {
        let world = World::default();
        world.stumbles.set((stumbles, kind));
        let outcome = run(&world, &fake::settings()).await;
        assert_eq!(outcome.is_ok(), succeeds, "{kind:?} {stumbles}");
        assert_eq!(world.plans.borrow().len(), tries, "{kind:?} {stumbles}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hiccup_while_waiting_is_no_failure_and_a_refusal_is() {
    let world = World::default();
    world.poll_fault.set(Some(ErrorKind::Refused));
    let failure = run(&world, &fake::settings()).await.expect_err("refused");
    assert!(matches!(failure, Failure::Service { .. }), "{failure:?}");

    let world = World::default();
    world.poll_fault.set(Some(ErrorKind::Unavailable));
    let settings = fake::settings();
    let recover = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        world.poll_fault.set(None);
    };
    let (outcome, ()) = tokio::join!(run(&world, &settings), recover);
    assert!(outcome.expect("online after all").online);
}

#[tokio::test(start_paused = true)]
async fn a_failed_take_down_says_what_is_left_and_how_to_remove_it() {
    let world = World::default();
    world.online_after.set(None);
    world.delete_fault.set(Some(ErrorKind::Unavailable));
    let failure = run(&world, &fake::settings()).await.expect_err("left");
    let text = failure.message().to_string();
    assert!(text.contains("Left behind:") && text.contains(&format!("deprovision {NAME}")), "{text}");
    assert!(text.contains("Likely cause"), "the first failure is still explained: {text}");
    assert_eq!(failure.blame(), Blame::Partly);
}

#[tokio::test(start_paused = true)]
async fn interrupted_at_any_call_nothing_is_left() {
    for registration in [Registration::JustInTime, Registration::Token(Secret::new("pat"))] {
        let settings = ProvisionSettings { registration, ..fake::settings() };
        let mut interrupted = 0;
        for call in 1.. {
            let world = World::default();
            let (counter, interrupts) = Interrupts::new();
            world.interrupt_at(call, counter);
            match provision(&world, &settings, &quiet(), &interrupts).await {
                Err(failure) => {
                    assert_eq!(failure.blame(), Blame::Interrupted, "call {call}: {failure:?}");
                    world.assert_empty();
                    interrupted += 1;
                }
                Ok(_) => break,
            }
        }
        assert!(interrupted > 10, "{interrupted} points of interruption");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interruption_does_not_wait_for_a_service_that_does_not_answer() {
    for (register, create) in [(Some(Fault::NeverAnswers), None), (None, Some(Fault::NeverAnswers))] {
        let world = World::default();
        world.register_fault.set(register);
        world.create_fault.set(create);
        let (counter, interrupts) = Interrupts::new();
        let (settings, report) = (fake::settings(), quiet());
        let interrupt = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            counter.add();
        };
        let begin = tokio::time::Instant::now();
        let (outcome, ()) = tokio::join!(provision(&world, &settings, &report, &interrupts), interrupt);
        assert_eq!(outcome.expect_err("interrupted").blame(), Blame::Interrupted);
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        world.assert_empty();
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_interruption_stops_at_once_and_says_what_is_left() {
    let world = World::default();
    world.online_after.set(None);
    world.delete_fault.set(Some(ErrorKind::Indeterminate));
    let (counter, interrupts) = Interrupts::new();
    let (settings, report) = (fake::settings(), quiet());
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        counter.add();
        tokio::time::sleep(Duration::from_secs(7)).await;
        counter.add();
    };
    let begin = tokio::time::Instant::now();
    let (outcome, ()) = tokio::join!(provision(&world, &settings, &report, &interrupts), interrupt);
    assert!(begin.elapsed() < Duration::from_secs(18), "{:?}", begin.elapsed());
    let text = outcome.expect_err("interrupted").message().to_string();
    insta::assert_snapshot!(text);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_everything_and_creates_nothing() {
    let world = World::default();
    let mut settings = fake::settings();
    settings.life.take_down = TakeDown::Secrets {
        tenant: "the-tenant".to_owned(),
        client: "the-client".to_owned(),
        proof: Proof::Key(Secret::new("planted-key")),
        token: Some(Secret::new("planted-token")),
    };
    let ready = preflight(&world, &settings, &quiet()).await.expect("ready");
    let name = choose_name(&world, &settings).expect("named");
    let text = as_text(&preview(&world, &settings, &ready, &name));
    assert!(world.changes().is_empty());
    assert!(!text.contains("planted"), "{text}");
    for part in [
        "POST https://dev.azure.com/contoso/_apis/distributedtask/pools/3/agents",
        "PUT /subscriptions/",
        NAME,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_planted_secret_is_printed_whatever_happens() {
    let masker = Masker::default();
    let mut settings = fake::settings();
    let planted = |name: &str| Secret::new(format!("planted-{name}"));
    settings.registration = Registration::Token(planted("token"));
    settings.life.take_down = TakeDown::Secrets {
        tenant: "t".to_owned(),
        client: "c".to_owned(),
        proof: Proof::Key(planted("key")),
        token: Some(planted("token")),
    };
    settings.container.secure_environment.insert("FEED".to_owned(), planted("feed"));
    for name in ["token", "key", "feed"] {
        masker.add(&planted(name));
    }
    for style in [Talk::Plain, Talk::Pipeline] {
        for output in [Output::Text, Output::Json] {
            let world = World::default();
            world.online_after.set(None);
            let (report, results, talk) = capture::report(style, output, masker.clone());
            let (_counter, interrupts) = Interrupts::new();
            let failure = provision(&world, &settings, &report, &interrupts).await.expect_err("never online");
            report.failure(&failure);
            report.container_output("the container says planted-key\n");
            assert!(!results.text().contains("planted") && !talk.text().contains("planted"));
            assert!(!format!("{failure:?}").contains("planted"));
            assert!(!world.plans.borrow().is_empty(), "the secrets were in play");
        }
    }
}
