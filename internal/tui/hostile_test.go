package tui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
)

func partitionIndex(key []byte) int32 { return geo.PartitionOf(key) }

// hostile are texts that could damage a screen.
var hostile = []string{
	"\x1b[2J\x1b[31mred",
	"\x1b]0;title\x07",
	"\u202egnp.exe",
	"zero\u200bwidth\u2066x\u2069",
	"日本語キー",
	"family 👨‍👩‍👧 flag 🇩🇪 heart ❤️ wave 👋🏽",
	"Z̸̢̛̦̠͎̹̆̈́͘a̵l̶g̷o̸",
	"tab\tnewline\nreturn\r",
	"bad\xff\xfeutf8",
	"क्षत्रिय नमस्ते",
	"한국어 \u1112\u1161\u11ab",
	strings.Repeat("w", 4096),
	"\u0301leading mark",
	"\u009b31mC1",
}

func hostileScreen(s *screen) {
	var list []api.Observation
	for i, text := range hostile {
		e := written("us", 0, int64(i), event.HSet{Fields: []event.FieldValue{{Field: []byte(text), Value: []byte(text)}}}, text)
		list = append(list, everywhere(e, s.c.regions, event.Applied)...)
	}
	s.observe(list...)
	for _, region := range s.c.regions {
		state := api.RegionState{Region: region, AtMS: noon.UnixMilli()}
		for _, text := range hostile[:9] {
			v := crdt.View{Key: []byte(text), Value: crdt.Value{Type: crdt.String, String: []byte(text)}}
			state.Keys = append(state.Keys, api.KeyPage{View: v})
		}
		s.fake.states[region] = state
	}
	s.regions.all, s.regions.raw, s.regions.held = nil, map[string][]byte{}, map[string]bool{}
	s.look()
}

// TestHostileTextNeverLeavesItsCell holds every screen to its size, by both ways
// in which terminals count cells, and to being free of what could act.
func TestHostileTextNeverLeavesItsCell(t *testing.T) {
	open := map[string]func(s *screen){
		"log":     func(s *screen) {},
		"regions": func(s *screen) { s.press("1", "z") },
		"detail":  func(s *screen) { s.press("enter") },
		"inspect": func(s *screen) { s.press("i") },
		"command": func(s *screen) { s.press("up", "y") },
		"form":    func(s *screen) { s.press("w"); s.form.key.set(hostile[5]); s.form.args.set(hostile[2]) },
		"filter":  func(s *screen) { s.press("/"); s.typeText(hostile[6]) },
		"palette": func(s *screen) { s.press(":"); s.typeText(hostile[4]) },
	}
	for name, prepare := range open {
		for row := range hostile {
			for _, size := range [][2]int{{64, 18}, {80, 24}, {133, 37}} {
				t.Run(fmt.Sprintf("%s/%d/%dx%d", name, row, size[0], size[1]), func(t *testing.T) {
					s := newScreen(t, size[0], size[1])
					hostileScreen(s)
					s.events.goTo(row)
					prepare(s)
					checkCells(t, s.draw(), size[0])
				})
			}
		}
	}
}

func checkCells(t *testing.T, text string, w int) {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if got := ansi.StringWidthWc(line); got != w {
			t.Errorf("line %d has %d cells on a terminal that counts runes, want %d: %q", i, got, w, line)
		}
		for _, r := range line {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x200b || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfe0f {
				t.Fatalf("line %d has %U: %q", i, r, line)
			}
		}
	}
}

func TestCleanKeepsWhatIsHarmless(t *testing.T) {
	for _, text := range []string{"sales:total", "日本語キー", "naïve café", "สวัสดี", "한국어", "e\u0301", "ünï", "emoji 👋 ok"} {
		if got := clean(text); got != text {
			t.Errorf("clean(%q) = %q", text, got)
		}
	}
}

func TestCleanSpellsOutWhatTerminalsDisagreeOn(t *testing.T) {
	for text, want := range map[string]string{
		"❤️":        `❤\ufe0f`,
		"नमस्ते":    `नमस\u094d\u0924\u0947`,
		"कि":        `क\u093f`,
		"🇩🇪":        `\U0001f1e9\U0001f1ea`,
		"👋🏽":        `👋\U0001f3fd`,
		"\x1b[31m":  `\x1b[31m`,
		"a\u202eb":  `a\u202eb`,
		"\u0301x":   `\u0301x`,
		"bad\xffok": `bad\xffok`,
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestEverySizeIsFilledExactly walks sizes from the smallest up, with one to ten
// regions, and every overlay.
func TestEverySizeIsFilledExactly(t *testing.T) {
	opens := [][]string{nil, {"1"}, {"1", "z"}, {"3"}, {"4"}, {"3", "z"}, {"4", "z"}, {"2", "z"}, {"?"}, {":"}, {"w"}, {"i"}, {"up", "enter"}, {"1", "x"}, {"/"}, {"y"}}
	for _, regions := range [][]string{{"us"}, {"us", "eu"}, {"us", "eu", "ap"}, tenRegions} {
		s := newScreen(t, 64, 18, regions...)
		s.traffic()
		for _, keys := range opens {
			s.press(keys...)
			for w := minWidth; w <= 210; w += 29 {
				for h := minHeight; h <= 60; h += 13 {
					s.send(windowSize(w, h))
					s.draw()
				}
			}
			if t.Failed() {
				t.Fatalf("regions %d keys %v", len(regions), keys)
			}
			s.overlays, s.zoomed = nil, false
		}
	}
}
