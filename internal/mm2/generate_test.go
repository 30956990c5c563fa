package mm2

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/geo"
)

var update = flag.Bool("update", false, "write testdata")

func labConfig(t geo.Topology) Config {
	cfg := Config{Topology: t, Replication: 1, Clusters: map[string]Cluster{}}
	for i, name := range t.Names() {
		cfg.Clusters[name] = Cluster{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", 19092+i)}}
	}
	return cfg
}

func productionConfig() Config {
	cfg := Config{Topology: geo.Default(), TasksMax: 4, SecretsFile: "/etc/geokv/mm2-secrets.properties", Clusters: map[string]Cluster{}}
	for _, name := range cfg.Topology.Names() {
		cfg.Clusters[name] = Cluster{
			Brokers:  []string{"kafka-1." + name + ".example:9093", "kafka-2." + name + ".example:9093"},
			Security: &Security{Protocol: "SASL_SSL", Mechanism: "SCRAM-SHA-512", Truststore: "/etc/geokv/ca.p12"},
		}
	}
	return cfg
}

func generate(t *testing.T, cfg Config) string {
	t.Helper()
	out, err := Generate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func lintText(t *testing.T, text string, opts LintOptions) []Finding {
	t.Helper()
	findings, err := Lint(strings.NewReader(text), opts)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func manyRegions(t *testing.T, n int) geo.Topology {
	t.Helper()
	var regions []geo.Region
	for i := range n {
		regions = append(regions, geo.Region{Name: fmt.Sprintf("r-%d", i), Index: i})
	}
	topology, err := geo.NewTopology(regions...)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

func TestGeneratedFilesLintClean(t *testing.T) {
	files := map[string]Config{"lab": labConfig(geo.Default()), "production": productionConfig()}
	for n := 2; n <= geo.MaxRegions; n++ {
		files[fmt.Sprintf("%d regions", n)] = labConfig(manyRegions(t, n))
	}
	for name, cfg := range files {
		text := generate(t, cfg)
		opts := LintOptions{Topology: cfg.Topology, Version: "4.3.1", Production: cfg.Replication == 0}
		for _, f := range lintText(t, text, opts) {
			t.Errorf("%s: %v", name, f)
		}
		for _, f := range lintText(t, text, LintOptions{}) {
			t.Errorf("%s, without knowing the cluster: %v", name, f)
		}
	}
}

func TestGeneratedFiles(t *testing.T) {
	for name, cfg := range map[string]Config{"lab": labConfig(geo.Default()), "production": productionConfig()} {
		file := "testdata/" + name + ".properties"
		got := generate(t, cfg)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; -update rewrites it", file)
		}
	}
}

func TestEveryPairFlowsItsOwnTopic(t *testing.T) {
	cfg := labConfig(manyRegions(t, 4))
	properties := map[string]string{}
	for _, p := range parse([]byte(generate(t, cfg))) {
		if _, twice := properties[p.key]; twice || p.bad != "" {
			t.Errorf("%s: twice %v, bad %q", p.key, twice, p.bad)
		}
		properties[p.key] = p.value
	}
	for _, flow := range cfg.Topology.Flows() {
		if properties[flow.String()+".enabled"] != "true" || properties[flow.String()+".topics"] != flow.From+"[.]events" {
			t.Errorf("%s: enabled %q topics %q", flow, properties[flow.String()+".enabled"], properties[flow.String()+".topics"])
		}
	}
	if n := len(cfg.Topology.Flows()); n != 12 {
		t.Errorf("%d flows", n)
	}
}

func TestCredentialsStayOutOfTheFile(t *testing.T) {
	text := generate(t, productionConfig())
	for _, want := range []string{
		"config.providers = file\n",
		"eu.security.protocol = SASL_SSL\n",
		`eu.sasl.jaas.config = org.apache.kafka.common.security.scram.ScramLoginModule required username="${file:/etc/geokv/mm2-secrets.properties:eu.username}" password="${file:/etc/geokv/mm2-secrets.properties:eu.password}";` + "\n",
		"eu.ssl.truststore.password = ${file:/etc/geokv/mm2-secrets.properties:eu.truststore.password}\n",
		"replication.factor = 3\n",
		"eu.status.storage.replication.factor = 3\n",
		"tasks.max = 4\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q", want)
		}
	}
}

func TestGenerateRefusesHalfAConfig(t *testing.T) {
	one, err := geo.NewTopology(geo.Region{Name: "us"})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"one region":     func(c *Config) { c.Topology = one },
		"no brokers":     func(c *Config) { c.Clusters["eu"] = Cluster{} },
		"no such region": func(c *Config) { delete(c.Clusters, "ap") },
		"negative":       func(c *Config) { c.Replication = -1 },
		"protocol":       func(c *Config) { c.Clusters["eu"].Security.Protocol = "TLS" },
		"mechanism":      func(c *Config) { c.Clusters["eu"].Security.Mechanism = "GSSAPI" },
		"no secrets":     func(c *Config) { c.SecretsFile = "" },
	} {
		cfg := productionConfig()
		change(&cfg)
		if out, err := Generate(cfg); err == nil {
			t.Errorf("%s: wrote %d bytes", name, len(out))
		}
	}
}
