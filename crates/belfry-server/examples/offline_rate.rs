//! Alerts for people who are away: how many per second go from the publish call to a provider that has accepted them, and
//! what one costs in CPU time of this whole process. The provider accepts at once and costs nothing, so what is measured
//! is the house: store, watch, claim, decision, composing, filing.
//!
//! `cargo run --release -p belfry-server --example offline_rate [alerts] [publishes in flight]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use belfry_channels::{Address, Channel, Notice, Receipt, SendError};
use belfry_protocol::device::PushAddress;
use belfry_protocol::{Provider, UserId};
use belfry_server::app::App;
use belfry_server::clock;
use belfry_server::config::{Config, Mode};
use belfry_server::publish::Posted;
use belfry_store::NewDevice;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const USERS: usize = 1_000;

#[derive(Debug, Default)]
struct Accepts {
    count: AtomicU64,
}

impl Channel for Accepts {
    fn provider(&self) -> Provider {
        Provider::Fcm
    }

    fn send<'a>(
        &'a self,
        _: &'a Notice,
        _: &'a Address,
        _: jiff::Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Receipt::default())).boxed()
    }

    fn check(&self, _: jiff::Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        ready(Ok(String::new())).boxed()
    }
}

/// User and system time of this process so far, in ticks of a hundredth of a second (proc(5)).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn posted(number: usize) -> Posted {
    let body = format!(
        r#"{{"to":{{"user":"user-{}"}},"kind":"deal-notification","title":"Espresso machine for 129.90","body":"At Corner, until Sunday","data":{{"dealId":"d-{number}","price":129.9}}}}"#,
        number % USERS
    );
    Posted { alert: serde_json::from_str(&body).unwrap(), idempotency: None }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().unwrap());
    let alerts = arguments.next().unwrap_or(20_000);
    let in_flight = arguments.next().unwrap_or(64);
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { mode: Mode::Serve, ..Config::default() };
    config.server.data_dir = dir.path().to_owned();
    config.live.linger_after_start = Duration::ZERO;
    let accepts = Arc::new(Accepts::default());
    let app = App::open_with(config, vec![Arc::clone(&accepts) as Arc<dyn Channel>]).await.unwrap();
    let services = app.services();
    for number in 0..USERS {
        let token = format!("token-of-user-{number:08}");
        let mut address_hash = [0; 32];
        address_hash[..token.len()].copy_from_slice(token.as_bytes());
        let device = NewDevice {
            id: "phone".to_owned(),
            address: PushAddress::Fcm { token: Some(token), installation_id: None },
            address_hash,
            locale: None,
            time_zone: None,
            app_version: None,
        };
        let user = UserId::new(format!("user-{number}")).unwrap();
        services.store.put_device(&user, device, clock::now().unix_ms()).await.unwrap();
    }
    let (began, cpu_before) = (Instant::now(), cpu());
    let publishes =
        futures_util::stream::iter(0..alerts).for_each_concurrent(in_flight, |number| async move {
            services.publish(posted(number), clock::now()).await.unwrap();
        });
    publishes.await;
    let published = began.elapsed();
    loop {
        let gauges = services.store.gauges();
        if accepts.count.load(Ordering::Relaxed) >= alerts as u64 && gauges.deliveries == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (took, cpu) = (began.elapsed(), cpu() - cpu_before);
    println!("{alerts} alerts to {USERS} people who are away, {in_flight} publishes in flight");
    println!("published in {published:.2?}; all accepted by the provider and filed after {took:.2?}");
    println!(
        "{:.0} per second from publish to accept; {:.0} µs of CPU each",
        alerts as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / alerts as f64
    );
    app.close().await.unwrap();
}
