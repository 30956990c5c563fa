package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !For(t.Context(), time.Second) || time.Since(began) != time.Second {
			t.Errorf("ended after %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if For(ctx, time.Hour) || time.Since(began) != time.Second {
			t.Errorf("outlived its context: %v", time.Since(began))
		}
		news := make(chan struct{}, 1)
		news <- struct{}{}
		began = time.Now()
		if !Until(t.Context(), news, time.Hour) || time.Since(began) != 0 {
			t.Errorf("news were waited out: %v", time.Since(began))
		}
		if For(ctx, 0) {
			t.Error("an ended context counts as alive")
		}
	})
}
