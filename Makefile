# All that is done here by hand or by CI. Needs make and either Bun or Node with npm; the rest is installed into node_modules.
# Programs are run by the Bun of package.json, whatever Bun the machine may have, so that everybody runs the same.

BUN := node_modules/.bin/bun
INSTALLED := node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help start demo migrate migrate-status migrate-down test fuzz check bench schema docs format build sbom audit install

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

start: $(INSTALLED) ## Run the service (on an embedded PostgreSQL, unless DATABASE_URL names one)
	@$(BUN) src/main.ts serve

demo: $(INSTALLED) ## See 2,000 tasks, two workers and a crash go by
	@$(BUN) src/main.ts demo

migrate: $(INSTALLED) ## Apply pending migrations
	@$(BUN) src/main.ts migrate

migrate-status: $(INSTALLED) ## Show which migrations are applied
	@$(BUN) src/main.ts migrate status

migrate-down: $(INSTALLED) ## Take the newest migration back
	@$(BUN) src/main.ts migrate down

test: $(INSTALLED) ## Run all tests; some of them: make test ARGS="test/db"
	@$(BUN) scripts/test.ts $(ARGS)

fuzz: $(INSTALLED) ## Send a service a million mutated bodies; ARGS="--count 50000 --seed 7"
	@$(BUN) scripts/fuzz.ts $(ARGS)

check: $(INSTALLED) ## Do what CI does: format, lint, types, generated files, a short bench, tests
	$(BUN) node_modules/@biomejs/biome/bin/biome ci --error-on-warnings $(if $(CI),--colors=off)
	$(BUN) node_modules/typescript/bin/tsc --noEmit
	$(BUN) scripts/schema.ts --check
	$(BUN) scripts/docs.ts --check
	@$(BUN) bench/run.ts --smoke
	@$(BUN) scripts/test.ts

bench: $(INSTALLED) ## Measure throughput, latency and the rest beside other queues; ARGS=--help
	@$(BUN) bench/run.ts $(ARGS)

schema: $(INSTALLED) ## Write db/schema.sql anew from db/migrations
	@$(BUN) scripts/schema.ts

docs: $(INSTALLED) ## Print anew what the documentation takes from the code
	@$(BUN) scripts/docs.ts

format: $(INSTALLED) ## Format and mend what can be mended
	$(BUN) node_modules/@biomejs/biome/bin/biome check --write

build: $(INSTALLED) ## Build the client for Node, and its types, into dist
	$(BUN) build src/client/index.ts --outfile dist/client.js --target node --format esm
	$(BUN) node_modules/typescript/bin/tsc -p src/client/tsconfig.build.json

sbom: $(INSTALLED) ## Write the bill of materials (CycloneDX 1.6) into dist/sbom.cdx.json
	@$(BUN) scripts/sbom.ts $(ARGS)

# Not part of check: it asks the registry, which may be away, or be a mirror that knows nothing of this.
audit: $(INSTALLED) ## Ask the registry for known faults of the packages that run
	@$(BUN) audit --prod $(ARGS)

install: $(INSTALLED) ## Install the dependencies

$(INSTALLED): package.json bun.lock scripts/install.sh
	@sh scripts/install.sh
	@touch $@
