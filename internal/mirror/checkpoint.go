package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/wal"
)

// Checkpoint is how far a flow is. The end of the target's topic would not do:
// offsets differ once anything was copied twice. It is only good for the very
// topics it was made with, and only while the target still has all that it
// acknowledged; otherwise the flow starts over. What it cannot tell is a source
// that lost its tail in a power failure and grew past the position again before
// the mirror ran: the lanes show that hole.
type Checkpoint struct {
	SourceID string          `json:"source_id"` // identity of the topic on the source
	TargetID string          `json:"target_id"` // and on the target
	Source   map[int32]int64 `json:"source"`    // partition -> next offset to copy
	Target   map[int32]int64 `json:"target"`    // partition -> end of the target when it acknowledged last
}

// Store keeps checkpoints over restarts. A checkpoint that is older than the
// truth costs duplicates; one that is newer would cost records, so Save is
// called only with what the target has acknowledged.
type Store interface {
	Load(geo.Flow) (c Checkpoint, ok bool, err error)
	Save(geo.Flow, Checkpoint) error
}

type forgetful struct{}

func (forgetful) Load(geo.Flow) (Checkpoint, bool, error) { return Checkpoint{}, false, nil }
func (forgetful) Save(geo.Flow, Checkpoint) error         { return nil }

// Files is a Store of one file per flow in a directory.
type Files string

// Load reads the checkpoint of a flow; ok is false when there is none, or none
// that can be read.
func (dir Files) Load(f geo.Flow) (c Checkpoint, ok bool, err error) {
	text, err := os.ReadFile(dir.name(f))
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	return c, err == nil, err
}

// Save replaces the checkpoint of a flow.
func (dir Files) Save(f geo.Flow, c Checkpoint) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("describe position of %s: %w", f, err)
	}
	temp := dir.name(f) + ".new"
	if err := os.WriteFile(temp, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("save position of %s: %w", f, err)
	}
	if err := os.Rename(temp, dir.name(f)); err != nil {
		return fmt.Errorf("save position of %s: %w", f, err)
	}
	return nil
}

func (dir Files) name(f geo.Flow) string {
	return filepath.Join(string(dir), f.From+"-to-"+f.To+".json")
}

// load takes the stored position, unless it cannot be read: then the flow
// copies everything again.
func (f *flow) load() {
	at, ok, err := f.store.Load(f.Flow)
	if err != nil {
		f.logger.Warn("mirror position is unreadable: copying the whole topic again", "err", err)
	}
	if ok {
		f.mu.Lock()
		f.at = at
		f.mu.Unlock()
	}
}

// save stores the position when it changed.
func (f *flow) save() {
	f.mu.Lock()
	at, due := f.at.clone(), !f.saved
	f.saved = true
	f.mu.Unlock()
	if !due {
		return
	}
	if err := f.store.Save(f.Flow, at); err != nil {
		f.logger.Warn("mirror position not saved: records will be copied again after a restart", "err", err)
		f.mu.Lock()
		f.saved = false
		f.mu.Unlock()
	}
}

// check drops from the position what does not stand any more.
func (f *flow) check(ctx context.Context, source, target *wal.Log) error {
	at := f.position()
	firm, err := f.firm(ctx, at, source, target)
	if err != nil {
		return err
	}
	if at.TargetID != "" && !firm.equal(at) {
		f.logger.Warn("a topic was re-created or the target lost what it had acknowledged: copying again")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !firm.equal(at) {
		f.saved = false // what was dropped must not come back after a crash
	}
	f.at = firm
	return nil
}

// firm returns the part of a position that belongs to the topics that exist now
// and to records that the target still has.
func (f *flow) firm(ctx context.Context, at Checkpoint, source, target *wal.Log) (Checkpoint, error) {
	sourceID, err := topicID(ctx, source, f.topic)
	if err != nil {
		return at, err
	}
	targetID, err := topicID(ctx, target, f.topic)
	if err != nil {
		return at, err
	}
	ends, err := target.Ends(ctx, f.topic)
	if err != nil {
		return at, err
	}
	if at.SourceID != sourceID || at.TargetID != targetID {
		at = Checkpoint{SourceID: sourceID, TargetID: targetID}
	}
	at = at.clone()
	for p, end := range at.Target {
		if ends[wal.Partition{Topic: f.topic, Index: p}] < end {
			delete(at.Source, p)
			delete(at.Target, p)
		}
	}
	return at, nil
}

func topicID(ctx context.Context, log *wal.Log, topic string) (string, error) {
	ids, err := log.TopicIDs(ctx, topic)
	if err != nil {
		return "", err
	}
	id, ok := ids[topic]
	if !ok {
		return "", fmt.Errorf("topic %s does not exist", topic)
	}
	return id, nil
}

func (c Checkpoint) clone() Checkpoint {
	c.Source, c.Target = maps.Clone(c.Source), maps.Clone(c.Target)
	if c.Source == nil {
		c.Source = map[int32]int64{}
	}
	if c.Target == nil {
		c.Target = map[int32]int64{}
	}
	return c
}

func (c Checkpoint) equal(d Checkpoint) bool {
	return c.SourceID == d.SourceID && c.TargetID == d.TargetID && maps.Equal(c.Source, d.Source) && maps.Equal(c.Target, d.Target)
}

func (f *flow) position() Checkpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at.clone()
}

// starts is where to read on; partitions that are not in it start at the
// beginning of the log.
func (f *flow) starts() map[wal.Partition]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	starts := map[wal.Partition]int64{}
	for p, offset := range f.at.Source {
		starts[wal.Partition{Topic: f.topic, Index: p}] = offset
	}
	return starts
}

// expectAck notes that records were handed to the target.
func (f *flow) expectAck() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = time.Now()
}

// acknowledged moves the position behind records that the target has at the
// given offsets.
func (f *flow) acknowledged(records []event.Record, offsets []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = time.Time{}
	f.copied += int64(len(records))
	f.saved = false
	for i, r := range records {
		f.at.Source[r.Partition] = r.Offset + 1
		f.at.Target[r.Partition] = max(f.at.Target[r.Partition], offsets[i]+1)
	}
	f.settle()
}

// settle forgets trouble that is over; it needs mu.
func (f *flow) settle() {
	if f.trouble != "" {
		f.logger.Info("mirror flow is up again")
		f.trouble = ""
	}
}

// measured takes the ends of the source's topic; both regions answered.
func (f *flow) measured(ends map[wal.Partition]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lag = 0
	for p, end := range ends {
		f.lag += max(end-f.at.Source[p.Index], 0)
	}
	if f.lag == 0 { // else only an acknowledgement proves that copying works
		f.settle()
	}
}
