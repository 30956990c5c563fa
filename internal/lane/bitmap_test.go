package lane

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestBitmapTakesEachNumberOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, m := Bitmap{}, model{}
		for _, n := range rapid.SliceOf(rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(math.MaxInt64-200, math.MaxInt64))).Draw(t, "numbers") {
			if fresh := b.Add(n); fresh == m[n] {
				t.Fatalf("add %d: fresh %v, although it was there: %v", n, fresh, m[n])
			}
			m[n] = true
		}
	})
}
