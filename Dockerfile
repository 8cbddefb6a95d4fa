# The one image of evercal: `evercal gateway`, `evercal worker`, `evercal migrate` and the rest are its subcommands.
# Built from a checkout: docker build --tag evercal .
# Without the default features, so without `evercal dev` and what only it needs: simulated providers.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package evercal-starter --no-default-features \
    && strip target/release/evercal

FROM debian:bookworm-slim
# The roots that TLS to providers, PostgreSQL and Temporal is checked by, and what the health check calls.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin evercal
COPY --from=build /src/target/release/evercal /usr/local/bin/evercal
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/evercal"]
CMD ["gateway"]
