package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// guard decides who may ask.
type guard struct {
	hosts    []string
	origins  []string
	cross    *http.CrossOriginProtection
	token    [sha256.Size]byte
	hasToken bool
	failed   *failures
}

func newGuard(c Config) (*guard, error) {
	g := &guard{
		hosts: append([]string{"localhost"}, c.AllowHosts...), origins: c.AllowOrigins,
		cross: http.NewCrossOriginProtection(),
		token: sha256.Sum256([]byte(c.Token)), hasToken: c.Token != "",
		failed: &failures{wall: c.Wall, peers: map[string]*bucket{}},
	}
	for _, o := range c.AllowOrigins {
		if err := g.cross.AddTrustedOrigin(o); err != nil {
			return nil, fail.Wrap(fail.Usage, err, "allow origin %q", o).WithHint("give scheme://host[:port] exactly")
		}
	}
	return g, nil
}

// protect applies to every request, whatever its path.
func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())
		if !g.hostAllowed(r) {
			writeError(w, http.StatusForbidden, fail.New(fail.NotAllowed, "host %q is not allowed here", r.Host).
				WithHint("ask by IP address or localhost, or name the host in http.allow_hosts"))
			return
		}
		if err := g.cross.Check(r); err != nil {
			writeError(w, http.StatusForbidden, fail.New(fail.NotAllowed, "requests from other origins are refused").
				WithHint("name the origin in http.allow_origins"))
			return
		}
		if g.shareWithOrigin(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

func setSecurityHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
}

// hostAllowed stops DNS rebinding: a page of another site that made its name
// resolve to this address still sends that name. An address literal cannot be
// rebound, so the one the request came in at is fine.
func (g *guard) hostAllowed(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.Equal(localIP(r)) || slices.Contains(g.hosts, host)
	}
	return slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

func localIP(r *http.Request) net.IP {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return addr.IP
	}
	return nil
}

// shareWithOrigin answers a browser of an allowed origin; it reports whether
// the request was a preflight and is done.
func (g *guard) shareWithOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	w.Header().Add("Vary", "Origin")
	if origin == "" || !slices.Contains(g.origins, origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodOptions {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// authorized lets a handler run only for a request with the token and a JSON
// body. Past an allowance per peer wrong tokens get 429. The right one always
// passes: many clients can share an address, and one with an old token must not
// lock the others out. What keeps guessing hopeless is the token's length.
func (g *guard) authorized(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		peer := peerOf(r)
		switch {
		case !g.hasToken:
			return fail.New(fail.NotAllowed, "writes are off: the server has no token").
				WithHint("set http.token_file or GEOKV_HTTP_TOKEN and restart the server")
		case g.tokenMatches(r):
		case g.failed.exhausted(peer):
			w.Header().Set("Retry-After", "5")
			return &httpError{http.StatusTooManyRequests, fail.New(fail.Busy, "too many requests with a wrong token")}
		default:
			g.failed.count(peer)
			w.Header().Set("WWW-Authenticate", `Bearer realm="geokv"`)
			return &httpError{http.StatusUnauthorized, fail.New(fail.NotAllowed, "missing or wrong token").
				WithHint("send Authorization: Bearer <token>; the command line takes it from the data directory of geokv up, or GEOKV_TOKEN")}
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return &httpError{http.StatusUnsupportedMediaType, fail.New(fail.Usage, "content type %q, want application/json", r.Header.Get("Content-Type"))}
		}
		return h(w, r)
	}
}

// tokenMatches compares digests, so that neither content nor length shows in
// the time it takes.
func (g *guard) tokenMatches(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	same := subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
	return same && strings.EqualFold(scheme, "Bearer")
}

func peerOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// failures counts wrong tokens per peer in leaking buckets. It remembers a
// bounded number of peers.
type failures struct {
	wall  func() time.Time
	mu    sync.Mutex
	peers map[string]*bucket
}

type bucket struct {
	level float64
	at    time.Time
}

const (
	failureBurst  = 20.0
	failureLeak   = 1.0 // per second
	failureMemory = 4096
)

func (f *failures) exhausted(peer string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.peers[peer]
	return b != nil && b.leaked(f.wall()) >= failureBurst
}

func (f *failures) count(peer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.wall()
	b := f.peers[peer]
	if b == nil {
		f.makeRoom(now)
		b = &bucket{at: now}
		f.peers[peer] = b
	}
	b.level, b.at = b.leaked(now)+1, now
}

// makeRoom forgets peers that are forgiven, and when that is not enough all.
func (f *failures) makeRoom(now time.Time) {
	if len(f.peers) < failureMemory {
		return
	}
	for peer, b := range f.peers {
		if b.leaked(now) == 0 {
			delete(f.peers, peer)
		}
	}
	if len(f.peers) >= failureMemory {
		clear(f.peers)
	}
}

func (b *bucket) leaked(now time.Time) float64 {
	return max(b.level-now.Sub(b.at).Seconds()*failureLeak, 0)
}
