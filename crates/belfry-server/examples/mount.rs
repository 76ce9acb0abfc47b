//! An axum application with Belfry on its own port, under `/belfry`.
//!
//! ```sh
//! cargo run -p belfry-server --example mount
//! ```
//!
//! It prints what to do next: watch as Ann, place an order, and see the alert arrive.

use anyhow::Context;
use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};
use belfry_protocol::{NewAlert, UserId};
use belfry_server::app::App;
use belfry_server::auth::{Minter, NewToken};
use belfry_server::clock;
use belfry_server::config::{Config, Mode};
use belfry_server::publish::Posted;
use belfry_server::services::Peer;
use belfry_store::UnixMs;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const LISTEN: &str = "127.0.0.1:8788";
const BASE: &str = "/belfry";
const TOKEN_VALID_MS: i64 = 60 * 60 * 1_000;

/// What the application's own routes need.
#[derive(Clone)]
struct Shop {
    belfry: App,
    tokens: Arc<Minter>,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the example says what to do next")]
async fn main() -> anyhow::Result<()> {
    let config = config();
    let tokens = Arc::new(Minter::new(&config.verifier_options())?);
    let belfry = App::open(config).await?;
    let shop = Shop { belfry: belfry.clone(), tokens };

    let app = Router::new()
        .route("/", get(|| async { "The shop. Alerts are under /belfry.\n" }))
        .route("/session/{user}", post(sign_in))
        .route("/orders/{user}", post(place_order))
        .with_state(shop)
        // Everything of Belfry: API, sockets, event streams.
        .merge(belfry.router())
        .layer(axum::middleware::from_fn(note_peer));

    let listener = tokio::net::TcpListener::bind(LISTEN).await?;
    println!(
        "Listening on http://{LISTEN}\n\n\
         TOKEN=$(curl -sS -X POST http://{LISTEN}/session/ann)\n\
         curl -N -H \"Authorization: Bearer $TOKEN\" http://{LISTEN}{BASE}/v1/events\n\n\
         and in another terminal\n\n\
         curl -X POST http://{LISTEN}/orders/ann\n"
    );
    let leaving = belfry.clone();
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            let _ = tokio::signal::ctrl_c().await;
            // Clients are told when to come back; event streams end, so that the listener can.
            leaving.drain().await;
        })
        .await?;
    belfry.close().await
}

/// As `Config::load` would read it from `belfry.toml` and the environment.
fn config() -> Config {
    let mut config = Config { mode: Mode::Serve, ..Config::default() };
    config.server.base_path = BASE.to_owned();
    // One process and no load balancer: nobody has to be spread.
    config.drain.window = Duration::from_millis(250);
    config.server.data_dir = std::env::temp_dir().join("belfry-mount-example");
    // The secret that the application signs its users' tokens with; this one lives as long as the process.
    config.auth.jwt_secret =
        Some(SecretString::from(format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..))));
    config
}

/// Stands for the application's own sign-in: it makes the token that Belfry accepts.
async fn sign_in(State(shop): State<Shop>, Path(user): Path<String>) -> Result<String, StatusCode> {
    let user: UserId = user.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let issued_at = clock::now().unix_ms();
    let expires_at = UnixMs(issued_at.0 + TOKEN_VALID_MS);
    let token = shop.tokens.mint(NewToken { user, issued_at, expires_at, extra: serde_json::Map::new() });
    Ok(token.expose_secret().to_owned())
}

/// An own route that raises an alert: no HTTP in between, and on disk when it returns.
async fn place_order(
    State(shop): State<Shop>,
    Path(user): Path<String>,
) -> Result<(StatusCode, String), (StatusCode, String)> {
    let alert = order_placed(&user).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error:#}\n")))?;
    let posted = Posted { alert, idempotency: None };
    match shop.belfry.services().publish(posted, clock::now()).await {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, format!("order placed, alert {}\n", accepted.answer.id))),
        Err(problem) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", problem.detail))),
    }
}

fn order_placed(user: &str) -> anyhow::Result<NewAlert> {
    serde_json::from_value(serde_json::json!({
        "to": {"user": user},
        "kind": "order-placed",
        "title": "Your order is on its way",
        "data": {"order": fastrand::u32(..)},
    }))
    .context("this is no user id")
}

/// Tells Belfry who is at the other end, for its limits per address.
async fn note_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Peer(peer.ip()));
    next.run(request).await
}
