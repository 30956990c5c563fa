# The README's test command is `make test`; CI calls the same target.
# synctests gives the Kafka client mutexes that a synctest bubble understands.
GO       ?= go
TAGS     ?= synctests
GOFLAGS_ = -tags $(TAGS)

.PHONY: build test race soak soak-events soak-merge lint stack test-real soak-real mutants mutants-ci fuzz

build: ## one static binary, ./geokv
	CGO_ENABLED=0 $(GO) build -trimpath -o geokv ./cmd/geokv

test: ## everything that must hold, under 5 minutes on two cores
	$(GO) vet $(GOFLAGS_) ./...
	$(GO) test $(GOFLAGS_) ./...

race: ## everything but e2e, whose limits are for a program without the detector: 15 minutes
	$(GO) test $(GOFLAGS_) -race $$($(GO) list ./internal/... | grep -v /e2e$$)

soak: soak-events soak-merge ## what takes too long for every run: half an hour; prints what to put in docs/testing.md

soak-events: ## 200,000 simulated events at full speed: rates, memory, views
	GEOKV_SOAK_EVENTS=200000 $(GO) test $(GOFLAGS_) -count=1 -timeout 30m -v -run FullSpeed ./internal/e2e

HISTORIES ?= 100000
SEED      ?= 1
soak-merge: ## HISTORIES random histories x 3 orders x both engines from SEED; 20 kills under 60,000 increments; SIGSTOP for 10 s
	$(GO) test $(GOFLAGS_) -count=1 -timeout 6h -v -run 'TestHistories|TestKilledUnderWorkers|TestFaults|TestStreamOfThreeOrigins' ./internal/proof \
		-histories $(HISTORIES) -seed $(SEED) -kills 20 -increments 60000 -stopped 10s -everything

lint: ## needs golangci-lint v2
	golangci-lint run

stack: ## get the real parts of the process stack (170 MB, kept in the user's cache)
	$(GO) run ./cmd/geokv stack fetch

test-real: ## real Kafka, MirrorMaker 2, registry and Redis: about 5 minutes; needs Java 17, Maven, redis-server
	$(GO) vet -tags realstack ./internal/stack ./internal/lab/process
	$(GO) test -tags realstack -count=1 -timeout 20m -v ./internal/stack ./internal/lab/process

soak-real: ## the long list on the real stack: about 13 minutes
	$(GO) test -tags realstack,realsoak -count=1 -timeout 90m -v -run Soak ./internal/lab/process

mutants: ## plant each known bug in a copy and see that the suite catches it: about 8 minutes
	$(GO) run ./internal/mutants

mutants-ci: ## three of them, chosen by the commit
	$(GO) run ./internal/mutants -n 3 -pick "$$(git rev-parse HEAD || date)"

# Counts, not times: at the end of a time Go 1.26 sometimes fails without a finding
# (golang/go #75804).
FUZZ = $(GO) test $(GOFLAGS_) -run '^$$' -fuzzminimizetime 500x
fuzz: ## each fuzz test of what comes from outside; FUZZTIME=5m instead of the counts
	$(FUZZ) -fuzz '^FuzzDecode$$'  -fuzztime $(or $(FUZZTIME),30000x) ./internal/event/avro
	$(FUZZ) -fuzz '^FuzzExamine$$' -fuzztime $(or $(FUZZTIME),30000x) ./internal/event/avro
	$(FUZZ) -fuzz '^FuzzEventUnmarshalJSON$$' -fuzztime $(or $(FUZZTIME),30000x) ./internal/event
	$(FUZZ) -fuzz '^FuzzLine$$'    -fuzztime $(or $(FUZZTIME),10000x) ./internal/fold
