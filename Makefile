# Stonepot's tasks. `make` lists them. What a task needs and can be installed, it installs, and says so.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

export NEXT_TELEMETRY_DISABLED := 1

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 30s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

CONFORMANCE := live/simulator/jsconformance
PEERS := benchmarks/peers
# What the client's build reads; what it writes among its sources is left out.
CLIENT_SOURCES := $(shell find client \( -name node_modules -o -name .next -o -name out -o -name e2e -o -name test-results \
	-o -path client/public/worklets -o -name .scripts -o -path client/packages/voice/dist -o -path client/packages/voice/LICENSE \) -prune -o -type f -not -name '*.gen.ts' -not -name next-env.d.ts \
	-not -name '*.tsbuildinfo' -not -name '*.test.ts' -not -name '*.md' -print)

# $(call need,program,packages): the program is there, or is installed from the system's packages where that is allowed.
define need
	if ! command -v $(1) >/dev/null; then $(call install,$(1),$(2)); fi
endef
define install
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "== $(1) is not installed: installing $(2)"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(2); \
	else \
		echo "$(1) is needed. Install it with: sudo apt-get install -y $(2)" >&2; exit 1; \
	fi
endef
define need_node
	node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 9) ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null || \
		{ echo "Node 20.9 or newer with npm is needed to build the page: https://nodejs.org" >&2; exit 1; }
endef

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: build ## build everything and start the server; without a key it talks to the simulator
	@exec bin/stonepot

.PHONY: dev
dev: client/node_modules/.installed ## Next's dev server beside the Go server, both reloading on change
	@exec client/scripts/dev.sh

.PHONY: build
build: static/dist/index.html ## the binary with the page in it: bin/stonepot
	@# Without -trimpath, so that what go vet has compiled is used again; the Dockerfile builds what is handed out.
	go build -ldflags "-s -w -X main.version=$(VERSION)" -o bin/stonepot .

.PHONY: client
client: static/dist/index.html ## the page, compressed, in static/dist; built only when its sources changed

static/dist/index.html: client/node_modules/.installed $(CLIENT_SOURCES)
	cd client && npm run build && npm run export
	go run ./static/compress static/dist
	@touch $@

client/node_modules/.installed: client/package.json client/package-lock.json client/.npmrc
	@$(need_node)
	cd client && npm ci
	@touch $@

$(CONFORMANCE)/node_modules/.installed: $(CONFORMANCE)/package.json $(CONFORMANCE)/package-lock.json
	@$(need_node)
	cd $(CONFORMANCE) && npm ci
	@touch $@

$(PEERS)/node_modules/.installed: $(PEERS)/package.json $(PEERS)/package-lock.json
	@$(need_node)
	cd $(PEERS) && npm ci
	@touch $@

.PHONY: test
test: lint test-go test-client e2e ## everything that CI runs
	@echo "== all tests have passed"

.PHONY: lint
lint: ## formatting, go vet, staticcheck, shell scripts
	@files=$$(gofmt -l $$(go list -f '{{$$d := .Dir}}{{range .GoFiles}}{{$$d}}/{{.}} {{end}}{{range .IgnoredGoFiles}}{{$$d}}/{{.}} {{end}}{{range .TestGoFiles}}{{$$d}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$d}}/{{.}} {{end}}' ./...)); \
		if [ -n "$$files" ]; then echo "not formatted, run gofmt -w on:" >&2; echo "$$files" >&2; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	bash -n .ci/run deploy.sh client/scripts/dev.sh

.PHONY: test-go
test-go: $(CONFORMANCE)/node_modules/.installed $(PEERS)/node_modules/.installed ## Go tests with the race detector, goroutine-leak checks, fuzz seeds, and Google's SDKs against the simulator
	@$(call need,gcc,gcc libc6-dev)
	@command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || echo "== nginx is not installed: of benchmarks/peers all is tested but that (sudo apt-get install -y nginx-light)" >&2
	go test -race -vet=off ./... # lint runs vet

.PHONY: test-client
test-client: client/node_modules/.installed static/dist/index.html package ## the page: types, lint, unit tests, build; and the package
	cd client && npm run typecheck && npm run lint && npm test

.PHONY: package
package: client/packages/voice/dist/index.js ## client/packages/voice, as it would be published: built, packed, and used from where it was unpacked
	cd client && npm run package:test

client/packages/voice/dist/index.js: client/node_modules/.installed $(CLIENT_SOURCES)
	cd client && npm run package

.PHONY: example
example: build client/packages/voice/dist/index.js ## the package's 20-line page, served by Stonepot in place of its own
	rm -rf bin/example && mkdir -p bin/example
	cp client/packages/voice/example/index.html bin/example/
	cp -R client/packages/voice/dist bin/example/
	@STONEPOT_STATIC_DIR=bin/example exec bin/stonepot

.PHONY: e2e
e2e: build client/packages/voice/dist/index.js ## the built binary with the client under Node on lines that break, and with the page in headless Chromium, whose microphone plays a recording
	@if [ -z "$${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then $(call install,Chromium,chromium); fi
	cd client && STONEPOT_BIN=../bin/stonepot npm run e2e:node && STONEPOT_BIN=../bin/stonepot npm run e2e

.PHONY: e2e-firefox
e2e-firefox: build ## the same in Firefox, with a sound server of its own
	@if [ -z "$${FIREFOX:-}" ] && ! command -v firefox-esr firefox >/dev/null; then $(call install,Firefox,firefox-esr); fi
	@$(call need,pulseaudio,pulseaudio)
	@$(call need,paplay,pulseaudio-utils)
	cd client && STONEPOT_BIN=../bin/stonepot npm run e2e:firefox

.PHONY: bench
bench: ## the whole path under load: latency, CPU and allocations per frame, resumable and not
	go run ./benchmarks

.PHONY: bench-start
bench-start: ## from start_session to session_ready on a long way, without and with warm connections
	go run ./benchmarks start

.PHONY: bench-load
bench-load: build ## load the built binary and measure it; ARGS="--find-max" or other flags of benchmarks/load
	go run ./benchmarks/load --start bin/stonepot $(ARGS)

.PHONY: bench-peers
bench-peers: build $(PEERS)/node_modules/.installed ## Stonepot beside nginx, Bun, Node, Fiber and a byte forwarder, in turn; ARGS="--scenarios paced --rounds 6"
	@if ! command -v nginx >/dev/null && [ ! -x /usr/sbin/nginx ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "== nginx is not installed: installing nginx-light, whose service is not started"; \
			apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nginx-light || \
				echo "== nginx could not be installed: the run goes on without it" >&2; \
		else \
			echo "== nginx is not installed, and the run goes on without it: sudo apt-get install -y nginx-light" >&2; \
		fi; \
	fi
	go run ./benchmarks/peers $(ARGS)

.PHONY: bench-report
bench-report: ## a page with plots of the newest run of bench-load or bench-peers; ARGS="before.json after.json" compares two
	go run ./benchmarks/report $(ARGS)

.PHONY: bench-resume
bench-resume: ## what outliving connections takes: interruptions on bad links, playback on far ones, hand-overs, memory; twelve minutes
	go run ./benchmarks interrupt
	go run ./benchmarks playback
	go run ./benchmarks handover
	go run ./benchmarks memory -rounds 1

.PHONY: torture
torture: ## 200 conversations while everything breaks, judged by a ledger: four minutes; ARGS="-seed 2 -only browser"
	go run ./benchmarks/torture $(ARGS)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep ^Fuzz || true); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: image
image: ## the container image stonepot:latest, with docker, podman or buildah (whose own format has no HEALTHCHECK)
	@for engine in docker podman buildah; do \
		if command -v $$engine >/dev/null; then \
			exec env BUILDAH_FORMAT=docker $$engine build --build-arg VERSION=$(VERSION) -t stonepot:latest .; \
		fi; \
	done; \
	echo "docker, podman or buildah is needed to build the image" >&2; exit 1

.PHONY: screenshots
screenshots: build ## pictures of every page and state, on a phone and on a desk, light and dark, in bin/screenshots, and the README's
	@if [ -z "$${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then $(call install,Chromium,chromium); fi
	cd client && STONEPOT_BIN=../bin/stonepot npm run screenshots -- ../bin/screenshots
	cp bin/screenshots/1440x900-light-talk-5-speaking.png docs/screenshot.png
	cp bin/screenshots/390x844-light-talk-5-speaking.png docs/phone.png
	cp bin/screenshots/390x844-light-settings-1-conversation.png docs/settings.png
	cp bin/screenshots/1440x900-light-operator-3-figures.png docs/operator.png

.PHONY: clean
clean: ## remove what was built; installed packages stay
	rm -rf bin client/.next client/.scripts client/packages/voice/dist client/out client/test-results
	find static/dist -mindepth 1 -not -name .gitkeep -delete
