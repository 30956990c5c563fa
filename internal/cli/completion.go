package cli

import (
	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/fail"
)

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
				return cmd.Root().GenBashCompletionV2(s.env.Out, true)
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
