# Builds the gateway from source and runs it as an unprivileged user. Everything it writes is
# below /var/lib/doorward, so the root file system may be read-only: docs/admin.md has the command.
FROM node:22-bookworm-slim AS console
WORKDIR /src/web
COPY web .
RUN npm ci && npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=console /src/web/dist/app web/dist/app
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    CARGO_TARGET_DIR=/target cargo build --release --locked \
    && install -D -m 755 /target/release/doorward /out/doorward

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 doorward \
    && useradd --system --uid 10001 --gid doorward --home-dir /var/lib/doorward --shell /usr/sbin/nologin doorward \
    && install -d -o doorward -g doorward -m 700 /var/lib/doorward
COPY --from=build /out/doorward /usr/local/bin/doorward
COPY config/doorward.toml /etc/doorward/doorward.toml
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/doorward/
USER 10001:10001
WORKDIR /var/lib/doorward
VOLUME /var/lib/doorward
# A container is reached from outside of itself or not at all; what is published is chosen at its start.
ENV DOORWARD_DATA__DIR=/var/lib/doorward \
    DOORWARD_ADMIN__CERTS=/var/lib/doorward/certs \
    DOORWARD_ADMIN__LISTEN=0.0.0.0:8443
EXPOSE 2222 8443 8444
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/doorward"]
CMD ["serve", "--config", "/etc/doorward/doorward.toml"]
