//! Sentinels: who the primary is now.

use crate::error::{BusError, Trouble};
use crate::options::Sentinel;
use crate::redis::Dialler;
use ::redis::{ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisConnectionInfo, cmd};
use secrecy::ExposeSecret;

/// Asks one sentinel. It answers with what it believes; that the server agrees is seen from its role.
pub(crate) async fn primary(
    dialler: &Dialler<'_>,
    sentinel: ConnectionInfo,
    wanted: &Sentinel,
) -> Result<ConnectionInfo, BusError> {
    let mut connection = dialler.dial_to_ask(sentinel.clone()).await?;
    let answer: Option<(String, u16)> = cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(&wanted.primary)
        .query_async(&mut connection)
        .await
        .map_err(|error| dialler.fault(&error))?;
    let Some((host, port)) = answer else {
        return Err(dialler.blame.error(
            Trouble::Misconfigured,
            format_args!("the sentinel watches no primary `{}`", wanted.primary),
            "check its name against `sentinel monitor` in the sentinels' configuration",
        ));
    };
    let mut settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    if let Some(username) = &wanted.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &wanted.password {
        settings = settings.set_password(password.expose_secret());
    }
    Ok(at(&sentinel, host, port).set_redis_settings(settings))
}

/// Another server that is reached like this one: with TLS, if this one is.
pub(crate) fn at(server: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let address = match server.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    server.clone().set_addr(address)
}
