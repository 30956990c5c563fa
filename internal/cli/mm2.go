package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/mm2"
	"github.com/geokv/geokv/internal/out"
)

func newMM2(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mm2",
		Short: "Write and check MirrorMaker 2's property file",
		Example: `  geokv mm2 config --config geokv.yaml > mm2.properties
  geokv mm2 check mm2.properties`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMM2Config(s), newMM2Check(s))
	return group("other", cmd)
}

type mm2ConfigOptions struct {
	replication int
	tasks       int
	secrets     string
	truststore  string
	file        string
}

func newMM2Config(s *session) *cobra.Command {
	var o mm2ConfigOptions
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write the property file for this cluster's flows",
		Long: `Write MirrorMaker 2's property file for every flow between the regions of the
configuration. Each flow carries its source's own topic and nothing else.

Run one MirrorMaker per target region with it, under a restart policy:

  connect-mirror-maker.sh mm2.properties --clusters eu

Passwords are not written. Where a region's Kafka needs a login, the file refers
to --secrets, a property file on MirrorMaker's machine with <region>.username,
<region>.password and, with --truststore, <region>.truststore.password.`,
		Example: `  geokv mm2 config --config geokv.yaml > mm2.properties
  geokv mm2 config --replication 1 --out mm2.properties       one broker per region
  geokv mm2 config --secrets /etc/mm2/secrets.properties --truststore /etc/mm2/ca.p12
  geokv mm2 config -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.mm2Config(o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.replication, "replication", 3, "replication factor of MirrorMaker's own topics: 3, or 1 where a region has one broker")
	f.IntVar(&o.tasks, "tasks", 1, "tasks per flow")
	f.StringVar(&o.secrets, "secrets", "", "property file with the credentials, on MirrorMaker's machine")
	f.StringVar(&o.truststore, "truststore", "", "trust store with the brokers' authority, on MirrorMaker's machine")
	f.StringVar(&o.file, "out", "", "write to this file instead of stdout")
	return cmd
}

// mm2File is the JSON of mm2 config.
type mm2File struct {
	Properties string   `json:"properties"`
	Flows      []string `json:"flows"` // "us->eu"
}

func (s *session) mm2Config(o mm2ConfigOptions) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	cluster, err := s.anyCluster("mm2 config", hintNameCluster)
	if err != nil {
		return err
	}
	text, err := mm2.Generate(o.forCluster(cluster))
	if err != nil {
		return fail.Wrap(fail.Usage, err, "mm2 config").WithHint("geokv mm2 config --help")
	}
	if o.file != "" {
		if err := os.WriteFile(s.path(o.file), text, 0o644); err != nil {
			return fail.Wrap(fail.Usage, err, "mm2 config").WithHint("name another file with --out")
		}
		s.printer.Note("wrote %s: %d flows", o.file, len(cluster.Topology.Flows()))
		return nil
	}
	if s.printer.Format == out.JSON {
		return s.printer.JSON(mm2File{string(text), flowNames(cluster.Topology)})
	}
	_, err = s.env.Out.Write(text)
	return err
}

func flowNames(t geo.Topology) []string {
	names := []string{}
	for _, f := range t.Flows() {
		names = append(names, f.String())
	}
	return names
}

func (o mm2ConfigOptions) forCluster(cluster config.Cluster) mm2.Config {
	c := mm2.Config{
		Topology: cluster.Topology, Replication: o.replication, TasksMax: o.tasks,
		SecretsFile: o.secrets, Clusters: map[string]mm2.Cluster{},
	}
	for _, r := range cluster.Regions {
		c.Clusters[r.Region.Name] = mm2.Cluster{Brokers: r.Brokers, Security: o.security(r.Kafka)}
	}
	return c
}

// security is how MirrorMaker signs in where geokv does so too.
func (o mm2ConfigOptions) security(k config.KafkaSecurity) *mm2.Security {
	sec := mm2.Security{Truststore: o.truststore}
	switch {
	case k.SASL != nil && k.TLS != nil:
		sec.Protocol, sec.Mechanism = "SASL_SSL", k.SASL.Mechanism
	case k.SASL != nil:
		sec.Protocol, sec.Mechanism, sec.Truststore = "SASL_PLAINTEXT", k.SASL.Mechanism, ""
	case k.TLS != nil:
		sec.Protocol = "SSL"
	default:
		return nil
	}
	return &sec
}

type mm2CheckOptions struct {
	version    string
	production bool
}

func newMM2Check(s *session) *cobra.Command {
	var o mm2CheckOptions
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Find what would lose, repeat or not carry events",
		Long: `Check a property file for everything that MirrorMaker accepts and that would lose,
loop, repeat or silently not carry events, with the line and the fix. The regions
are those of the configuration when there is one, otherwise those of the file.

Exit code 1 when there are errors; warnings alone are 0. FILE may be - for stdin.`,
		Example: `  geokv mm2 check mm2.properties
  geokv mm2 check mm2.properties --version 4.3.1 --production
  geokv mm2 config | geokv mm2 check -
  geokv mm2 check mm2.properties -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.mm2Check(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.version, "version", "", "MirrorMaker's version, such as 4.3.1: older ones write to wrong topics")
	f.BoolVar(&o.production, "production", false, "ask for internal topics that survive a broker")
	return cmd
}

// mm2Checked is the JSON of mm2 check.
type mm2Checked struct {
	File     string        `json:"file"`
	Errors   int           `json:"errors"`
	Warnings int           `json:"warnings"`
	Findings []mm2.Finding `json:"findings"`
}

func (s *session) mm2Check(ctx context.Context, name string, o mm2CheckOptions) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	cfg, err := s.loadConfig()
	if err != nil {
		return err
	}
	text, err := s.readFile(ctx, name)
	if err != nil {
		return err
	}
	findings, err := mm2.Lint(bytes.NewReader(text), mm2.LintOptions{Topology: cfg.Topology, Version: o.version, Production: o.production})
	if err != nil {
		return err
	}
	checked := mm2Checked{File: name, Findings: append([]mm2.Finding{}, findings...)}
	for _, f := range findings {
		if f.Severity == mm2.Error {
			checked.Errors++
		} else {
			checked.Warnings++
		}
	}
	if len(findings) > 0 || s.printer.Format != out.Table {
		if err := s.printer.Result(checked, func() out.Grid { return findingsGrid(findings) }); err != nil {
			return err
		}
	}
	s.printer.Note("%s: %d errors, %d warnings", name, checked.Errors, checked.Warnings)
	if checked.Errors > 0 {
		return &out.PartlyDone{Err: fail.New(fail.Rejected, "%s: MirrorMaker would lose, loop or not carry events", name).
			WithHint("geokv mm2 config writes a file without these; each finding says what to change")}
	}
	return nil
}

func findingsGrid(findings []mm2.Finding) out.Grid {
	g := out.Grid{Columns: []out.Column{{Name: "LINE", Right: true}, {Name: "SEVERITY"}, {Name: "KEY"}, {Name: "PROBLEM AND FIX"}}}
	for _, f := range findings {
		line := "-"
		if f.Line > 0 {
			line = strconv.Itoa(f.Line)
		}
		g.Add(out.Text(line, string(f.Severity), f.Key, fmt.Sprintf("%s; %s", f.Problem, f.Fix))...)
	}
	return g
}

const maxPropertyFile = 16 << 20

// readFile reads a file named on the command line, - being stdin.
func (s *session) readFile(ctx context.Context, name string) ([]byte, error) {
	if name == "-" {
		return readBounded(interruptible(ctx, s.env.In))
	}
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, fail.Wrap(fail.NotFound, err, "read").WithHint("geokv mm2 config writes such a file")
	}
	defer f.Close()
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPropertyFile+1))
	if err == nil && len(text) > maxPropertyFile {
		err = errors.New("more than 16 MiB")
	}
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "read the property file")
	}
	return text, nil
}
