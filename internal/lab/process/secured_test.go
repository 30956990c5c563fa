//go:build realstack

package process_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Exit codes of geokv.
const (
	fine       = 0
	notAllowed = 4
	unavail    = 5
)

// TestSecured runs the command line against real servers that want encryption
// and a login: with the right settings everything works, and each wrong one gets
// one clear line that says what to do.
func TestSecured(t *testing.T) {
	f := newFortress(t)
	w := &world{T: t}
	binary := w.build()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		f.expect(binary, geokvYAML{mechanism: mechanism}, []string{"topics"}, fine, "right")
	}
	f.materialized(binary)
	f.refusals(binary)
	f.wrongTopics(binary)
	f.refusedSchema(binary)
	f.evictingRedis(binary)
}

// materialized writes and reads with two materializers beside each other.
func (f *fortress) materialized(binary string) {
	f.Helper()
	right := f.write(geokvYAML{})
	for range 2 {
		cmd := exec.Command(binary, "materialize", "--region", "us", "--config", right)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+f.TempDir())
		cmd.Stderr = testWriter{f.T}
		if err := cmd.Start(); err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		f.expect(binary, geokvYAML{mechanism: mechanism}, []string{"produce", "incr", "count", "1", "--wait"}, fine, "")
	}
	f.expect(binary, geokvYAML{}, []string{"get", "count", "-o", "json"}, fine, `"value": "3"`)
	f.expect(binary, geokvYAML{}, []string{"status", "--until", "converged"}, fine, "up")
}

// expect runs a command and wants an exit code and every one of some texts.
func (f *fortress) expect(binary string, c geokvYAML, args []string, code int, texts ...string) {
	f.Helper()
	got := f.geokv(binary, f.write(c), args...)
	f.Logf("geokv %s -> exit %d after %s\n%s%s", strings.Join(args, " "), got.code, got.took.Round(100*time.Millisecond), got.stdout, got.stderr)
	if got.code != code {
		f.Errorf("geokv %s: exit code %d, want %d", strings.Join(args, " "), got.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(got.stdout+got.stderr, text) {
			f.Errorf("geokv %s does not say %q", strings.Join(args, " "), text)
		}
	}
}

func (f *fortress) refusals(binary string) {
	f.Helper()
	produce, materialize := []string{"produce", "set", "k", "v"}, []string{"materialize", "--region", "us"}
	topics, get, status := []string{"topics"}, []string{"get", "count"}, []string{"status"}
	for _, c := range []struct {
		name     string
		config   geokvYAML
		commands map[int][][]string // by exit code
		texts    []string
	}{
		{"Kafka, unknown authority", geokvYAML{kafkaCA: "stranger.pem"}, map[int][][]string{notAllowed: {topics, materialize}, unavail: {produce}},
			[]string{"signed by an unknown authority", "set kafka.tls.ca_file"}},
		{"Kafka, PLAIN, wrong password", geokvYAML{mechanism: "PLAIN", kafkaSecret: "wrong"}, map[int][][]string{notAllowed: {topics, materialize}, unavail: {produce}},
			[]string{"the broker refused PLAIN user geokv", "check kafka.sasl user, password and mechanism"}},
		{"Kafka, SCRAM, wrong password", geokvYAML{mechanism: "SCRAM-SHA-256", kafkaSecret: "wrong"}, map[int][][]string{notAllowed: {topics, materialize}, unavail: {produce}},
			[]string{"the broker refused SCRAM-SHA-256 user geokv", "check kafka.sasl user, password and mechanism"}},
		{"Kafka, no login", geokvYAML{noLogin: true}, map[int][][]string{notAllowed: {topics, materialize}, unavail: {produce}}, []string{"it wants a login", "set kafka.sasl"}},
		{"Kafka, no TLS", geokvYAML{noTLS: true}, map[int][][]string{notAllowed: {topics, materialize}}, []string{"it wants TLS", "set kafka.tls"}},
		{"Kafka, neither", geokvYAML{noTLS: true, noLogin: true}, map[int][][]string{notAllowed: {topics, materialize}, unavail: {produce}}, []string{"it wants TLS or a login", "set kafka.tls"}},
		{"Redis, unknown authority", geokvYAML{redisCA: "stranger.pem"}, map[int][][]string{notAllowed: {get, materialize}}, []string{"unknown authority", "set redis.tls.ca_file"}},
		{"Redis, wrong password", geokvYAML{redisSecret: "wrong"}, map[int][][]string{notAllowed: {get, materialize}}, []string{"it refused the user or the password", "redis.password_file"}},
		{"Redis, unknown user", geokvYAML{redisUser: "nobody"}, map[int][][]string{notAllowed: {get, materialize}}, []string{"it refused the user or the password", "redis.user"}},
		{"Redis, no TLS", geokvYAML{redisPlain: true}, map[int][][]string{unavail: {get}}, []string{"may want TLS", "rediss://"}},
		{"registry, unknown authority", geokvYAML{registryCA: "stranger.pem"}, map[int][][]string{notAllowed: {materialize}, unavail: {produce}}, []string{"unknown authority", "set registry.tls.ca_file"}},
		{"registry, wrong password", geokvYAML{registrySecret: "wrong"}, map[int][][]string{notAllowed: {materialize}, unavail: {produce}}, []string{"check the registry's user and password"}},
		{"status shows a refused login", geokvYAML{mechanism: "PLAIN", kafkaSecret: "wrong"}, map[int][][]string{fine: {status}}, []string{"the broker refused PLAIN user geokv"}},
		{"status shows a refused user", geokvYAML{redisSecret: "wrong"}, map[int][][]string{fine: {status}}, []string{"WRONGPASS"}},
	} {
		f.Logf("--- %s", c.name)
		for code, commands := range c.commands {
			for _, command := range commands {
				f.expect(binary, c.config, command, code, c.texts...)
			}
		}
	}
}

// wrongTopics are topics that would lose events: refused with what each loses.
func (f *fortress) wrongTopics(binary string) {
	f.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(f.inside))
	if err != nil {
		f.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		region     string
		partitions int32
		settings   map[string]*string
		says       string
	}{
		{"three", 3, map[string]*string{"retention.ms": text("-1"), "retention.bytes": text("-1")}, "partitions"},
		{"compacted", 12, map[string]*string{"cleanup.policy": text("compact")}, "cleanup.policy"},
		{"short", 12, map[string]*string{"retention.ms": text("3600000")}, "retention.ms"},
	} {
		if _, err := admin.CreateTopic(f.Context(), c.partitions, 1, c.settings, c.region+".events"); err != nil {
			f.Fatal(err)
		}
		for _, command := range [][]string{{"topics"}, {"materialize", "--region", c.region}} {
			f.expect(binary, geokvYAML{region: c.region}, command, 2, c.says)
		}
	}
}

// refusedSchema registers a schema that no version of geokv can follow.
func (f *fortress) refusedSchema(binary string) {
	f.Helper()
	call := func(method, path string, body any) {
		f.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		request, err := http.NewRequestWithContext(f.Context(), method, "http://"+f.plainRegistry+"/apis/ccompat/v7"+path, bytes.NewReader(text))
		if err != nil {
			f.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			f.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			f.Fatalf("%s %s: %s", method, path, answer.Status)
		}
	}
	call(http.MethodPost, "/subjects/taken.events-value/versions", map[string]string{"schema": `{"type":"record","name":"Other","fields":[{"name":"a","type":"int"}]}`})
	call(http.MethodPut, "/config/taken.events-value", map[string]string{"compatibility": "BACKWARD_TRANSITIVE"})
	f.expect(binary, geokvYAML{region: "taken"}, []string{"topics"}, fine, "")
	f.expect(binary, geokvYAML{region: "taken"}, []string{"produce", "set", "k", "v"}, unavail, "taken.events-value", "the subject holds a schema")
}

// evictingRedis lets the real Redis evict.
func (f *fortress) evictingRedis(binary string) {
	f.Helper()
	admin := redis.NewClient(&redis.Options{Addr: f.redis, Username: "admin", Password: "admin", TLSConfig: f.authority.trust()})
	defer admin.Close()
	if err := admin.ConfigSet(context.Background(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		f.Fatal(err)
	}
	f.expect(binary, geokvYAML{}, []string{"materialize", "--region", "us"}, notAllowed, "maxmemory-policy allkeys-lru", "CONFIG SET maxmemory-policy noeviction")
}
