package view

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/fail"
)

// pretend is a server that answers INFO with a text, and that hangs up at once when it has no text.
func pretend(t *testing.T, info string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go talk(conn, info)
		}
	}()
	return "redis://" + l.Addr().String()
}

func talk(conn net.Conn, info string) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for info != "" && lines.Scan() {
		switch word := strings.ToUpper(lines.Text()); {
		case word == "INFO":
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(info), info)
		case word == "PING":
			fmt.Fprint(conn, "+PONG\r\n")
		case word == "HELLO":
			fmt.Fprint(conn, "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n")
		}
	}
}

func TestCheckRefusesWhatNoViewMayBe(t *testing.T) {
	for info, want := range map[string]string{
		"redis_version:6.2.14\r\n":                                          "6.2.14 is too old",
		"redis_version:7.2.0\r\nrole:slave\r\n":                             "needs a master",
		"redis_version:7.2.0\r\nmaxmemory_policy:volatile-lru\r\n":          "may evict keys (maxmemory-policy volatile-lru)",
		"redis_version:7.2.0\r\nrole:master\r\nloading:1\r\n":               "loading its data",
		"redis_version:7.2.0\r\nrole:master\r\nmaxmemory_policy:noeviction": "",
	} {
		err := openDB(t, pretend(t, info)).Check(context.Background())
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", info, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || fail.HintOf(err) == "" {
			t.Errorf("%q: %v, hint %q, want %q", info, err, fail.HintOf(err), want)
		}
	}
}

func TestExplainNamesTheSetting(t *testing.T) {
	db := openDB(t, "redis://geokv:secret@127.0.0.1:1")
	for _, c := range []struct {
		err  error
		code fail.Code
		hint string
	}{
		{x509.UnknownAuthorityError{}, fail.NotAllowed, "redis.tls.ca_file"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, fail.NotAllowed, "redis.tls.server_name"},
		{x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, fail.NotAllowed, "renew"},
		{tls.RecordHeaderError{Msg: "no"}, fail.NotAllowed, "redis://"},
		{reply("WRONGPASS invalid username-password pair"), fail.NotAllowed, "redis.password_file"},
		{reply("NOAUTH Authentication required."), fail.NotAllowed, "redis.user"},
		{reply("NOPERM this user has no permissions"), fail.NotAllowed, "+@all -@admin"},
		{context.DeadlineExceeded, fail.Unavailable, "runs"},
	} {
		got := db.Explain(fmt.Errorf("read key: %w", c.err))
		if got.Code != c.code || !strings.Contains(got.Hint, c.hint) || strings.Contains(got.Error(), "secret") || strings.Contains(got.Error(), "\n") {
			t.Errorf("%v: %s %q hint %q, want %s, hint %q", c.err, got.Code, got, got.Hint, c.code, c.hint)
		}
	}
	plain := openDB(t, pretend(t, ""))
	if err := plain.Check(context.Background()); !strings.Contains(fail.HintOf(err), "rediss://") {
		t.Errorf("closed at once: %v, hint %q", err, fail.HintOf(err))
	}
}

// reply is an error as a server says it.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}
