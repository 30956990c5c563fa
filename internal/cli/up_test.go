package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/datadir"
	"github.com/geokv/geokv/internal/out"
)

// A cluster that is up before its views are says so; views that are soon whole
// are waited for.
func TestUpSaysThatReadsWait(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration
		code  fail.Code
		want  bool
	}{
		"whole":       {0, fail.Rebuilding, false},
		"soon whole":  {300 * time.Millisecond, fail.Rebuilding, false},
		"a large log": {5 * time.Second, fail.Rebuilding, true},
		"no bridge":   {5 * time.Second, fail.Unavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := rebuilding(t.Context(), func(context.Context) error {
					if time.Since(began) < tt.after {
						return fail.New(tt.code, "not yet")
					}
					return nil
				})
				if took := time.Since(began); got != tt.want || took > settleWithin {
					t.Errorf("rebuilding is %v after %v, want %v", got, took, tt.want)
				}
			})
		})
	}
	var text bytes.Buffer
	p, err := out.New(&text, &text, out.Table, out.ColorNever, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if err := (&session{printer: p}).announce(home{}, started{ReadyMS: 400, Rebuilding: true, Regions: []datadir.Region{{Name: "solo"}}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "reads wait (geokv status)") {
		t.Errorf("nothing says that reads wait in\n%s", text.String())
	}
	if !strings.Contains(text.String(), "--region solo ") {
		t.Errorf("the commands to try name a region that is not there:\n%s", text.String())
	}
}
