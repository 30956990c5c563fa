package wal

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

// A broker that is down must not fill the terminal of whoever watches.
func TestClientIsQuietAboutWhatItRetries(t *testing.T) {
	for _, tc := range []struct {
		level  slog.Level
		speaks bool
	}{{slog.LevelWarn, false}, {slog.LevelInfo, true}} {
		var said bytes.Buffer
		refused := make(chan struct{}, 1000)
		log, err := Open(Config{
			Brokers: []string{closedPort(t)}, Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: tc.level})),
		})
		if err != nil {
			t.Fatal(err)
		}
		err = log.Append(event.Record{Topic: "us.events", Key: []byte("k")}, func(int64, error) { refused <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Ends(t.Context(), "us.events"); err == nil {
			t.Fatal("a closed port answers")
		}
		log.Close()
		<-refused
		if got := strings.Contains(said.String(), "kafka client"); got != tc.speaks {
			t.Errorf("at level %s the client speaks: %v, want %v:\n%s", tc.level, got, tc.speaks, said.String())
		}
	}
}
