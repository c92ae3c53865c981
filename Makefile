# Every command that a person or CI runs. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PG_MAJOR   := 15
MAJORS     := 15 17 18
PG_CONFIG  ?= $(firstword $(wildcard /usr/lib/postgresql/$(PG_MAJOR)/bin/pg_config) pg_config)
PREFIX     ?= /usr/local
KEEP       ?=
SKIP       ?=

# Versions have one home: Cargo.toml.
PGRX := $(shell sed -n 's/^pgrx = "=\(.*\)"/\1/p' Cargo.toml)
VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_wabridges/pg_wabridges.control)
TARGET := $(or $(CARGO_TARGET_DIR),target)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# cargo-pgrx keeps its own configuration; ours stays in the target directory.
export PGRX_HOME := $(CURDIR)/target/pgrx
export PG_CONFIG
export PATH := $(HOME)/.cargo/bin:$(PATH)

PG_PACKAGES := postgresql-$(PG_MAJOR) postgresql-server-dev-$(PG_MAJOR) postgresql-$(PG_MAJOR)-cron
PACKAGES := build-essential ca-certificates clang curl faketime jq libclang-dev libssl-dev pkg-config python3-venv sudo $(PG_PACKAGES)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 24

.PHONY: demo
demo: extension ## the main job, shown end to end (KEEP=1 leaves it running)
	@cargo build -q -p sandbox -p reconciler -p e2e
	@exec target/debug/demo $(if $(KEEP),--keep)

.PHONY: demo-stop
demo-stop: ## stop what `make demo KEEP=1` left running
	@[ ! -f target/demo-stop.sh ] || { sh target/demo-stop.sh; rm target/demo-stop.sh; echo 'stopped'; }

.PHONY: test
test: lint ## format, lints, unit tests, end-to-end tests
	cargo test
	$(MAKE) --no-print-directory test-server
	$(MAKE) --no-print-directory pgspot

.PHONY: test-server
test-server: tools ## what `make test` runs against a PostgreSQL, that of PG_MAJOR; SKIP: tests to leave out
	$(MAKE) --no-print-directory extension
	cargo build -p sandbox -p reconciler -p e2e
	cargo test -p e2e -- $(addprefix --skip ,$(SKIP))
	$(MAKE) --no-print-directory test-sql-only

.PHONY: test-sql-only
test-sql-only: tools ## the end-to-end tests that need no extension, without it
	cargo build -p sandbox -p reconciler -p e2e
	WAB_E2E_INSTALL=sql-only cargo test -p e2e --test e2e -- $(SQL_ONLY_TESTS) $(addprefix --skip ,$(SKIP))

# What needs nothing that only the extension has is tested without it too.
SQL_ONLY_TESTS := plan_apply saved_plans exit_codes terminal output recipes verbs doctor polling together::of_eight properties documented webhooks \
                  golden::scripts main_job::every_kind main_job::the_summary \
                  hostile_provider::wab_exits hostile_provider::a_provider hostile_provider::a_malformed \
                  connections::the_database

.PHONY: test-matrix
test-matrix: tools ## `make test-server` for each of MAJORS, other than PG_CONFIG's in a chroot; 14 and 16 with less
	dpkg -s debootstrap &>/dev/null || $(SUDO) apt-get install -y -qq debootstrap >/dev/null
	for major in $(MAJORS); do tests/matrix.sh $$major; done

.PHONY: check-majors
check-majors: ## clippy of the extension for the other majors; it takes no headers
	for major in 14 16 17 18; do
	  DOCS_RS=1 RUSTC_WRAPPER=$(CURDIR)/pg_wabridges/rustc-bundled-bindings CARGO_TARGET_DIR=$(CURDIR)/target/majors \
	    cargo clippy -p pg_wabridges --no-default-features --features pg$$major -- -D warnings
	done

# Coverage counters on stable Rust; --target keeps them out of build scripts and procedural macros.
FUZZ_FLAGS := --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
              $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
FUZZ         ?= answers texts fleet plans pictures
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: ## every fuzzing target for FUZZ_SECONDS=600 each, or those of FUZZ="answers fleet"
	host=$$(rustc -vV | sed -n 's/^host: //p'); fuzz=$(CURDIR)/target/fuzz
	for target in $(FUZZ); do
	  mkdir -p $$fuzz/corpus/$$target
	  args="fuzz $$fuzz/corpus/$$target $(CURDIR)/fuzz/corpus/$$target -dict=$(CURDIR)/fuzz/dictionaries/$$target.dict"
	  args+=" -artifact_prefix=$$fuzz/$$target- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 -print_final_stats=1"
	  FUZZ_ARGS="$$args" RUSTFLAGS="$(FUZZ_FLAGS)" cargo test -q --target $$host --target-dir $$fuzz \
	    -p wabridges -p reconciler --lib --bins -- --nocapture fuzz_$$target
	done

BENCH_PACKAGES := nodejs npm postgresql-plpython3-$(PG_MAJOR) python3-requests

.PHONY: bench
bench: pgrx-home ## how fast it is against what people would use instead; BENCH_N=100000: one size
	missing=$$(for p in $(BENCH_PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)
	# A Node.js from elsewhere does as well.
	if command -v node npm >/dev/null; then missing=$$(sed -E 's/\b(nodejs|npm)\b//g' <<<"$$missing"); fi
	[ -z "$${missing// }" ] || $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
	cd bench/alternatives && npm install --silent --no-package-lock && cd ../..
	cargo pgrx install --release -p pg_wabridges --pg-config $(PG_CONFIG) $(call sudo_for,$$($(PG_CONFIG) --pkglibdir))
	cargo build --release -p sandbox -p reconciler -p bench
	target/release/bench

.PHONY: lint
lint: pgrx-home check-majors ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

PGSPOT_VERSION := 0.9.4
PGSPOT := target/pgspot-$(PGSPOT_VERSION)/bin/pgspot

.PHONY: pgspot
pgspot: extension $(PGSPOT) ## pgspot finds nothing in the SQL: as it is installed, to be run by hand
	pg_wabridges/pgspot.sh $(PGSPOT) $$($(PG_CONFIG) --sharedir)/extension/pg_wabridges--$(VERSION).sql \
	  sql/roles.sql sql/cron.sql sql/signup.sql

$(PGSPOT): | tools
	/usr/bin/python3 -m venv target/pgspot-$(PGSPOT_VERSION)
	target/pgspot-$(PGSPOT_VERSION)/bin/pip install -q --disable-pip-version-check pgspot==$(PGSPOT_VERSION)

.PHONY: install
install: pgrx-home ## the extension into PG_CONFIG's PostgreSQL, wab with man pages and completions into PREFIX
	cargo pgrx install --release -p pg_wabridges --pg-config $(PG_CONFIG) $(call sudo_for,$$($(PG_CONFIG) --pkglibdir))
	cargo build --release -p reconciler
	install="$(if $(call sudo_for,$(PREFIX)),$(SUDO)) install -D" share=$(DESTDIR)$(PREFIX)/share wab=target/release/wab
	$$install -m 0755 $$wab $(DESTDIR)$(PREFIX)/bin/wab
	rm -rf target/man && $$wab man --out target/man
	$$install -m 0644 -t $$share/man/man1 target/man/*.1
	$$wab completion bash | $$install -m 0644 /dev/stdin $$share/bash-completion/completions/wab
	$$wab completion zsh | $$install -m 0644 /dev/stdin $$share/zsh/site-functions/_wab
	$$wab completion fish | $$install -m 0644 /dev/stdin $$share/fish/vendor_completions.d/wab.fish

.PHONY: extension
extension: tools ## the extension, built for development, into PG_CONFIG's PostgreSQL
	$(call build_extension,dev)
	$(call install_extension,debug)

# $(1): the profile. The bindings are those of PG_CONFIG's headers.
define build_extension
major=$$($(PG_CONFIG) --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
PGRX_PG_CONFIG_PATH=$(PG_CONFIG) cargo build -p pg_wabridges --no-default-features --features pg$$major --profile $(1)
cargo build -p install-sql
endef

# $(1): the folder of its profile in the target directory.
define install_extension
lib=$(DESTDIR)$$($(PG_CONFIG) --pkglibdir) share=$(DESTDIR)$$($(PG_CONFIG) --sharedir)/extension
put="$$([ -w "$$share" ] || [ -n "$(DESTDIR)" ] || echo $(SUDO)) install -D"
$$put -m 0755 -T $(TARGET)/$(1)/libpg_wabridges.so "$$lib/pg_wabridges.so"
$$put -m 0644 -t "$$share" pg_wabridges/pg_wabridges.control
$(TARGET)/debug/install-sql | $$put -m 0644 -T /dev/stdin "$$share/pg_wabridges--$(VERSION).sql"
endef

# --sudo for cargo-pgrx, unless we may write there ourselves.
sudo_for = $(shell [ -w "$(1)" ] || echo --sudo)

.PHONY: pgrx-home
pgrx-home: tools
	@[ -f $(PGRX_HOME)/config.toml ] || cargo pgrx init --pg$(PG_MAJOR) $(PG_CONFIG) >/dev/null

.PHONY: tools
tools: ## what is needed and missing: Debian packages, cargo-pgrx
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)
	if [ -n "$$missing" ]; then
	  echo "Installing Debian packages:" $$missing
	  $(SUDO) apt-get update -qq
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
	fi
	if [ "$$(cargo pgrx --version 2>/dev/null)" != "cargo-pgrx $(PGRX)" ]; then
	  echo "Installing cargo-pgrx $(PGRX) (about three minutes)"
	  cargo install -q --locked --debug cargo-pgrx --version =$(PGRX)
	fi

.PHONY: clean
clean: ## remove everything that was built
	cargo clean

.ONESHELL:
