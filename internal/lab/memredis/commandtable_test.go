package memredis

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestCommandDescribesWhatIsServed(t *testing.T) {
	c, ctx := owner(t, start(t)), t.Context()
	table, err := c.Command(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	if get := table["get"]; get == nil || get.Arity != 2 || get.FirstKeyPos != 1 || !get.ReadOnly {
		t.Errorf("COMMAND says of get: %+v", get)
	}
	for _, foreign := range []string{"host:", "post", "replicaof"} {
		if table[foreign] != nil {
			t.Errorf("COMMAND lists %q, which is not served", foreign)
		}
	}
	if n, err := c.Do(ctx, "COMMAND", "COUNT").Int(); err != nil || n != len(table) {
		t.Errorf("COMMAND COUNT: %d, %v; the table has %d", n, err, len(table))
	}
	if names, err := c.Do(ctx, "COMMAND", "LIST").StringSlice(); err != nil || !slices.Contains(names, "xrange") {
		t.Errorf("COMMAND LIST: %v, %v", names, err)
	}
	info, err := c.Do(ctx, "COMMAND", "INFO", "GET", "nonesuch").Slice()
	if err != nil || len(info) != 2 || info[0] == nil || info[1] != nil {
		t.Errorf("COMMAND INFO GET nonesuch: %v, %v", info, err)
	}
	if err := c.Do(ctx, "COMMAND", "DOCS").Err(); err == nil {
		t.Error("COMMAND DOCS was answered; redis-cli takes that answer apart")
	}
}

// TestRedisCLI runs the terminal client that users have, which asks for the
// table of commands before it reads its first line.
func TestRedisCLI(t *testing.T) {
	path, err := exec.LookPath("redis-cli")
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip("no redis-cli here")
		}
		t.Fatal(err)
	}
	s := start(t)
	if err := owner(t, s).Set(t.Context(), "k", "from the view", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(s.Addr(), ":")
	for name, run := range map[string]struct {
		args  []string
		input string
	}{
		"one shot": {args: []string{"get", "k"}},
		"piped":    {input: "get k\nset k forged\nhelp get\n"},
		"RESP3":    {args: []string{"-3"}, input: "get k\nset k forged\n"},
	} {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"-p", port}, run.args...)...)
		cmd.Stdin = strings.NewReader(run.input)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, output)
			continue
		}
		if !strings.Contains(string(output), "from the view") {
			t.Errorf("%s: no value in\n%s", name, output)
		}
		if run.input != "" && !strings.Contains(string(output), "NOPERM") {
			t.Errorf("%s: the write was not refused in\n%s", name, output)
		}
	}
}
