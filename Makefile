# The README's test command is `make test`; CI calls the same target.
# synctests gives the Kafka client mutexes that a synctest bubble understands.
GO       ?= go
TAGS     ?= synctests
GOFLAGS_ = -tags $(TAGS)

.PHONY: build test race lint fuzz bench

build: ## one static binary, ./geokv
	CGO_ENABLED=0 $(GO) build -trimpath -o geokv ./cmd/geokv

test: ## everything that must hold, under 5 minutes on two cores
	$(GO) vet $(GOFLAGS_) ./...
	$(GO) test $(GOFLAGS_) ./...

race: ## the packages with goroutines, under the race detector
	$(GO) test $(GOFLAGS_) -race ./internal/...

lint: ## needs golangci-lint v2
	golangci-lint run
