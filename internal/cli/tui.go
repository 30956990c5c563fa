package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
	"github.com/geokv/geokv/internal/sim"
	"github.com/geokv/geokv/internal/tui"
)

type tuiOptions struct {
	sim     float64
	theme   string
	ascii   bool
	noMouse bool
	lab     labOptions
}

func newTUI(s *session) *cobra.Command {
	var o tuiOptions
	cmd := &cobra.Command{
		Use:   "tui",
		Short: "Watch and drive the cluster in the terminal",
		Long: `Watch regions agree: region panes with the keys that events touched last and the
demo keys live, an event log with one block per region that fills when the event
is seen there and changes when it is applied, the mirror links, the simulator, a
form to write, a key inspector, and faults to inject.

It attaches to the running cluster. When none runs it starts one inside itself,
which ends with it, and cannot be suspended (Ctrl-Z). ? lists every key.`,
		Example: `  geokv tui
  geokv tui --sim 20                       with traffic
  geokv tui --memory --sim 5               a cluster that leaves nothing behind
  geokv tui --theme light --ascii`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.tui(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.Float64Var(&o.sim, "sim", 0, "start simulated traffic of this many steps per second")
	f.StringVar(&o.theme, "theme", "auto", "colours: auto, dark, light or contrast")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	f.BoolVar(&o.noMouse, "no-mouse", false, "leave the mouse to the terminal; m switches it on")
	o.lab.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions([]string{"auto", "dark", "light", "contrast"}, cobra.ShellCompDirectiveNoFileComp))
	return group("watch", cmd)
}

func (s *session) tui(ctx context.Context, o tuiOptions) error {
	if err := s.formats(out.Table); err != nil {
		return err
	}
	if err := errors.Join(checkSim(o.sim), o.lab.check()); err != nil {
		return err
	}
	options, err := s.tuiScreen(o)
	if err != nil {
		return err
	}
	attached, err := s.tuiAttached(ctx)
	switch {
	case err == nil:
		return s.tuiAttach(ctx, o, options, attached)
	case fail.CodeOf(err) == fail.Unavailable && s.mayStartInside():
		return s.tuiInside(ctx, o, options)
	}
	return err
}

// tuiScreen decides what the screen looks like, and refuses where there is none.
func (s *session) tuiScreen(o tuiOptions) (tui.Options, error) {
	if err := tui.Check(s.env.In, s.env.Out); err != nil {
		return tui.Options{}, err
	}
	theme, err := tui.ParseTheme(o.theme)
	if err != nil {
		return tui.Options{}, err
	}
	colored, err := out.UseColor(out.ColorMode(s.color), true, s.getenv)
	if err != nil {
		return tui.Options{}, err
	}
	token, err := s.tokenWord()
	if err != nil {
		return tui.Options{}, err
	}
	options := tui.Options{
		Program: s.program() + s.locationFlags(), Token: token,
		Theme: theme, ASCII: o.ascii, NoColor: !colored, NoMouse: o.noMouse, In: s.env.In, Out: s.env.Out,
	}
	for _, share := range sim.Mix() {
		options.Mix = append(options.Mix, tui.Share{Kind: string(share.Kind), Percent: share.Percent})
	}
	return options, nil
}

// mayStartInside says whether nothing that the user named would be ignored by
// starting a cluster: an external one that does not answer is an error.
func (s *session) mayStartInside() bool {
	cfg, err := s.clusterConfig()
	return err == nil && !cfg.External()
}

// tuiAttached finds the server of a running cluster.
func (s *session) tuiAttached(ctx context.Context) (*remote, error) {
	return s.connectServer(ctx, "show the cluster in the terminal")
}

func (s *session) tuiAttach(ctx context.Context, o tuiOptions, options tui.Options, r *remote) error {
	if o.sim > 0 {
		if _, err := r.StartSim(ctx, api.SimStart{Rate: o.sim}); err != nil {
			return err
		}
	}
	options.Source = &tuiSource{now: r.Client, find: s.findAgain}
	options.Regions, options.API = r.Regions(), r.URL()
	options.Title = tui.Attached
	return s.showTUI(ctx, options)
}

// findAgain finds the server after a restart of the cluster.
func (s *session) findAgain(ctx context.Context) (*client.Client, error) {
	r, err := s.tuiAttached(ctx)
	if err != nil {
		return nil, err
	}
	return r.Client, nil
}

// tuiInside runs a cluster for as long as the interface is open. The interface
// reaches it through its API like any other, so that commands in other terminals
// can join in.
func (s *session) tuiInside(ctx context.Context, o tuiOptions, options tui.Options) error {
	said := s.holdLog()
	defer said()
	e, err := s.startCluster(ctx, o.lab)
	if err != nil {
		return err
	}
	options.Regions, options.Title = e.app.Regions(), tui.Embedded
	options.Notice = "no cluster was running: started one here, it ends with this screen"
	err = s.host(ctx, e.app, e.httpSettings(""), labPort{e.cluster}, func(ctx context.Context, address string) error {
		url := "http://" + address
		if err := errors.Join(e.publish(e.config, url), e.startSim(ctx, upOptions{sim: o.sim})); err != nil {
			return err
		}
		c, err := client.New(client.Config{URL: url, Token: e.token})
		if err != nil {
			return err
		}
		options.Source, options.API = &tuiSource{now: c}, url
		return tui.Run(ctx, options)
	})
	return errors.Join(err, e.close())
}

// showTUI runs the interface with the log kept off its screen.
func (s *session) showTUI(ctx context.Context, options tui.Options) error {
	said := s.holdLog()
	defer said()
	return tui.Run(ctx, options)
}

// holdLog keeps messages off the screen until the returned function is called,
// which prints the last of them: errors alone unless more than usual was asked
// for, since warnings are of what the screen has shown.
func (s *session) holdLog() (release func()) {
	was := s.log
	held, level := &heldLog{}, s.logLevelOf()
	if level == slog.LevelWarn {
		level = slog.LevelError
	}
	s.log = out.NewLog(held, level)
	return func() {
		s.log = was
		held.printTo(s)
	}
}

func (s *session) logLevelOf() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.logLevel)) // checked by prepare
	return level
}

// heldLog keeps the last lines that were logged.
type heldLog struct {
	mu    sync.Mutex
	lines [][]byte
	more  int // that are not kept
}

const heldLines = 20

// Write keeps one line.
func (h *heldLog) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, bytes.Clone(line))
	if len(h.lines) > heldLines {
		h.lines = h.lines[1:]
		h.more++
	}
	return len(line), nil
}

func (h *heldLog) printTo(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.more > 0 {
		fmt.Fprintf(s.env.Err, "%d earlier messages are not shown\n", h.more)
	}
	for _, line := range h.lines {
		_, _ = s.env.Err.Write(line)
	}
}
