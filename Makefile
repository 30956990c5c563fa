# The README's test command is `make test`; CI calls the same target.
# synctests gives the Kafka client mutexes that a synctest bubble understands.
GO       ?= go
TAGS     ?= synctests
GOFLAGS_ = -tags $(TAGS)

.PHONY: build test race lint fuzz bench stack test-real soak-real

build: ## one static binary, ./geokv
	CGO_ENABLED=0 $(GO) build -trimpath -o geokv ./cmd/geokv

test: ## everything that must hold, under 5 minutes on two cores
	$(GO) vet $(GOFLAGS_) ./...
	$(GO) test $(GOFLAGS_) ./...

race: ## the packages with goroutines, under the race detector
	$(GO) test $(GOFLAGS_) -race ./internal/...

lint: ## needs golangci-lint v2
	golangci-lint run

stack: ## get the real parts of the process stack (170 MB, kept in the user's cache)
	$(GO) run ./cmd/geokv stack fetch

test-real: ## real Kafka, MirrorMaker 2, registry and Redis: about 4 minutes; needs Java 17, Maven, redis-server
	$(GO) vet -tags realstack ./internal/stack ./internal/lab/process
	$(GO) test -tags realstack -count=1 -timeout 20m -v ./internal/stack ./internal/lab/process

soak-real: ## the long list on the real stack: about 25 minutes
	$(GO) test -tags realstack,realsoak -count=1 -timeout 90m -v -run Soak ./internal/lab/process
