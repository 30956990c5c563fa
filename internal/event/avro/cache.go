package avro

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/hamba/avro/v2"

	"github.com/geokv/geokv/internal/fail"
)

// schemas resolves schema ids: from memory, then from the cache directory, then
// from the registry. An id once resolved keeps its meaning in this cluster,
// whatever the registry says later: the log was written with that meaning.
//
// The directory holds two kinds of JSON file, each written to a temporary name
// and renamed:
//
//	schema-<id>.json        {"id","fingerprint","schema"}
//	subject-<subject>.json  {"id","fingerprint"}: what Prepare registered
//
// A file is believed only when its schema hashes to its fingerprint, which is
// the SHA-256 of the schema's canonical form, so that a registry's own layout
// of the text does not matter. Anything else counts as absent and is
// overwritten by the next answer of the registry.
type schemas struct {
	reg  Registry
	dir  string
	ours avro.Schema

	known sync.Map // id -> *writerSchema

	mu       sync.Mutex
	fetching map[int]*fetch
	diskErr  error // last failure to write the cache
}

// fetch is one request to the registry that several partitions wait for.
type fetch struct {
	done   chan struct{}
	schema *writerSchema
	err    error
}

func newSchemas(reg Registry, dir string, ours avro.Schema) *schemas {
	return &schemas{reg: reg, dir: dir, ours: ours, fetching: map[int]*fetch{}}
}

// writer returns the schema under id. The error is a *BlockError.
func (s *schemas) writer(ctx context.Context, id int) (*writerSchema, error) {
	if w, ok := s.known.Load(id); ok {
		return w.(*writerSchema), nil
	}
	s.mu.Lock()
	f := s.fetching[id]
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		s.fetching[id] = f
		s.mu.Unlock()
		s.resolve(ctx, id, f)
	} else {
		s.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, &BlockError{BlockRegistry, ctx.Err()}
		}
	}
	return f.schema, f.err
}

// resolve fills f and wakes those who wait for it. Failures are not kept: the
// next record tries again.
func (s *schemas) resolve(ctx context.Context, id int, f *fetch) {
	f.schema, f.err = s.load(ctx, id)
	if f.err == nil {
		s.known.Store(id, f.schema)
	}
	s.mu.Lock()
	delete(s.fetching, id)
	s.mu.Unlock()
	close(f.done)
}

func (s *schemas) load(ctx context.Context, id int) (*writerSchema, error) {
	if w, ok := s.readSchema(id); ok {
		return w, nil
	}
	text, err := s.reg.Schema(ctx, id)
	switch {
	case errors.Is(err, ErrUnknownSchema):
		return nil, &BlockError{BlockSchema, err}
	case err != nil:
		return nil, &BlockError{BlockRegistry, err}
	}
	w, err := newWriterSchema(text, s.ours)
	if err != nil {
		return nil, &BlockError{BlockForeign, fmt.Errorf("schema %d: %w", id, err)}
	}
	s.saveSchema(id, w)
	return w, nil
}

// writerID registers our schema under the subject. A registry that does not
// answer is replaced by what an earlier run was told.
func (s *schemas) writerID(ctx context.Context, subject string) (int, error) {
	ours, err := newWriterSchema(Schema, s.ours)
	if err != nil {
		return 0, fail.Wrap(fail.Internal, err, "read the embedded schema")
	}
	id, err := s.reg.Register(ctx, subject, Schema)
	if err != nil {
		if id, ok := s.readSubject(subject, ours.fingerprint); ok && fail.CodeOf(err) == fail.Unavailable {
			return id, nil
		}
		return 0, err
	}
	known, ok := s.remembered(id)
	if ok && known.fingerprint != ours.fingerprint {
		return 0, fail.New(fail.Unavailable, "register %s: the registry gave id %d to the event schema, but this cluster's log uses that id for another one", subject, id).
			WithHint("the registry was wiped or replaced: restore its schemas with their ids, or use a new data directory if the logs are new too (cache: %s)", s.dir)
	}
	if !ok {
		s.known.Store(id, ours)
		s.saveSchema(id, ours)
	}
	s.saveSubject(subject, id, ours.fingerprint)
	return id, nil
}

// remembered looks an id up without asking the registry.
func (s *schemas) remembered(id int) (*writerSchema, bool) {
	if w, ok := s.known.Load(id); ok {
		return w.(*writerSchema), true
	}
	w, ok := s.readSchema(id)
	if ok {
		s.known.Store(id, w)
	}
	return w, ok
}

// check compares all that is remembered with the registry.
func (s *schemas) check(ctx context.Context) error {
	for _, id := range s.cachedIDs() {
		s.remembered(id)
	}
	var problems []error
	s.known.Range(func(key, value any) bool {
		problems = append(problems, s.checkOne(ctx, key.(int), value.(*writerSchema)))
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diskErr != nil {
		problems = append(problems, fail.Wrap(fail.Unavailable, s.diskErr, "write the schema cache").
			WithHint("make %s writable: without it a registry outage stops this process after a restart", s.dir))
	}
	return errors.Join(problems...)
}

func (s *schemas) checkOne(ctx context.Context, id int, known *writerSchema) error {
	const hint = "restore the registry's schemas with their ids; processes that have schema %d cached go on, new ones wait (cache: %s)"
	text, err := s.reg.Schema(ctx, id)
	switch {
	case errors.Is(err, ErrUnknownSchema):
		return fail.Wrap(fail.Unavailable, err, "schema %d is in use but the registry has lost it", id).WithHint(hint, id, s.dir)
	case err != nil:
		return err
	}
	schema, err := parse(text)
	if err == nil && fingerprintOf(schema) == known.fingerprint {
		return nil
	}
	return fail.New(fail.Unavailable, "schema %d is in use but the registry now has another one under that id", id).WithHint(hint, id, s.dir)
}

// cacheEntry is the content of a cache file.
type cacheEntry struct {
	ID          int    `json:"id"`
	Fingerprint string `json:"fingerprint"`
	Schema      string `json:"schema,omitempty"`
}

const schemaPrefix, schemaSuffix = "schema-", ".json"

func (s *schemas) schemaFile(id int) string {
	return filepath.Join(s.dir, schemaPrefix+strconv.Itoa(id)+schemaSuffix)
}

func (s *schemas) subjectFile(subject string) string {
	return filepath.Join(s.dir, "subject-"+subject+".json")
}

func (s *schemas) readSchema(id int) (*writerSchema, bool) {
	entry, ok := s.readEntry(s.schemaFile(id))
	if !ok || entry.ID != id {
		return nil, false
	}
	w, err := newWriterSchema(entry.Schema, s.ours)
	if err != nil || w.fingerprint != entry.Fingerprint {
		return nil, false
	}
	return w, true
}

func (s *schemas) readSubject(subject, fingerprint string) (int, bool) {
	entry, ok := s.readEntry(s.subjectFile(subject))
	return entry.ID, ok && entry.ID > 0 && entry.Fingerprint == fingerprint
}

func (s *schemas) readEntry(path string) (entry cacheEntry, ok bool) {
	if s.dir == "" {
		return entry, false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return entry, false
	}
	ok = json.Unmarshal(data, &entry) == nil
	return entry, ok
}

func (s *schemas) saveSchema(id int, w *writerSchema) {
	s.save(s.schemaFile(id), cacheEntry{ID: id, Fingerprint: w.fingerprint, Schema: w.text})
}

func (s *schemas) saveSubject(subject string, id int, fingerprint string) {
	s.save(s.subjectFile(subject), cacheEntry{ID: id, Fingerprint: fingerprint})
}

// save keeps an entry. A failure is remembered for check and otherwise
// harmless: the schema is in memory.
func (s *schemas) save(path string, entry cacheEntry) {
	if s.dir == "" {
		return
	}
	err := writeAtomically(path, entry)
	s.mu.Lock()
	s.diskErr = err
	s.mu.Unlock()
}

func writeAtomically(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // best effort; the first error says what is wrong
	}
	return err
}

func (s *schemas) cachedIDs() []int {
	if s.dir == "" {
		return nil
	}
	entries, _ := os.ReadDir(s.dir) // no directory, no cached ids
	var ids []int
	for _, e := range entries {
		text, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), schemaSuffix), schemaPrefix)
		if id, err := strconv.Atoi(text); ok && err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
