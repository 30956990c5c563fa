// Package cli is the geokv command line: one file per verb. A verb parses its
// flags into an options struct, finds the cluster, calls it and prints what came
// back; what it prints and how it exits is decided in package out.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

// Env is what a command may know of its process, so that tests can replace it.
type Env struct {
	Args    []string // without the program's name
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Environ []string // NAME=value
	Dir     string   // working directory
	Program string   // how a shell runs this binary; default "geokv"
	Build   Build
}

// Build says what binary this is.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Main runs one command and returns its exit status. ctx ends with the first
// interrupt.
func Main(ctx context.Context, env Env) int {
	s := &session{env: env, printer: &out.Printer{Out: env.Out, Err: env.Err, ErrTTY: out.IsTerminal(env.Err)}}
	defer ownLine(ctx, env)()
	root := newRoot(s)
	root.SetArgs(markNumbers(env.Args))
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Canceled
	}
	return s.printer.Error(usageOf(cmd, err))
}

// ownLine ends the line on which a terminal shows ^C, so that what a command
// still says, and the shell's prompt, begin on one of their own. The returned
// function waits for it.
func ownLine(ctx context.Context, env Env) (end func()) {
	stream := env.Err
	if !out.IsTerminal(stream) {
		stream = env.Out
	}
	if !out.IsTerminal(stream) {
		return func() {}
	}
	written := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(written)
		_, _ = io.WriteString(stream, "\n")
	})
	return func() {
		if !stop() {
			<-written
		}
	}
}

// usageOf gives cobra's own complaints, which are plain errors, the code of bad
// usage and says what the command takes; errors of ours pass.
func usageOf(cmd *cobra.Command, err error) error {
	if err == nil || fail.CodeOf(err) != fail.Internal || errors.Is(err, context.Canceled) {
		return err
	}
	for _, prefix := range []string{"unknown command", "unknown flag", "unknown shorthand", "accepts ", "requires ",
		"invalid argument", "flag needs an argument", "required flag", "bad flag syntax", "if any flags in the group"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return complaint(cmd, err.Error())
		}
	}
	return err
}

// complaint words cobra's complaint for a reader who does not know cobra.
func complaint(cmd *cobra.Command, text string) error {
	text = strings.TrimSpace(text)
	if !cmd.HasParent() { // the word that should have been a command
		word, suggestions, _ := strings.Cut(text, "\n\nDid you mean this?\n")
		err := fail.New(fail.Usage, "%s", strings.TrimSuffix(word, ` for "geokv"`))
		if names := strings.Fields(suggestions); len(names) > 0 {
			return err.WithHint("did you mean geokv %s?", strings.Join(names, ", geokv "))
		}
		return err.WithHint("geokv help shows every command with examples")
	}
	if word, ok := strings.CutPrefix(text, "unknown command "); ok {
		word, _, _ = strings.Cut(word, " for ")
		text = "unexpected argument " + word
		if cmd.HasSubCommands() {
			text = "unknown command " + word
		}
	}
	text = strings.NewReplacer("accepts ", "takes ", "requires ", "needs ", "1 arg(s)", "1 argument", "arg(s)", "arguments",
		"only received ", "got ", "received ", "got ").Replace(text)
	return fail.New(fail.Usage, "%s: %s", commandName(cmd), text).
		WithHint("usage: %s; %s --help shows examples", cmd.UseLine(), cmd.CommandPath())
}

// wordFlag says what a flag wants, for a reader who does not know Go.
func wordFlag(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	want := map[string]string{
		"duration": "a time such as 500ms, 10s or 2m", "float64": "a number", "int": "a whole number",
		"int64": "a whole number", "uint64": "a whole number, 0 or more", "bool": "true or false",
	}[invalid.GetFlag().Value.Type()]
	if want == "" {
		return err
	}
	return fail.New(fail.Usage, "--%s %q, want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// commandName is the command without the program's name, which begins every
// error already.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), "geokv ")
}

func newRoot(s *session) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "geokv",
		Short: "An active-active key/value store on Kafka, MirrorMaker 2 and Redis",
		Long: `geokv is an active-active key/value store: one Kafka per region is the log and
the only source of truth, one Redis per region is a materialized view,
MirrorMaker 2 carries each region's log to the others.`,
		Example: `  geokv up --sim 20                                   three regions on this machine, with traffic
  geokv produce incr sales:total 1 --region eu --wait-all
  geokv get sales:total --region all`,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return s.version()
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return s.prepare(cmd) },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVarP(&s.format, "output", "o", "table", "output format: table, json (and jsonl where results stream)")
	flags.StringVar(&s.color, "color", "auto", "colour: auto, always or never")
	flags.StringVar(&s.config, "config", "", "configuration file of an external cluster (default: geokv.yaml upward, then the user's)")
	flags.StringVar(&s.data, "data", "", "data directory of the embedded cluster (default: GEOKV_DATA, then the user's data directory)")
	flags.BoolVar(&s.memory, "memory", false, "the cluster that keeps nothing on disk")
	flags.StringVar(&s.logLevel, "log-level", "warn", "messages on stderr: debug, info, warn or error; repeats at most once a minute, except with debug")
	root.Flags().BoolVar(&version, "version", false, "say what binary this is, as geokv version does")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if err = wordFlag(err); !cmd.HasParent() {
			return fail.New(fail.Usage, "%s", err.Error()).WithHint("geokv --help shows the flags")
		}
		wrong := fail.Wrap(fail.Usage, err, "%s", commandName(cmd)).WithHint("%s --help shows the flags", cmd.CommandPath())
		if errors.As(err, new(*pflag.NotExistError)) && cmd.Name() == "produce" {
			wrong.WithHint("after -- every word is an argument: geokv produce sadd KEY -- -x; %s --help shows the flags", cmd.CommandPath())
		}
		return wrong
	})
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run a cluster:"},
		&cobra.Group{ID: "data", Title: "Write and read:"},
		&cobra.Group{ID: "watch", Title: "Watch:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	root.SetHelpCommandGroupID("other")
	root.AddCommand(
		newUp(s), newServe(s), newMaterialize(s), newSim(s),
		newProduce(s), newGet(s), newKeys(s),
		newTUI(s), newTail(s), newStatus(s), newReady(s), newFold(s),
		newStack(s), newTopics(s), newMM2(s), newConfig(s), newCompletion(s), newVersion(s),
	)
	root.AddCommand(helpTopics()...)
	root.SetHelpCommand(newHelp(s))
	return root
}

// group puts a command under a heading of the root's help.
func group(id string, cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = id
	return cmd
}

// DefaultEnv is the process's own environment.
func DefaultEnv(build Build) Env {
	dir, _ := os.Getwd() // "" only means that no configuration is looked for above
	return Env{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Environ: os.Environ(), Dir: dir, Program: program(os.Args[0]), Build: build,
	}
}

// program is what to type for this binary, so that commands to try work as shown.
func program(self string) string {
	if _, err := exec.LookPath("geokv"); err == nil {
		return "geokv"
	}
	if strings.Contains(self, "go-build") { // go run leaves nothing to call
		return "go run ./cmd/geokv"
	}
	return event.QuoteWords([]string{self})
}
