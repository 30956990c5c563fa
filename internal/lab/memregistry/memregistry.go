// Package memregistry is the schema registry of the embedded cluster: the
// Confluent API over a listener of the caller's, from memory.
//
// It is refilled at each start with the schemas geokv ships, under ids that
// never change, because the embedded logs are kept and name their schemas by
// id. Schemas that others register live until the process ends.
//
// What the underlying fake lacks is added for the event subjects: a schema that
// cannot read everything registered before is refused with 409, whatever level
// the subject is set to, and the compatibility routes tell the truth. Other
// subjects get the fake's behaviour, which accepts everything.
package memregistry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/geokv/geokv/internal/event/avro"
)

// Server is a running registry.
type Server struct {
	url      string
	fake     *srfake.Registry
	http     *http.Server
	subjects []string   // of the event topics
	mu       sync.Mutex // makes check-then-register one step
	done     chan error
}

// Start serves a registry on l, which it closes in the end. The values of the
// given topics have every shipped schema registered, oldest first.
func Start(l net.Listener, topics ...string) (*Server, error) {
	s := &Server{
		url:  "http://" + l.Addr().String(),
		fake: srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatBackwardTransitive)),
		done: make(chan error, 1),
	}
	if err := s.seed(topics); err != nil {
		_ = l.Close() // nothing was served
		return nil, err
	}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// URL returns the base URL for registry clients.
func (s *Server) URL() string { return s.url }

// Close ends all connections and waits until nothing is served any more.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.done <- http.ErrServerClosed // for a second Close
	return err
}

// seed fixes the ids: the first topic's subject is seeded with them, the others
// find the same schemas there.
func (s *Server) seed(topics []string) error {
	for i, topic := range topics {
		subject := avro.Subject(topic)
		for version, shipped := range avro.Shipped() {
			schema := sr.Schema{Schema: shipped.Schema, Type: sr.TypeAvro}
			if i == 0 {
				s.fake.SeedSchema(subject, version+1, shipped.ID, schema)
				continue
			}
			id, _, err := s.fake.RegisterSchema(subject, schema)
			if err != nil || id != shipped.ID {
				return fmt.Errorf("seed %s: id %d, want %d: %w", subject, id, shipped.ID, err)
			}
		}
		if err := s.fake.SetCompat(subject, sr.CompatBackwardTransitive); err != nil {
			return fmt.Errorf("seed %s: %w", subject, err)
		}
		s.subjects = append(s.subjects, subject)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.fake.Handler())
	mux.HandleFunc("POST /subjects/{subject}/versions", s.register)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions", s.compatibility)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions/{version}", s.compatibility)
	return refuseBrowsers(mux)
}

// refuseBrowsers keeps web pages away from a registry without credentials.
func refuseBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			reply(w, http.StatusForbidden, map[string]any{"error_code": 403, "message": "not for browsers"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// register lets the fake register what fits.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	schema, ok := readSchema(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(r.PathValue("subject"), schema); err != nil {
		reply(w, http.StatusConflict, map[string]any{"error_code": http.StatusConflict, "message": "Schema being registered is incompatible with an earlier schema: " + err.Error()})
		return
	}
	s.fake.Handler().ServeHTTP(w, r)
}

func (s *Server) compatibility(w http.ResponseWriter, r *http.Request) {
	schema, ok := readSchema(w, r)
	if !ok {
		return
	}
	answer := map[string]any{"is_compatible": true}
	if err := s.check(r.PathValue("subject"), schema); err != nil {
		answer = map[string]any{"is_compatible": false, "messages": []string{err.Error()}}
	}
	reply(w, http.StatusOK, answer)
}

// check compares a schema with all of an event subject's versions.
func (s *Server) check(subject string, schema sr.Schema) error {
	if !slices.Contains(s.subjects, subject) {
		return nil
	}
	if schema.Type != sr.TypeAvro || len(schema.References) > 0 {
		return errors.New("an event subject holds self-contained Avro schemas only")
	}
	var previous []string
	for version := 1; ; version++ {
		old, ok := s.fake.GetSchema(subject, version)
		if !ok {
			return avro.CheckCompatible(schema.Schema, previous...)
		}
		previous = append(previous, old.Schema.Schema)
	}
}

// readSchema reads the request's schema and puts the body back for the fake.
func readSchema(w http.ResponseWriter, r *http.Request) (schema sr.Schema, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &schema)
	}
	if err != nil {
		const unprocessable = http.StatusUnprocessableEntity
		reply(w, unprocessable, map[string]any{"error_code": 42201, "message": "read the schema: " + strings.TrimSpace(err.Error())})
		return schema, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return schema, true
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone needs no answer
}
