package avro

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
)

// switchable is a registry that can go down, lose its schemas and be counted.
type switchable struct {
	mu      sync.Mutex
	down    bool
	ids     map[string]int
	texts   map[int]string
	next    int
	fetches int
}

func newSwitchable(firstID int) *switchable {
	return &switchable{ids: map[string]int{}, texts: map[int]string{}, next: firstID}
}

var errDown = fail.New(fail.Unavailable, "connection refused")

func (s *switchable) Schema(_ context.Context, id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches++
	if s.down {
		return "", errDown
	}
	if text, ok := s.texts[id]; ok {
		return text, nil
	}
	return "", ErrUnknownSchema
}

func (s *switchable) Register(_ context.Context, _, schema string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return 0, errDown
	}
	if id, ok := s.ids[schema]; ok {
		return id, nil
	}
	id := s.next
	s.next++
	s.ids[schema], s.texts[id] = id, schema
	return id, nil
}

// lose forgets everything, as a wiped registry does.
func (s *switchable) lose(firstID int) {
	s.ids, s.texts, s.next = map[string]int{}, map[int]string{}, firstID
}

func prepare(t *testing.T, reg Registry, dir string) *Codec {
	t.Helper()
	c := NewCodec(reg, dir)
	if err := c.Prepare(t.Context(), testTopic); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOutageStopsNobodyWhoHasSeenTheSchema(t *testing.T) {
	reg, dir := newSwitchable(3), t.TempDir()
	e := eventOf("k", event.Incr{Delta: 1})
	running := prepare(t, reg, dir)
	r := mustEncode(t, running, e)

	reg.down = true
	if _, err := running.Decode(t.Context(), r); err != nil {
		t.Errorf("running reader: %v", err)
	}
	if err := running.Prepare(t.Context(), testTopic); err != nil {
		t.Errorf("running writer: %v", err)
	}
	restarted := prepare(t, reg, dir)
	if got := mustEncode(t, restarted, e); string(got.Value) != string(r.Value) {
		t.Errorf("restarted writer encodes % x, want % x", got.Value, r.Value)
	}
	if _, err := NewCodec(reg, dir).Decode(t.Context(), r); err != nil {
		t.Errorf("restarted reader: %v", err)
	}
	if err := restarted.Prepare(t.Context(), "us.events"); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("a topic never seen: %v", err)
	}
}

func TestColdStartWaitsForTheRegistry(t *testing.T) {
	reg := newSwitchable(3)
	r := mustEncode(t, prepare(t, reg, ""), eventOf("k", event.Incr{Delta: 1}))
	cold := NewCodec(reg, t.TempDir())
	reg.down = true
	_, err := cold.Decode(t.Context(), r)
	wantBlock(t, err, BlockRegistry)
	if err := cold.Prepare(t.Context(), testTopic); fail.CodeOf(err) != fail.Unavailable {
		t.Errorf("prepare: %v", err)
	}
	reg.down = false
	if _, err := cold.Decode(t.Context(), r); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	r.Value[4] = 200
	_, err = cold.Decode(t.Context(), r)
	wantBlock(t, err, BlockSchema)
}

func TestReaderKeepsWhatItFetched(t *testing.T) {
	reg, dir := newSwitchable(3), t.TempDir()
	r := mustEncode(t, prepare(t, reg, ""), eventOf("k", event.Incr{Delta: 1}))
	reader := NewCodec(reg, dir)
	for range 3 {
		if _, err := reader.Decode(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if reg.fetches != 1 {
		t.Errorf("%d fetches for one id", reg.fetches)
	}
	reg.down = true
	if _, err := NewCodec(reg, dir).Decode(t.Context(), r); err != nil {
		t.Error(err)
	}
}

func TestDamagedCacheCountsAsAbsent(t *testing.T) {
	damages := map[string]func(string) string{
		"empty":       func(string) string { return "" },
		"cut":         func(s string) string { return s[:len(s)/2] },
		"other id":    func(s string) string { return strings.Replace(s, `"id":3`, `"id":4`, 1) },
		"fingerprint": func(s string) string { return strings.Replace(s, `"fingerprint":"`, `"fingerprint":"0`, 1) },
		"schema":      func(s string) string { return strings.Replace(s, `min_ver`, `max_ver`, 1) },
		"no schema":   func(string) string { return `{"id":3,"fingerprint":"","schema":""}` },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			reg, dir := newSwitchable(3), t.TempDir()
			r := mustEncode(t, prepare(t, reg, dir), eventOf("k", event.Incr{Delta: 1}))
			file := filepath.Join(dir, "schema-3.json")
			good, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(damage(string(good))), 0o600); err != nil {
				t.Fatal(err)
			}
			reg.down = true
			_, err = NewCodec(reg, dir).Decode(t.Context(), r)
			wantBlock(t, err, BlockRegistry)
			reg.down = false
			if _, err = NewCodec(reg, dir).Decode(t.Context(), r); err != nil {
				t.Error(err)
			}
			if healed, err := os.ReadFile(file); err != nil || string(healed) != string(good) {
				t.Errorf("not healed: %v", err)
			}
		})
	}
}

func TestDamagedSubjectFileCountsAsAbsent(t *testing.T) {
	for _, content := range []string{"", "{", `{"id":0}`, `{"id":3,"fingerprint":"other"}`} {
		reg, dir := newSwitchable(3), t.TempDir()
		prepare(t, reg, dir)
		if err := os.WriteFile(filepath.Join(dir, "subject-eu.events-value.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		reg.down = true
		if err := NewCodec(reg, dir).Prepare(t.Context(), testTopic); fail.CodeOf(err) != fail.Unavailable {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// A registry that was wiped may give a known id to something else. What is in
// the log keeps its meaning, and nothing new is written under that id.
func TestWipedRegistryIsNoticed(t *testing.T) {
	reg, dir := newSwitchable(3), t.TempDir()
	c := prepare(t, reg, dir)
	old := withFields(t, newField) // written by some other version under id 4
	reg.texts[4] = old
	r := mustEncode(t, c, eventOf("k", event.Incr{Delta: 1}))
	if _, err := c.schemas.writer(t.Context(), 4); err != nil {
		t.Fatal(err)
	}

	reg.lose(4)
	if _, err := c.Decode(t.Context(), r); err != nil {
		t.Errorf("a running reader: %v", err)
	}
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "schema 3 is in use but the registry has lost it") {
		t.Errorf("check after the loss: %v", err)
	}
	err := NewCodec(reg, dir).Prepare(t.Context(), testTopic) // the registry now gives out 4
	if fail.CodeOf(err) != fail.Unavailable || !strings.Contains(fail.HintOf(err), "wiped") {
		t.Errorf("prepare: %v, hint %q", err, fail.HintOf(err))
	}
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "schema 4 is in use but the registry now has another one") {
		t.Errorf("check after the re-use: %v", err)
	}
	_, err = NewCodec(reg, "").Decode(t.Context(), r)
	wantBlock(t, err, BlockSchema)
}

func TestCheckIsContentWithAHealthyRegistry(t *testing.T) {
	reg, dir := newSwitchable(3), t.TempDir()
	c := prepare(t, reg, dir)
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	reg.down = true
	if err := NewCodec(reg, dir).Check(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("registry down: %v", err)
	}
}

func TestUnwritableCacheIsReportedAndHarmless(t *testing.T) {
	reg := newSwitchable(3)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := prepare(t, reg, filepath.Join(file, "cache")) // a directory that cannot be made
	if _, err := c.Decode(t.Context(), mustEncode(t, c, eventOf("k", event.Del{}))); err != nil {
		t.Error(err)
	}
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "schema cache") {
		t.Errorf("check: %v", err)
	}
}

func TestCacheLeavesNoTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		c := NewCodec(newSwitchable(3), dir)
		wg.Go(func() {
			if err := c.Prepare(context.Background(), "us.events", "eu.events"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("cache holds %v (%v)", entries, err)
	}
}

func TestPrepareRefusesOtherTopics(t *testing.T) {
	for _, topic := range []string{"", "orders", "../etc.events", "US.events"} {
		if err := NewCodec(NewShippedRegistry(), "").Prepare(t.Context(), topic); fail.CodeOf(err) != fail.Usage {
			t.Errorf("%q: %v", topic, err)
		}
	}
}

// slowRegistry answers when told to.
type slowRegistry struct {
	Registry
	release chan struct{}
	calls   atomic.Int32
}

func (s *slowRegistry) Schema(ctx context.Context, id int) (string, error) {
	s.calls.Add(1)
	<-s.release
	return s.Registry.Schema(ctx, id)
}

func TestPartitionsShareOneFetch(t *testing.T) {
	r := mustEncode(t, newTestCodec(t), eventOf("k", event.Incr{Delta: 1}))
	synctest.Test(t, func(t *testing.T) {
		reg := &slowRegistry{Registry: NewShippedRegistry(), release: make(chan struct{})}
		c := NewCodec(reg, "")
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if _, err := c.Decode(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Decode(impatient, r)
		wantBlock(t, err, BlockRegistry)
		close(reg.release)
		wg.Wait()
		if n := reg.calls.Load(); n != 1 {
			t.Errorf("%d requests for one id", n)
		}
	})
}
