# The whole of Stonepot in one small image: the page is built, compressed and embedded in the binary.
#
#   docker build --build-arg VERSION=1.2.3 -t stonepot .
#   docker run --rm -p 8080:8080 stonepot
#
# The base images are arguments, for those who take theirs from elsewhere. A client built on another machine is never
# copied in (.dockerignore): what the image holds is built here.
ARG NODE_IMAGE=node:20-bookworm-slim
ARG GO_IMAGE=golang:1.26-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot

# The page. Its output is the same on every kind of machine, so it is built once, on the builder's own.
FROM ${NODE_IMAGE} AS client
WORKDIR /src/client
ENV NEXT_TELEMETRY_DISABLED=1
# The dependencies have a layer of their own, which is built anew only when the lock file changes.
COPY client/package.json client/package-lock.json client/.npmrc ./
RUN npm ci
COPY client/ ./
RUN npm run build

# The binary.
FROM ${GO_IMAGE} AS server
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=client /src/client/out/ static/dist/
RUN go run ./static/compress static/dist
ARG VERSION=dev
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/stonepot .
# What the final image needs beside the binary: its base has neither a shell nor a package manager.
RUN cp config.yaml LICENSE /out/

FROM ${RUNTIME_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="Stonepot" \
      org.opencontainers.image.description="Talk with Google's live models from a web page" \
      org.opencontainers.image.source="https://github.com/stonepot/stonepot" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# Roots for TLS to the models; the default base has them, others may not.
COPY --from=server /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
WORKDIR /app
COPY --from=server /out/ /app/
# By number, so that orchestrators that refuse root (runAsNonRoot) can tell without a user database.
USER 65532:65532
EXPOSE 8080
# SIGTERM drains: conversations end in order within server.shutdown_grace.
STOPSIGNAL SIGTERM
# Docker and Podman use this; Cloud Run and Kubernetes have probes of their own (/health, /ready).
HEALTHCHECK --interval=30s --timeout=3s CMD ["/app/stonepot", "healthcheck"]
ENTRYPOINT ["/app/stonepot"]
