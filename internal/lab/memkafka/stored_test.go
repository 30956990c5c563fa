package memkafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// TestDamagedOffsetsAreRefused flips a bit that no checksum covers. Followed,
// the log would end at an offset in the quadrillions or below zero, and every
// reader of it would be lost.
func TestDamagedOffsetsAreRefused(t *testing.T) {
	dir := t.TempDir()
	k := start(t, Config{DataDir: dir})
	c := client(t, k)
	createTopics(t, c)
	for _, value := range []string{"a", "b", "c"} {
		if err := produce(t.Context(), c, "eu.events", 4, time.Now(), value); err != nil {
			t.Fatal(err)
		}
	}
	k.Close()
	segment := filepath.Join(dir, "partitions", "eu.events-4", "0.dat")
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	one := len(whole) / 3
	for name, at := range map[string]int{"the sign": one, "a high byte": 2*one + 1, "the lowest byte": one + 7} {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 0x80
		if err := os.WriteFile(segment, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(Config{Topic: "us.events", DataDir: dir})
		if fail.CodeOf(err) != fail.Unavailable || !strings.Contains(err.Error(), "eu.events-4") || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	next := append([]byte(nil), whole[:one]...)
	next[7] = 3
	for name, tail := range map[string][]byte{"a batch cut short": next[:one-5], "zeros after a power loss": make([]byte, 100)} {
		if err := os.WriteFile(segment, append(append([]byte(nil), whole...), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := Start(Config{Topic: "us.events", DataDir: dir})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := values(t, k, "eu.events", 3); len(got) != 3 {
			t.Errorf("%s: read %v", name, got)
		}
		k.Close()
	}
}

// TestLogGoesOnAfterADamagedBatchWasCutOff flips a bit in the last of three
// batches of a log that was closed well: what is appended then has to be there,
// now and after the next start.
func TestLogGoesOnAfterADamagedBatchWasCutOff(t *testing.T) {
	dir := t.TempDir()
	k := start(t, Config{DataDir: dir})
	c := client(t, k)
	createTopics(t, c)
	for _, value := range []string{"a", "b", "c"} {
		if err := produce(t.Context(), c, "us.events", 4, time.Now(), value); err != nil {
			t.Fatal(err)
		}
	}
	k.Close()
	damageLastBatch(t, filepath.Join(dir, "partitions", "us.events-4"))
	k = start(t, Config{DataDir: dir})
	if len(k.Damage()) == 0 {
		t.Error("the damage was not reported")
	}
	for _, value := range []string{"d", "e"} {
		if err := produce(t.Context(), client(t, k), "us.events", 4, time.Now(), value); err != nil {
			t.Fatal(err)
		}
	}
	const want = "a b d e"
	if got := strings.Join(values(t, k, "us.events", 4), " "); got != want {
		t.Errorf("after the cut: %s, want %s", got, want)
	}
	k.Close()
	k = start(t, Config{DataDir: dir})
	if got := strings.Join(values(t, k, "us.events", 4), " "); got != want {
		t.Errorf("after another start: %s, want %s", got, want)
	}
}
