package config

import (
	"cmp"
	"net"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/geokv/geokv/internal/geo"
)

// resolve turns merged settings into a Cluster: secrets are read from their
// files and Redis credentials put into the URL.
func (l *loader) resolve(s settings) Cluster {
	c := Cluster{HTTP: l.http(s.HTTP), Registry: l.registry(s.Registry)}
	for name, r := range s.Regions {
		c.Regions = append(c.Regions, l.region(name, r))
	}
	slices.SortFunc(c.Regions, func(a, b RegionEndpoint) int {
		return cmp.Or(a.Region.Index-b.Region.Index, cmp.Compare(a.Region.Name, b.Region.Name))
	})
	regions := make([]geo.Region, len(c.Regions))
	for i, r := range c.Regions {
		regions[i] = r.Region
	}
	if t, err := geo.NewTopology(regions...); err == nil {
		c.Topology = t // else Validate says what is wrong
	}
	return c
}

func (l *loader) region(name string, s regionSettings) RegionEndpoint {
	at := "regions." + name
	r := RegionEndpoint{
		Region:    geo.Region{Name: name, Index: s.Index},
		Brokers:   s.Kafka.Brokers,
		Kafka:     KafkaSecurity{TLS: l.tls(at+".kafka.tls", s.Kafka.TLS)},
		RedisAddr: redisAddr(s.Redis.URL),
		RedisTLS:  l.tls(at+".redis.tls", s.Redis.TLS),
	}
	if sasl := s.Kafka.SASL; sasl != (saslSettings{}) {
		r.Kafka.SASL = &SASL{
			Mechanism: sasl.Mechanism, User: sasl.User,
			Password: l.secret(at+".kafka.sasl.password", sasl.Password, sasl.PasswordFile),
		}
	}
	password := l.secret(at+".redis.password", s.Redis.Password, s.Redis.PasswordFile)
	r.RedisURL = withLogin(s.Redis.URL, s.Redis.User, password)
	return r
}

// registry moves a login in the URL to where nothing prints it.
func (l *loader) registry(s registrySettings) Registry {
	r := Registry{
		URL: s.URL, User: s.User, TLS: l.tls("registry.tls", s.TLS),
		Password: l.secret("registry.password", s.Password, s.PasswordFile),
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.User == nil {
		return r
	}
	password, _ := u.User.Password()
	r.User = cmp.Or(r.User, u.User.Username())
	r.Password = cmp.Or(r.Password, Secret(password))
	u.User = nil
	r.URL = u.String()
	return r
}

func (l *loader) http(s httpSettings) HTTP {
	h := HTTP{
		Listen: s.Listen, AllowOrigins: s.AllowOrigins, AllowHosts: s.AllowHosts,
		Token: l.secret("http.token", s.Token, s.TokenFile),
	}
	if s.Token == "" || l.rank["http.token_file"] > l.rank["http.token"] {
		h.TokenFile = s.TokenFile
	}
	if host, _, err := net.SplitHostPort(s.Listen); err == nil && host != "" && net.ParseIP(host) == nil {
		h.AllowHosts = append(slices.Clone(h.AllowHosts), host) // who listens at a name is asked by it
	}
	return h
}

// secret picks the value or the file, whichever source ranks higher.
func (l *loader) secret(key, value, file string) Secret {
	fileRank, valueRank := l.rank[key+"_file"], l.rank[key]
	switch {
	case file == "" || value != "" && valueRank > fileRank:
		return Secret(value)
	case value != "" && valueRank == fileRank:
		l.complain(key, "set together with %s_file; keep one", key)
		return ""
	}
	if !filepath.IsAbs(file) && l.dir != "" {
		file = filepath.Join(l.dir, file)
	}
	s, err := ReadSecretFile(file)
	if err != nil {
		l.complain(key+"_file", "%v", err)
	}
	return s
}

// tls returns nil for a plaintext connection. A tls block with any entry means
// encryption unless it says enabled: false.
func (l *loader) tls(at string, s tlsSettings) *TLS {
	_, said := l.rank[at+".enabled"]
	if said && !s.Enabled || !said && s == (tlsSettings{}) {
		return nil
	}
	return &TLS{CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile, ServerName: s.ServerName}
}

// withLogin puts user and password into an address.
func withLogin(raw, user string, password Secret) URL {
	u, err := url.Parse(raw)
	if err != nil || user == "" && password == "" {
		return URL(raw) // Validate says what is wrong
	}
	if user == "" {
		user = u.User.Username()
	}
	u.User = url.User(user)
	if password != "" {
		u.User = url.UserPassword(user, password.Reveal())
	}
	return URL(u.String())
}
