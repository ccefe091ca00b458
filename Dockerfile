# syntax=docker/dockerfile:1
# Crypt-Keeper as an image: the binary, CA certificates and the C library; no shell, no package manager, not root.
#
#   docker build -t crypt-keeper .
#   docker run --rm -p 127.0.0.1:9000:9000 -v crypt-keeper:/var/lib/crypt-keeper crypt-keeper \
#     dev --data /var/lib/crypt-keeper --listen 0.0.0.0:9000
#
# To serve with a configuration of your own, mount it at /etc/crypt-keeper/crypt-keeper.toml (config/examples has some)
# and the secrets as files. Health and metrics are on loopback by default, which is inside the container: set
# `admin_listen = "0.0.0.0:9001"` where a probe from outside has to reach /healthz and /readyz. There is no HEALTHCHECK,
# which would need a program inside the image: probe by HTTP, as Kubernetes and load balancers do.

# Both stages are of one Debian release: the binary is linked against its C library.
# The Rust version is that of rust-toolchain.toml. The image brings the C compiler for SQLite and AWS-LC, which is
# built here without cmake; on architectures where it does need cmake, add `apt-get install cmake`.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# Twice the time to build, for a tenth less processor time of small requests and two thirds of the size.
ENV CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1

# Dependencies in a layer of their own, which only Cargo.toml and Cargo.lock invalidate: the package is built once with
# nothing in it. Cargo wants every declared target to be there; benches and tests stay empty for good.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches conformance \
 && sed -n '/^\[\[bench\]\]/{n;s|^name = "\(.*\)"$|benches/\1.rs|p}' Cargo.toml | xargs touch conformance/main.rs src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked --bin crypt-keeper

# COPY keeps the files' times, which may be older than the empty build: touch, or Cargo takes that for the current one.
COPY src ./src
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --bin crypt-keeper \
 && install -D --strip target/release/crypt-keeper /image/usr/bin/crypt-keeper \
 && install -d -m 0700 /image/var/lib/crypt-keeper

# libc, libgcc and CA certificates; the user nonroot is 65532:65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/usr/bin/crypt-keeper /usr/bin/crypt-keeper
# A new volume takes its owner from here.
COPY --from=build --chown=65532:65532 /image/var/lib/crypt-keeper /var/lib/crypt-keeper
COPY LICENSE /usr/share/doc/crypt-keeper/
USER 65532:65532
VOLUME /var/lib/crypt-keeper
# S3, and health with metrics.
EXPOSE 9000 9001
# SIGTERM drains; give it more than `drain_timeout_seconds` (docker stop --time 35, 10 s by default).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/crypt-keeper"]
CMD ["serve", "--config", "/etc/crypt-keeper/crypt-keeper.toml"]
