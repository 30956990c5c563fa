package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/geo"
)

const minTokenBytes = 16

// Validate checks a cluster that was put together in code; Load does so itself.
// The error is a *fail.Error with code USAGE that names the keys.
func (c Cluster) Validate() error {
	l := loader{problems: c.problems()}
	return l.failure()
}

func (c Cluster) problems() []problem {
	var out []problem
	add := func(key, format string, args ...any) {
		out = append(out, problem{key, fmt.Sprintf(format, args...)})
	}
	regions := make([]geo.Region, len(c.Regions))
	for i, r := range c.Regions {
		regions[i] = r.Region
	}
	if len(regions) > 0 {
		if _, err := geo.NewTopology(regions...); err != nil {
			add("regions", "%v", err)
		}
	}
	if c.External() {
		for i, r := range c.Regions {
			r.check(add)
			r.checkApart(c.Regions[:i], add)
		}
		checkURL("registry.url", c.Registry.URL, []string{"http", "https"}, add)
	}
	checkTLS("registry.tls", c.Registry.TLS, add)
	c.HTTP.check(add)
	return out
}

type adder func(key, format string, args ...any)

func (r RegionEndpoint) check(add adder) {
	at := "regions." + r.Region.Name
	if len(r.Brokers) == 0 {
		add(at+".kafka.brokers", "missing; name at least one broker as host:port")
	}
	for _, b := range r.Brokers {
		if !isHostPort(b) {
			add(at+".kafka.brokers", "%q is not host:port", b)
		}
	}
	checkTLS(at+".kafka.tls", r.Kafka.TLS, add)
	r.Kafka.SASL.check(at+".kafka.sasl", add)
	checkURL(at+".redis.url", r.RedisURL.Reveal(), []string{"redis", "rediss", "unix"}, add)
	checkTLS(at+".redis.tls", r.RedisTLS, add)
	if r.RedisTLS != nil && strings.HasPrefix(r.RedisURL.Reveal(), "redis://") {
		add(at+".redis.url", "redis:// is not encrypted but redis.tls is set; write rediss://")
	}
}

// checkApart refuses two regions on one Kafka or one Redis database: their logs
// or views would be one.
func (r RegionEndpoint) checkApart(others []RegionEndpoint, add adder) {
	for _, o := range others {
		for _, b := range r.Brokers {
			if slices.Contains(o.Brokers, b) {
				add("regions."+r.Region.Name+".kafka.brokers", "%s is region %s's broker; every region has its own Kafka", b, o.Region.Name)
			}
		}
		if r.RedisAddr != "" && r.RedisAddr == o.RedisAddr {
			add("regions."+r.Region.Name+".redis.url", "%s is region %s's Redis; every region has its own", r.RedisAddr, o.Region.Name)
		}
	}
}

func (s *SASL) check(at string, add adder) {
	if s == nil {
		return
	}
	mechanisms := []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	if !slices.Contains(mechanisms, s.Mechanism) {
		add(at+".mechanism", "%q, want one of %s", s.Mechanism, strings.Join(mechanisms, ", "))
	}
	if s.User == "" {
		add(at+".user", "missing")
	}
	if s.Password == "" {
		add(at+".password_file", "missing; name a file, or set %s", envName(at+".password"))
	}
}

func checkTLS(at string, t *TLS, add adder) {
	if t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		add(at, "cert_file and key_file go together")
	}
}

func checkURL(key, text string, schemes []string, add adder) {
	if text == "" {
		add(key, "missing")
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		add(key, "not a URL") // the error would quote the password
	case !slices.Contains(schemes, u.Scheme):
		add(key, "scheme %q, want %s://", u.Scheme, strings.Join(schemes, ":// or "))
	case u.Host == "" && u.Scheme != "unix" || u.Scheme == "unix" && u.Path == "":
		add(key, "%s names no host", URL(text))
	}
}

func (h HTTP) check(add adder) {
	if h.Listen != "" && !isListen(h.Listen) {
		add("http.listen", "%q is not host:port", h.Listen)
	}
	if h.Token != "" && len(h.Token) < minTokenBytes {
		add("http.token", "shorter than %d characters; make one with `openssl rand -hex 32`", minTokenBytes)
	}
	for _, o := range h.AllowOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.Contains(o, "*") {
			add("http.allow_origins", "%q, want an exact origin such as https://ops.example.com", o)
		}
	}
	for _, name := range h.AllowHosts {
		if strings.ContainsAny(name, "/*@ ") || name == "" {
			add("http.allow_hosts", "%q, want a host name without scheme or wildcard", name)
		}
	}
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, err2 := strconv.Atoi(port)
	return err == nil && err2 == nil && host != "" && n > 0 && n < 1<<16
}

// isListen also takes ":8080" (every interface) and port 0 (a free one).
func isListen(text string) bool {
	_, port, err := net.SplitHostPort(text)
	n, err2 := strconv.Atoi(port)
	return err == nil && err2 == nil && n >= 0 && n < 1<<16
}
