package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/geokv/geokv/internal/fail"
)

// program is a command found on the machine.
type program struct {
	path    string
	version string
}

var (
	javaVersion  = regexp.MustCompile(`version "(1\.)?(\d+)[^"]*"`)
	redisVersion = regexp.MustCompile(`v=((\d+)[0-9.]*)`)
)

// findJava takes JAVA_HOME's java, else PATH's. When it is too old, the program
// is returned beside the error.
func findJava(getenv func(string) string) (program, error) {
	path, err := exec.LookPath("java")
	if home := getenv("JAVA_HOME"); home != "" {
		path, err = exec.LookPath(filepath.Join(home, "bin", "java"))
	}
	hint := "install a JDK of version 17 or newer (Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk), or point JAVA_HOME at one"
	if err != nil {
		return program{}, fail.Wrap(fail.Unavailable, err, "find java").WithHint("%s", hint)
	}
	text, err := exec.Command(path, "-version").CombinedOutput()
	if err != nil {
		return program{}, fail.Wrap(fail.Unavailable, err, "run %s -version", path).WithHint("%s", hint)
	}
	match := javaVersion.FindSubmatch(text)
	if match == nil {
		return program{}, fail.New(fail.Unavailable, "run %s -version: no version in what it says", path).WithHint("%s", hint)
	}
	found := program{path, string(match[2])}
	if n, err := strconv.Atoi(found.version); err != nil || n < leastJava {
		return found, fail.New(fail.Unavailable, "use %s: it is Java %s, Kafka %s needs %d", path, found.version, KafkaVersion, leastJava).WithHint("%s", hint)
	}
	return found, nil
}

// findRedis takes redis-server from PATH, else the one fetched into dir, if a
// directory is named.
func findRedis(dir string) (program, error) {
	const hint = "install redis-server 7 or newer (Debian: apt-get install redis-server; macOS: brew install redis), or let geokv stack fetch get one"
	var old program
	names := []string{"redis-server"}
	if dir != "" {
		names = append(names, filepath.Join(dir, redisFile))
	}
	for _, name := range names {
		found, ok := redisAt(name)
		switch {
		case !ok:
		case major(found.version) >= leastRedis:
			return found, nil
		default:
			old = found
		}
	}
	if old.path != "" {
		return old, fail.New(fail.Unavailable, "use %s: it is Redis %s, the merge scripts need %d", old.path, old.version, leastRedis).WithHint(hint)
	}
	return program{}, fail.New(fail.Unavailable, "find redis-server: not in PATH").WithHint(hint)
}

func redisAt(name string) (program, bool) {
	path, err := exec.LookPath(name)
	if err != nil {
		return program{}, false
	}
	text, err := exec.Command(path, "--version").Output()
	match := redisVersion.FindSubmatch(text)
	if err != nil || match == nil {
		return program{}, false
	}
	return program{path, string(match[1])}, true
}

func major(version string) int {
	match := regexp.MustCompile(`^\d+`).FindString(version)
	n, _ := strconv.Atoi(match) // 0 for none: too old
	return n
}

// findTool finds a command that only fetching needs.
func findTool(names []string, needed, hint string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fail.New(fail.Unavailable, "find %s: %s", names[0], needed).WithHint("%s", hint)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
