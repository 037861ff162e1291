#!/usr/bin/env bash
# Next's dev server beside the Go server: the page reloads by itself, the server is built anew when a Go file changes (and
# takes over most of config.yaml while it runs), worklets are bundled anew when a file of src/voice changes. Ctrl-C ends both.
# PORT (8080) is the server's, WEB_PORT (3000) the page's.
set -euo pipefail
cd "$(dirname "$0")/../.."

port=${PORT:-8080}
web=${WEB_PORT:-3000}
built=bin/.dev-server bundled=bin/.dev-worklets # touched when each was last looked at
server=
mkdir -p bin

# newer <file> <find's arguments>: something that find finds is newer than the file
newer() {
	local than=$1
	shift
	[ -n "$(find "$@" -newer "$than" -print -quit)" ]
}

start() {
	touch "$built" # before the build: what changes meanwhile is built next time
	if ! go build -o bin/stonepot-dev.next .; then
		echo "== the server does not build; the last one goes on" >&2
		return
	fi
	stop
	mv bin/stonepot-dev.next bin/stonepot-dev
	PORT=$port STONEPOT_SERVER_HOST=localhost STONEPOT_CORS_WEBSOCKET_ORIGINS=http://localhost:$web bin/stonepot-dev &
	server=$!
}

stop() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" || true
		server=
	fi
}

end() {
	trap - EXIT INT TERM
	stop
	kill "$next" 2>/dev/null || true
	wait || true
	rm -f "$built" "$bundled"
	exit 0
}

worklets() {
	touch "$bundled"
	(cd client && node scripts/build-worklets.mjs) || echo "== the worklets do not build; the last ones go on" >&2
}

start
worklets
(cd client && node scripts/build-scripts.mjs) # the pages name them; Next's dev server has its own
(cd client && NEXT_TELEMETRY_DISABLED=1 NEXT_PUBLIC_STONEPOT_URL=http://localhost:$port exec node_modules/.bin/next dev -H localhost -p "$web") &
next=$!
trap end EXIT INT TERM
echo "== the page: http://localhost:$web   the server: http://localhost:$port"

while kill -0 "$next" 2>/dev/null; do
	sleep 1 &
	wait $! || true # a signal ends this wait at once
	if newer "$bundled" client/src/voice -name '*.ts' -not -name worklets.gen.ts; then
		worklets
	fi
	if newer "$built" go.mod ./*.go handlers live routes static -name node_modules -prune -o \( -name '*.go' -o -name '*.mod' -o -name openapi.json \); then
		start
	fi
done
