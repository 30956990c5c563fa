package event_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// The order of derived ids is the order of stamps: everything about streams
// rests on it.
func TestStreamIDsKeepTheOrderOfStamps(t *testing.T) {
	draw := func(t *rapid.T, name string) hlc.Timestamp {
		return hlc.Timestamp{
			Physical: rapid.SampledFrom([]int64{0, 9, 10, 1_800_000_000_000, hlc.MaxPhysical}).Draw(t, name+" physical"),
			Logical:  rapid.SampledFrom([]uint32{0, 1, 2, 10, 1024, hlc.MaxLogical}).Draw(t, name+" logical"),
			Region:   uint8(rapid.IntRange(0, 9).Draw(t, name+" region")),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if got, want := event.IDFromHLC(a).Compare(event.IDFromHLC(b)), a.Compare(b); got != want {
			t.Fatalf("ids of %v and %v compare as %d, stamps as %d", a, b, got, want)
		}
	})
	if got := event.IDFromHLC(hlc.Timestamp{Physical: 1799999900000, Logical: 1024, Region: 1}).String(); got != "1799999900000-10241" {
		t.Errorf("got %s", got)
	}
}

func TestParseStreamID(t *testing.T) {
	for text, want := range map[string]event.StreamID{
		"0-0": {}, "5": {MS: 5}, "5-7": {MS: 5, Seq: 7},
		"18446744073709551615-18446744073709551615": {MS: math.MaxUint64, Seq: math.MaxUint64},
	} {
		if got, err := event.ParseStreamID(text); err != nil || got != want {
			t.Errorf("ParseStreamID(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", "5-", "-5", "*", "$", "+", "05", "5-07", "+5", "5-+1", "5-1-1", "5 ", "18446744073709551616", "0x5"} {
		if got, err := event.ParseStreamID(text); err == nil {
			t.Errorf("ParseStreamID(%q) = %v, want an error", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := event.StreamID{MS: rapid.Uint64().Draw(t, "ms"), Seq: rapid.Uint64().Draw(t, "seq")}
		if back, err := event.ParseStreamID(id.String()); err != nil || back != id {
			t.Fatalf("%v reads back as %v, %v", id, back, err)
		}
	})
}
