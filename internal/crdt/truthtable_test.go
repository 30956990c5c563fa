package crdt

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// The published tables are the test data: docs/semantics.md explains their
// notation under "How to read the tables".
const document = "../../docs/semantics.md"

// TestTruthTable checks every row of "All pairs" and that no pair is missing.
func TestTruthTable(t *testing.T) {
	rows := readTable(t, "older", "newer", "result")
	type pair struct{ older, newer event.Op }
	seen := map[pair]bool{}
	for _, row := range rows {
		events := parseHistory(t, row[0]+"; "+row[1])
		p := pair{events[0].Op(), events[1].Op()}
		if seen[p] {
			t.Errorf("%s, %s stands twice", p.older, p.newer)
		}
		seen[p] = true
		checkRow(t, events, readDefault, row[2])
	}
	for _, older := range event.Ops() {
		for _, newer := range event.Ops() {
			if !seen[pair{older, newer}] {
				t.Errorf("no row for %s, %s", older, newer)
			}
		}
	}
}

// TestHistoryTables checks the tables of longer histories and of equal stamps.
func TestHistoryTables(t *testing.T) {
	rows := readTable(t, "history", "read at", "result")
	if len(rows) < 40 {
		t.Errorf("got %d rows, want the whole document", len(rows))
	}
	for _, row := range rows {
		now := int64(readDefault)
		if row[1] != "" {
			n, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				t.Fatalf("row %q: read at %q", row[0], row[1])
			}
			now = n
		}
		checkRow(t, parseHistory(t, row[0]), now, row[2])
	}
}

const readDefault = 1000

// checkRow folds the events in every order, and merges them one by one.
func checkRow(t *testing.T, events []event.Event, now int64, want string) {
	t.Helper()
	for _, e := range events {
		if err := e.Validate(); err != nil {
			t.Errorf("%v: %v", stamps(events), err)
			return
		}
	}
	permute(events, func(order []event.Event) {
		var applied, merged Key
		for _, e := range order {
			applied.Apply(e)
			merged.Merge(fold([]event.Event{e}))
		}
		if got := renderResult(applied.View(testKey, now)); got != want {
			t.Errorf("delivered as %v: got %q, want %q", stamps(order), got, want)
		}
		if got := renderResult(merged.View(testKey, now)); got != want {
			t.Errorf("merged as %v: got %q, want %q", stamps(order), got, want)
		}
	})
}

// readTable returns the rows of every table of the document that has these
// first columns, with the backquotes taken off.
func readTable(t *testing.T, columns ...string) [][]string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	inside := false
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < len(columns) || !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		for i, cell := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cell), "`")
		}
		switch {
		case strings.Join(cells[:len(columns)], "|") == strings.Join(columns, "|"):
			inside = true
		case inside && !strings.HasPrefix(cells[0], "---"):
			rows = append(rows, cells[:len(columns)])
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table with columns %v", document, columns)
	}
	return rows
}

// parseHistory reads events separated by semicolons. The n-th is stamped 10n
// ms, in region n-1 modulo 3.
func parseHistory(t *testing.T, text string) []event.Event {
	t.Helper()
	var events []event.Event
	for i, part := range strings.Split(text, ";") {
		words := strings.Fields(part)
		region := geo.Default().Regions()[i%3]
		e := event.Event{
			Version: event.FormatVersion, MinVersion: event.FormatVersion,
			ID: fmt.Sprintf("row-%d", i+1), Origin: region.Name,
			HLC:  hlc.Timestamp{Physical: int64(i+1) * 10, Region: uint8(region.Index)},
			Lane: lane.ID{Slot: 0, Incarnation: 1}, Seq: int64(i + 1), Key: testKey,
		}
		switch {
		case words[0] == "=":
			e.HLC, words = events[i-1].HLC, words[1:]
		case strings.HasPrefix(words[0], "t="):
			ms, err := strconv.ParseInt(words[0][2:], 10, 64)
			if err != nil {
				t.Fatalf("%q: %v", part, err)
			}
			e.HLC.Physical, words = ms, words[1:]
		}
		e.Args = parseArgs(t, words, append(events, e))
		events = append(events, e)
	}
	return events
}

func parseArgs(t *testing.T, words []string, events []event.Event) event.Args {
	t.Helper()
	var names [][]byte
	for _, w := range words[1:] {
		names = append(names, []byte(w))
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		return n
	}
	switch event.Op(words[0]) {
	case event.OpSet:
		a := event.Set{Value: []byte(words[1])}
		if len(words) == 4 && words[2] == "PXAT" {
			a.ExpireAtMS = number(words[3])
		}
		return a
	case event.OpDel:
		return event.Del{}
	case event.OpIncr:
		return event.Incr{Delta: number(words[1])}
	case event.OpSAdd:
		return event.SAdd{Members: names}
	case event.OpSRem:
		return event.SRem{Members: names}
	case event.OpZAdd:
		var a event.ZAdd
		for i := 1; i < len(words); i += 2 {
			score, err := event.ParseScore(words[i])
			if err != nil {
				t.Fatalf("%v: %v", words, err)
			}
			a.Members = append(a.Members, event.ScoredMember{Member: []byte(words[i+1]), Score: score})
		}
		return a
	case event.OpZRem:
		return event.ZRem{Members: names}
	case event.OpHSet:
		return event.HSet{Fields: pairs(names)}
	case event.OpHDel:
		return event.HDel{Fields: names}
	case event.OpXAdd:
		return event.XAdd{Fields: pairs(names)}
	case event.OpXDel:
		var a event.XDel
		for _, w := range words[1:] {
			a.IDs = append(a.IDs, parseRowID(t, w, events))
		}
		return a
	case event.OpXTrim:
		return event.XTrim{MinID: parseRowID(t, words[1], events)}
	}
	t.Fatalf("operation %q", words[0])
	return nil
}

// parseRowID reads "#2" (the id of the row's second event, or of this one as
// "#own") or a literal id.
func parseRowID(t *testing.T, text string, events []event.Event) event.StreamID {
	t.Helper()
	if text == "#own" {
		return event.IDFromHLC(events[len(events)-1].HLC)
	}
	if place, ok := strings.CutPrefix(text, "#"); ok {
		n, err := strconv.Atoi(place)
		if err != nil || n < 1 || n > len(events) {
			t.Fatalf("id %q", text)
		}
		return event.IDFromHLC(events[n-1].HLC)
	}
	id, err := event.ParseStreamID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func pairs(words [][]byte) []event.FieldValue {
	var out []event.FieldValue
	for i := 0; i+1 < len(words); i += 2 {
		out = append(out, event.FieldValue{Field: words[i], Value: words[i+1]})
	}
	return out
}

// renderResult writes a view as the tables do.
func renderResult(v View) string {
	var b bytes.Buffer
	b.WriteString(renderValue(v.Value))
	if v.ExpireAtMS != 0 {
		fmt.Fprintf(&b, " until %d", v.ExpireAtMS)
	}
	for _, p := range v.Parked {
		b.WriteString(", parked " + renderValue(p))
	}
	return b.String()
}

func renderValue(v Value) string {
	words := []string{v.Type.String()}
	switch v.Type {
	case String:
		words = append(words, string(v.String))
	case Set:
		for _, m := range v.Members {
			words = append(words, string(m))
		}
	case ZSet:
		for _, m := range v.Scored {
			words = append(words, string(m.Member)+"="+event.FormatScore(m.Score))
		}
	case Hash:
		words = append(words, renderFields(v.Fields)...)
	case Stream:
		for _, e := range v.Entries {
			words = append(words, e.ID.String()+"("+strings.Join(renderFields(e.Fields), " ")+")")
		}
	}
	return strings.Join(words, " ")
}

func renderFields(fields []event.FieldValue) []string {
	var out []string
	for _, f := range fields {
		out = append(out, string(f.Field)+"="+string(f.Value))
	}
	return out
}
