package compose

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/mm2"
)

var update = flag.Bool("update", false, "write mm2.properties")

func load(t *testing.T) *types.Project {
	t.Helper()
	text, err := Files.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: ".", Environment: map[string]string{},
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: text}},
	}, func(o *loader.Options) { o.SetProjectName("geokv", true) })
	if err != nil {
		t.Fatal(err) // misspelt keys, dangling dependencies, unset variables
	}
	return project
}

func TestComposeFile(t *testing.T) {
	p := load(t)
	var want []string
	for _, r := range geo.Default().Names() {
		want = append(want, "kafka-"+r, "mm2-"+r, "redis-"+r, "materialize-"+r)
	}
	want = append(want, "registry", "topics", "serve")
	got := p.ServiceNames()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for _, s := range p.Services {
		checkService(t, s)
	}
}

func checkService(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	if s.MemLimit == 0 || s.PidsLimit == 0 {
		t.Errorf("%s has no limits", s.Name)
	}
	_, tag, ok := strings.Cut(s.Image, ":")
	if !ok || tag == "latest" || tag == "" {
		t.Errorf("%s: image %s is not pinned", s.Name, s.Image)
	}
	for _, port := range s.Ports {
		if n, err := strconv.Atoi(port.Published); err != nil || n >= 32768 {
			t.Errorf("%s publishes %s: from 32768 on a connection of another program may have it", s.Name, port.Published)
		}
		if port.HostIP != "127.0.0.1" {
			t.Errorf("%s publishes %s on %q, want the loopback only", s.Name, port.Published, port.HostIP)
		}
	}
	kept := strings.HasPrefix(s.Name, "kafka-") || strings.HasPrefix(s.Name, "redis-")
	if kept {
		if len(s.Volumes) != 1 || s.Volumes[0].Type != types.VolumeTypeVolume || s.Volumes[0].Source != s.Name {
			t.Errorf("%s keeps its data in %+v, want a volume of its own", s.Name, s.Volumes)
		}
	}
	if healthy := kept || s.Name == "registry" || s.Name == "serve"; healthy && s.HealthCheck == nil {
		t.Errorf("%s has no health check", s.Name)
	}
	for needed, d := range s.DependsOn {
		if d.Condition != types.ServiceConditionHealthy && d.Condition != types.ServiceConditionCompletedSuccessfully {
			t.Errorf("%s does not wait until %s is ready (%s)", s.Name, needed, d.Condition)
		}
	}
}

// A health check that does not ask the process passes without it.
func TestHealthChecksAskTheProcess(t *testing.T) {
	checked := 0
	for _, s := range load(t).Services {
		if s.Build == nil && !strings.HasPrefix(s.Image, "geokv:") || s.Name == "topics" { // which ends
			continue
		}
		address := "127.0.0.1:8080"
		if want := []string{"CMD", "/geokv", "ready", "--http", address}; s.HealthCheck == nil || !slices.Equal(s.HealthCheck.Test, want) {
			t.Errorf("%s is checked by %v, want %v", s.Name, s.HealthCheck, want)
		}
		listens := slices.Contains(s.Command, address)
		if listen := s.Environment["GEOKV_HTTP_LISTEN"]; listen != nil {
			listens = *listen == "0.0.0.0:8080"
		}
		if !listens {
			t.Errorf("%s does not listen at %s", s.Name, address)
		}
		checked++
	}
	if checked != 4 {
		t.Errorf("%d services of geokv looked at, want 4", checked)
	}
	image, err := Files.ReadFile("Dockerfile")
	if err != nil || bytes.Contains(image, []byte("HEALTHCHECK")) {
		t.Errorf("the image has a check of its own (%v): what it runs decides what can be asked", err)
	}
}

// local.yaml takes the password from the environment, which has none by itself.
func TestCommandLinesHaveThePassword(t *testing.T) {
	for _, name := range []string{"compose.yaml", "local.yaml"} {
		text, err := Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "--config compose/local.yaml") && !strings.Contains(line, "GEOKV_REDIS_PASSWORD=") {
				t.Errorf("%s: %q fails", name, strings.TrimSpace(line))
			}
		}
	}
}

// The old Compose of Debian (1.29) knows no top-level name.
func TestComposeFileSuitsOldVersions(t *testing.T) {
	text, err := Files.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "name:") || strings.HasPrefix(line, "version:") {
			t.Errorf("%q: Compose 1.29 refuses it or Compose 2 warns about it", strings.TrimSpace(line))
		}
	}
}

// mm2.properties is what `geokv mm2 config` writes for this cluster.
func TestMirrorFileIsTheGeneratedOne(t *testing.T) {
	cfg := mm2.Config{Topology: geo.Default(), Replication: 1, Clusters: map[string]mm2.Cluster{}}
	for _, r := range geo.Default().Names() {
		cfg.Clusters[r] = mm2.Cluster{Brokers: []string{"kafka-" + r + ":9094"}}
	}
	want, err := mm2.Generate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("mm2.properties", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("mm2.properties")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("mm2.properties is not what is generated: run go test ./compose -update")
	}
}

func TestConfigurations(t *testing.T) {
	for _, name := range []string{"geokv.yaml", "local.yaml"} {
		cfg, err := config.Load(config.Options{Path: name, Environ: []string{"GEOKV_REDIS_PASSWORD=x"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(cfg.Topology.Names(), geo.Default().Names()) || !cfg.External() {
			t.Errorf("%s: regions %v", name, cfg.Topology.Names())
		}
	}
}
