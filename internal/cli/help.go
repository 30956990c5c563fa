package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/fail"
)

// newHelp is cobra's help command, but a topic that does not exist is an error.
func newHelp(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command or topic",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, c := range found.Commands() {
				if !c.Hidden && strings.HasPrefix(c.Name(), typed) {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || topic.HasSubCommands() && len(rest) > 0 {
				return fail.New(fail.Usage, "no help for %q", strings.Join(args, " ")).
					WithHint("geokv help shows every command and topic")
			}
			topic.InitDefaultHelpFlag() // so that the page lists it
			return topic.Help()
		},
	}
}

// helpTopics are pages of `geokv help` that belong to no single command.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "Exit codes", Long: exitCodes},
		{Use: "environment", Short: "Environment variables and where settings come from", Long: environmentHelp},
		{Use: "operations", Short: "Operations that produce takes", Long: operationsHelp},
		{Use: "formats", Short: "Output formats and JSON", Long: formatsHelp()},
	}
}

const exitCodes = `Exit codes are the same for every command:

  0    done
  1    an error that fits nothing below; lines of produce - or fold failed or
       are unknown, some or all, whatever the error's code; mm2 check found errors
  2    the command line, a file or an operation is malformed or breaks a rule
  3    not found: the key has no value, the thing does not exist
  4    not allowed: wrong or missing token, or the key holds another type
  5    unavailable or timed out; after a write with outcome "unknown" too
  6    regions differ
  130  interrupted`

const environmentHelp = `Settings are taken from, first wins: flag, environment, file, default.
geokv config show --origin says where each one came from.

  GEOKV_CONFIG     configuration file of an external cluster
  GEOKV_DATA       data directory of the embedded cluster
  GEOKV_TOKEN      token for writes through a running server
  GEOKV_REGIONS    names of the regions in index order, such as us,eu,ap
  GEOKV_STACK      where geokv stack keeps Kafka and the rest
  JAVA_HOME        the Java that the process stack runs

Every key of the file has a variable: http.listen is GEOKV_HTTP_LISTEN, the Redis
of region us GEOKV_REGIONS_US_REDIS_URL. With GEOKV_REGIONS no file is needed.

Colour, first wins: --color, then

  NO_COLOR         no colour, when it is not empty
  CLICOLOR_FORCE   colour although the output is no terminal, unless it is 0
  TERM=dumb        no colour
  CLICOLOR=0       no colour

A command finds its cluster in this order: --config or GEOKV_CONFIG; --data or
--memory; geokv.yaml in the working directory or above it, then in the user's
configuration directory; the cluster that geokv up runs in the data directory;
without --data and GEOKV_DATA the one that geokv up --memory runs.

A file that is named has to name regions. With their addresses it is an external
cluster; without, the regions of one that geokv up runs.`

const operationsHelp = `Operations are written as in redis-cli:

  set KEY VALUE [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds]
  del KEY
  incr KEY [N]            also incrby, decr, decrby
  sadd KEY MEMBER...      srem KEY MEMBER...
  zadd KEY SCORE MEMBER [SCORE MEMBER]...      zrem KEY MEMBER...
  hset KEY FIELD VALUE [FIELD VALUE]...        hdel KEY FIELD...
  xadd KEY * FIELD VALUE [FIELD VALUE]...      xdel KEY ID...
  xtrim KEY MINID ID

What depends on the order of delivery is not offered (conditions such as NX, MAXLEN,
INCRBYFLOAT): regions could not agree on it.

As JSON lines (geokv produce -), one operation a line:

  {"op":"SET","key":"k","value":"v","ttl_ms":5000}
  {"op":"INCR","key":"n","delta":2,"region":"eu","event_id":"order-17"}
  {"op":"ZADD","key":"z","members":[{"member":"ann","score":10}]}
  {"op":"XADD","key":"s","fields":[["sku","laptop"],["price","999"]]}

Bytes that are not UTF-8 are written {"base64":"AP8="}.`

// formatsHelp lists the tokens that tail knows.
func formatsHelp() string {
	var tokens strings.Builder
	for _, t := range tailTokens() {
		fmt.Fprintf(&tokens, "  %%%-8s %s\n", t.Name, t.Help)
	}
	return `-o table   for people; columns separated by one tab when the output is no terminal
-o json    one JSON value; as jsonl on tail, fold, produce - and status --watch
-o jsonl   one JSON value a line, on commands that stream

Tables show keys and values with escapes where they hold control characters or
bytes that are not UTF-8, such as \n and \xff, and a backslash as \\. geokv get
--raw writes a string's bytes as they are.

tail -f takes a template of these tokens, with the escapes \n \t \r \0 \\ and \xHH:

` + tokens.String() + `  %%        a percent sign

%{name} ends a token where letters follow: %{k}s.

The shapes are a contract, documented field by field in docs/json.md. Results go
to stdout, everything said about them to stderr; with -o json an error is
{"error":{"code","message","hint"}} on stderr.`
}
