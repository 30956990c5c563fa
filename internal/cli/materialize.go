package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/app"
)

type materializeOptions struct {
	regions []string
	http    string
}

func newMaterialize(s *session) *cobra.Command {
	var o materializeOptions
	cmd := &cobra.Command{
		Use:   "materialize",
		Short: "Keep the views of regions of an external cluster",
		Long: `Read a region's logs and fold them into its view, until interrupted. Start more of
it to share the partitions; any of them may be killed at any time.

With --http it answers /readyz there, for health checks: geokv ready asks it.`,
		Example: `  geokv materialize --region eu --config geokv.yaml
  geokv materialize --region us,eu --http 127.0.0.1:8081`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.materialize(cmd.Context(), o) },
	}
	cmd.Flags().StringSliceVarP(&o.regions, "region", "r", nil, "regions whose views to keep (default: all)")
	cmd.Flags().StringVar(&o.http, "http", "", "address that answers /readyz, for health checks (default: none)")
	s.completeRegions(cmd, "region")
	return group("run", cmd)
}

func (s *session) materialize(ctx context.Context, o materializeOptions) error {
	if err := checkListen(o.http); err != nil {
		return err
	}
	cluster, err := s.anyCluster("materialize", "write a geokv.yaml or name one with --config; geokv up keeps its own views")
	if err != nil {
		return err
	}
	a, err := openAdmitted(ctx, app.Config{
		Cluster: cluster, Regions: o.regions, Roles: app.Roles{Materialize: true},
		CacheDir: s.schemaCache(), Version: s.env.Build.Version, Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.printer.Note("keeping the views of %s; Ctrl-C ends", strings.Join(a.Regions(), ", "))
	if o.http != "" {
		return s.runProbed(ctx, a, o.http)
	}
	return errors.Join(a.Run(ctx), s.closeApp(a))
}

// openAdmitted opens an App unless a part it needs refuses it for its settings.
func openAdmitted(ctx context.Context, cfg app.Config) (*app.App, error) {
	if err := app.Admit(ctx, cfg); err != nil {
		return nil, err
	}
	return app.Open(ctx, cfg)
}

// schemaCache is where schemas are kept, so that a registry outage stops nobody
// who has seen them. "" keeps them in memory only.
func (s *session) schemaCache() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "geokv", "schemas")
}
