package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/app"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/web"
)

type serveOptions struct {
	http        string
	regions     []string
	materialize bool
}

func newServe(s *session) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run bridge, API and event stream against an external cluster",
		Long: `Run the bridges of a configured cluster and serve the HTTP API. Views are kept by
geokv materialize, or by this process with --materialize.

Writes over HTTP need the token of http.token_file; without one they are refused.`,
		Example: `  geokv serve --config geokv.yaml
  geokv serve --config geokv.yaml --http 127.0.0.1:8080 --materialize`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.serve(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.http, "http", "", "address of the API (default: http.listen of the configuration)")
	f.StringSliceVar(&o.regions, "regions", nil, "regions to serve (default: all)")
	f.BoolVar(&o.materialize, "materialize", false, "keep the regions' views too")
	s.completeRegions(cmd, "regions")
	return group("run", cmd)
}

func (s *session) serve(ctx context.Context, o serveOptions) error {
	var flags []config.Flag
	if o.http != "" {
		flags = append(flags, config.Flag{Name: "--http", Key: "http.listen", Value: o.http})
	}
	cfg, err := s.clusterConfig(flags...)
	if err != nil {
		return err
	}
	if !cfg.External() {
		return fail.New(fail.Usage, "serve: no configuration names a cluster").
			WithHint("write a geokv.yaml or name one with --config; geokv up runs a cluster of its own")
	}
	a, err := openAdmitted(ctx, app.Config{
		Cluster: cfg.Cluster, Regions: o.regions,
		Roles:    app.Roles{Write: true, Materialize: o.materialize, Observe: true},
		CacheDir: s.schemaCache(), Version: s.env.Build.Version, Logger: s.log,
	})
	if err != nil {
		return err
	}
	return s.host(ctx, a, cfg.HTTP, nil, func(ctx context.Context, address string) error {
		s.printer.Note("serving %s on http://%s", strings.Join(a.Regions(), " "), address)
		<-ctx.Done()
		return nil
	})
}

// host runs an App and its API around work, as together does. address is where
// other commands on this machine reach it.
func (s *session) host(ctx context.Context, a *app.App, h config.HTTP, lab web.Lab, work func(ctx context.Context, address string) error) error {
	listener, err := net.Listen("tcp", h.Listen)
	if err != nil {
		_ = s.closeApp(a)
		return cannotListen(err, h.Listen)
	}
	address := reachable(listener.Addr().String())
	a.SetAPI("http://" + address)
	server, err := s.newServer(a, h, lab)
	if err != nil {
		return errors.Join(err, listener.Close(), s.closeApp(a))
	}
	serve := func() error { return server.Serve(listener) }
	return together(ctx, a, serve, server.Shutdown, func(ctx context.Context) error { return work(ctx, address) })
}

// application is what an API is served of.
type application interface {
	Run(ctx context.Context) error
	Close(ctx context.Context) error
}

// together runs an application and its API around work, whose context ends when
// ctx does or one of the two can never go on. It then shuts down in the order of
// the data's way: no new requests, while those that have begun still find every
// part running; then the parts; then the records still on their way.
func together(ctx context.Context, a application, serve func() error, shutdown func(context.Context) error, work func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	running, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	var parts sync.WaitGroup
	var ran, served error
	parts.Go(func() { defer stop(); ran = a.Run(running) })
	parts.Go(func() { defer stop(); served = serve() })
	worked := work(working)

	closing, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	shut := shutdown(closing)
	stopParts()
	closed := a.Close(closing)
	parts.Wait()
	return errors.Join(worked, ran, served, shut, closed)
}

// reachable is where this machine reaches a listener: one on every interface has
// no name of its own, and Go's take IPv4 at [::] too.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

func cannotListen(err error, listen string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fail.Wrap(fail.Unavailable, err, "listen on %s", listen).
			WithHint("another process has the port: choose one with --http, or 127.0.0.1:0 for a free one")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fail.Wrap(fail.Usage, err, "listen on %s", listen).
			WithHint("no interface of this machine has the address: 127.0.0.1 is for this machine, 0.0.0.0 for all")
	}
	return fail.Wrap(fail.Unavailable, err, "listen on %s", listen).WithHint("choose another address with --http, such as 127.0.0.1:0")
}

// checkListen refuses an address before anything is started on its account.
func checkListen(flag string) error {
	if flag == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(flag)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fail.New(fail.Usage, "--http %q, want HOST:PORT", flag).WithHint("such as 127.0.0.1:8080, or 127.0.0.1:0 for a free port")
	}
	return nil
}

// shutdownGrace is how long an end may take before it is forced: requests and
// records on their way share it.
const shutdownGrace = 5 * time.Second

func (s *session) closeApp(a *app.App) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	return a.Close(ctx)
}

func (s *session) newServer(a *app.App, h config.HTTP, lab web.Lab) (*web.Server, error) {
	return web.New(web.Config{
		Service: a, Sim: a.Simulator(), Lab: lab,
		Token: h.Token.Reveal(), AllowHosts: h.AllowHosts, AllowOrigins: h.AllowOrigins,
		Version: s.env.Build.Version, Logger: s.log.With(slog.String("part", "api")),
	})
}
