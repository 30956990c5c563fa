package cli

import (
	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/config"
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
	cfg, err := s.loadConfig()
	if err != nil {
		return err
	}
	return s.printer.Result(shownConfig{cfg.File, cfg.Settings}, func() out.Grid {
		g := out.Grid{Columns: out.Columns("KEY", "VALUE~")}
		if origin {
			g.Columns = append(g.Columns, out.Columns("ORIGIN")...)
		}
		for _, set := range cfg.Settings {
			row := []string{set.Key, set.Value}
			if origin {
				row = append(row, set.Origin)
			}
			g.Add(out.Text(row...)...)
		}
		return g
	})
}
