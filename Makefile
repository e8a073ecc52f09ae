# Everything a developer or the build machine runs. `make check` sets a fresh machine up and
# passes every test; nothing else is needed but Rust and a C linker.

.PHONY: check setup lint test law openapi demo bench clean

check: setup lint law test

# Packages, and the tools that the lints need.
setup:
	.ci/setup

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny check bans licenses sources

# The packs are sound.
law:
	cargo run --locked -q -p shuyu-cli -- law check

# The OpenAPI document, written anew; a test fails where it is not the interface's.
openapi:
	cargo run --locked -q -p shuyu-cli -- serve --openapi > docs/openapi.json

test:
	.ci/test

demo:
	cargo run --locked -p shuyu-cli -- demo --city hangzhou

bench:
	bench/run all

clean:
	cargo clean
