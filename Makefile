# Everything a person or a machine does with this repository. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo console openapi test lint docs bench peers soak fuzz

# Build output is outside the tree, so that clones share it. A target-dir of your own
# (.cargo/config.toml or CARGO_TARGET_DIR) goes before.
ifeq ($(wildcard .cargo/config.toml),)
export CARGO_TARGET_DIR ?= $(or $(HOME),/tmp)/.cache/doorward/target
endif
TARGET_DIR = $$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: ## build, start a gateway and a target on loopback, show a check-out from request to revoke (DEMO=once ends after that)
	@scripts/prerequisites demo
	@scripts/console build
	cargo build --release --locked
	@exec "$(TARGET_DIR)/release/doorward" demo

console: ## the console for the browser, from web/, for the next build of the gateway to take in; needs Node.js and npm
	@scripts/console build

openapi: ## the API's description, anew, for the console to be made of
	DOORWARD_WRITE=1 cargo test --locked --lib -- --exact api::tests::table::the_console_is_made_of_this_document

test: ## every test, with real ssh and sshd, on SQLite and on a PostgreSQL of its own
	@scripts/prerequisites test
	@scripts/with-postgres scripts/run-tests

peers: ## what people run, some hundreds of commands, directly and through the gateway, with other people's clients and a browser too; needs cargo-nextest
	@scripts/prerequisites peers
	@scripts/console build
	@scripts/with-postgres cargo nextest run --locked --profile peers

lint: ## format and clippy, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

docs: ## the crate's documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

bench: ## the figures of docs/performance.md, release build, beside OpenSSH's sshd and nginx
	@scripts/prerequisites bench
	cargo bench --locked --bench sessions
	cargo bench --locked --bench console
	@# Ten thousand WebSockets are two open files each.
	@ulimit -n "$$(ulimit -H -n)"; cargo bench --locked --bench web

soak: ## property tests with 40 times the cases, every test ROUNDS (10) times over, 50 rounds of transfers; needs cargo-nextest
	@scripts/prerequisites test
	@PROPTEST_CASES=10000 scripts/with-postgres scripts/run-tests --profile soak --lib
	@scripts/with-postgres scripts/run-tests --profile soak --stress-count $(or $(ROUNDS),10)
	@DOORWARD_CASES=all $(PEERS) differential
	@DOORWARD_ROUNDS=$(or $(TRANSFERS),50) DOORWARD_MIB=64 $(PEERS) stall
	@DOORWARD_ROUNDS=1 DOORWARD_MIB=4096 $(PEERS) stall

# Optimised, or the rounds would take days.
PEERS = cargo nextest run --release --locked --profile soak --test peers --no-capture

fuzz: ## each fuzz target for SECONDS_EACH (60), with its corpus in fuzz/corpus; needs cargo-fuzz
	@cargo fuzz --version >/dev/null || { echo "doorward: missing: cargo-fuzz (cargo install cargo-fuzz --locked)" >&2; exit 1; }
	@# The compiler's coverage is a nightly feature; without a nightly toolchain this one is told to have it.
	@if cargo +nightly --version >/dev/null 2>&1; then fuzz="cargo +nightly fuzz"; else fuzz="cargo fuzz"; export RUSTC_BOOTSTRAP=1; fi; \
	for target in $$($$fuzz list); do \
	    echo "== $$target"; \
	    mkdir -p "fuzz/corpus/$$target" "fuzz/seeds/$$target"; \
	    $$fuzz run --sanitizer none "$$target" "fuzz/corpus/$$target" "fuzz/seeds/$$target" \
	        -- -max_total_time=$(or $(SECONDS_EACH),60) -print_final_stats=1; \
	done
