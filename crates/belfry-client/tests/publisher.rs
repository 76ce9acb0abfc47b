//! The publisher against a server that follows a script, over real sockets.

use belfry_client::{PublishError, Publisher, PublisherOptions, RetryPolicy, new_alert};
use belfry_protocol::problem::Problem;
use belfry_protocol::{AlertAnswer, Audience, ErrorCode, NewAlert};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the client sent.
#[derive(Debug, Clone)]
struct Asked {
    line: String,
    headers: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn keys(&self) -> Vec<String> {
        let key = |line: &str| {
            let alert: NewAlert = serde_json::from_str(line).expect("is an alert");
            alert.idempotency_key.expect("has a key")
        };
        self.body.lines().map(key).collect()
    }
}

/// What the server does with one request.
#[derive(Debug, Clone)]
enum Answer {
    Says {
        status: u16,
        headers: &'static str,
        body: String,
    },
    /// The answer says that it is longer than it is.
    BreaksOff {
        body: String,
    },
    /// The connection is closed without an answer.
    HangsUp,
}

type Log = Arc<Mutex<Vec<Asked>>>;

async fn script(answers: Vec<Answer>) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/prefix", listener.local_addr().expect("is bound"));
    let log = Log::default();
    let mut answers = VecDeque::from(answers);
    let told = log.clone();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(async move {
        while let Some(answer) = answers.pop_front() {
            let (stream, _) = listener.accept().await.expect("the client connects");
            serve(stream, answer, &told).await;
        }
    });
    (url, log)
}

async fn serve(stream: TcpStream, answer: Answer, log: &Log) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.expect("is text") > 0);
    }
    let head = head.replace("\r\n", "\n");
    let (line, headers) = head.split_once('\n').expect("has a first line");
    let mut asked = Asked { line: line.to_owned(), headers: headers.to_owned(), body: String::new() };
    let length = asked.header("content-length").map_or(0, |text| text.parse().expect("is a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("is sent whole");
    asked.body = String::from_utf8(body).expect("is UTF-8");
    log.lock().expect("is not poisoned").push(asked);
    let text = match answer {
        Answer::HangsUp => return,
        Answer::Says { status, headers, body } => {
            format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        Answer::BreaksOff { body } => {
            format!("HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len() + 9)
        }
    };
    stream.write_all(text.as_bytes()).await.expect("the client listens");
    stream.shutdown().await.expect("can be shut down");
}

fn publisher(url: &str) -> Publisher {
    let first = Duration::from_millis(1);
    let retry = RetryPolicy { attempts: 3, first, ..RetryPolicy::default() };
    Publisher::with_options(PublisherOptions { retry, ..PublisherOptions::new(url, "key") })
        .expect("the options are good")
}

fn answer(seq: u64) -> Value {
    let id = belfry_protocol::AlertId::from_parts(seq as i64, 1);
    json!({"id": id, "recipients": 1, "notifications": [{"user": "ann", "seq": seq}]})
}

fn accepted(seq: u64) -> Answer {
    Answer::Says { status: 202, headers: "", body: answer(seq).to_string() }
}

fn refused(code: ErrorCode, headers: &'static str) -> Answer {
    let problem = Problem::new(code, "no").at("/kind", "unknown");
    let body = serde_json::to_string(&problem).expect("has a JSON form");
    Answer::Says { status: code.status(), headers, body }
}

fn to_ann() -> NewAlert {
    let ann = Audience::User("ann".parse().expect("is a user"));
    new_alert(ann, "kind", &json!({"n": 1})).expect("has a JSON form")
}

fn seq(answer: &AlertAnswer) -> u64 {
    answer.notifications[0].seq.0
}

fn asked(log: &Log) -> Vec<Asked> {
    log.lock().expect("is not poisoned").clone()
}

#[tokio::test]
async fn what_fails_for_the_moment_is_repeated_as_the_same_request() {
    let (url, log) = script(vec![
        Answer::HangsUp,
        refused(ErrorCode::StoreUnavailable, "retry-after: 0\r\n"),
        accepted(7),
    ])
    .await;
    let answer = publisher(&url).publish(&to_ann()).await.expect("the third try is taken");
    assert_eq!(seq(&answer), 7);
    let asked = asked(&log);
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].line, "POST /prefix/v1/alerts HTTP/1.1");
    assert_eq!(asked[0].header("authorization"), Some("Bearer key"));
    let key = asked[0].header("idempotency-key").expect("has a key");
    assert!(asked.iter().all(|one| one.header("idempotency-key") == Some(key) && one.body == asked[0].body));
}

#[tokio::test]
async fn an_alert_with_a_key_of_its_own_keeps_it() {
    let (url, log) = script(vec![accepted(1)]).await;
    let alert = NewAlert { idempotency_key: Some("mine".to_owned()), ..to_ann() };
    publisher(&url).publish(&alert).await.expect("is taken");
    assert_eq!(asked(&log)[0].header("idempotency-key"), None);
    assert_eq!(asked(&log)[0].keys(), ["mine"]);
}

#[tokio::test]
async fn a_no_is_not_repeated_and_says_where() {
    let (url, log) = script(vec![refused(ErrorCode::KindUnknown, "")]).await;
    let error = publisher(&url).publish(&to_ann()).await.expect_err("is refused");
    assert_eq!(error.code(), Some(ErrorCode::KindUnknown));
    assert!(
        matches!(&error, PublishError::Refused(problem) if problem.errors[0].pointer == "/kind"),
        "{error}"
    );
    assert_eq!(asked(&log).len(), 1);
}

#[tokio::test]
async fn the_tries_end_with_what_the_server_said_last() {
    let busy = || refused(ErrorCode::RateLimited, "retry-after: 0\r\n");
    let (url, log) = script(vec![busy(), busy(), busy(), accepted(1)]).await;
    let error = publisher(&url).publish(&to_ann()).await.expect_err("is given up");
    assert!(matches!(error, PublishError::Unavailable { attempts: 3, .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::RateLimited));
    assert_eq!(asked(&log).len(), 3);

    let (url, log) = script(vec![refused(ErrorCode::RateLimited, "retry-after: 3600\r\n")]).await;
    let error = publisher(&url).publish(&to_ann()).await.expect_err("nobody waits for an hour");
    assert!(matches!(error, PublishError::Unavailable { attempts: 1, .. }), "{error:?}");
    assert_eq!(asked(&log).len(), 1);
}

#[tokio::test]
async fn what_is_no_belfry_is_named() {
    let page = Answer::Says { status: 404, headers: "", body: "<html>".to_owned() };
    let (url, _log) = script(vec![page]).await;
    let error = publisher(&url).stats().await.expect_err("is no answer");
    assert!(
        matches!(&error, PublishError::Unexpected { status: 404, detail } if detail == "<html>"),
        "{error:?}"
    );
    let moved = Answer::Says { status: 308, headers: "location: /elsewhere\r\n", body: String::new() };
    let (url, _log) = script(vec![moved]).await;
    let error = publisher(&url).publish(&to_ann()).await.expect_err("redirects are not followed");
    assert!(matches!(error, PublishError::Unexpected { status: 308, .. }), "{error:?}");
}

#[tokio::test]
async fn users_and_groups_have_their_paths() {
    let empty = || Answer::Says { status: 204, headers: "", body: String::new() };
    let size = json!({"id": "a/b", "member_count": 1}).to_string();
    let size = || Answer::Says { status: 200, headers: "", body: size.clone() };
    let (url, log) = script(vec![empty(), empty(), empty(), size(), size(), size()]).await;
    let publisher = publisher(&url);
    let alert = belfry_protocol::AlertId::from_parts(1, 1);
    let user = "ann lee".parse().expect("is a user");
    let group = "a/b".parse().expect("is a group");
    publisher.recall(alert).await.expect("is taken back");
    publisher.delete_user(&user).await.expect("is erased");
    publisher.delete_group(&group).await.expect("is deleted");
    for answer in [
        publisher.put_group(&group, vec![user.clone()]).await,
        publisher.add_members(&group, vec![user.clone()]).await,
        publisher.remove_members(&group, vec![user.clone()]).await,
    ] {
        assert_eq!(answer.expect("is a group").member_count, 1);
    }
    let lines: Vec<String> = asked(&log).into_iter().map(|one| one.line.replace(" HTTP/1.1", "")).collect();
    assert_eq!(
        lines,
        [
            format!("DELETE /prefix/v1/alerts/{alert}").as_str(),
            "DELETE /prefix/v1/users/ann%20lee",
            "DELETE /prefix/v1/groups/a%2Fb",
            "PUT /prefix/v1/groups/a%2Fb",
            "POST /prefix/v1/groups/a%2Fb/members",
            "DELETE /prefix/v1/groups/a%2Fb/members",
        ]
    );
}

fn results(lines: &[Value]) -> String {
    let numbered = lines.iter().zip(1..).map(|(line, number)| {
        let mut line = line.clone();
        line["line"] = number.into();
        format!("{line}\n")
    });
    numbered.collect()
}

fn taken(seq: u64) -> Value {
    json!({"status": 202, "alert": answer(seq)})
}

fn not_taken(code: ErrorCode) -> Value {
    json!({"status": code.status(), "problem": Problem::new(code, "no")})
}

async fn batch(publisher: &Publisher, alerts: usize) -> Vec<Result<u64, Option<ErrorCode>>> {
    let alerts = stream::iter((0..alerts).map(|_| to_ann()));
    let results = publisher.publish_batch(alerts);
    results.map(|result| result.map(|answer| seq(&answer)).map_err(|error| error.code())).collect().await
}

#[tokio::test]
async fn a_batch_has_one_result_per_alert_in_order() {
    let body =
        results(&[taken(1), not_taken(ErrorCode::KindUnknown), not_taken(ErrorCode::Overloaded), taken(4)]);
    let (url, log) = script(vec![Answer::Says { status: 200, headers: "", body }, accepted(3)]).await;
    let told = batch(&publisher(&url), 4).await;
    assert_eq!(told, [Ok(1), Err(Some(ErrorCode::KindUnknown)), Ok(3), Ok(4)]);
    let asked = asked(&log);
    assert_eq!(asked[0].line, "POST /prefix/v1/alerts/batch HTTP/1.1");
    assert_eq!(asked[0].header("content-type"), Some("application/x-ndjson"));
    // What was short for the moment is posted again on its own, as the same alert.
    assert_eq!(asked[1].keys(), asked[0].keys()[2..3]);
}

#[tokio::test]
async fn a_broken_batch_goes_on_behind_the_last_result_as_the_same_alerts() {
    let (url, log) = script(vec![
        Answer::HangsUp,
        Answer::BreaksOff { body: results(&[taken(1)]) },
        Answer::Says { status: 200, headers: "", body: results(&[taken(2)]) },
        Answer::Says { status: 200, headers: "", body: results(&[taken(3)]) },
    ])
    .await;
    assert_eq!(batch(&publisher(&url), 3).await, [Ok(1), Ok(2), Ok(3)]);
    let keys: Vec<Vec<String>> = asked(&log).iter().map(Asked::keys).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[2], keys[0][1..]);
    assert_eq!(keys[3], keys[0][2..]);
}

#[tokio::test]
async fn a_long_batch_is_cut_by_lines_and_bytes() {
    let page = |from: u64, to: u64| {
        let body = results(&(from..=to).map(taken).collect::<Vec<_>>());
        Answer::Says { status: 200, headers: "", body }
    };
    let (url, log) = script(vec![page(1, 2), page(3, 4), page(5, 5)]).await;
    let options = PublisherOptions { batch_lines: 2, ..PublisherOptions::new(&url, "key") };
    let publisher = Publisher::with_options(options).expect("the options are good");
    assert_eq!(batch(&publisher, 5).await, (1..=5).map(Ok).collect::<Vec<_>>());
    assert_eq!(asked(&log).len(), 3);

    let (url, log) = script(vec![page(1, 1), page(2, 2), page(3, 3)]).await;
    let options = PublisherOptions { batch_bytes: 1, ..PublisherOptions::new(&url, "key") };
    let publisher = Publisher::with_options(options).expect("the options are good");
    assert_eq!(batch(&publisher, 3).await, [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(asked(&log).len(), 3);
}

#[tokio::test]
async fn a_refused_batch_refuses_each_of_its_alerts() {
    let (url, _log) = script(vec![refused(ErrorCode::Unauthorized, "")]).await;
    let no = Err(Some(ErrorCode::Unauthorized));
    assert_eq!(batch(&publisher(&url), 2).await, [no, no]);
}
