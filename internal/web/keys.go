package web

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// beforePathsAreCleaned takes /api/regions/{region}/key/{key} out before the
// mux sees it: the mux would redirect a key such as a//b to another key. What
// follows /key/ is the key, percent-encoded, slashes and all.
func (s *Server) beforePathsAreCleaned(next http.Handler) http.Handler {
	h := s.route("/api/regions/{region}/key/{key}", s.keyByPath)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := splitKeyPath(r.URL.EscapedPath()); ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func splitKeyPath(escaped string) (region, key string, ok bool) {
	rest, ok := strings.CutPrefix(escaped, "/api/regions/")
	if !ok {
		return "", "", false
	}
	region, rest, _ = strings.Cut(rest, "/")
	key, ok = strings.CutPrefix(rest, "key/")
	return region, key, ok
}

func (s *Server) keyByPath(w http.ResponseWriter, r *http.Request) error {
	region, escaped, _ := splitKeyPath(r.URL.EscapedPath())
	key, err := url.PathUnescape(escaped)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read the key in the path").WithHint("percent-encode it, or use /key?k= with base64url")
	}
	return s.key(w, r, region, []byte(key))
}

func (s *Server) keyByQuery(w http.ResponseWriter, r *http.Request) error {
	text := strings.TrimRight(r.URL.Query().Get("k"), "=")
	key, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read k").WithHint("k is the key's bytes in base64url")
	}
	return s.key(w, r, r.PathValue("region"), key)
}

func (s *Server) key(w http.ResponseWriter, r *http.Request, region string, key []byte) error {
	q := api.KeyQuery{Region: region, Key: key, Cursor: r.URL.Query().Get("cursor")}
	if err := s.checkRegion(region); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > event.MaxKeyBytes {
		return fail.New(fail.Usage, "key of %d bytes, want 1 to %d", len(key), event.MaxKeyBytes)
	}
	limit, err := intOf(r, "limit", api.DefaultPage, 0, api.MaxPage)
	if err != nil {
		return err
	}
	q.Limit = int(limit)
	if text := r.URL.Query().Get("type"); text != "" && text != "auto" {
		t, ok := crdt.ParseType(text)
		if !ok || t == crdt.None {
			return fail.New(fail.Usage, "type %q, want auto, string, set, zset, hash or stream", text)
		}
		q.Type = t
	}
	if limit > 0 {
		return s.answerKey(w, r, q)
	}
	if q.Cursor != "" {
		return fail.New(fail.Usage, "limit=0 reads the whole value, which has no cursor")
	}
	q.Limit = api.WholeValue
	return s.inTurn(func(w http.ResponseWriter, r *http.Request) error { return s.answerKey(w, r, q) })(w, r)
}

func (s *Server) answerKey(w http.ResponseWriter, r *http.Request, q api.KeyQuery) error {
	page, err := s.Service.Key(r.Context(), q)
	if err != nil {
		return err
	}
	page.View = ofType(page.View, q.Type)
	return answer(w, page)
}

// ofType shows the value of one type: the visible one, or the one parked behind
// it, which has no expiry of its own to show.
func ofType(v crdt.View, t crdt.Type) crdt.View {
	if t == crdt.None || v.Type == t {
		return v
	}
	shown := crdt.View{Key: v.Key}
	for _, p := range v.Parked {
		if p.Type == t {
			shown.Value = p
		}
	}
	return shown
}

func (s *Server) keys(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	q := api.KeysQuery{Region: r.PathValue("region"), Match: query.Get("match"), Cursor: query.Get("cursor")}
	if err := s.checkRegion(q.Region); err != nil {
		return err
	}
	limit, err := intOf(r, "limit", api.DefaultPage, 1, api.MaxPage)
	if err != nil {
		return err
	}
	q.Limit = int(limit)
	list, err := s.Service.Keys(r.Context(), q)
	if err != nil {
		return err
	}
	if list.Keys == nil {
		list.Keys = []event.Bytes{}
	}
	return answer(w, list)
}

func (s *Server) state(w http.ResponseWriter, r *http.Request) error {
	region := r.PathValue("region")
	if err := s.checkRegion(region); err != nil {
		return err
	}
	state, err := s.Service.State(r.Context(), region)
	if err != nil {
		return err
	}
	return answer(w, state)
}

func (s *Server) checkRegion(name string) error {
	if _, ok := s.topology.Lookup(name); ok {
		return nil
	}
	return geo.UnknownRegion(name, s.topology.Names())
}

// intOf reads a whole number of the query within bounds.
func intOf(r *http.Request, name string, standard, least, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fail.New(fail.Usage, "%s=%q, want a whole number from %d to %d", name, text, least, most)
	}
	return n, nil
}
