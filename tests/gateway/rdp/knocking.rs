//! How clients that are not xfreerdp sign in, and that every no is written down.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Scene,
    crafted::{Crafted, Form, LOGON_FAILURE, NLA, NLA_WITH_A_WORD, request},
    refuse::counted,
    scene,
};
use crate::{seen::within, support::outcome_of};

const OTHER_SECRET: &str = "aaaaa-bbbbb-ccccc-ddddd";

/// The target does not answer as it should: whoever gets this far is known.
const NO_SERVER: u32 = 0xc000_005e;
const UNSUITED: u32 = 0xc000_015b;

#[tokio::test]
async fn ntlm_in_spnego_is_as_good_and_a_word_behind_it_is_said_to_whoever_waits_for_it() {
    let scene = scene().await;
    let _shadow = scene.shadow().await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    for (protocols, form) in [
        (NLA, Form::Ntlm),
        (NLA, Form::Spnego),
        (NLA | NLA_WITH_A_WORD, Form::Spnego),
        (NLA_WITH_A_WORD, Form::Ntlm),
    ] {
        // As often as the sign-ins of a minute allow.
        for user in ["alice+win1", r"CORP\alice+win1"] {
            let mut client = Crafted::connect(&scene.gateway, protocols).await;
            let has_word = protocols & NLA_WITH_A_WORD != 0;
            assert_eq!(client.chosen, if has_word { NLA_WITH_A_WORD } else { NLA });
            // The last word comes when the target has let the account in.
            client.sign_in(form, user, &secret).await.unwrap();
            if has_word {
                let mut word = [7; 4];
                let read = client.stream.read_exact(&mut word);
                within("the word", read).await.unwrap();
                assert_eq!(word, [0; 4], "come in");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_in_spnego_touches_no_target_and_is_written_down() {
    let scene = scene().await;
    let visits = counted(&scene).await;
    scene.approved("win1").await;
    for user in [
        "alice+win1",
        "alice+win9",
        "Mallory Miller",
        r"CORP\alice+win1",
    ] {
        let mut client = Crafted::connect(&scene.gateway, NLA).await;
        let refused = client.sign_in(Form::Spnego, user, OTHER_SECRET).await;
        assert_eq!(refused, Err(LOGON_FAILURE), "{user}");
    }
    let events = refusals(&scene, 4).await;
    for claimed in ["alice+win1", "alice+win9", "Mallory Miller"] {
        let claims = |event: &&Value| event.to_string().contains(claimed);
        assert!(events.iter().any(|event| claims(&event)), "{events:?}");
    }
    assert_eq!(visits.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert!(scene.gateway.list("/sessions").await.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_suit_is_written_down_and_logged() {
    let scene = scene().await;
    let visits = counted(&scene).await;
    let mut stream = tokio::net::TcpStream::connect(scene.gateway.rdp())
        .await
        .unwrap();
    stream.write_all(&request(1)).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    within("an answer", read).await.unwrap();
    // TSRequest 6 with a token that is none, and one of the version before the oldest.
    let foreign = [
        0x30, 22, 0xa0, 3, 2, 1, 6, 0xa1, 15, 0x30, 13, 0x30, 11, 0xa0, 9, 4, 7,
    ];
    let foreign = [&foreign[..], b"KERBERO"].concat();
    let mut old = foreign.clone();
    old[6] = 2;
    for first in [foreign, old] {
        let mut client = Crafted::connect(&scene.gateway, NLA).await;
        client.stream.write_all(&first).await.unwrap();
        let told = client.rest().await;
        let number = UNSUITED.to_be_bytes();
        let says = |four: &[u8]| four == number;
        assert!(told.windows(4).any(says), "{told:x?}");
    }
    let unsuited = refusals(&scene, 3).await;
    let codes = unsuited.iter().map(outcome_of);
    assert!(
        codes.into_iter().all(|code| code == "unsuited-client"),
        "{unsuited:?}"
    );
    let logged = async || {
        let log = scene.gateway.log();
        let lines = log
            .iter()
            .filter(|line| line.contains("RDP client not let in"));
        (lines.count() == 3).then_some(())
    };
    scene.gateway.eventually("three lines", logged).await;
    assert_eq!(visits.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_secret_is_worth_nothing_after_its_end_and_the_same_from_two_places_before() {
    let scene = scene().await;
    let visits = counted(&scene).await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let try_it = async |user: &str| {
        let mut client = Crafted::connect(&scene.gateway, NLA).await;
        client.sign_in(Form::Ntlm, user, &secret).await
    };
    // This target answers nothing: so far they come, and again.
    for refused in [try_it("alice+win1").await, try_it("alice+win1").await] {
        assert_eq!(refused, Err(NO_SERVER));
    }
    let code = scene
        .gateway
        .get(&scene.alice.token, &format!("/checkouts/{checkout}"))
        .await;
    let code = code["code"].as_str().unwrap().to_owned();
    let before = visits.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(before, 2);
    scene
        .gateway
        .answer(&scene.bob, &checkout, "revoke", "over")
        .await;
    for user in ["alice+win1", &code] {
        assert_eq!(try_it(user).await, Err(LOGON_FAILURE), "{user}");
    }
    refusals(&scene, 2).await;
    assert_eq!(visits.load(std::sync::atomic::Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_session_whose_target_was_not_reached_has_a_recording_that_says_so() {
    let scene = scene().await;
    let port = crate::support::serve(|mut stream| async move {
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.ok();
    })
    .await;
    scene
        .enter("win1", port, super::refuse::OTHER, json!({}))
        .await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let mut client = Crafted::connect(&scene.gateway, NLA).await;
    let refused = client.sign_in(Form::Ntlm, "alice+win1", &secret).await;
    assert_eq!(refused, Err(NO_SERVER));
    let closed = scene.gateway.closed_sessions().await;
    let message = closed[0]["message"].as_str().unwrap();
    assert!(message.contains("does not speak RDP"), "{message}");
    let content = async || {
        let recordings = scene.gateway.list("/recordings").await;
        let id = recordings.first()?["id"].as_str()?.to_owned();
        let path = format!("/recordings/{id}/content");
        let (status, content) = scene
            .gateway
            .call(&scene.gateway.root, Method::GET, &path, None)
            .await;
        let content = content.to_string();
        (status.is_success() && content.contains("nothing was shown")).then_some(content)
    };
    let content = scene.gateway.eventually("the last word", content).await;
    assert!(content.contains("does not speak RDP"), "{content}");
}

/// So many sign-ins have been refused.
async fn refusals(scene: &Scene, count: usize) -> Vec<Value> {
    let refused =
        |event: &Value| event["event"]["kind"] == "user.sign-in" && !outcome_of(event).is_empty();
    let all = async || {
        let events = scene.gateway.list("/audit?limit=200").await;
        let refused: Vec<Value> = events.into_iter().filter(|it| refused(it)).collect();
        (refused.len() >= count).then_some(refused)
    };
    let all = scene.gateway.eventually("refusals", all).await;
    assert_eq!(all.len(), count, "{all:?}");
    all
}
