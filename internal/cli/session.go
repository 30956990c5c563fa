package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/out"
)

// session is what every command of one run shares: the global flags, the
// printer and the way to the cluster.
type session struct {
	env     Env
	printer *out.Printer
	log     *slog.Logger

	format, color, config, data, logLevel string
	memory                                bool
	toldUnknown                           bool // of variables that nothing reads
}

// prepare turns the global flags into printer and logger, before any command.
func (s *session) prepare(cmd *cobra.Command) error {
	format, err := out.ParseFormat(s.format, out.Table, out.JSON, out.JSONL)
	if err != nil {
		return err
	}
	s.printer, err = out.New(s.env.Out, s.env.Err, format, out.ColorMode(s.color), s.getenv)
	if err := errors.Join(err, checkDurations(cmd), checkEmpty(cmd)); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return fail.New(fail.Usage, "--log-level %q: want debug, info, warn or error", s.logLevel)
	}
	s.log = out.NewLog(s.env.Err, level)
	return nil
}

// checkDurations refuses times that cannot be waited.
func checkDurations(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch d, _ := time.ParseDuration(f.Value.String()); {
		case f.Value.Type() != "duration":
		case d < 0:
			err = fail.New(fail.Usage, "--%s %s, want no less than 0", f.Name, f.Value)
		case d == 0 && f.Name == "timeout":
			err = fail.New(fail.Usage, "--timeout 0, want more than 0")
		}
	})
	return err
}

// checkEmpty refuses flags that say nothing: their text came from a variable that
// is not set, and the default is something else. The cursor of a first part is
// empty.
func checkEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		none := f.Value.Type() == "string" && f.Value.String() == "" || f.Value.Type() == "stringSlice" && f.Value.String() == "[]"
		if none && f.Name != "cursor" {
			err = fail.New(fail.Usage, "--%s is empty", f.Name).
				WithHint("is the variable set that it was taken from? leave the flag out for what %s --help says", cmd.CommandPath())
		}
	})
	return err
}

// formats refuses an output format that the command does not offer.
func (s *session) formats(offered ...out.Format) error {
	_, err := out.ParseFormat(string(s.printer.Format), offered...)
	return err
}

func (s *session) getenv(name string) string {
	for _, pair := range s.env.Environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// loadConfig reads the configuration with the flags laid over it. --data and
// --memory name the embedded cluster: an external one is then meant only when
// its file was named too, not when the file merely lies above.
func (s *session) loadConfig(flags ...config.Flag) (*config.Config, error) {
	userDir, _ := os.UserConfigDir() // "" only means that no file is looked for there
	o := config.Options{Path: s.config, Dir: s.env.Dir, UserDir: userDir, Environ: s.env.Environ, Others: otherVariables(), Hidden: testVariables(), Flags: flags}
	cfg, err := config.Load(o)
	if !s.namesConfig() && (s.data != "" || s.memory) && (err != nil || cfg.External()) {
		o.Dir, o.UserDir = "", ""
		cfg, err = config.Load(o)
	}
	if err == nil && !s.toldUnknown {
		s.toldUnknown = true
		for _, line := range cfg.Unknown {
			s.printer.Note("%s", out.Safe(line))
		}
	}
	return cfg, err
}

// namesConfig reports whether a configuration file was named, rather than found.
func (s *session) namesConfig() bool { return s.config != "" || s.getenv("GEOKV_CONFIG") != "" }

// clusterConfig is loadConfig for what reaches or runs a cluster: a file that was
// named for it says which one, or another would be taken in its place.
func (s *session) clusterConfig(flags ...config.Flag) (*config.Config, error) {
	cfg, err := s.loadConfig(flags...)
	if err == nil && s.namesConfig() && len(cfg.Regions) == 0 {
		return nil, fail.New(fail.Usage, "the configuration %s names no regions", cfg.File).
			WithHint("list them as in examples/geokv.yaml; without --config and GEOKV_CONFIG the cluster on this machine is meant")
	}
	return cfg, err
}

// otherVariables are the GEOKV_ names that set no key of the configuration: what
// the command line reads itself, then what the compose file does.
func otherVariables() []string {
	return []string{
		"GEOKV_CONFIG", "GEOKV_DATA", "GEOKV_TOKEN", "GEOKV_STACK",
		"GEOKV_IMAGE", "GEOKV_KAFKA_IMAGE", "GEOKV_REDIS_IMAGE", "GEOKV_REGISTRY_IMAGE", "GEOKV_REDIS_PASSWORD",
	}
}

// testVariables are read by the tests alone: known, and nobody's advice.
func testVariables() []string {
	return []string{
		"GEOKV_LONG", "GEOKV_BURST", "GEOKV_SOAK_EVENTS", "GEOKV_PROOF_WORKER", "GEOKV_TUI_PROGRAM",
		"GEOKV_TEST_HOLD", "GEOKV_TEST_FILE_LIMIT",
	}
}

// dataDir is where the embedded cluster lives.
func (s *session) dataDir() (string, error) {
	switch {
	case s.memory && s.data != "":
		return "", fail.New(fail.Usage, "--memory keeps nothing on disk, so --data says nothing; give one of them")
	case s.memory:
		return datadir.Runtime(s.getenv), nil
	case s.data != "":
		return s.data, nil
	case s.getenv("GEOKV_DATA") != "":
		return s.getenv("GEOKV_DATA"), nil
	}
	return datadir.Default(s.getenv)
}

// need is what a command wants of the cluster.
type need struct {
	write   bool // it appends
	observe bool // it follows live observations
	direct  bool // be a bridge of its own although one is running
}

// connect finds the cluster: an external one that a configuration names,
// otherwise the one that `geokv up` runs in the data directory.
func (s *session) connect(ctx context.Context, n need) (backend, error) {
	cfg, err := s.clusterConfig()
	if err != nil {
		return nil, err
	}
	if cfg.External() {
		if remote := s.served(ctx, cfg, n); remote != nil {
			return remote, nil
		}
		return s.openLocal(ctx, cfg.Cluster, n)
	}
	running, token, err := s.running()
	if err != nil {
		return nil, err
	}
	if n.direct {
		cluster, err := clusterOf(running)
		if err != nil {
			return nil, err
		}
		return s.openLocal(ctx, cluster, n)
	}
	r, err := newRemote(ctx, running.API, s.token(token))
	if err != nil {
		return nil, err
	}
	r.again, r.say = s.findAgain, s.printer.Note
	return r, nil
}

// running finds the embedded cluster that runs on this machine.
func (s *session) running() (datadir.Cluster, string, error) {
	_, found, token, err := s.find()
	var none *fail.Error
	if errors.As(err, &none) && none.Code == fail.Unavailable && !s.namesPlace() {
		none.WithHint("%s; --data DIR finds one that runs in another directory", none.Hint)
	}
	return found, token, err
}

// find looks for the cluster in its data directory: without --data and --memory
// one that keeps nothing on disk is found too. The directory comes with an error
// about what is in it as well.
func (s *session) find() (dir string, found datadir.Cluster, token string, err error) {
	if dir, err = s.dataDir(); err != nil {
		return "", found, "", err
	}
	found, token, err = datadir.Find(dir)
	if err != nil && !s.namesPlace() {
		memory := datadir.Runtime(s.getenv)
		if found, token, err := datadir.Find(memory); err == nil {
			return memory, found, token, nil
		}
	}
	return dir, found, token, err
}

// namesPlace reports whether the embedded cluster was named.
func (s *session) namesPlace() bool {
	return s.memory || s.data != "" || s.getenv("GEOKV_DATA") != ""
}

// program is how commands in another terminal begin.
func (s *session) program() string { return cmp.Or(s.env.Program, "geokv") }

// locationFlags repeats what commands in another terminal need to find the
// cluster that this one is about.
func (s *session) locationFlags() string {
	flags := ""
	if file := cmp.Or(s.config, s.getenv("GEOKV_CONFIG")); file != "" {
		flags = " --config " + s.shellPath(file)
	}
	if s.memory {
		return flags + " --memory"
	}
	if dir := cmp.Or(s.data, s.getenv("GEOKV_DATA")); dir != "" {
		flags += " --data " + s.shellPath(dir)
	}
	return flags
}

// tokenWord is what a shell puts in for the token of the cluster's API.
func (s *session) tokenWord() (string, error) {
	cfg, err := s.loadConfig()
	if err != nil || cfg.External() || s.getenv("GEOKV_TOKEN") != "" {
		return "$GEOKV_TOKEN", err
	}
	dir, _, _, err := s.find()
	if dir == "" {
		return "", err
	}
	return "$(cat " + s.shellPath(datadir.TokenFile(dir)) + ")", nil // also of one that is yet to start
}

// shellPath names a file wherever the shell is.
func (s *session) shellPath(name string) string { return event.QuoteWords([]string{s.path(name)}) }

func (s *session) token(found string) string {
	if t := strings.TrimSpace(s.getenv("GEOKV_TOKEN")); t != "" { // secrets come with a line break
		return t
	}
	return found
}

// hintNameCluster is the remedy of most commands that find no cluster.
const hintNameCluster = "write a geokv.yaml (examples/geokv.yaml) or name one with --config"

// anyCluster is the configured cluster, else the one that runs here; hint is the
// remedy when there is neither.
func (s *session) anyCluster(verb, hint string) (config.Cluster, error) {
	cfg, err := s.clusterConfig()
	if err != nil {
		return config.Cluster{}, err
	}
	if cfg.External() {
		return cfg.Cluster, nil
	}
	running, _, err := s.running()
	if err != nil {
		return config.Cluster{}, fail.Wrap(fail.Usage, err, "%s: no configuration names a cluster", verb).
			WithHint("%s", hint)
	}
	return clusterOf(running)
}

// served tries the server that the configuration says listens; nil when none
// answers or the command wants to be a bridge of its own.
func (s *session) served(ctx context.Context, cfg *config.Config, n need) backend {
	if n.direct || cfg.HTTP.Listen == "" || strings.HasSuffix(cfg.HTTP.Listen, ":0") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	remote, err := newRemote(ctx, "http://"+reachable(cfg.HTTP.Listen), s.token(cfg.HTTP.Token.Reveal()))
	if err != nil {
		s.log.Debug("no geokv serve answers, going to the cluster itself", "listen", cfg.HTTP.Listen, "error", err)
		return nil
	}
	remote.say = s.printer.Note
	return remote
}

// disconnect lets appended records settle; what failed was reported before.
func (s *session) disconnect(b backend) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		s.log.Warn("close", "error", err)
	}
}

// path is relative to the working directory of the command.
func (s *session) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.env.Dir, name)
}
