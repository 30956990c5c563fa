package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/web"
)

// probeTimeout is within what schedulers of health checks commonly wait.
const probeTimeout = 3 * time.Second

func newReady(s *session) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Ask a running process whether it is ready: for health checks",
		Long: `Ask the process that serves the API (geokv serve, geokv up) or --http ADDRESS of
geokv materialize whether the views it keeps are whole and its bridges have
started. Ends with 0 if so, with 5 if not and when nobody answers; what is missing
is on stderr.

geokv status is no health check: without a server it looks at the regions itself,
and it reports what is down without failing.`,
		Example: `  geokv ready --config geokv.yaml
  geokv ready --http 127.0.0.1:8081`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.ready(cmd.Context(), address) },
	}
	cmd.Flags().StringVar(&address, "http", "", "address to ask (default: http.listen of the configuration, else the cluster that runs here)")
	return group("watch", cmd)
}

func (s *session) ready(ctx context.Context, address string) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	address, err := s.whereToAsk(address)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{URL: address, Timeout: probeTimeout})
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	if err := c.Ready(ctx); err != nil || s.printer.Format == out.Table {
		return err
	}
	return s.printer.Line(readiness{address, true})
}

// readiness is the JSON of ready: an error tells the rest.
type readiness struct {
	Address string `json:"address"`
	Ready   bool   `json:"ready"`
}

func (s *session) whereToAsk(address string) (string, error) {
	if address != "" {
		return reachable(address), checkListen(address)
	}
	cfg, err := s.clusterConfig()
	if err != nil {
		return "", err
	}
	if !cfg.External() {
		running, _, err := s.running()
		return running.API, err
	}
	if cfg.HTTP.Listen == "" || strings.HasSuffix(cfg.HTTP.Listen, ":0") {
		return "", fail.New(fail.Usage, "ready: the configuration names no address of a server").
			WithHint("set http.listen, or name the address with --http")
	}
	return reachable(cfg.HTTP.Listen), nil
}

// runProbed runs an application that has no API: all it answers is /readyz.
func (s *session) runProbed(ctx context.Context, a *app.App, listen string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		_ = s.closeApp(a)
		return cannotListen(err, listen)
	}
	s.printer.Note("answering http://%s/readyz", reachable(listener.Addr().String()))
	server := &http.Server{Handler: web.ReadyHandler(a.Ready), ReadHeaderTimeout: probeTimeout}
	serve := func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fail.Wrap(fail.Internal, err, "answer on %s", listen)
		}
		return nil
	}
	return together(ctx, a, serve, server.Shutdown, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}
