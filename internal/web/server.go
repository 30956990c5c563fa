// Package web serves the HTTP API: JSON answers, the event stream, metrics and
// probes, over whatever the Service interface hides. It decides who may ask:
// writes need the token, every request an allowed host, and browsers of other
// origins are refused.
package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// Limits of one server.
const (
	maxBody        = 1 << 20
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second // reading one whole request
	answerTimeout  = 30 * time.Second // writing one answer; streams extend it as they go
	idleTimeout    = 60 * time.Second
	maxHeader      = 16 << 10
	maxWaiting     = 128 // concurrent requests that wait or read logs
	maxWholes      = 4   // concurrent reads of whole values
)

// Config is what a Server needs.
type Config struct {
	Service Service
	Sim     Simulator
	Lab     Lab // nil: nothing may be broken here

	Token        string   // what writes must present; empty refuses every write
	AllowHosts   []string // host names besides loopback and the address asked at
	AllowOrigins []string // browser origins besides the server's own, exact

	Version string
	Wall    func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: discard

	MaxStreams   int // concurrent readers of the event stream; 0: 1,000
	StreamBuffer int // observations a reader may be behind before it loses any; 0: 8,192
}

// Server is the API of one process.
type Server struct {
	Config
	topology geo.Topology
	started  time.Time
	guard    *guard
	metrics  *metrics
	streams  limiter
	waiting  limiter
	wholes   limiter
	handler  http.Handler

	http    *http.Server
	serving context.Context // ended by Shutdown: streams and patient requests end with it
	stop    context.CancelFunc
}

// New makes a server. It listens on nothing yet; Handler may also be used alone.
func New(c Config) (*Server, error) {
	c.MaxStreams = cmp.Or(c.MaxStreams, 1000)
	c.StreamBuffer = cmp.Or(c.StreamBuffer, 8192)
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g, err := newGuard(c)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Config: c, topology: c.Service.Topology(), started: c.Wall(), guard: g,
		streams: newLimiter(c.MaxStreams), waiting: newLimiter(maxWaiting), wholes: newLimiter(maxWholes),
	}
	s.serving, s.stop = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	s.handler = s.routes()
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Handler returns the whole API with its checks.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on l until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if s.Token == "" {
		s.Logger.Warn("no token is configured: every write over HTTP is refused", "listen", l.Addr().String())
	}
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fail.Wrap(fail.Internal, err, "serve the API on %s", l.Addr())
	}
	return nil
}

// Shutdown ends event streams and requests that wait, lets the others finish
// until ctx ends, then closes their connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// routes is the map of the API.
//
//	request -> headers, host, origin -> route -> [token, JSON body] -> Service
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	read := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.Handle("GET "+pattern, s.route(pattern, h))
	}
	write := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.Handle("POST "+pattern, s.route(pattern, s.guard.authorized(h)))
	}
	read("/api/health", s.health)
	read("/api/status", s.status)
	read("/api/events", s.events)
	read("/api/log", s.patient(s.log))
	read("/api/await", s.patient(s.await))
	read("/api/regions/{region}/state", s.state)
	read("/api/regions/{region}/keys", s.keys)
	read("/api/regions/{region}/key", s.keyByQuery)
	write("/api/produce", s.produce)
	write("/api/plan", s.plan)
	read("/api/sim", s.sim)
	write("/api/sim/start", s.simStart)
	write("/api/sim/stop", s.simStop)
	write("/api/sim/rate", s.simRate)
	read("/api/lab", s.lab)
	write("/api/lab/links/{from}/{to}", s.labLink)
	write("/api/lab/regions/{region}", s.labRegion)
	read("/livez", s.livez)
	read("/readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.Handle("/", s.route("unknown", s.unknown))
	return s.guard.protect(s.beforePathsAreCleaned(mux))
}

// route wraps a handler that returns its error, and counts the answers.
func (s *Server) route(name string, h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		if err := h(rec, r); err != nil {
			s.fail(rec, r, err)
		}
		s.metrics.answered(name, rec.status)
	})
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// limiter bounds how many requests of a kind run at once.
type limiter chan struct{}

func newLimiter(n int) limiter { return make(limiter, n) }

// enter returns the function that leaves, or false when the house is full.
func (l limiter) enter() (leave func(), ok bool) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, true
	default:
		return nil, false
	}
}
