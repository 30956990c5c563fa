package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

func newConfig(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration and where each value came from",
		Example: `  geokv config show --origin
  geokv config show --config geokv.yaml -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var origin bool
	show := &cobra.Command{
		Use:   "show",
		Short: "Print every value that is set, secrets hidden",
		Example: `  geokv config show
  geokv config show --origin`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.showConfig(origin) },
	}
	show.Flags().BoolVar(&origin, "origin", false, "say where each value came from")
	cmd.AddCommand(show)
	return group("other", cmd)
}

// shownConfig is the JSON of config show.
type shownConfig struct {
	File     string           `json:"file"` // "" without one
	Settings []config.Setting `json:"settings"`
}

func (s *session) showConfig(origin bool) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	cfg, wrong := s.loadConfig()
	if cfg == nil {
		return wrong
	}
	var usage *fail.Error
	if errors.As(wrong, &usage) {
		usage.WithHint("see examples/geokv.yaml") // not this command, as elsewhere
	}
	err := s.printer.Result(shownConfig{cfg.File, cfg.Settings}, func() out.Grid {
		g := out.Grid{Columns: out.Columns("KEY", "VALUE~")}
		if origin {
			g.Columns = append(g.Columns, out.Columns("ORIGIN")...)
		}
		for _, set := range cfg.Settings {
			row := out.Text(set.Key, set.Value)
			if set.Problem != "" {
				row[1] = out.Cell{Text: "(" + set.Problem + ")", Role: out.Bad}
			}
			if origin {
				row = append(row, out.Cell{Text: set.Origin})
			}
			g.Add(row...)
		}
		return g
	})
	return errors.Join(wrong, err)
}
