package avro

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/geokv/geokv/internal/fail"
)

const testTopic = "eu.events"

func newClient(t testing.TB, cfg RegistryConfig) Registry {
	t.Helper()
	reg, err := NewRegistryClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func newFake(t testing.TB, opts ...srfake.Option) *srfake.Registry {
	t.Helper()
	fake := srfake.New(opts...)
	t.Cleanup(fake.Close)
	return fake
}

func TestClientRegistersAndFetches(t *testing.T) {
	fake := newFake(t)
	reg := newClient(t, RegistryConfig{URL: fake.URL()})
	id, err := reg.Register(t.Context(), Subject(testTopic), Schema)
	if err != nil {
		t.Fatal(err)
	}
	text, err := reg.Schema(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckCompatible(Schema, text); err != nil {
		t.Error(err)
	}
	again, err := reg.Register(t.Context(), Subject(testTopic), Schema)
	if err != nil || again != id {
		t.Errorf("registered again as %d (%v), want %d", again, err, id)
	}
	if level := compatibilityOf(t, fake, testTopic); level != sr.CompatBackwardTransitive {
		t.Errorf("compatibility %s", level)
	}
	if _, err := reg.Schema(t.Context(), 4711); !errors.Is(err, ErrUnknownSchema) || fail.HintOf(err) == "" {
		t.Errorf("unknown id: %v, hint %q", err, fail.HintOf(err))
	}
}

func compatibilityOf(t *testing.T, fake *srfake.Registry, topic string) sr.CompatibilityLevel {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	result := client.Compatibility(t.Context(), Subject(topic))[0]
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	return result.Level
}

func TestClientDoesNotTrustTheGlobalCompatibility(t *testing.T) {
	fake := newFake(t, srfake.WithGlobalCompat(sr.CompatBackwardTransitive))
	if _, err := newClient(t, RegistryConfig{URL: fake.URL()}).Register(t.Context(), Subject(testTopic), Schema); err != nil {
		t.Fatal(err)
	}
	client, err := sr.NewClient(sr.URLs(fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if r := client.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatNone})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if level := compatibilityOf(t, fake, testTopic); level != sr.CompatBackwardTransitive {
		t.Errorf("compatibility %s after the global one changed", level)
	}
}

// Some registries know no compatibility level for a subject without versions.
func TestClientSetsCompatibilityAfterwardsWhereItMust(t *testing.T) {
	fake := newFake(t)
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/config/") || fake.SubjectExists(Subject(testTopic)) {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error_code":40401,"message":"subject not found"}`)
		return true
	})
	reg := newClient(t, RegistryConfig{URL: fake.URL()})
	if _, err := reg.Register(t.Context(), Subject(testTopic), Schema); err != nil {
		t.Fatal(err)
	}
	if level := compatibilityOf(t, fake, testTopic); level != sr.CompatBackwardTransitive {
		t.Errorf("compatibility %s", level)
	}
}

// A reader's credentials suffice once the subject is as it should be.
func TestClientWritesNothingWhenNothingIsMissing(t *testing.T) {
	fake := newFake(t)
	reg := newClient(t, RegistryConfig{URL: fake.URL()})
	if _, err := reg.Register(t.Context(), Subject(testTopic), Schema); err != nil {
		t.Fatal(err)
	}
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		read := r.Method == http.MethodGet || r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/versions")
		if !read {
			w.WriteHeader(http.StatusForbidden)
		}
		return !read
	})
	if _, err := reg.Register(t.Context(), Subject(testTopic), Schema); err != nil {
		t.Error(err)
	}
	_, err := reg.Register(t.Context(), Subject("us.events"), Schema)
	if fail.CodeOf(err) != fail.NotAllowed || fail.HintOf(err) == "" {
		t.Errorf("without the right to write: %v", err)
	}
}

func TestClientAuthenticates(t *testing.T) {
	fake := newFake(t, srfake.WithAuth("Basic Z2Vva3Y6czNjcmV0")) // geokv:s3cret
	for name, cfg := range map[string]RegistryConfig{
		"config": {URL: fake.URL(), User: "geokv", Password: "s3cret"},
		"url":    {URL: strings.Replace(fake.URL(), "http://", "http://geokv:s3cret@", 1)},
	} {
		if _, err := newClient(t, cfg).Register(t.Context(), Subject(testTopic), Schema); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := newClient(t, RegistryConfig{URL: strings.Replace(fake.URL(), "http://", "http://geokv:hunter2@", 1)})
	_, err := wrong.Register(t.Context(), Subject(testTopic), Schema)
	if fail.CodeOf(err) != fail.NotAllowed {
		t.Errorf("wrong password: %v", err)
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(fail.HintOf(err), "hunter2") {
		t.Errorf("the password stands in %v", err)
	}
}

func TestClientSpeaksTLS(t *testing.T) {
	fake := srfake.NewRegistry()
	server := httptest.NewTLSServer(fake.Handler())
	t.Cleanup(server.Close)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	reg := newClient(t, RegistryConfig{URL: server.URL, TLS: &tls.Config{RootCAs: roots}})
	if _, err := reg.Register(t.Context(), Subject(testTopic), Schema); err != nil {
		t.Error(err)
	}
	stranger := newClient(t, RegistryConfig{URL: server.URL})
	if _, err := stranger.Register(t.Context(), Subject(testTopic), Schema); fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(fail.HintOf(err), "ca_file") {
		t.Errorf("unknown authority: %v", err)
	}
}

func TestClientKeepsAPathInItsURL(t *testing.T) {
	fake := srfake.NewRegistry()
	server := httptest.NewServer(http.StripPrefix("/apis/ccompat/v7", fake.Handler()))
	t.Cleanup(server.Close)
	reg := newClient(t, RegistryConfig{URL: server.URL + "/apis/ccompat/v7/"})
	if _, err := reg.Register(t.Context(), Subject(testTopic), Schema); err != nil {
		t.Error(err)
	}
}

func TestClientNamesWhatIsWrong(t *testing.T) {
	for _, raw := range []string{"", "localhost:8081", "ftp://x", "http://", "://", "http://u:pw@\x7f"} {
		_, err := NewRegistryClient(RegistryConfig{URL: raw})
		if fail.CodeOf(err) != fail.Usage || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v", raw, err)
		}
	}
	conflict := newFake(t)
	conflict.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		refuse := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/versions")
		if refuse {
			w.WriteHeader(http.StatusConflict)
		}
		return refuse
	})
	reg := newClient(t, RegistryConfig{URL: conflict.URL()})
	if _, err := reg.Register(t.Context(), Subject(testTopic), Schema); fail.CodeOf(err) != fail.Rejected {
		t.Errorf("incompatible schema: %v", err)
	}

	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	reg = newClient(t, RegistryConfig{URL: down.URL})
	if _, err := reg.Schema(t.Context(), 1); fail.CodeOf(err) != fail.Unavailable || errors.Is(err, ErrUnknownSchema) || fail.HintOf(err) == "" {
		t.Errorf("registry down: %v", err)
	}
}

func TestClientRefusesOtherKindsOfSchema(t *testing.T) {
	fake := newFake(t)
	fake.SeedSchema("x", 1, 5, sr.Schema{Schema: `{"type":"object"}`, Type: sr.TypeJSON})
	reg := newClient(t, RegistryConfig{URL: fake.URL()})
	if _, err := reg.Schema(t.Context(), 5); err == nil || errors.Is(err, ErrUnknownSchema) {
		t.Errorf("JSON schema: %v", err)
	}
}

func TestClientDoesNotWaitForASilentRegistry(t *testing.T) {
	var asked atomic.Bool
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Store(true)
		<-release
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	reg := newClient(t, RegistryConfig{URL: server.URL, HTTP: &http.Client{Timeout: 50 * time.Millisecond}})
	if _, err := reg.Schema(t.Context(), 1); fail.CodeOf(err) != fail.Unavailable || !asked.Load() {
		t.Errorf("silent registry: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, RegistryConfig{URL: server.URL}).Schema(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
