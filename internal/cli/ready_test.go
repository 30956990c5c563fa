package cli_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/addrtest"
	"github.com/geokv/geokv/internal/polltest"
)

// ended runs a command to its end.
func ended(t *testing.T, cmd *exec.Cmd) (status int, said string) {
	t.Helper()
	text, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// A health check asks the process and nobody else: a region that is down, and a
// server that is away, must not pass.
func TestReadyAsksTheServer(t *testing.T) {
	server := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked for %s", r.URL)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	home := t.TempDir()
	for name, c := range map[string]struct {
		address string
		status  int
		says    string
	}{
		"ready":       {server(200, "ok\n"), 0, ""},
		"rebuilding":  {server(503, `{"error":{"code":"REBUILDING","message":"region eu is being rebuilt"}}`), 5, "region eu is being rebuilt"},
		"nobody":      {addrtest.Refusing(t), 5, "connection refused"},
		"no address":  {"nonsense", 2, "HOST:PORT"},
		"not started": {"", 5, "none runs there"},
	} {
		args := []string{"ready"}
		if c.address != "" {
			args = append(args, "--http", c.address)
		}
		if status, said := ended(t, alone(home, args...)); status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s: exit status %d, want %d; it said %s", name, status, c.status, said)
		}
	}
}

// A materializer has no API; asked for it, it says whether its views are whole.
func TestReadyAsksAMaterializer(t *testing.T) {
	home := t.TempDir()
	cluster := alone(home, "up", "-o", "json")
	if _, err := startAndWait(cluster); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cluster.Process.Signal(os.Interrupt)
		_ = cluster.Wait()
	}()
	if status, said := ended(t, alone(home, "ready")); status != 0 || said != "" {
		t.Errorf("the cluster itself: exit status %d, %s", status, said)
	}

	materializer := alone(home, "materialize", "--region", "eu", "--http", "127.0.0.1:0")
	stderr, err := materializer.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := materializer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = materializer.Process.Kill() }()
	said := bufio.NewScanner(stderr)
	address := ""
	for address == "" && said.Scan() {
		_, after, _ := strings.Cut(said.Text(), "answering http://")
		address = strings.TrimSuffix(after, "/readyz")
	}
	polltest.Until(t, "the view of eu is whole", func() bool {
		status, _ := ended(t, alone(home, "ready", "--http", address))
		return status == 0
	})
	if err := materializer.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stderr)
	if err := materializer.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}
