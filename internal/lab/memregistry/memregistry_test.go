package memregistry_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/event/avro"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lab/memregistry"
	"github.com/geokv/geokv/internal/lane"
)

func start(t *testing.T) *memregistry.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := memregistry.Start(l, geo.Default().Topics()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func client(t *testing.T, s *memregistry.Server) *sr.Client {
	t.Helper()
	c, err := sr.NewClient(sr.URLs(s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIDsAreTheSameAtEachStart(t *testing.T) {
	for range 2 {
		c := client(t, start(t))
		for _, topic := range geo.Default().Topics() {
			versions, err := c.Schemas(t.Context(), avro.Subject(topic))
			if err != nil || len(versions) != len(avro.Shipped()) {
				t.Fatalf("%s: %v (%v)", topic, versions, err)
			}
			for i, shipped := range avro.Shipped() {
				if versions[i].ID != shipped.ID {
					t.Errorf("%s version %d has id %d, want %d", topic, i+1, versions[i].ID, shipped.ID)
				}
			}
			if level := c.Compatibility(t.Context(), avro.Subject(topic))[0]; level.Err != nil || level.Level != sr.CompatBackwardTransitive {
				t.Errorf("%s: compatibility %v", topic, level)
			}
		}
	}
}

func TestCodecWorksThroughIt(t *testing.T) {
	s := start(t)
	reg, err := avro.NewRegistryClient(avro.RegistryConfig{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	writer, reader := avro.NewCodec(reg, ""), avro.NewCodec(reg, "")
	if err := writer.Prepare(t.Context(), geo.Default().Topics()...); err != nil {
		t.Fatal(err)
	}
	e := event.Event{
		Version: event.FormatVersion, MinVersion: event.FormatVersion, ID: "id", Origin: "ap",
		HLC:  hlc.Timestamp{Physical: 1700000000000, Logical: 3, Region: 2},
		Lane: lane.ID{Slot: 3, Incarnation: 1}, Seq: 1, Key: []byte("k"), Args: event.Incr{Delta: 5},
	}
	value, err := writer.Encode("ap.events", e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := reader.Decode(t.Context(), event.Record{
		Topic: "ap.events", Partition: geo.PartitionOf(e.Key), Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
	})
	if err != nil || got.Args != e.Args {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if err := writer.Check(t.Context()); err != nil {
		t.Error(err)
	}
	// An in-process reader that never asks the server agrees on the ids.
	if _, err := avro.NewCodec(avro.NewShippedRegistry(), "").Decode(t.Context(), event.Record{
		Topic: "ap.events", Partition: geo.PartitionOf(e.Key), Key: e.Key, Value: value, TimestampMS: e.HLC.Physical,
	}); err != nil {
		t.Error(err)
	}
}

func TestIncompatibleEventSchemasAreRefused(t *testing.T) {
	s := start(t)
	c := client(t, s)
	subject := avro.Subject("eu.events")
	good := sr.Schema{Schema: strings.Replace(avro.Schema, `{"name": "v",`, `{"name":"trace_id","type":"string","default":""},{"name": "v",`, 1), Type: sr.TypeAvro}
	bad := sr.Schema{Schema: strings.Replace(avro.Schema, `{"name": "v",`, `{"name":"trace_id","type":"string"},{"name": "v",`, 1), Type: sr.TypeAvro}
	for name, tt := range map[string]struct {
		schema sr.Schema
		fits   bool
	}{"field with default": {good, true}, "field without default": {bad, false}, "another kind": {sr.Schema{Schema: `{}`, Type: sr.TypeJSON}, false}} {
		result, err := c.CheckCompatibility(t.Context(), subject, -2, tt.schema)
		if err != nil || result.Is != tt.fits {
			t.Errorf("%s: compatible %v (%v), want %v", name, result, err, tt.fits)
		}
		_, err = c.RegisterSchema(t.Context(), subject, tt.schema, -1, -1)
		var refused *sr.ResponseError
		if tt.fits != (err == nil) || !tt.fits && (!errors.As(err, &refused) || refused.StatusCode != http.StatusConflict) {
			t.Errorf("%s: registered with %v", name, err)
		}
	}
	reg, err := avro.NewRegistryClient(avro.RegistryConfig{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Register(t.Context(), subject, bad.Schema); fail.CodeOf(err) != fail.Rejected {
		t.Errorf("through geokv's client: %v", err)
	}
	if _, err := c.RegisterSchema(t.Context(), "orders-value", sr.Schema{Schema: `"string"`, Type: sr.TypeAvro}, -1, -1); err != nil {
		t.Errorf("another application's subject: %v", err)
	}
}

func TestBrowsersAndNonsenseAreRefused(t *testing.T) {
	s := start(t)
	for name, tt := range map[string]struct {
		method, path, body, origin string
		status                     int
	}{
		"browser": {http.MethodGet, "/subjects", "", "http://evil.example", http.StatusForbidden},
		"program": {http.MethodGet, "/subjects", "", "", http.StatusOK},
		"no JSON": {http.MethodPost, "/subjects/eu.events-value/versions", "schema", "", http.StatusUnprocessableEntity},
		"too big": {http.MethodPost, "/subjects/eu.events-value/versions", strings.Repeat(" ", 2<<20), "", http.StatusUnprocessableEntity},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL()+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.origin != "" {
			req.Header.Set("Origin", tt.origin)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.status)
		}
	}
}

func TestCloseTwiceAndNothingAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := memregistry.Start(l, "us.events")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	c, err := sr.NewClient(sr.URLs(s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subjects(context.Background()); err == nil {
		t.Error("a closed registry answers")
	}
}
