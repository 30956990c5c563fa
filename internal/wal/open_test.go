package wal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/fail"
)

func TestOpenRefusesBadConfiguration(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no brokers":        {},
		"no port":           {Brokers: []string{"localhost"}},
		"unknown mechanism": {Brokers: []string{"localhost:9092"}, SASL: &SASL{"GSSAPI", "u", "p"}},
		"no password":       {Brokers: []string{"localhost:9092"}, SASL: &SASL{Plain, "u", ""}},
	} {
		if _, err := Open(cfg); fail.CodeOf(err) != fail.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	s := &SASL{Plain, "geokv", "secret"}
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v", s, s, s), fmt.Sprintf("%+v", Config{SASL: s})} {
		if strings.Contains(got, "secret") {
			t.Errorf("printed %q", got)
		}
	}
}

// Each way of not reaching Kafka must be told apart in one line with a remedy.
func TestPingNamesTheCause(t *testing.T) {
	authority, certificate := issue(t, "localhost", net.IPv4(127, 0, 0, 1))
	stranger, _ := issue(t, "localhost")
	_, elsewhere := issue(t, "kafka.example.com")
	server := &tls.Config{Certificates: []tls.Certificate{certificate}}
	trusting := &tls.Config{RootCAs: authority}
	login := kfake.Superuser(ScramSHA512, "geokv", "right")

	for _, test := range []struct {
		name   string
		broker []kfake.Opt
		client func(*Config)
		code   fail.Code // empty: works
		says   string
	}{
		{"plain text", nil, func(*Config) {}, "", ""},
		{"TLS", []kfake.Opt{kfake.TLS(server)}, func(c *Config) { c.TLS = trusting }, "", ""},
		{"TLS and SCRAM", []kfake.Opt{kfake.TLS(server), kfake.EnableSASL(), login},
			func(c *Config) { c.TLS, c.SASL = trusting, &SASL{ScramSHA512, "geokv", "right"} }, "", ""},
		{"SCRAM-SHA-256", []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(ScramSHA256, "geokv", "right")},
			func(c *Config) { c.SASL = &SASL{ScramSHA256, "geokv", "right"} }, "", ""},
		{"PLAIN", []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(Plain, "geokv", "right")},
			func(c *Config) { c.SASL = &SASL{Plain, "geokv", "right"} }, "", ""},
		{"unknown authority", []kfake.Opt{kfake.TLS(server)},
			func(c *Config) { c.TLS = &tls.Config{RootCAs: stranger} }, fail.NotAllowed, "unknown authority"},
		{"certificate of another host", []kfake.Opt{kfake.TLS(&tls.Config{Certificates: []tls.Certificate{elsewhere}})},
			func(c *Config) { c.TLS = &tls.Config{RootCAs: pool(t, elsewhere)} }, fail.NotAllowed, "another host"},
		{"TLS to a plain port", nil, // Kafka takes the handshake for a far too large request and hangs up
			func(c *Config) { c.TLS, c.Brokers = trusting, []string{hangup(t)} }, fail.Unavailable, "does not speak TLS"},
		{"plain text to a TLS port", []kfake.Opt{kfake.TLS(server)},
			func(*Config) {}, fail.NotAllowed, "wants TLS"},
		{"plain text to Kafka's TLS port, which answers with an alert", nil,
			func(c *Config) { c.Brokers = []string{answer(t, "\x15\x03\x03\x00\x02\x02\x50")} }, fail.NotAllowed, "wants TLS"},
		{"no client certificate", []kfake.Opt{kfake.TLS(&tls.Config{
			Certificates: server.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority})},
			func(c *Config) { c.TLS = trusting }, fail.NotAllowed, "refused the TLS handshake"},
		{"wrong password", []kfake.Opt{kfake.EnableSASL(), login},
			func(c *Config) { c.SASL = &SASL{ScramSHA512, "geokv", "wrong"} }, fail.NotAllowed, "SCRAM-SHA-512 user geokv"},
		{"wrong password, PLAIN", []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(Plain, "geokv", "right")},
			func(c *Config) { c.SASL = &SASL{Plain, "geokv", "wrong"} }, fail.NotAllowed, "PLAIN user geokv"},
		{"no login given", []kfake.Opt{kfake.EnableSASL(), login},
			func(*Config) {}, fail.NotAllowed, "login"},
		{"nobody there", nil,
			func(c *Config) { c.Brokers = []string{closedPort(t)} }, fail.Unavailable, "connection refused"},
		{"no such host", nil,
			func(c *Config) {
				c.Brokers = []string{"kafka.invalid:9092"}
				c.Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "kafka.invalid", IsNotFound: true}}
				}
			}, fail.Unavailable, "does not resolve"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := openLog(t, startKafka(t, test.broker...), test.client).Ping(deadline(t))
			if test.code == "" {
				if err != nil {
					t.Fatalf("got %v, want none", err)
				}
				return
			}
			var known *fail.Error
			if !errors.As(err, &known) {
				t.Fatalf("got %v, want a *fail.Error", err)
			}
			if known.Code != test.code || !strings.Contains(err.Error(), test.says) || known.Hint == "" {
				t.Errorf("got %s %q hint %q, want %s with %q", known.Code, err, known.Hint, test.code, test.says)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "wrong") {
				t.Errorf("%q is not one line, or shows the password", err)
			}
		})
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// hangup is a server that closes every connection at the first bytes.
func hangup(t *testing.T) string {
	t.Helper()
	return answer(t, "")
}

// answer is a server that says the same to everybody and closes the connection.
func answer(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte(text))
			c.Close()
		}
	}()
	return l.Addr().String()
}

// issue makes an authority and a server certificate signed by it.
func issue(t *testing.T, host string, ips ...net.IP) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host}, IPAddresses: ips,
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return pool(t, cert), cert
}

func pool(t *testing.T, cert tls.Certificate) *x509.CertPool {
	t.Helper()
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}
