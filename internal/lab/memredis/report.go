package memredis

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// version is the Redis whose answers miniredis imitates (see HELLO).
const version = "8.4.0"

// report answers INFO and CONFIG GET, from which clients learn whether this
// server suits them: miniredis knows neither.
func (c *session) report(name string, args []string) {
	if name == "CONFIG" {
		c.config(args)
		return
	}
	c.peer.WriteBulk(c.s.info(args[1:], c.loadingFlag()))
}

func (s *Server) info(sections []string, loading int) string {
	var b strings.Builder
	for _, section := range []struct{ name, text string }{
		{"Server", "redis_version:" + version + "\r\nredis_mode:standalone\r\nserver_name:geokv-embedded\r\nrun_id:" + s.runID + "\r\n"},
		{"Clients", fmt.Sprintf("connected_clients:%d\r\n", s.clients())},
		{"Memory", "maxmemory:0\r\nmaxmemory_policy:noeviction\r\n"},
		{"Persistence", fmt.Sprintf("loading:%d\r\naof_enabled:0\r\n", loading)},
		{"Stats", fmt.Sprintf("total_commands_processed:%d\r\nevicted_keys:0\r\n", s.dispatch.TotalCommands())},
		{"Replication", "role:master\r\nconnected_slaves:0\r\n"},
		{"Keyspace", s.keyspace()},
	} {
		if wanted(section.name, sections) {
			fmt.Fprintf(&b, "# %s\r\n%s\r\n", section.name, section.text)
		}
	}
	return b.String()
}

func wanted(name string, sections []string) bool {
	if len(sections) == 0 {
		return true
	}
	return slices.ContainsFunc(sections, func(s string) bool {
		return strings.EqualFold(s, name) || slices.Contains([]string{"all", "default", "everything"}, strings.ToLower(s))
	})
}

// loadingFlag agrees with what the client may do: for strangers the server is
// loading until the view is complete, but not for geokv, which completes it.
func (c *session) loadingFlag() int {
	if c.full || c.s.ready.Load() {
		return 0
	}
	return 1
}

func (s *Server) clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Server) keyspace() string {
	s.mini.Lock()
	defer s.mini.Unlock()
	var b strings.Builder
	for db := range 3 { // live, shadow, leases
		if s.inner.use(db) != nil {
			continue
		}
		if n, _ := s.inner.integer("DBSIZE"); n > 0 {
			fmt.Fprintf(&b, "db%d:keys=%d\r\n", db, n)
		}
	}
	return b.String()
}

// config serves CONFIG GET; nothing can be set.
func (c *session) config(args []string) {
	if len(args) < 3 || !strings.EqualFold(args[1], "GET") {
		c.refuse("ERR only CONFIG GET is available in the embedded Redis")
		return
	}
	settings := []struct{ name, value string }{
		{"maxmemory", "0"}, {"maxmemory-policy", "noeviction"},
		{"appendonly", "no"}, {"save", ""}, {"databases", fmt.Sprint(databases)},
	}
	settings = slices.DeleteFunc(settings, func(s struct{ name, value string }) bool {
		return !slices.ContainsFunc(args[2:], func(pattern string) bool {
			ok, err := path.Match(strings.ToLower(pattern), s.name)
			return ok && err == nil
		})
	})
	c.peer.WriteMapLen(len(settings))
	for _, s := range settings {
		c.peer.WriteBulk(s.name)
		c.peer.WriteBulk(s.value)
	}
}
