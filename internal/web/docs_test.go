package web_test

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/fail"
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

// The table of errors tells the status that an answer with the code has.
func TestEveryStatusIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	checked := 0
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z_, ]+)(?::[^|]*)? \| (\d+)[^|]* \| \d \|$`).FindAllStringSubmatch(string(doc), -1) {
		for code := range strings.SplitSeq(row[1], ", ") {
			checked++
			f.set(func(f *fakeService) { f.err = fail.New(fail.Code(code), "m") })
			w := ask(f.server, "GET", "/api/status", "")
			if strconv.Itoa(w.Code) != row[2] || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) {
				t.Errorf("%s is answered with %d %s, the document says %s", code, w.Code, w.Body, row[2])
			}
			if retry := w.Header().Get("Retry-After") != ""; retry != (w.Code == 503) {
				t.Errorf("%s: Retry-After %v", code, retry)
			}
		}
	}
	if checked < 12 {
		t.Errorf("only %d codes found: the test looks in the wrong place", checked)
	}
}
