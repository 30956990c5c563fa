package fold

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lane"
	"github.com/geokv/geokv/internal/view"
)

// Redis is the engine that runs the merge scripts on a scratch database. Open
// it with OpenRedis and Close it.
type Redis struct {
	db     *view.DB
	offset int64 // position of the part at hand
}

// OpenRedis claims database number of the server at url, which must be empty.
// The error is a *fail.Error that says what is wrong with it.
func OpenRedis(ctx context.Context, url string, number int) (*Redis, error) {
	if number == view.LeaseDB {
		return nil, fail.New(fail.Usage, "database %d holds the leases of a region", number).WithHint("choose another --db")
	}
	db, err := view.Open(view.Config{URL: url, DB: number})
	if err != nil {
		return nil, err
	}
	if err := db.Check(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.ClaimScratch(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Redis{db: db}, nil
}

// Close empties the database and gives it back.
func (r *Redis) Close(ctx context.Context) error {
	return errors.Join(r.db.ReleaseScratch(ctx), r.db.Close())
}

const (
	topic     = "fold" // positions of the scratch database
	chunkMost = 4096   // events per batch when the caller does not mind
	readMost  = 256    // keys per round trip
)

// fold applies a part and reads its keys back. The database is emptied between
// parts, so that Redis holds no more than one either.
func (r *Redis) fold(ctx context.Context, p *part, chunk int, now int64, emit func(crdt.View) error) error {
	r.offset = 0
	keys, err := r.applyAll(ctx, p, chunk, now)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(keys)), readMost) {
		names := make([][]byte, len(batch))
		for i, key := range batch {
			names[i] = []byte(key)
		}
		views, err := r.db.ReadMany(ctx, names, view.ReadOptions{Now: now})
		if err != nil {
			return err
		}
		for _, v := range views {
			if err := emit(v); err != nil {
				return err
			}
		}
	}
	return r.db.ResetScratch(ctx)
}

// applyAll feeds the part's events in batches and returns its keys.
func (r *Redis) applyAll(ctx context.Context, p *part, chunk int, now int64) (map[string]struct{}, error) {
	keys, seen := map[string]struct{}{}, map[identity]struct{}{}
	batch, n := view.NewBatch(now, true), 0
	send := func() error {
		if n == 0 {
			return nil
		}
		err := r.apply(ctx, p, batch, r.offset+int64(n))
		r.offset += int64(n)
		batch, n = view.NewBatch(now, true), 0
		return err
	}
	err := p.events(ctx, func(e event.Event) error {
		n++
		if id := identityOf(e); !has(seen, id) {
			seen[id] = struct{}{}
			keys[string(e.Key)] = struct{}{}
			batch.Add(e)
		}
		if chunk > 0 && n >= chunk || chunk <= 0 && (n >= chunkMost || batch.Full()) {
			return send()
		}
		return nil
	})
	if err == nil {
		err = send()
	}
	return keys, err
}

// apply sends a batch that moves the position from r.offset to to. A repair
// reads the events of its keys from the part, up to the end of the batch.
func (r *Redis) apply(ctx context.Context, p *part, b *view.Batch, to int64) error {
	b.Ranges = []view.Range{{Topic: topic, From: r.offset, To: to}}
	_, err := r.db.Apply(ctx, b)
	var short *view.RepairError
	if errors.As(err, &short) {
		if b.Installs, err = recount(ctx, p, short.Keys, to); err == nil {
			_, err = r.db.Apply(ctx, b)
		}
	}
	if errors.Is(err, view.ErrStale) || errors.Is(err, view.ErrHold) {
		return fail.Wrap(fail.Unavailable, err, "fold on redis").
			WithHint("another process writes to the scratch database; choose another --db")
	}
	if err != nil {
		return fmt.Errorf("fold on redis: %w", err)
	}
	return nil
}

// recount computes what the keys hold from the first n records of the part.
func recount(ctx context.Context, p *part, keys []view.RepairKey, n int64) ([]view.Install, error) {
	wanted := map[string]struct{}{}
	for _, k := range keys {
		wanted[string(k.Key)] = struct{}{}
	}
	return view.Recount(keys, func(each func(event.Event)) error {
		r := p.records()
		for range n {
			if more, err := r.next(); err != nil || !more {
				return err
			}
			if !has(wanted, string(r.key)) {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			e, err := parse(r.line)
			if err != nil {
				return err
			}
			each(e)
		}
		return nil
	})
}

// identity is what makes two lines the same event, as in the reference model.
type identity struct {
	key, origin string
	lane        lane.ID
	seq         int64
}

func identityOf(e event.Event) identity { return identity{string(e.Key), e.Origin, e.Lane, e.Seq} }

func has[K comparable](set map[K]struct{}, k K) bool {
	_, ok := set[k]
	return ok
}
