/** A certificate for loopback that nobody trusts: it proves that TLS is spoken, and that trust is asked for. */

export const untrusted: { readonly key: string; readonly cert: string } = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdppg+Igwp8zXie2R
I4FxWAtqh47Eqjy7coTMyW643oShRANCAAQSq2oTm/Kjae7yaPvsV3z5JeNfC7xt
xNqXAMeQkET8QEd9LbSO8MvC8QMKTOuog2hVy9qC31s1nxNKIXiZeAsy
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUBtsA9yLZklROyAbDrst0S2fzRCUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDE3MTQ0MloYDzIxMjYxMTA2
MTcxNDQyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQSq2oTm/Kjae7yaPvsV3z5JeNfC7xtxNqXAMeQkET8QEd9LbSO8MvC
8QMKTOuog2hVy9qC31s1nxNKIXiZeAsyo28wbTAdBgNVHQ4EFgQUtl6Q4c/E98vF
Y4/jT9+uDBeHJ8YwHwYDVR0jBBgwFoAUtl6Q4c/E98vFY4/jT9+uDBeHJ8YwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgVyvHUmdgntP4yP4Tt61oRSe+KOzLBBj4La2wl3dd/QICIH9p
by2VWh4+eZSH11RtGIvz58DIZ5sNbd64RK/E+O5O
-----END CERTIFICATE-----
`,
};
