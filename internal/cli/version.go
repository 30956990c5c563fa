package cli

import (
	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/out"
)

func newVersion(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "What binary this is",
		Example: `  geokv version
  geokv version -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.version() },
	}
	return group("other", cmd)
}

func (s *session) version() error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	b := s.env.Build
	return s.printer.Result(b, func() out.Grid {
		g := out.Grid{Columns: out.Columns("VERSION", "COMMIT", "DATE", "GO", "PLATFORM")}
		g.Add(out.Text(b.Version, b.Commit, b.Date, b.Go, b.Platform)...)
		return g
	})
}
