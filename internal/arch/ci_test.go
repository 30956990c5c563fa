package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runCI runs .ci/run where a directory of programs stands for the machine: what is
// there at first, and an apt-get that brings a new Java. did is what they logged.
func runCI(t *testing.T, user string, programs map[string]string) (said, did string, err error) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	dir := t.TempDir()
	put := func(name, script string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"+bash+"\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put("id", "echo "+user)
	put("sudo", `echo "sudo $1" >>"$LOG"; exec "$@"`)
	put("apt-cache", `case $2 in openjdk-17*) echo "  Candidate: (none)" ;; *) echo "  Candidate: 1:1" ;; esac`)
	put("apt-get", `echo "apt-get $*" >>"$LOG"
		case "$*" in
		*openjdk-21*) cd "${0%/*}" && rm -f java && printf '#!%s\necho "openjdk 21.0.2 2024"\n' "$BASH" >java && chmod +x java ;;
		esac`)
	put("make", `[ "$1" = --version ] && echo "GNU Make 4.3" || echo "make $*" >>"$LOG"`)
	put("redis-server", `echo "Redis server v=7.0.15 sha=0"`)
	put("mvn", `echo "Apache Maven 3.8.7"`)
	put("go", "")
	put("gofmt", "")
	for name, script := range programs {
		put(name, script)
	}
	log := filepath.Join(dir, "log")
	cmd := exec.Command(bash, "../../.ci/run")
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "LOG=" + log}
	text, err := cmd.CombinedOutput()
	done, _ := os.ReadFile(log) // none: nothing was done
	return string(text), string(done), err
}

func TestCIInstallsWhatIsMissing(t *testing.T) {
	const tests = "make test\nmake mutants-ci\nmake fuzz\nmake test-real\n"
	const install = "apt-get update -qq\napt-get install -y -qq --no-install-recommends openjdk-21-jre-headless\n"
	old := map[string]string{"java": `echo "openjdk 11.0.2 2019-01-15"`}
	for name, c := range map[string]struct {
		user     string
		programs map[string]string
		did      string
	}{
		"everything is there":      {"0", map[string]string{"java": `echo "openjdk 17.0.15 2025-04-15"`}, tests},
		"Java is old":              {"0", old, install + tests},
		"somebody who is not root": {"1000", old, strings.NewReplacer("apt-get update", "sudo apt-get\napt-get update", "apt-get install", "sudo env\napt-get install").Replace(install) + tests},
		"there is only an old Redis": {"0", map[string]string{"redis-server": `echo "Redis server v=6.0.16 sha=0"`, "java": `echo "openjdk 17.0.15 2025-04-15"`},
			"apt-get update -qq\napt-get install -y -qq --no-install-recommends redis-server\n"},
	} {
		t.Run(name, func(t *testing.T) {
			said, did, err := runCI(t, c.user, c.programs)
			if did != c.did {
				t.Errorf("it did\n%swant\n%sand said\n%s", did, c.did, said)
			}
			if tested := strings.Contains(did, "make test"); (err == nil) != tested || !tested && !strings.Contains(said, "redis-server: version 7 or newer is needed") {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}
