package avro

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/geokv/geokv/internal/event"
)

var update = flag.Bool("update", false, "add samples that are missing from testdata/golden.json")

const goldenFile = "testdata/golden.json"

// golden is one event as JSON and as the bytes that stand in real logs.
type golden struct {
	Event json.RawMessage `json:"event"`
	Frame string          `json:"frame"`
}

// TestGoldenBytes holds the format to bytes that never change: logs are kept
// for ever, and a changed byte would change the meaning of what is in them.
func TestGoldenBytes(t *testing.T) {
	c := newTestCodec(t)
	all := readGolden(t)
	for name, e := range samples() {
		if _, ok := all[name]; !ok && *update {
			all[name] = makeGolden(t, c, e)
		}
		g, ok := all[name]
		if !ok {
			t.Errorf("%s is not in %s; add it with -update", name, goldenFile)
			continue
		}
		frame, err := hex.DecodeString(g.Frame)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustEncode(t, c, e).Value; !bytes.Equal(got, frame) {
			t.Errorf("%s encodes as\n%x\nwant\n%x", name, got, frame)
		}
		if got, err := c.Decode(t.Context(), recordOf(e, frame)); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s decodes as %+v, %v", name, got, err)
		}
		var fromJSON event.Event
		if err := json.Unmarshal(g.Event, &fromJSON); err != nil || !reflect.DeepEqual(fromJSON, e) {
			t.Errorf("%s in JSON is %+v, %v", name, fromJSON, err)
		}
	}
	if *update {
		writeGolden(t, all)
	}
}

func makeGolden(t *testing.T, c *Codec, e event.Event) golden {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return golden{text, hex.EncodeToString(mustEncode(t, c, e).Value)}
}

func readGolden(t *testing.T) map[string]golden {
	t.Helper()
	all := map[string]golden{}
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		if *update && os.IsNotExist(err) {
			return all
		}
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func writeGolden(t *testing.T, all map[string]golden) {
	t.Helper()
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(data, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBytesByHand spells one record out from Avro's specification, so that the
// golden file cannot have been made by a library that is wrong.
func TestBytesByHand(t *testing.T) {
	c := newTestCodec(t)
	e := eventOf("k", event.ZAdd{Members: []event.ScoredMember{{Member: []byte("m"), Score: 1.5}}})
	e.ID = "id"
	want := bytes.Join([][]byte{
		{0, 0, 0, 0, 1},                      // frame
		{2},                                  // v 1
		{2},                                  // min_ver 1
		{4, 'i', 'd'},                        // event_id
		{4, 'e', 'u'},                        // origin_region
		{2},                                  // region_idx 1
		{0xf6, 0xa1, 0xab, 0xfe, 0xf9, 0x62}, // hlc.physical_ms 1700000000123
		{0x8e, 0x50},                         // hlc.logical 5127
		{4, 'e', 'u'},                        // hlc.region
		{14},                                 // slot 7
		{0x82, 0x80, 0xf2, 0x81, 0x83, 0x89, 0x85, 0x06}, // incarnation 1700000000000001
		{84},                           // seq 42
		{2, 'k'},                       // key
		{8, 'Z', 'A', 'D', 'D'},        // op
		{8},                            // payload: branch 4
		{1, 20},                        // block of 1 item, 10 bytes
		{2, 'm'},                       // member
		{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, // score 1.5, little-endian
		{0},                            // end of blocks
	}, nil)
	if got := mustEncode(t, c, e).Value; !bytes.Equal(got, want) {
		t.Errorf("encoded as\n% x\nwant\n% x", got, want)
	}
}
