package view

import (
	"context"
	"testing"
	"time"
)

// The lease table is young again after anything that can make it forget.
func TestTableAge(t *testing.T) {
	const upTo = 10 * time.Minute
	for what, lose := range map[string]func(ctx context.Context, db *DB) error{
		"flushed": func(ctx context.Context, db *DB) error { return db.clients.lease.FlushAll(ctx).Err() },
		"restarted from a snapshot": func(ctx context.Context, db *DB) error { // its note names the run that wrote it
			return db.clients.lease.Set(ctx, tableRunKey, "another run", 0).Err()
		},
	} {
		t.Run(what, func(t *testing.T) {
			onEngines(t, func(t *testing.T, e engine) {
				db, ctx := openDB(t, e.url), t.Context()
				age := func() time.Duration {
					t.Helper()
					age, err := db.TableAge(ctx, upTo)
					if err != nil {
						t.Fatal(err)
					}
					return age
				}
				if first, then := age(), age(); first != 0 || then > time.Minute {
					t.Errorf("a new table: %v, then %v", first, then)
				}
				if run := db.clients.lease.Get(ctx, tableRunKey).Val(); e.real && len(run) != 40 {
					t.Errorf("noted run %q of a server that tells it", run)
				}
				db.clients.lease.Del(ctx, tableYoungKey) // as after ten minutes
				if got := age(); got != upTo {
					t.Errorf("an old table: %v, want %v", got, upTo)
				}
				if err := db.Flush(ctx); err != nil { // a rebuild
					t.Fatal(err)
				}
				if got := age(); got != upTo {
					t.Errorf("after the view was flushed: %v, want %v", got, upTo)
				}
				if err := lose(ctx, db); err != nil {
					t.Fatal(err)
				}
				if first, then := age(), age(); first != 0 || then > time.Minute {
					t.Errorf("after the loss: %v, then %v", first, then)
				}
				db.clients.lease.PExpire(ctx, tableYoungKey, upTo-40*time.Second)
				if got := age(); got < 40*time.Second || got > 50*time.Second {
					t.Errorf("40 s after it: %v", got)
				}
			})
		})
	}
}

func TestTableAgeOfAServerOutOfReach(t *testing.T) {
	db := openDB(t, "redis://127.0.0.1:1")
	if age, err := db.TableAge(t.Context(), time.Minute); err == nil || age != 0 {
		t.Errorf("%v, %v, want an error", age, err)
	}
}
