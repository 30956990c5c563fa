package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/fail"
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
