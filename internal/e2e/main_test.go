// Package e2e holds no code: its tests run geokv as a process, from outside, and
// with clients that know nothing of it. Each test says in its name what it
// shows; docs/testing.md lists them beside what was promised.
//
// The oracle is always the same: the logs, read by an ordinary Kafka client,
// folded by crdt, are what every region has to show.
package e2e

import (
	"context"
	"os"
	"os/signal"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/geokv/geokv/internal/cli"
)

// TestMain lets the test binary be the geokv binary too, so that tests can kill
// it, limit it and interrupt it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"geokv": runGeokv})
}

func runGeokv() {
	if err := limitFiles(os.Getenv(fileLimitVariable)); err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, cli.DefaultEnv(cli.Build{Version: "test"})))
}
