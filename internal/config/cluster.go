// Package config says where the parts of a geokv cluster live and how to log in
// there. It finds the configuration file, lays environment and flags over it,
// remembers where each value came from and refuses what makes no sense, naming
// file and key.
package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// Cluster is a complete description of a cluster's endpoints. Every printed form
// hides its secrets.
type Cluster struct {
	Topology geo.Topology
	Regions  []RegionEndpoint // in index order, one per region of Topology
	Registry Registry
	HTTP     HTTP
}

// RegionEndpoint is one region's Kafka and Redis.
type RegionEndpoint struct {
	Region  geo.Region
	Brokers []string // host:port
	Kafka   KafkaSecurity

	RedisURL  URL    // redis://, rediss:// or unix://, with credentials
	RedisAddr string // host:port, for display
	RedisTLS  *TLS   // nil: rediss:// verifies against the system's roots
}

// KafkaSecurity says how to log in to a Kafka; the zero value is plaintext.
type KafkaSecurity struct {
	TLS  *TLS
	SASL *SASL
}

// TLS names the files of an encrypted connection. The zero value verifies the
// server against the system's roots.
type TLS struct {
	CAFile     string // PEM roots instead of the system's
	CertFile   string // PEM client certificate, together with KeyFile
	KeyFile    string
	ServerName string // when the certificate names another host than the address
}

// SASL is a login at Kafka.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User      string
	Password  Secret
}

// Registry is the schema registry.
type Registry struct {
	URL      string // base URL; Apicurio's ends in /apis/ccompat/v7
	User     string
	Password Secret
	TLS      *TLS
}

// HTTP is the API server.
type HTTP struct {
	Listen       string   // host:port; empty means a free loopback port
	Token        Secret   // what writes must present; empty refuses every write
	TokenFile    string   // where Token was read from; empty when it was not
	AllowOrigins []string // browser origins besides the server's own, exact
	AllowHosts   []string // host names besides loopback and the listen address
}

// Region finds a region's endpoint by name.
func (c Cluster) Region(name string) (RegionEndpoint, bool) {
	for _, r := range c.Regions {
		if r.Region.Name == name {
			return r, true
		}
	}
	return RegionEndpoint{}, false
}

// External reports whether the regions have endpoints. Without any, the
// configuration only names the regions of an embedded cluster.
func (c Cluster) External() bool {
	for _, r := range c.Regions {
		if len(r.Brokers) > 0 || r.RedisURL != "" {
			return true
		}
	}
	return false
}

// String renders one line per endpoint, without secrets.
func (c Cluster) String() string {
	var b strings.Builder
	for _, r := range c.Regions {
		fmt.Fprintf(&b, "%s\n", r)
	}
	fmt.Fprintf(&b, "registry %s\nhttp %s", URL(c.Registry.URL), c.HTTP.Listen)
	return b.String()
}

// GoString is String: no way of printing shows secrets.
func (c Cluster) GoString() string { return c.String() }

// LogValue is String, for structured logs.
func (c Cluster) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String renders the endpoint without secrets.
func (r RegionEndpoint) String() string {
	return fmt.Sprintf("region %s index %d kafka %s redis %s",
		r.Region.Name, r.Region.Index, strings.Join(r.Brokers, ","), r.RedisURL)
}

// Config loads the files into a client configuration.
func (t *TLS) Config() (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fail.Wrap(fail.Usage, err, "read ca_file")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fail.New(fail.Usage, "read ca_file %s: no PEM certificate in it", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fail.Wrap(fail.Usage, err, "load cert_file and key_file")
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// redisAddr returns host:port of a Redis URL, the path for a unix socket.
func redisAddr(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "unix":
		return u.Path
	case u.Port() == "" && u.Hostname() != "":
		return u.Host + ":6379"
	}
	return u.Host
}
