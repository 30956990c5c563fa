package cli

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

// bashAlone lets the script work where the package bash-completion is not
// loaded: it splits the line at blanks only, since keys have colons in them.
const bashAlone = `
if ! declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
    __geokv_init_completion()
    {
        COMPREPLY=()
        local line=${COMP_LINE:0:COMP_POINT}
        read -ra words <<<"$line"
        if [[ $line == *[[:blank:]] ]]; then
            words+=("")
        fi
        cword=$((${#words[@]} - 1))
        cur=${words[cword]}
        prev=
        if ((cword > 0)); then
            prev=${words[cword - 1]}
        fi
    }
fi
`

func newCompletion(s *session) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for bash, zsh, fish or powershell",
		Long: `Print a script that completes commands, flags, and the regions and keys of the
running cluster.`,
		Example: `  source <(geokv completion bash)
  geokv completion zsh > "${fpath[1]}/_geokv"`,
		Args: cobra.ExactArgs(1), ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				if err := cmd.Root().GenBashCompletionV2(s.env.Out, true); err != nil {
					return err
				}
				_, err := io.WriteString(s.env.Out, bashAlone)
				return err
			case "zsh":
				return cmd.Root().GenZshCompletion(s.env.Out)
			case "fish":
				return cmd.Root().GenFishCompletion(s.env.Out, true)
			case "powershell":
				return cmd.Root().GenPowerShellCompletionWithDesc(s.env.Out)
			}
			return fail.New(fail.Usage, "no completion for shell %q", args[0]).WithHint("want bash, zsh, fish or powershell")
		},
	}
	return group("other", cmd)
}

// completeRegions offers the regions of the cluster after a flag, and what else
// it takes.
func (s *session) completeRegions(cmd *cobra.Command, flag string, more ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return append(s.knownRegions(cmd.Context()), more...), cobra.ShellCompDirectiveNoFileComp
	})
}

func (s *session) knownRegions(ctx context.Context) []string {
	b, err := s.forCompletion(ctx)
	if err != nil {
		return nil
	}
	defer s.disconnect(b)
	return b.Regions()
}

// completeKeys offers keys that start with what was typed.
func (s *session) completeKeys(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, directive
	}
	b, err := s.forCompletion(cmd.Context())
	if err != nil {
		return nil, directive
	}
	defer s.disconnect(b)
	return keysStarting(cmd.Context(), b, typed), directive
}

// forCompletion connects with little patience: a shell is waiting.
func (s *session) forCompletion(ctx context.Context) (backend, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.connect(ctx, need{})
}

func sortedCompletions(keys []event.Bytes, prefix string) []cobra.Completion {
	var found []cobra.Completion
	for _, k := range keys {
		if text := string(k); strings.HasPrefix(text, prefix) && out.Safe(text) == text {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return found
}

// keysStarting asks for a page of keys with a prefix.
func keysStarting(ctx context.Context, b backend, prefix string) []cobra.Completion {
	page, err := b.Keys(ctx, api.KeysQuery{Region: b.Regions()[0], Match: globEscape(prefix) + "*", Limit: api.DefaultPage})
	if err != nil {
		return nil
	}
	return sortedCompletions(page.Keys, prefix)
}

// globEscape makes a text match itself in a glob.
func globEscape(text string) string {
	var escaped []byte
	for i := range len(text) {
		switch text[i] {
		case '*', '?', '[', ']', '\\', '^':
			escaped = append(escaped, '\\')
		}
		escaped = append(escaped, text[i])
	}
	return string(escaped)
}
