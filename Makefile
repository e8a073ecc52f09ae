# Everything a developer or the build machine runs. `make check` sets a fresh machine up and
# passes every test; nothing else is needed but Rust and a C linker.

.PHONY: check setup lint test law gen demo bench clean

check: setup lint law test

# Packages, and the tools that the lints need.
setup:
	.ci/setup

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --offline check bans licenses sources

# The packs are sound, and what the generated documents say is what the code says.
law:
	cargo run --locked -q -p shuyu-cli -- law check
	cargo run --locked -q -p shuyu-cli -- openapi > target/openapi.json
	diff -u docs/openapi.json target/openapi.json

test:
	.ci/test

# Rebuilds what is generated.
gen:
	cargo run --locked -q -p shuyu-cli -- openapi > docs/openapi.json

demo:
	cargo run --locked -p shuyu-cli -- demo --city hangzhou

bench:
	bench/run

clean:
	cargo clean
