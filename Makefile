# Defines every command for users, developers and CI. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PG_MAJOR   := 15
MAJORS     := 15 17 18
DEBIAN     := /usr/lib/postgresql/$(PG_MAJOR)/bin/pg_config
PG_CONFIG  ?= $(or $(wildcard $(DEBIAN)),$(shell command -v pg_config),$(DEBIAN))
PREFIX     ?= /usr/local
DESTDIR    ?=
PROFILE    := release
KEEP       ?=
SKIP       ?=

# The version is defined in Cargo.toml only.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
TARGET := $(or $(CARGO_TARGET_DIR),target)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Expands to sudo, unless the folder is writable or DESTDIR is set.
sudo_for = $$([ -w "$(1)" ] || [ -n "$(DESTDIR)" ] || echo $(SUDO))
export PG_CONFIG
# pgrx reads the headers of this PostgreSQL.
export PGRX_PG_CONFIG_PATH = $(PG_CONFIG)
export PATH := $(HOME)/.cargo/bin:$(PATH)

# Debian packages for the demo, an installation, the tests and the benchmark.
PG_PACKAGES    := postgresql-$(PG_MAJOR) postgresql-server-dev-$(PG_MAJOR)
PACKAGES       := build-essential ca-certificates libclang-dev
PG_CRON        := postgresql-$(PG_MAJOR)-cron
TEST_PACKAGES  := chromium curl dpkg-dev faketime haproxy iproute2 jq libevent-dev pgbouncer pkg-config procps \
                  prometheus prometheus-alertmanager prometheus-sql-exporter python3-venv
NODE_PACKAGES  := nodejs npm
BENCH_PACKAGES := $(NODE_PACKAGES) chromium prometheus-sql-exporter postgresql-plpython3-$(PG_MAJOR) python3-requests

# All builds use the same packages and features, so that cargo compiles each dependency once.
FEATURES = --no-default-features --features pg_wabridges/pg$$($(PG_CONFIG) --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
BUILT    = -p pg_wabridges -p reconciler -p sandbox -p e2e -p install-sql $(FEATURES)
TESTED   = --workspace $(FEATURES)

# Many end-to-end tests wait, for pg_cron or for a limit: twice as many as there are cores run at once.
E2E = RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test $(TESTED) --test e2e

.PHONY: help
help: ## list all commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 24

.PHONY: demo
demo: extension ## show the main job end to end (KEEP=1 leaves the servers running)
	@exec $(TARGET)/debug/demo $(if $(KEEP),--keep)

.PHONY: demo-stop
demo-stop: ## stop the servers that `make demo KEEP=1` left running
	@[ ! -f $(TARGET)/demo-stop.sh ] || { sh $(TARGET)/demo-stop.sh; rm $(TARGET)/demo-stop.sh; echo 'stopped'; }

.PHONY: test
test: lint test-server pgspot ## check formatting and lints, run unit and end-to-end tests

.PHONY: test-server
test-server: test-tools extension ## run the tests on PostgreSQL PG_MAJOR; SKIP='name …' leaves tests out
	$(E2E) -- $(addprefix --skip ,$(SKIP))
	# These wait too, and measure no times: two programs at once.
	printf '%s\n' fault_matrix interrupts browser | xargs -P 2 -I {} cargo test $(TESTED) --test {} -- $(addprefix --skip ,$(SKIP))
	# All others, whose names do not begin with b, e, f or i; some of them measure times.
	cargo test $(TESTED) --lib --bins --test '[!befi]*' -- $(addprefix --skip ,$(SKIP))
	$(MAKE) --no-print-directory test-sql-only

.PHONY: test-sql-only
test-sql-only: test-tools ## run the end-to-end tests that need no extension, without it
	cargo build $(BUILT)
	WAB_E2E_INSTALL=sql-only $(E2E) -- $(SQL_ONLY_TESTS) $(addprefix --skip ,$(SKIP))

# Tests of functions that exist without the extension also run without it.
SQL_ONLY_TESTS := plan_apply saved_plans exit_codes terminal output recipes verbs doctor polling together::of_eight properties documented webhooks tenant_rows::apply tenant_rows::binding \
                  golden::scripts main_job::every_kind main_job::the_summary \
                  hostile_provider::wab_exits hostile_provider::a_provider hostile_provider::a_malformed \
                  connections::the_database pairing_links

HA_PACKAGES := etcd-server patroni python3-etcd

.PHONY: test-ha
test-ha: test-tools extension ## fail over ten times amid applies, with Patroni and etcd on this machine, and print a table
	@$(call install_packages,$(HA_PACKAGES))
	cargo test $(TESTED) --test ha -- --ignored --nocapture

ASSERTS := bison flex libicu-dev libreadline-dev libssl-dev zlib1g-dev

.PHONY: test-asserts
test-asserts: test-tools ## run the tests on a PostgreSQL with assertions, which it builds under target/asserts
	@$(call install_packages,$(ASSERTS))
	config=$$(tests/asserts.sh $(PG_MAJOR))
	WAB_CANCELS=300 $(MAKE) --no-print-directory test-server PG_CONFIG=$$config

.PHONY: test-matrix
test-matrix: test-tools ## run the tests on each of MAJORS (14 to 19), in a chroot if needed; 14, 16 and 19 run fewer
	dpkg -s debootstrap &>/dev/null || $(SUDO) apt-get install -y -qq debootstrap >/dev/null
	for major in $(MAJORS); do tests/matrix.sh $$major; done

.PHONY: test-pg-upgrade
test-pg-upgrade: extension ## run the test of pg_upgrade from the server of OLD_PG_CONFIG to that of PG_CONFIG
	old=$(or $(OLD_PG_CONFIG),$(PG_CONFIG)); export WAB_E2E_NEW_PG_CONFIG=$(PG_CONFIG)
	PG_CONFIG=$$old cargo test $(TESTED) --test e2e -- pg_upgrade

.PHONY: test-pg-upgrades
test-pg-upgrades: extension ## pg_upgrade from 15 to 17 and from 17 to 18, in the chroots of `make test-matrix MAJORS='15 17 18'`
	tests/matrix.sh 17 test-pg-upgrade 15
	tests/matrix.sh 18 test-pg-upgrade 17

OTHERS := 14 16 17 18

.PHONY: check-majors
check-majors: ## run clippy on the extension for the other majors, without their headers
	for major in $(OTHERS); do
	  DOCS_RS=1 RUSTC_WRAPPER=$(CURDIR)/pg_wabridges/rustc-bundled-bindings \
	    cargo clippy -p pg_wabridges --no-default-features --features pg$$major -- -D warnings
	done

# These flags add coverage counters with stable Rust; --target keeps them out of build scripts and procedural macros.
FUZZ_FLAGS := --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
              $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
FUZZ         ?= answers texts fleet plans pictures
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: ## run every fuzzing target for FUZZ_SECONDS=600, or those in FUZZ="answers fleet"
	host=$$(rustc -vV | sed -n 's/^host: //p'); fuzz=$(CURDIR)/target/fuzz
	for target in $(FUZZ); do
	  mkdir -p $$fuzz/corpus/$$target
	  args="fuzz $$fuzz/corpus/$$target $(CURDIR)/fuzz/corpus/$$target -dict=$(CURDIR)/fuzz/dictionaries/$$target.dict"
	  args+=" -artifact_prefix=$$fuzz/$$target- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 -print_final_stats=1"
	  FUZZ_ARGS="$$args" RUSTFLAGS="$(FUZZ_FLAGS)" cargo test -q --target $$host --target-dir $$fuzz \
	    -p wabridges -p reconciler --lib --bins -- --nocapture fuzz_$$target
	done

SEED    ?= 1
DAYS    ?= 30
BRIDGES ?= 500

.PHONY: simulate
simulate: test-tools ## simulate a fleet and compare it with a model each day: SEED=1 DAYS=365 BRIDGES=10000
	cargo build --release $(BUILT)
	$(call install_extension,$(TARGET)/release)
	$(TARGET)/release/simulate --seed $(SEED) --days $(DAYS) --bridges $(BRIDGES) --shrink $(TARGET)/life.json

.PHONY: simulate-mutations
simulate-mutations: test-tools extension ## put faults into the product, and show on which simulated day each is found
	$(TARGET)/debug/simulate --mutations --seed 12 --days 28 --bridges 60 --eventful 8

.PHONY: bench
bench: tools ## measure the speed against alternatives; BENCH_N=100000 measures one size
	@$(call install_packages,$(BENCH_PACKAGES),$(PRESENT_NODE))
	cd bench/alternatives && npm install --silent --no-package-lock && cd ../..
	cargo build --release $(BUILT) -p bench
	$(call install_extension,$(TARGET)/release)
	$(TARGET)/release/bench $(BENCHED)

.PHONY: bench-serve
bench-serve: BENCHED := serve
bench-serve: bench ## measure only wab serve: webhooks and pages

.PHONY: growth
growth: extension ## simulate a month of minute refreshes and measure the tables (20 minutes); GROWTH_DAYS=2 for less
	cargo build $(BUILT) -p bench
	$(TARGET)/debug/growth

.PHONY: lint
lint: tools ## check formatting and run clippy, for the oldest and newest major too; warnings are errors
	cargo fmt --all --check
	$(MAKE) --no-print-directory check-majors OTHERS='14 18'
	cargo clippy $(TESTED) --all-targets -- -D warnings

PGSPOT_VERSION := 0.9.4
PGSPOT := $(TARGET)/pgspot-$(PGSPOT_VERSION)/bin/pgspot

.PHONY: pgspot
pgspot: extension $(PGSPOT) ## check the SQL of installs, upgrades and recipes with pgspot
	pg_wabridges/pgspot.sh $(PGSPOT) $(TARGET)/sql/*.sql sql/roles.sql sql/cron.sql sql/signup.sql sql/uninstall.sql

$(PGSPOT): | test-tools
	/usr/bin/python3 -m venv $(TARGET)/pgspot-$(PGSPOT_VERSION)
	$(TARGET)/pgspot-$(PGSPOT_VERSION)/bin/pip install -q --disable-pip-version-check pgspot==$(PGSPOT_VERSION)

.PHONY: extension
extension: tools ## build the extension for development and install it, with old versions for the tests
	cargo build $(BUILT)
	$(call install_extension,$(TARGET)/debug)
	for old in sql/versions/*.sql; do [ ! -f "$$old" ] || $$put -m 0644 -t "$$share" "$$old"; done

.PHONY: install
install: built := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
install: tools ## install the extension (PG_CONFIG), and wab with man pages and completions (PREFIX, DESTDIR)
	cargo build --profile $(PROFILE) $(if $(filter dev,$(PROFILE)),$(BUILT),-p pg_wabridges -p reconciler -p install-sql $(FEATURES))
	$(call install_extension,$(built))
	put="$(call sudo_for,$(PREFIX)) install -D" share=$(DESTDIR)$(PREFIX)/share wab=$(built)/wab
	$$put -m 0755 $$wab $(DESTDIR)$(PREFIX)/bin/wab
	rm -rf $(TARGET)/man && $$wab man --out $(TARGET)/man
	$$put -m 0644 -t $$share/man/man1 $(TARGET)/man/*.1
	$$put -m 0644 -t $$share/pg_wabridges fleet.yaml.example monitoring/*
	for unit in packaging/systemd/*; do
	  sed 's|/usr/bin/wab|$(PREFIX)/bin/wab|' $$unit | $$put -m 0644 /dev/stdin $$share/pg_wabridges/$${unit##*/}
	done
	$$wab completion bash | $$put -m 0644 /dev/stdin $$share/bash-completion/completions/wab
	$$wab completion zsh | $$put -m 0644 /dev/stdin $$share/zsh/site-functions/_wab
	$$wab completion fish | $$put -m 0644 /dev/stdin $$share/fish/vendor_completions.d/wab.fish

# Installs the library, the control file and the scripts from the folder $(1), into which cargo built them. Of two
# installations from one target folder, the second waits for the first.
define install_extension
exec 9>$(TARGET)/install.lock && flock 9
lib=$(DESTDIR)$$($(PG_CONFIG) --pkglibdir) share=$(DESTDIR)$$($(PG_CONFIG) --sharedir)/extension
put="$(call sudo_for,$$share) install -D"
$(1)/install-sql write $(TARGET)/sql
$$put -m 0755 -T $(1)/libpg_wabridges.so "$$lib/pg_wabridges.so"
$$put -m 0644 -t "$$share" $(TARGET)/sql/*
endef

# The packages of this project, in target/deb; the parts are scripts of packaging/.
DEB_TOOLS     := debhelper git
RELEASE_TOOLS := $(DEB_TOOLS) debootstrap jq lintian piuparts umoci

.PHONY: deb
deb: tools ## build the Debian packages postgresql-PG_MAJOR-wabridges and wab
	@$(call install_packages,$(DEB_TOOLS))
	packaging/deb.sh $(PG_MAJOR) $(TARGET)/deb

.PHONY: oci
oci: deb ## make OCI images of the packages: the extension for CloudNativePG, and wab
	@$(call install_packages,$(RELEASE_TOOLS))
	packaging/oci.sh $(PG_MAJOR) $(TARGET)/deb

.PHONY: dist
dist: ## make the archive for PGXN from the last commit
	mkdir -p $(TARGET)/dist
	git archive --prefix=pg_wabridges-$(VERSION)/ -o $(TARGET)/dist/pg_wabridges-$(VERSION).zip HEAD

.PHONY: notice
notice: ## list the crates that are linked in, with their licences, in NOTICE
	cargo run -q -p packaging notice >NOTICE.new && mv NOTICE.new NOTICE

.PHONY: release-check
release-check: tools ## check packages, images, licences and SBOM as a release needs them; takes about half an hour
	@$(call install_packages,$(RELEASE_TOOLS))
	cargo build -q -p sandbox
	packaging/release-check.sh $(PG_MAJOR) $(TARGET)/deb $(TARGET)/debug/sandbox

.PHONY: freeze
freeze: ## keep the install script of a finished version for upgrades; then raise the version in Cargo.toml
	cargo run -q -p install-sql -- freeze && cargo fmt -p install-sql

.PHONY: tools
tools: ## install missing Debian packages for the demo and an installation
	@$(call install_packages,$(PACKAGES) $(PG_PACKAGES))

.PHONY: test-tools
test-tools: ## install missing Debian packages for the tests too
	@$(call install_packages,$(PACKAGES) $(PG_PACKAGES) $(PG_CRON) $(TEST_PACKAGES) $(NODE_PACKAGES),$(PRESENT_NODE))
	tests/axe.sh
	tests/pgbouncer.sh || echo 'Testing with the PgBouncer of this Debian only'

# A Node.js that is not from a Debian package is good enough.
PRESENT_NODE = $$(command -v node npm >/dev/null && echo $(NODE_PACKAGES))

# Installs the packages in $(1), except those in $(2), which are already installed in another way.
define install_packages
missing=$$(for p in $(1); do
  [[ " $(2) " == *" $$p "* ]] || dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p
done)
if [ -n "$$missing" ]; then
  echo "Installing Debian packages:" $$missing
  $(SUDO) apt-get update -qq
  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
fi
endef

.PHONY: clean
clean: ## remove all build results
	cargo clean

.ONESHELL:
