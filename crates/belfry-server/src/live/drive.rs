//! The edge of a session: carries its outputs out and brings signals, frames, pages and time in.

use super::output::{Op, Output, Read, ReadResult};
use super::session::Session;
use super::transport::{Incoming, Parcel, Refused, Transport};
use crate::clock;
use crate::hub::{Next, Registration, Signal};
use crate::metrics::Counter;
use crate::services::Services;
use crate::tasks::TaskKind;
use belfry_protocol::frame::ErrorMessageData;
use belfry_protocol::{CloseCode, ErrorCode, UserId};
use belfry_store::{Heads, InboxQuery, StoreError};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a client has to answer a close.
const GOODBYE: Duration = Duration::from_secs(2);
/// Items of the page that comes with a `reset`.
const RESET_ITEMS: u32 = 50;

type Pending<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// A session with everything it needs.
pub struct Drive<T> {
    /// The way to the client.
    pub transport: T,
    /// The state machine.
    pub session: Box<Session>,
    /// The place in the hub.
    pub registration: Registration,
    /// The house.
    pub services: Arc<Services>,
}

struct Edge<T> {
    drive: Drive<T>,
    reading: Pending<ReadResult>,
    /// A read whose answer would find no room: it waits until the socket took everything.
    read_next: Option<Read>,
    operating: Pending<Result<Operated, ErrorMessageData>>,
    closing: Option<CloseCode>,
}

/// What an operation brings back.
enum Operated {
    Nothing,
    Renewed(crate::auth::Identity),
}

/// Runs a session to its end.
pub fn run<T: Transport>(drive: Drive<T>) -> impl Future<Output = ()> + Send {
    // Boxed before the future is made, which would else keep room for it as an argument and as a variable.
    let edge = Edge { drive, reading: None, read_next: None, operating: None, closing: None };
    run_edge(Box::new(edge))
}

async fn run_edge<T: Transport>(mut edge: Box<Edge<T>>) {
    let sleep = tokio::time::sleep(Duration::ZERO);
    tokio::pin!(sleep);
    let mut gone = false;
    while !gone {
        edge.settle();
        if edge.closing.is_some() {
            break;
        }
        let now = clock::now();
        let deadline = edge.drive.session.deadline(edge.drive.transport.traffic().queued, now);
        if sleep.deadline().into_std() != deadline {
            sleep.as_mut().reset(deadline.into());
        }
        let Edge { drive: Drive { transport, registration, .. }, reading, operating, .. } = &mut *edge;
        tokio::select! {
            incoming = transport.incoming() => gone = edge.on_incoming(incoming),
            () = registration.handle.signalled() => {}
            result = wait(reading) => {
                edge.reading = None;
                edge.drive.session.on_read(result, clock::now());
            }
            result = wait(operating) => edge.on_operated(result),
            () = &mut sleep => {}
        }
        let traffic = edge.drive.transport.traffic();
        edge.drive.session.on_tick(traffic, clock::now());
    }
    // In a box of its own, which exists only at the end.
    Box::pin(edge.finish(gone)).await;
}

async fn wait<R>(pending: &mut Pending<R>) -> R {
    match pending {
        Some(future) => future.as_mut().await,
        None => std::future::pending().await,
    }
}

impl<T: Transport> Edge<T> {
    /// Carries out what is to be done until there is nothing left to do without waiting.
    fn settle(&mut self) {
        loop {
            self.perform();
            self.start_read();
            if self.closing.is_some() || !self.take_signal() {
                return;
            }
        }
    }

    /// Starts the read that is wanted once its answer finds room in the socket's queue.
    fn start_read(&mut self) {
        let Drive { transport, registration, services, .. } = &self.drive;
        if transport.traffic().queued == 0
            && let Some(read) = self.read_next.take()
        {
            let user = registration.handle.user.clone();
            self.reading = Some(Box::pin(read_store(Arc::clone(services), user, read)));
        }
    }

    /// Gives the session the next signal it can take; `false`: there is none.
    fn take_signal(&mut self) -> bool {
        let Drive { transport, session, registration, services } = &mut self.drive;
        let now = clock::now();
        if let Some(order) = registration.handle.next_order() {
            let heads = matches!(order, Signal::Heads(_));
            session.on_signal(unless_revoked(services, order), now);
            if heads && session.is_behind() {
                services.metrics.count(Counter::SessionsBehind);
            }
            return true;
        }
        // Hints wait in the hub, where they are bounded and can be dropped, until the socket took the last ones.
        if !session.wants_signals() || transport.traffic().queued > 0 {
            return false;
        }
        match registration.handle.next() {
            Next::Signal(signal) => session.on_signal(signal, now),
            Next::Lagging => {
                services.metrics.count(Counter::SessionsLagged);
                session.on_lagging();
            }
            Next::Nothing => return false,
        }
        true
    }

    fn perform(&mut self) {
        loop {
            let outputs = self.drive.session.take_outputs();
            if outputs.is_empty() {
                if self.drive.session.waits_for_socket() && self.drive.transport.traffic().queued == 0 {
                    self.drive.session.on_drained(clock::now());
                    continue;
                }
                return;
            }
            let mut refused = false;
            for output in outputs {
                // After a refusal the session reads the store again, so what follows would come twice.
                if refused
                    && matches!(
                        output,
                        Output::Alert { .. } | Output::Frame { before: Some(_), .. } | Output::Read(_)
                    )
                {
                    continue;
                }
                refused |= self.carry_out(output);
            }
        }
    }

    /// Carries out one output; `true`: the transport refused a frame that the store can tell again.
    fn carry_out(&mut self, output: Output) -> bool {
        let Drive { transport, session, registration, services } = &mut self.drive;
        match output {
            Output::Frame { json, before, after } => {
                let cursor = after.map(|heads| session.cursor_at(heads));
                let parcel = Parcel { body: json, tail: Vec::new(), receipt: None, cursor };
                return match (transport.send(parcel), before) {
                    (Ok(()), _) => false,
                    (Err(Refused), Some(before)) => {
                        session.lag(before);
                        true
                    }
                    (Err(Refused), None) => {
                        self.closing.get_or_insert(CloseCode::Lagging);
                        false
                    }
                };
            }
            Output::Alert { body, tail, receipt, before, after } => {
                let mut bytes = Vec::with_capacity(96);
                tail.write(&mut bytes);
                let cursor = Some(session.cursor_at(after));
                let parcel = Parcel { body, tail: bytes, receipt, cursor };
                if transport.send(parcel).is_err() {
                    session.lag(before);
                    return true;
                }
            }
            Output::Ping(heads) => {
                // A frame before it may have been refused: a pong must not confirm what is sent later only.
                let Heads { user, all } = session.sent();
                transport.heartbeat(Heads { user: heads.user.min(user), all: heads.all.min(all) });
            }
            Output::Comment => transport.heartbeat(Heads::default()),
            Output::ForgetHints => {
                services.metrics.count(Counter::CatchUps);
                registration.handle.forget_hints();
            }
            Output::Read(read) => {
                self.reading = None;
                self.read_next = Some(read);
            }
            Output::Operate(op) => {
                let work = operate(Arc::clone(services), registration.handle.user.clone(), op);
                // Seen through also when this session ends meanwhile: the other devices hear of it.
                self.operating = Some(Box::pin(services.tasks.see_through(TaskKind::Change, work)));
            }
            Output::Acknowledge(row) => {
                services.metrics.count(Counter::Receipts);
                let result =
                    services.store.acknowledge(&registration.handle.user, row, clock::now().unix_ms());
                if result.is_err() {
                    services.metrics.count(Counter::StoreFailures);
                }
            }
            Output::Ponged(heads) => services.hub.remember_pong(&registration.handle.user, heads),
            Output::Visible(visible) => {
                registration.handle.set_visible(visible, clock::now().instant);
                if let Some(cluster) = services.cluster.as_ref().filter(|_| visible) {
                    cluster.changes.became_visible(&registration.handle.user);
                }
            }
            Output::Close(code) => {
                self.closing = Some(code);
            }
        }
        false
    }

    /// What the client's side brings; `true`: it is gone.
    fn on_incoming(&mut self, incoming: Incoming) -> bool {
        let Drive { session, services, .. } = &mut self.drive;
        let now = clock::now();
        match incoming {
            Incoming::Text(text) => session.on_text(&text, now),
            Incoming::Binary => session.on_binary(now),
            Incoming::Pong(payload) => session.on_pong(&payload, now),
            Incoming::Drained => session.on_drained(now),
            Incoming::Life => {}
            Incoming::Violation(reason) => {
                session.refuse(CloseCode::ProtocolViolation, ErrorCode::FrameInvalid, &reason, now);
            }
            Incoming::Gone => return true,
        }
        services.metrics.add(Counter::FramesRefused, session.take_refused());
        false
    }

    fn on_operated(&mut self, result: Result<Operated, ErrorMessageData>) {
        self.operating = None;
        let Drive { session, services, .. } = &mut self.drive;
        let now = clock::now();
        let result = result.and_then(|done| {
            let Operated::Renewed(identity) = done else { return Ok(()) };
            // Its key may have been revoked while the store was asked: the session did not know then that it concerns it.
            services.gate.check_revoked(&identity, None).map_err(|refusal| refused(&refusal))?;
            session.renew(Some(identity.expires_at), identity.issued_at, identity.kid, now);
            Ok(())
        });
        session.on_operated(result, now);
    }

    async fn finish(self: Box<Self>, gone: bool) {
        let Some(code) = self.closing.filter(|_| !gone) else { return };
        // It is out of the hub first, so that nothing more is left for it.
        let Edge { drive: Drive { mut transport, registration, services, .. }, .. } = *self;
        drop(registration);
        services.metrics.closed(code.number());
        if code == CloseCode::Replaced {
            services.metrics.count(Counter::SessionsReplaced);
        }
        transport.finish(code.number(), code.slug(), GOODBYE).await;
    }
}

async fn read_store(services: Arc<Services>, user: UserId, read: Read) -> ReadResult {
    match try_read(&services, &user, read).await {
        Ok(result) => result,
        Err(error) => {
            services.metrics.count(Counter::StoreFailures);
            // The store says it once; here it would be a line for everybody who is connected.
            tracing::debug!(error = %error, "a session could not read the store");
            ReadResult::Failed
        }
    }
}

async fn try_read(services: &Services, user: &UserId, read: Read) -> Result<ReadResult, StoreError> {
    let store = &services.store;
    Ok(match read {
        Read::Standing => ReadResult::Standing(store.standing(user).await?),
        Read::Count { after, to, limit } => {
            ReadResult::Count(store.count_after(user, after, to, limit).await?)
        }
        Read::Changed { since, to, limit } => {
            ReadResult::Changed(store.changed_since(user, since, to, limit).await?)
        }
        Read::Items { after, to, limit } => {
            ReadResult::Items(store.items_after(user, after, to, limit).await?)
        }
        Read::FirstPage => {
            services.metrics.count(Counter::Resets);
            let query = InboxQuery { limit: RESET_ITEMS, ..InboxQuery::default() };
            ReadResult::FirstPage(store.inbox(user, query).await?)
        }
        Read::RenewEpoch => {
            services.metrics.count(Counter::CursorsAboveHead);
            tracing::error!(user.id = %user, "a client has more than the store: it was restored from an older state");
            let renewed = store.renew_user_epoch(user, clock::now().unix_ms()).await?;
            services.tell_to_look(user);
            ReadResult::Renewed(renewed)
        }
    })
}

async fn operate(services: Arc<Services>, user: UserId, op: Op) -> Result<Operated, ErrorMessageData> {
    match op {
        Op::Change { selection, up_to, change } => {
            let changed = services.change_state(&user, selection, up_to, change, clock::now()).await;
            changed.map(|_| Operated::Nothing).map_err(|error| store_message(&error))
        }
        Op::Authenticate(token) => {
            let identity = services.gate.verifier().verify(&token, clock::now()).await;
            let identity =
                identity.map_err(|error| ErrorMessageData::new(error.error_code(), error.to_string()))?;
            if identity.user != user {
                return Err(ErrorMessageData::new(
                    ErrorCode::Unauthorized,
                    "the token belongs to another user: open a new connection for them",
                ));
            }
            let connected = services.store.connect(&user, clock::now().unix_ms()).await;
            let connected = connected.map_err(|error| store_message(&error))?;
            services
                .gate
                .check_revoked(&identity, connected.revoke_before)
                .map_err(|refusal| refused(&refusal))?;
            Ok(Operated::Renewed(identity))
        }
    }
}

fn refused(refusal: &crate::auth::Refusal) -> ErrorMessageData {
    ErrorMessageData::new(refusal.error_code(), refusal.to_string())
}

/// A renewal that waited while its key was revoked ends the session: the session was told of the key before it had it.
fn unless_revoked(services: &Services, order: Signal) -> Signal {
    match order {
        Signal::Renewed { kid, .. } if services.gate.verifier().is_key_revoked(kid.as_deref()) => {
            Signal::Close(CloseCode::TokenRevoked, "the token was revoked: sign in again".into())
        }
        order => order,
    }
}

fn store_message(error: &StoreError) -> ErrorMessageData {
    let data = match error {
        StoreError::Overloaded => {
            ErrorMessageData::new(ErrorCode::Overloaded, "the store has too much to do: try again")
        }
        _ => ErrorMessageData::new(
            ErrorCode::StoreUnavailable,
            "the store cannot take it right now: try again",
        ),
    };
    ErrorMessageData { retry_after_ms: Some(1_000), ..data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::socket::Socket;

    /// A task's own place besides its future.
    const TASK: usize = 128;

    #[test]
    fn an_idle_connection_is_small() {
        fn size_of_output<T, F: Future>(_: fn(T) -> F) -> usize {
            size_of::<F>()
        }
        let session = size_of::<Session>();
        let edge = size_of::<Edge<Socket<tokio::net::TcpStream>>>();
        let future = size_of_output(run_edge::<Socket<tokio::net::TcpStream>>);
        let handle = size_of::<crate::hub::Handle>();
        let sum = session + edge + future + handle + TASK;
        assert!(sum <= 1_536, "session {session}, edge {edge}, future {future}, handle {handle}: {sum}");
    }
}
