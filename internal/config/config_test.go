package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

const minimal = `
regions:
  - {name: us, index: 0, kafka: {brokers: ["u:9092"]}, redis: {url: "redis://u:6379"}}
  - {name: eu-west, index: 1, kafka: {brokers: ["e:9092"]}, redis: {url: "redis://e"}}
registry: {url: "http://r:8081"}
`

// write puts a file into dir, readable by its owner only, and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string, o Options) (*Config, error) {
	t.Helper()
	o.Path = write(t, t.TempDir(), "geokv.yaml", text)
	return Load(o)
}

func TestSampleFilesLoad(t *testing.T) {
	c, err := Load(Options{Path: "../../examples/geokv.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Topology.Names(); !slices.Equal(got, []string{"us", "eu", "ap"}) {
		t.Errorf("regions %v, want us eu ap", got)
	}
	if !c.External() {
		t.Error("sample names endpoints but is not external")
	}
	if eu, _ := c.Region("eu"); eu.RedisAddr != "127.0.0.1:26379" {
		t.Errorf("redis of eu is %q", eu.RedisAddr)
	}
}

func TestSecureSampleLoads(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../../examples/geokv-secure.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, dir, "geokv.yaml", string(text))
	for _, name := range []string{"kafka-us", "redis-us", "registry", "token"} {
		write(t, dir, "secrets/"+name, "the-secret-of-"+name+"\n")
	}
	c, err := Load(Options{Path: path, Environ: []string{"KAFKA_EU_PASSWORD=pe", "REDIS_EU_PASSWORD=p@e"}})
	if err != nil {
		t.Fatal(err)
	}
	us, eu := c.Regions[0], c.Regions[1]
	for _, check := range []struct{ what, got, want string }{
		{"kafka password of us", us.Kafka.SASL.Password.Reveal(), "the-secret-of-kafka-us"},
		{"kafka password of eu", eu.Kafka.SASL.Password.Reveal(), "pe"},
		{"redis url of us", us.RedisURL.Reveal(), "rediss://geokv:the-secret-of-redis-us@redis.us.example.com:6380"},
		{"redis url of eu", eu.RedisURL.Reveal(), "rediss://geokv:p%40e@redis.eu.example.com:6380"},
		{"token", c.HTTP.Token.Reveal(), "the-secret-of-token"},
		{"registry password", c.Registry.Password.Reveal(), "the-secret-of-registry"},
		{"ca of us", us.Kafka.TLS.CAFile, filepath.Join(dir, "certs/ca.pem")},
	} {
		if check.got != check.want {
			t.Errorf("%s: got %q, want %q", check.what, check.got, check.want)
		}
	}
	if eu.Kafka.TLS == nil || *eu.Kafka.TLS != (TLS{}) {
		t.Errorf("tls: true gave %+v, want the system's roots", eu.Kafka.TLS)
	}
	if us.RedisTLS == nil || eu.RedisTLS != nil {
		t.Errorf("redis tls: us %v, eu %v", us.RedisTLS, eu.RedisTLS)
	}
}

// The sample is the documentation of the file: a setting that the struct gains
// must appear there.
func TestSecureSampleShowsEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../examples/geokv-secure.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	l, values := &loader{}, map[string]any{}
	l.flatten(values, "", l.regionsByName(tree))
	shown := map[string]bool{}
	for key := range values {
		shown[generic(key)] = true
	}
	for _, leaf := range leaves() {
		optional := leaf.is == "secret" || strings.HasPrefix(leaf.path, "registry.tls.") || strings.HasSuffix(leaf.path, "tls.enabled")
		if !shown[leaf.path] && !optional {
			t.Errorf("examples/geokv-secure.yaml does not show %s", leaf.path)
		}
	}
}

func TestPrecedenceAndOrigins(t *testing.T) {
	text := minimal + "http: {listen: \"127.0.0.1:1\", allow_origins: [\"https://file\"]}\n"
	o := Options{
		Environ: []string{"GEOKV_HTTP_LISTEN=127.0.0.1:2", "GEOKV_REGIONS_EU_WEST_KAFKA_BROKERS=a:1, b:2", "GEOKV_DATA=/x"},
		Flags:   []Flag{{"--http", "http.listen", "127.0.0.1:3"}},
	}
	c, err := load(t, text, o)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Listen != "127.0.0.1:3" {
		t.Errorf("listen %s, want the flag's", c.HTTP.Listen)
	}
	if eu, _ := c.Region("eu-west"); !slices.Equal(eu.Brokers, []string{"a:1", "b:2"}) {
		t.Errorf("brokers %v, want the environment's", eu.Brokers)
	}
	origins := map[string]string{}
	for _, s := range c.Settings {
		origins[s.Key] = s.Origin
	}
	want := map[string]string{
		"http.listen":                   "flag --http",
		"http.allow_origins":            "file " + c.File,
		"regions.eu-west.kafka.brokers": "env GEOKV_REGIONS_EU_WEST_KAFKA_BROKERS",
		"regions.us.index":              "file " + c.File,
		"regions.us.kafka.brokers":      "file " + c.File,
		"regions.us.redis.url":          "file " + c.File,
		"regions.eu-west.index":         "file " + c.File,
		"regions.eu-west.redis.url":     "file " + c.File,
		"registry.url":                  "file " + c.File,
	}
	if !reflect.DeepEqual(origins, want) {
		t.Errorf("got  %v\nwant %v", origins, want)
	}
}

func TestDefaultsWithoutAFile(t *testing.T) {
	c, err := Load(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{{Key: "http.listen", Value: "127.0.0.1:0", Origin: "default"}}
	if c.File != "" || c.External() || !slices.Equal(c.Settings, want) {
		t.Errorf("got file %q external %v settings %v, want %v", c.File, c.External(), c.Settings, want)
	}
}

func TestRegionsFromTheEnvironmentAlone(t *testing.T) {
	c, err := Load(Options{Environ: []string{
		"GEOKV_REGIONS=us,ap", "GEOKV_REGISTRY_URL=http://r",
		"GEOKV_REGIONS_US_KAFKA_BROKERS=u:1", "GEOKV_REGIONS_US_REDIS_URL=redis://:pw@u",
		"GEOKV_REGIONS_AP_KAFKA_BROKERS=a:1", "GEOKV_REGIONS_AP_REDIS_URL=redis://a",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if ap, _ := c.Topology.Lookup("ap"); ap != (geo.Region{Name: "ap", Index: 1}) {
		t.Errorf("ap is %+v, want index 1", ap)
	}
	if got := c.Regions[0].RedisURL.Reveal(); got != "redis://:pw@u" {
		t.Errorf("redis url %q", got)
	}
}

func TestRegionsOfAnEmbeddedClusterNeedNoEndpoints(t *testing.T) {
	c, err := load(t, "regions: [{name: one, index: 3}]", Options{})
	if err != nil || c.External() || c.Topology.Len() != 1 {
		t.Fatalf("got %v, error %v", c, err)
	}
}

func TestListeningAtANameAllowsIt(t *testing.T) {
	for listen, want := range map[string][]string{"ops.internal:80": {"a.example", "ops.internal"}, "127.0.0.1:80": {"a.example"}, ":80": {"a.example"}} {
		c, err := load(t, "http: {listen: \""+listen+"\", allow_hosts: [a.example]}", Options{})
		if err != nil || !slices.Equal(c.HTTP.AllowHosts, want) {
			t.Errorf("%s: got %v (%v), want %v", listen, c, err, want)
		}
	}
}

func TestFindLooksUpward(t *testing.T) {
	root, user := t.TempDir(), t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		if got, err := Find("", "", deep, user); err != nil || got != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	inUser := write(t, user, "geokv/geokv.yaml", "")
	expect(inUser)
	above := write(t, root, "geokv.yaml", "")
	expect(above)
	closer := write(t, root, "a/geokv.yaml", "")
	expect(closer)
	if got, _ := Find("", above, deep, user); got != above {
		t.Errorf("GEOKV_CONFIG: got %q", got)
	}
	if got, _ := Find(inUser, above, deep, user); got != inUser {
		t.Errorf("--config: got %q", got)
	}
	if _, err := Find("", filepath.Join(root, "gone.yaml"), deep, user); err == nil || !strings.Contains(err.Error(), "GEOKV_CONFIG") {
		t.Errorf("missing file: got %v, want an error that names GEOKV_CONFIG", err)
	}
}

func TestRefusals(t *testing.T) {
	region := func(rest string) string {
		return "regions: [{name: us, index: 0, " + rest + "}]\nregistry: {url: \"http://r\"}\n"
	}
	const endpoints = `kafka: {brokers: ["u:1"]}, redis: {url: "redis://u"}`
	tests := []struct {
		name, file string
		env        []string
		flags      []Flag
		want       []string // each in the message
	}{
		{name: "unknown key", file: region(`kafka: {broker: ["u:1"]}, redis: {url: "redis://u"}`),
			want: []string{"regions.us.kafka.broker: unknown key; did you mean brokers?", "geokv.yaml"}},
		{name: "unknown top key", file: minimal + "htpp: {}", want: []string{"htpp: unknown key; did you mean http?"}},
		{name: "unknown region key", file: region(endpoints + ", redsi: {}"), want: []string{"regions.us.redsi", "did you mean redis?"}},
		{name: "not yaml", file: "a: [", want: []string{"geokv.yaml"}},
		{name: "key twice", file: "http: {}\nhttp: {}", want: []string{"already defined"}},
		{name: "regions not a list", file: "regions: {us: {}}", want: []string{"regions: want a list"}},
		{name: "region without name", file: "regions: [{index: 0}]", want: []string{"regions[0].name"}},
		{name: "region without index", file: "regions: [{name: us}]", want: []string{"regions.us.index: missing"}},
		{name: "region twice", file: "regions: [{name: us, index: 0}, {name: us, index: 1}]", want: []string{"us is named twice"}},
		{name: "index twice", file: "regions: [{name: us, index: 0}, {name: eu, index: 0}]", want: []string{"regions: topology: index 0"}},
		{name: "bad region name", file: "regions: [{name: US, index: 0}]", want: []string{`"US" does not match`}},
		{name: "index not a number", file: "regions: [{name: us, index: one}]", want: []string{"regions.us.index: want a whole number, got one"}},
		{name: "brokers not a list", file: region(`kafka: {brokers: "u:1"}`), want: []string{"regions.us.kafka.brokers: want a list"}},
		{name: "no brokers", file: region(`redis: {url: "redis://u"}`), want: []string{"regions.us.kafka.brokers: missing"}},
		{name: "bad broker", file: region(`kafka: {brokers: [u]}, redis: {url: "redis://u"}`), want: []string{`"u" is not host:port`}},
		{name: "no redis", file: region(`kafka: {brokers: ["u:1"]}`), want: []string{"regions.us.redis.url: missing"}},
		{name: "bad redis scheme", file: region(`kafka: {brokers: ["u:1"]}, redis: {url: "http://u"}`), want: []string{`regions.us.redis.url: scheme "http"`}},
		{name: "password in url", file: region(`kafka: {brokers: ["u:1"]}, redis: {url: "redis://:hunter2@u"}`),
			want: []string{"regions.us.redis.url: a password in the file", "GEOKV_REGIONS_US_REDIS_PASSWORD"}},
		{name: "password in file", file: region(endpoints) + "http: {token: hunter2hunter2hunter2}", want: []string{"http.token: a password in the file", "GEOKV_HTTP_TOKEN"}},
		{name: "unset reference", file: region(endpoints) + "http: {token: \"${NOPE}\"}", want: []string{"http.token: the environment variable NOPE is not set"}},
		{name: "shared redis", file: strings.Replace(minimal, "redis://e", "redis://u:6379", 1), want: []string{"regions.eu-west.redis.url: u:6379 is region us's Redis"}},
		{name: "shared kafka", file: strings.Replace(minimal, "e:9092", "u:9092", 1), want: []string{"regions.eu-west.kafka.brokers: u:9092 is region us's broker"}},
		{name: "sasl mechanism", file: region(`kafka: {brokers: ["u:1"], sasl: {mechanism: MD5}}, redis: {url: "redis://u"}`),
			want: []string{"sasl.mechanism", "sasl.user: missing", "sasl.password_file: missing", "GEOKV_REGIONS_US_KAFKA_SASL_PASSWORD"}},
		{name: "half a client certificate", file: region(`kafka: {brokers: ["u:1"], tls: {cert_file: x}}, redis: {url: "redis://u"}`), want: []string{"kafka.tls: cert_file and key_file"}},
		{name: "tls on plain redis", file: region(`kafka: {brokers: ["u:1"]}, redis: {url: "redis://u", tls: true}`), want: []string{"rediss://"}},
		{name: "wildcard origin", file: minimal + "http: {allow_origins: [\"*\"]}", want: []string{"http.allow_origins"}},
		{name: "origin with path", file: minimal + "http: {allow_origins: [\"https://x/\"]}", want: []string{"http.allow_origins"}},
		{name: "bad listen", file: minimal + "http: {listen: nowhere}", want: []string{"http.listen"}},
		{name: "missing secret file", file: minimal + "http: {token_file: gone}", want: []string{"http.token_file", "gone"}},
		{name: "short token", file: minimal, env: []string{"GEOKV_HTTP_TOKEN=short"}, want: []string{"env GEOKV_HTTP_TOKEN: http.token: shorter"}},
		{name: "unknown variable", file: minimal, env: []string{"GEOKV_HTTP_LISTN=x"}, want: []string{"GEOKV_HTTP_LISTN: unknown variable; did you mean GEOKV_HTTP_LISTEN?"}},
		{name: "bad variable", file: minimal, env: []string{"GEOKV_REGIONS_US_INDEX=x"}, want: []string{"GEOKV_REGIONS_US_INDEX: want a whole number"}},
		{name: "regions named twice", file: minimal, env: []string{"GEOKV_REGIONS=us"}, want: []string{"GEOKV_REGIONS: the regions are already named by file"}},
		{name: "secret by flag", file: minimal, flags: []Flag{{"--token", "http.token", "hunter2hunter2hunter2"}}, want: []string{"--token: a flag cannot set http.token"}},
		{name: "bad flag", file: minimal, flags: []Flag{{"--http", "http.listen", "x"}}, want: []string{"flag --http: http.listen"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, Options{Environ: tt.env, Flags: tt.flags})
			if fail.CodeOf(err) != fail.Usage {
				t.Fatalf("got %v, want a USAGE error", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got  %v\nwant %q in it", err, part)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestSecretFileThatEverybodyMayReadIsRefused(t *testing.T) {
	path := write(t, t.TempDir(), "token", "x")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := ReadSecretFile(path)
	if err == nil || fail.HintOf(err) != "chmod 600 "+path {
		t.Errorf("got %v (hint %q)", err, fail.HintOf(err))
	}
}

func TestSecretSourceOfHigherRankWins(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "token", "token-from-the-file")
	path := write(t, dir, "geokv.yaml", "http: {token_file: token}")
	c, err := Load(Options{Path: path, Environ: []string{"GEOKV_HTTP_TOKEN=token-from-the-environment"}})
	if err != nil || c.HTTP.Token.Reveal() != "token-from-the-environment" || c.HTTP.TokenFile != "" {
		t.Errorf("got token %q file %q (%v)", c.HTTP.Token.Reveal(), c.HTTP.TokenFile, err)
	}
	c, err = Load(Options{Path: path, Flags: []Flag{{"--token-file", "http.token_file", filepath.Join(dir, "token")}}, Environ: []string{"GEOKV_HTTP_TOKEN=token-from-the-environment"}})
	if err != nil || c.HTTP.Token.Reveal() != "token-from-the-file" {
		t.Errorf("with the flag: got token %q (%v)", c.HTTP.Token.Reveal(), err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	c, err := load(t, minimal, Options{Environ: []string{
		"GEOKV_HTTP_TOKEN=hunter2hunter2hunter2",
		"GEOKV_REGIONS_US_REDIS_URL=redis://geokv:hunter2@u:1/3?x=y",
		"GEOKV_REGIONS_EU_WEST_REDIS_PASSWORD=hunter2",
		"GEOKV_REGISTRY_URL=http://me:hunter2@r:8081",
		"GEOKV_REGISTRY_PASSWORD=hunter2",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cluster", c.Cluster, "region", c.Regions[0], "token", c.HTTP.Token, "url", c.Regions[0].RedisURL)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{log.String(), string(asJSON), fmt.Sprint(c.Settings), fmt.Sprint(c.Cluster), fmt.Sprintf("%#v", c.Cluster)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		forms = append(forms, fmt.Sprintf(verb, c.Regions), fmt.Sprintf(verb, c.HTTP), fmt.Sprintf(verb, c.Registry))
	}
	for _, form := range forms {
		if strings.Contains(form, "hunter2") {
			t.Errorf("shows the secret: %s", form)
		}
	}
	if got, want := c.Regions[0].RedisURL.String(), "redis://geokv:***@u:1/3?x=y"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnknownVariablesAreTold(t *testing.T) {
	file := strings.Replace(minimal, `"http://r:8081"`, `"http://${GEOKV_HOST}:8081"`, 1)
	c, err := load(t, file, Options{
		Environ: []string{"GEOKV_DTA=/x", "GEOKV_HOST=r", "GEOKV_DATA=/y", "GEOKV_TOKEN=z", "GEOKV_SOMETHING_ELSE=1", "HOME=/", "GEOKV_HTTP_LISTEN=127.0.0.1:1"},
		Others:  []string{"GEOKV_DATA", "GEOKV_TOKEN"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"GEOKV_DTA: unknown variable; did you mean GEOKV_DATA?", "GEOKV_SOMETHING_ELSE: unknown variable"}
	if !slices.Equal(c.Unknown, want) {
		t.Errorf("got %q, want %q", c.Unknown, want)
	}
	if _, err := load(t, minimal, Options{Environ: []string{"GEOKV_REGISTRY_IMAGE=x"}, Others: []string{"GEOKV_REGISTRY_IMAGE"}}); err != nil {
		t.Errorf("a variable of something else: %v", err)
	}
}

func TestValidateOfAClusterMadeInCode(t *testing.T) {
	c := Cluster{Regions: []RegionEndpoint{{Region: geo.Region{Name: "us"}, Brokers: []string{"u:1"}}}}
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), "regions.us.redis.url: missing") {
		t.Errorf("got %v", err)
	}
}
