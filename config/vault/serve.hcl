# What the proxy needs to serve: wrap and unwrap bucket keys, and see which versions there are. Renewing and looking up its
# own token is in Vault's policy `default`.
path "transit/encrypt/crypt-keeper" {
  capabilities = ["update"]
}
path "transit/decrypt/crypt-keeper" {
  capabilities = ["update"]
}
path "transit/keys/crypt-keeper" {
  capabilities = ["read"]
}
