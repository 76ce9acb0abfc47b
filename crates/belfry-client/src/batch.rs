//! Many alerts in few requests: NDJSON there, NDJSON back, one result per alert in their order.

use crate::publisher::{Call, PublishError, Publisher, new_key};
use crate::retry::is_transient;
use belfry_protocol::batch::BatchResult;
use belfry_protocol::{AlertAnswer, NewAlert, Problem};
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Method;
use std::collections::VecDeque;

impl Publisher {
    /// Publishes a stream of alerts: one result per alert, in order. Requests are cut by lines and bytes; each line
    /// has an idempotency key, so a broken request is repeated without making a second alert.
    pub fn publish_batch<S>(
        &self,
        alerts: S,
    ) -> impl Stream<Item = Result<AlertAnswer, PublishError>> + Send + use<S>
    where
        S: Stream<Item = NewAlert> + Send + 'static,
    {
        let batch = Batch {
            publisher: self.clone(),
            alerts: Some(alerts.boxed()),
            held_back: None,
            lines: VecDeque::new(),
            answer: None,
            failed: None,
        };
        stream::unfold(batch, |mut batch| async move { batch.next().await.map(|result| (result, batch)) })
    }
}

struct Batch {
    publisher: Publisher,
    alerts: Option<BoxStream<'static, NewAlert>>,
    /// The alert that did not fit into the request before.
    held_back: Option<Line>,
    /// Alerts of the present request without a result.
    lines: VecDeque<Line>,
    answer: Option<Answer>,
    /// The present request failed for good: so did all its lines without a result.
    failed: Option<PublishError>,
}

struct Line {
    alert: NewAlert,
    json: Vec<u8>,
}

struct Answer {
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: BytesMut,
    /// The number of the last result.
    line: u32,
    failures: u32,
}

impl Batch {
    async fn next(&mut self) -> Option<Result<AlertAnswer, PublishError>> {
        if self.lines.is_empty() {
            self.answer = None;
            self.failed = None;
            if let Err(error) = self.fill().await {
                return Some(Err(error));
            }
        }
        if self.lines.is_empty() {
            return None;
        }
        let outcome = match &self.failed {
            Some(error) => Err(error.again()),
            None => self.result().await,
        };
        let line = self.lines.pop_front()?;
        Some(match outcome {
            // The server was short of something for this line alone: on its own it is repeated like any publish.
            Ok(Err(problem)) if is_transient(problem.status) => self.publisher.publish(&line.alert).await,
            Ok(result) => result.map_err(|problem| PublishError::Refused(Box::new(problem))),
            Err(error) => {
                self.answer = None;
                self.failed = Some(error.again());
                Err(error)
            }
        })
    }

    /// Takes the lines of the next request from the stream.
    async fn fill(&mut self) -> Result<(), PublishError> {
        let mut bytes = 0;
        if let Some(line) = self.held_back.take() {
            bytes += line.json.len() + 1;
            self.lines.push_back(line);
        }
        while self.lines.len() < self.publisher.batch_lines
            && let Some(alerts) = &mut self.alerts
        {
            let Some(mut alert) = alerts.next().await else {
                self.alerts = None;
                break;
            };
            alert.idempotency_key.get_or_insert_with(new_key);
            let json = serde_json::to_vec(&alert).map_err(|error| {
                PublishError::Misconfigured(format!("an alert has no JSON form: {error}"))
            })?;
            let line = Line { alert, json };
            bytes += line.json.len() + 1;
            if bytes > self.publisher.batch_bytes && !self.lines.is_empty() {
                self.held_back = Some(line);
                break;
            }
            self.lines.push_back(line);
        }
        Ok(())
    }

    /// The result of the first line, asking again for all that have none where the answer breaks off.
    async fn result(&mut self) -> Result<Result<AlertAnswer, Problem>, PublishError> {
        let mut failures = 0;
        loop {
            let mut answer = match self.answer.take() {
                Some(answer) => answer,
                None => {
                    let response = self.publisher.begin(&self.call(), &mut failures).await?;
                    Answer {
                        body: response.bytes_stream().boxed(),
                        buffer: BytesMut::new(),
                        line: 0,
                        failures,
                    }
                }
            };
            match answer.line().await {
                Ok(line) => {
                    // The answer makes headway: whatever failed before is over.
                    answer.failures = 0;
                    answer.line += 1;
                    let result = read_line(&line, answer.line);
                    self.answer = Some(answer);
                    return result;
                }
                Err(error) => {
                    failures = answer.failures.max(failures) + 1;
                    self.publisher.broke_off(error, failures).await?;
                }
            }
        }
    }

    fn call(&self) -> Call {
        let mut body = BytesMut::with_capacity(self.lines.iter().map(|line| line.json.len() + 1).sum());
        for line in &self.lines {
            body.extend_from_slice(&line.json);
            body.extend_from_slice(b"\n");
        }
        self.publisher.call(Method::POST, ["v1", "alerts", "batch"]).body(body, "application/x-ndjson")
    }
}

impl Answer {
    /// The next line; `Err(None)`: the answer ended without one.
    async fn line(&mut self) -> Result<Bytes, Option<reqwest::Error>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1).freeze();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(line);
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(Some(error)),
                None if self.buffer.trim_ascii().is_empty() => return Err(None),
                None => return Ok(self.buffer.split().freeze()),
            }
        }
    }
}

fn read_line(line: &[u8], expected: u32) -> Result<Result<AlertAnswer, Problem>, PublishError> {
    let unexpected = |detail: String| PublishError::Unexpected { status: 200, detail };
    let result: BatchResult = serde_json::from_slice(line)
        .map_err(|error| unexpected(format!("line {expected} of the answer is no result: {error}")))?;
    match result {
        // A result for another line would make one alert answer for another.
        BatchResult { line, .. } if line != expected => {
            Err(unexpected(format!("a result for line {line} instead of {expected}")))
        }
        BatchResult { alert: Some(alert), .. } => Ok(Ok(alert)),
        BatchResult { problem: Some(problem), .. } => Ok(Err(problem)),
        BatchResult { status, .. } => {
            Err(PublishError::Unexpected { status, detail: "a result without alert and problem".to_owned() })
        }
    }
}
