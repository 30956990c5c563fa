package view

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/hlc"
)

// ReadOptions bound a read.
type ReadOptions struct {
	Now    int64  // milliseconds; decides expiry
	Limit  int    // at most so many elements of each container; 0 all
	Cursor string // where the last page of the visible container ended; "" from the start
	Most   int    // with Limit 0: a container of more elements is refused; 0 none is
}

// args are the options as lua/read.lua takes them.
func (o ReadOptions) args() []any { return []any{o.Limit, o.Cursor, o.Most} }

// Page is a read with the size of the visible container.
type Page struct {
	View  crdt.View
	Total int64  // elements of the visible container, bytes of a string
	Next  string // cursor of the next page; "" at the end
}

// Read returns a key's view as of one instant, in canonical order. A key
// without a value has type none. With a Limit, containers are cut: sorted sets
// and streams in order, sets and hashes to some elements.
func (db *DB) Read(ctx context.Context, key []byte, o ReadOptions) (crdt.View, error) {
	page, err := db.ReadPage(ctx, key, o)
	return page.View, err
}

// KeyHead is what a bridge must know of a key before it writes.
type KeyHead struct {
	Type    crdt.Type     // visible type; None when absent
	Newest  hlc.Timestamp // newest stamp over the last SET or DEL and every type
	Integer bool          // a string that INCR accepts
}

// typeLetters are the types as lua/key.lua names them.
const typeLetters = "rszhx"

func typeOf(letter string) crdt.Type {
	if i := strings.Index(typeLetters, letter); i >= 0 && letter != "" {
		return crdt.Types()[i]
	}
	return crdt.None
}

// ReadPage is Read with the total and a cursor.
func (db *DB) ReadPage(ctx context.Context, key []byte, o ReadOptions) (Page, error) {
	reply, err := run(ctx, db.clients.read, db.scripts.read, []string{string(key)}, o.args()...)
	if err != nil {
		return Page{}, fmt.Errorf("read key %q: %w", key, err)
	}
	page, err := parseRead(key, reply, o)
	if err != nil {
		err = fmt.Errorf("read key %q: %w", key, err)
	}
	return page, err
}

// ReadMany reads several keys in one round trip, in the order asked for; each
// is consistent in itself.
func (db *DB) ReadMany(ctx context.Context, keys [][]byte, o ReadOptions) ([]crdt.View, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	replies, err := db.readPipelined(ctx, keys, o)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := db.clients.read.ScriptLoad(ctx, db.scripts.read.Source).Err(); err != nil {
			return nil, fmt.Errorf("load script read: %w", err)
		}
		replies, err = db.readPipelined(ctx, keys, o)
	}
	if err != nil {
		return nil, fmt.Errorf("read %d keys: %w", len(keys), err)
	}
	out := make([]crdt.View, len(keys))
	for i, key := range keys {
		page, err := parseRead(key, replies[i], o)
		if err != nil {
			return nil, fmt.Errorf("read key %q: %w", key, err)
		}
		out[i] = page.View
	}
	return out, nil
}

func (db *DB) readPipelined(ctx context.Context, keys [][]byte, o ReadOptions) ([]any, error) {
	pipe := db.clients.read.Pipeline()
	cmds := make([]*redis.Cmd, len(keys))
	for i, key := range keys {
		cmds[i] = pipe.EvalSha(ctx, db.scripts.read.SHA, []string{string(key)}, o.args()...)
	}
	pipe.Exec(ctx) // every reply is checked below
	out := make([]any, len(keys))
	for i, cmd := range cmds {
		var err error
		if out[i], err = cmd.Result(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parseRead makes a view of the script's reply (lua/read.lua).
func parseRead(key []byte, reply any, o ReadOptions) (Page, error) {
	list, ok := reply.([]any)
	if ok && len(list) == 1 {
		return Page{}, fail.New(fail.Rejected, "it has %d elements, of which at most %d are read at once", number(list[0]), o.Most).
			WithHint("read it in parts: --limit N, over HTTP limit=N")
	}
	if !ok || len(list) < 4 {
		return Page{}, fmt.Errorf("unexpected reply %T", reply)
	}
	meta := pairs(list[0])
	visible, _ := list[1].(string)
	page := Page{View: crdt.View{Key: key}, Total: int64(number(list[2]))}
	page.Next, _ = list[3].(string)
	expireAt, _ := strconv.ParseInt(meta["exp"], 10, 64)
	if meta["af"] != "" {
		expireAt = 0
	}
	for i := 4; i+1 < len(list); i += 2 {
		letter, _ := list[i].(string)
		value, err := parseValue(letter, list[i+1])
		if err != nil {
			return Page{}, err
		}
		if letter == visible && page.Total > 0 {
			value.Type = typeOf(letter) // also when this page is past the last element
		}
		hidden := value.Type == crdt.None || (value.Type == crdt.String && expireAt != 0 && expireAt <= o.Now)
		switch {
		case hidden:
		case letter == visible:
			page.View.Value = value
			if value.Type == crdt.String {
				page.View.ExpireAtMS = expireAt
			}
		default:
			page.View.Parked = append(page.View.Parked, value)
		}
	}
	if page.View.Type == crdt.None {
		page.Total, page.Next = 0, ""
	}
	slices.SortFunc(page.View.Parked, func(a, b crdt.Value) int { return cmp.Compare(a.Type, b.Type) })
	return page, nil
}

func pairs(v any) map[string]string {
	out := map[string]string{}
	list, _ := v.([]any)
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		out[name], _ = list[i+1].(string)
	}
	return out
}

// parseValue returns the value in canonical order; type None when it is empty.
func parseValue(letter string, v any) (crdt.Value, error) {
	value := crdt.Value{Type: typeOf(letter)}
	if letter == "r" {
		text, _ := v.(string)
		value.String = []byte(text)
		return value, nil
	}
	list, _ := v.([]any)
	if len(list) == 0 {
		return crdt.Value{}, nil
	}
	var err error
	switch letter {
	case "s":
		for _, m := range list {
			value.Members = append(value.Members, text(m))
		}
		slices.SortFunc(value.Members, bytes.Compare)
	case "z":
		value.Scored, err = parseScored(list)
	case "h":
		for i := 0; i+1 < len(list); i += 2 {
			value.Fields = append(value.Fields, event.FieldValue{Field: text(list[i]), Value: text(list[i+1])})
		}
		slices.SortFunc(value.Fields, func(a, b event.FieldValue) int { return bytes.Compare(a.Field, b.Field) })
	case "x":
		value.Entries, err = parseEntries(list)
	default:
		err = fmt.Errorf("unknown type %q", letter)
	}
	return value, err
}

func text(v any) []byte {
	s, _ := v.(string)
	return []byte(s)
}

func parseScored(list []any) ([]event.ScoredMember, error) {
	var out []event.ScoredMember
	for i := 0; i+1 < len(list); i += 2 {
		score, err := event.ParseScore(string(text(list[i+1])))
		if err != nil {
			return nil, err
		}
		out = append(out, event.ScoredMember{Member: text(list[i]), Score: score})
	}
	slices.SortFunc(out, func(a, b event.ScoredMember) int {
		if c := cmp.Compare(a.Score, b.Score); c != 0 {
			return c
		}
		return bytes.Compare(a.Member, b.Member)
	})
	return out, nil
}

func parseEntries(list []any) ([]crdt.Entry, error) {
	out := make([]crdt.Entry, 0, len(list))
	for _, item := range list {
		pair, ok := item.([]any)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("unexpected stream entry %v", item)
		}
		id, err := event.ParseStreamID(string(text(pair[0])))
		if err != nil {
			return nil, err
		}
		strings, _ := pair[1].([]any)
		entry := crdt.Entry{ID: id}
		for i := 0; i+1 < len(strings); i += 2 {
			entry.Fields = append(entry.Fields, event.FieldValue{Field: text(strings[i]), Value: text(strings[i+1])})
		}
		out = append(out, entry)
	}
	return out, nil
}

// Scan returns some user keys that have a value and the next cursor; 0 starts
// and a returned 0 ends. match is a Redis glob, "" for all; n is a hint of the
// work per call. A key may come twice, and a page may be empty.
func (db *DB) Scan(ctx context.Context, cursor uint64, match string, n int) ([][]byte, uint64, error) {
	if match == "" {
		match = "*"
	}
	names, next, err := db.clients.read.Scan(ctx, cursor, match+metaSuffix, int64(max(n, 1))).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("scan keys: %w", err)
	}
	keys, err := db.visible(ctx, names)
	return keys, next, err
}

// Newest returns the head of a key; the zero KeyHead for a key never seen.
func (db *DB) Newest(ctx context.Context, key []byte) (KeyHead, error) {
	reply, err := run(ctx, db.clients.read, db.scripts.head, []string{string(key)})
	if err != nil {
		return KeyHead{}, fmt.Errorf("read head of %q: %w", key, err)
	}
	list, ok := reply.([]any)
	if !ok || len(list) != 3 {
		return KeyHead{}, fmt.Errorf("read head of %q: unexpected reply %v", key, reply)
	}
	t, _ := crdt.ParseType(string(text(list[0])))
	h := KeyHead{Type: t, Newest: parseStamp(string(text(list[1])))}
	if t == crdt.String {
		_, h.Integer = crdt.Integer(text(list[2]))
	}
	return h, nil
}

// parseFacts makes facts of the script's reply (lua/facts.lua).
func parseFacts(reply any) (api.Facts, error) {
	list, ok := reply.([]any)
	if !ok || len(list) != 5 {
		return api.Facts{}, fmt.Errorf("unexpected reply %v", reply)
	}
	meta := pairs(list[0])
	f := api.Facts{Type: typeOf(meta["t"]).String(), NewLife: meta["af"] != "", Exact: meta["E"], TrimFloor: meta["xf"]}
	f.ExpireAtMS, _ = strconv.ParseInt(meta["exp"], 10, 64)
	f.Late = int64(number(list[4]))
	if meta["op"] != "" {
		f.Register = &api.StampFact{Op: meta["op"]}
		f.Register.PhysicalMS, _ = strconv.ParseInt(meta["phys"], 10, 64)
		logical, _ := strconv.ParseUint(meta["logc"], 10, 32)
		f.Register.Logical = uint32(logical)
		f.Register.Region, _ = strconv.Atoi(meta["reg"])
	}
	for i, name := range []string{"mc", "ms", "mz", "mh", "mx"} {
		if h := parseStamp(meta[name]); h != (hlc.Timestamp{}) {
			f.Newest = append(f.Newest, api.TypeFact{Type: crdt.Types()[i].String(), PhysicalMS: h.Physical, Logical: h.Logical, Region: int(h.Region)})
		}
	}
	addSidecars(&f, list)
	return f, nil
}

func addSidecars(f *api.Facts, list []any) {
	counters, _ := list[1].([]any)
	for _, item := range counters {
		c, _ := item.([]any)
		if len(c) == 4 {
			seq, _ := strconv.ParseInt(string(text(c[1])), 10, 64)
			f.Counters = append(f.Counters, api.CounterFact{Region: string(text(c[0])), Seq: seq, Ring: number(c[2]), Folded: len(text(c[3])) > 0})
		}
	}
	slices.SortFunc(f.Counters, func(a, b api.CounterFact) int { return cmp.Compare(a.Region, b.Region) })
	marks, _ := list[2].([]any)
	for _, item := range marks {
		if m, _ := item.([]any); len(m) == 3 {
			f.Elements += int64(number(m[1]))
			f.Tombstones += int64(number(m[2]))
		}
	}
	parked, _ := list[3].([]any)
	for _, letter := range parked {
		f.Parked = append(f.Parked, typeOf(string(text(letter))).String())
	}
}
