package web_test

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The document lists what the server routes, and nothing else.
func TestEveryRouteIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("server.go")
	if err != nil {
		t.Fatal(err)
	}
	routed := map[string]bool{"GET /api/regions/{region}/key/{key}": true, "GET /metrics": true}
	for _, m := range regexp.MustCompile(`\b(read|write)\("(/[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		routed[map[string]string{"read": "GET", "write": "POST"}[m[1]]+" "+m[2]] = true
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ((GET|POST) /\S*) \|`).FindAllStringSubmatch(string(doc), -1) {
		documented[m[1]] = true
	}
	for route := range routed {
		if !documented[route] {
			t.Errorf("docs/http.md lacks %s", route)
		}
	}
	for route := range documented {
		if !routed[route] {
			t.Errorf("docs/http.md has %s, which is not routed", route)
		}
	}
	if len(routed) < 20 || !strings.Contains(string(doc), "Last-Event-ID") {
		t.Errorf("found only %d routes: the test looks in the wrong place", len(routed))
	}
}

// The table of metrics has every metric with its labels, and nothing else.
func TestEveryMetricIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // name -> labels
	for _, m := range regexp.MustCompile("(?m)^\\| (`geokv_.*?) \\| (.*?) ?\\|").FindAllStringSubmatch(string(doc), -1) {
		for _, name := range strings.Split(m[1], ", ") {
			documented[strings.Trim(name, "`")] = strings.ReplaceAll(strings.ReplaceAll(m[2], "`", ""), " ", "")
		}
	}
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]string{}
	for _, m := range regexp.MustCompile(`desc\("(\w+)", "[^"]*"(?:, )?([^)]*)\)`).FindAllStringSubmatch(string(source), -1) {
		defined["geokv_"+m[1]] = strings.ReplaceAll(strings.ReplaceAll(m[2], `"`, ""), " ", "")
	}
	for _, m := range regexp.MustCompile(`Name: "(\w+)", Help: "[^"]*"\}(?:, \[\]string\{([^}]*)\})?`).FindAllStringSubmatch(string(source), -1) {
		defined[m[1]] = strings.ReplaceAll(strings.ReplaceAll(m[2], `"`, ""), " ", "")
	}
	if !maps.Equal(defined, documented) {
		t.Errorf("docs/http.md has\n%v\nmetrics.go has\n%v", documented, defined)
	}
	if len(defined) < 20 {
		t.Errorf("found only %d metrics: the test looks in the wrong place", len(defined))
	}
}
