package view

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Position is how far one topic's partition has been applied: the next offset
// and, per lane, the sequence numbers taken. Offset is 0 and everything else
// empty when nothing was ever applied.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64                // next offset to apply
	Epoch     int32                // leader epoch of the record before Offset; -1 when not known
	Marks     [2]int64             // b and n: batches begun and batches finished; unequal after a torn replay
	HLC       hlc.Timestamp        // greatest stamp applied; Region is the stamping region's index
	Lanes     map[lane.ID]lane.Set // all lanes, or those asked for; a lane never seen is absent
}

// Torn reports that a batch was applied in part or twice: the view can only be rebuilt.
func (p Position) Torn() bool { return p.Marks[0] != p.Marks[1] }

// Positions returns the full positions of a topic's partitions, in the order
// asked for, with every lane. For status and audits; the apply path uses Position.
func (db *DB) Positions(ctx context.Context, topic string, partitions ...int32) ([]Position, error) {
	pipe := db.clients.read.Pipeline()
	replies := make([]*redis.MapStringStringCmd, len(partitions))
	for i, p := range partitions {
		replies[i] = pipe.HGetAll(ctx, posKey(topic, p))
	}
	pipe.Exec(ctx) // every reply is checked below
	out := make([]Position, len(partitions))
	for i, p := range partitions {
		fields, err := replies[i].Result()
		if err == nil {
			out[i], err = parsePosition(topic, p, fields)
		}
		if err != nil {
			return nil, fmt.Errorf("read position of %s/%d: %w", topic, p, err)
		}
	}
	return out, nil
}

// Offsets returns how far every partition of the topics has been applied, by
// topic and partition, in one round trip.
func (db *DB) Offsets(ctx context.Context, topics ...string) (map[string][]int64, error) {
	pipe := db.clients.apply.Pipeline()
	replies := map[string][]*redis.StringCmd{}
	for _, topic := range topics {
		for p := range int32(geo.Partitions) {
			replies[topic] = append(replies[topic], pipe.HGet(ctx, posKey(topic, p), "off"))
		}
	}
	pipe.Exec(ctx) // every reply is checked below
	out := make(map[string][]int64, len(topics))
	for topic, list := range replies {
		for p, reply := range list {
			text, err := reply.Result()
			var offset int64
			switch {
			case err == nil:
				offset, err = parseOffset(text)
			case errors.Is(err, redis.Nil):
				err = nil
			}
			if err != nil {
				return nil, fmt.Errorf("read position of %s/%d: %w", topic, p, err)
			}
			out[topic] = append(out[topic], offset)
		}
	}
	return out, nil
}

// Position returns one partition's position with the given lanes only.
func (db *DB) Position(ctx context.Context, topic string, partition int32, lanes ...lane.ID) (Position, error) {
	names := []string{"off", "epoch", "b", "n", "hlc"}
	for _, id := range lanes {
		names = append(names, laneField+id.String())
	}
	values, err := db.clients.apply.HMGet(ctx, posKey(topic, partition), names...).Result()
	if err != nil {
		return Position{}, fmt.Errorf("read position of %s/%d: %w", topic, partition, err)
	}
	fields := map[string]string{}
	for i, v := range values {
		if text, ok := v.(string); ok {
			fields[names[i]] = text
		}
	}
	p, err := parsePosition(topic, partition, fields)
	if err != nil {
		err = fmt.Errorf("read position of %s/%d: %w", topic, partition, err)
	}
	return p, err
}

func parsePosition(topic string, partition int32, fields map[string]string) (Position, error) {
	p := Position{Topic: topic, Partition: partition, Lanes: map[lane.ID]lane.Set{}}
	for name, text := range fields {
		var err error
		switch name {
		case "off":
			p.Offset, err = parseOffset(text)
		case "epoch": // below
		case "b":
			p.Marks[0], err = parseOffset(text)
		case "n":
			p.Marks[1], err = parseOffset(text)
		case "hlc":
			p.HLC = parseStamp(text)
		default:
			err = p.addLane(name, text)
		}
		if err != nil {
			return Position{}, err
		}
	}
	p.Epoch = parseEpoch(fields["epoch"], p.Offset)
	return p, nil
}

// The epoch is stored with its offset: a position that was moved by a version
// that knows of no epochs must not be taken for one of the old epoch.

func formatEpoch(epoch int32, offset int64) string { return fmt.Sprintf("%d@%d", epoch, offset) }

// parseEpoch reads the epoch of an offset; -1 when that is not known.
func parseEpoch(text string, offset int64) int32 {
	epoch, at, _ := strings.Cut(text, "@")
	n, err := strconv.ParseInt(epoch, 10, 32)
	if err != nil || at != strconv.FormatInt(offset, 10) {
		return -1
	}
	return int32(n)
}

func (p *Position) addLane(name, text string) error {
	idText, ok := strings.CutPrefix(name, laneField)
	if !ok {
		return nil
	}
	id, err := lane.ParseID(idText)
	if err != nil {
		return err
	}
	p.Lanes[id], err = lane.ParseSet(text)
	return err
}
