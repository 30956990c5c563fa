package geo

import (
	"encoding/json"
	"os"
	"testing"
)

// keyJSON is a string or {"base64": ...}, as keys stand in the vectors.
type keyJSON []byte

func (k *keyJSON) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		*k = keyJSON(s)
		return err
	}
	var b struct {
		Base64 []byte `json:"base64"`
	}
	err := json.Unmarshal(data, &b)
	*k = b.Base64
	return err
}

// TestPartitionVectors holds partitioning to the contract's table: a key's
// partition must never change.
func TestPartitionVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/partition.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Key       keyJSON `json:"key"`
		Partition int32   `json:"partition"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 10 {
		t.Fatalf("got %d vectors", len(vectors))
	}
	for _, v := range vectors {
		if got := PartitionOf(v.Key); got != v.Partition {
			t.Errorf("PartitionOf(%q) = %d, want %d", v.Key, got, v.Partition)
		}
	}
}

// The hash is that of Kafka's Java client; these are the values of its own
// unit test (UtilsTest.testMurmur2).
func TestMurmur2IsKafkas(t *testing.T) {
	for text, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(text))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", text, got, want)
		}
	}
}

func FuzzPartitionInRange(f *testing.F) {
	f.Add([]byte("sales:total"))
	f.Fuzz(func(t *testing.T, key []byte) {
		if p := PartitionOf(key); p < 0 || p >= Partitions || p != PartitionOf(key) {
			t.Errorf("PartitionOf(%q) = %d", key, p)
		}
	})
}
