package view

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
)

// checkSidecars compares everything geokv keeps beside the values with the
// model: every name belongs to a key, every element has its stamp and every
// stamp its element or tombstone, and meta is what the set of events says.
func checkSidecars(t testing.TB, db *DB, events []event.Event) {
	t.Helper()
	keys := keysOf(events)
	ctx := context.Background()
	names := allNames(t, db)
	for _, name := range names {
		if strings.HasPrefix(name, "geokv:") {
			continue
		}
		owner, ok := ownerAmong(slices.Collect(maps.Keys(keys)), name)
		k := keys[owner]
		if !ok {
			t.Errorf("name %q belongs to no key", name)
			continue
		}
		if suffix := strings.TrimPrefix(name, owner); suffix != "" {
			checkPurpose(t, db, k, owner, suffix)
		}
	}
	for key, k := range keys {
		meta, err := db.clients.read.HGetAll(ctx, key+metaSuffix).Result()
		if err != nil {
			t.Fatal(err)
		}
		checkMeta(t, key, meta, k)
		checkRings(t, db, key, k)
		for _, typ := range []string{"s", "z", "h"} {
			checkElements(t, db, key, typ, meta)
		}
	}
}

// beside is what may follow a user key in the name of a key of geokv's.
var beside = regexp.MustCompile(`^(:meta|:[szhx]meta|:seq:(us|eu|ap)|:~[rszhx]|:~late)?$`)

// ownerAmong finds the key that a name belongs to, and that there is but one.
func ownerAmong(keys []string, name string) (owner string, ok bool) {
	for _, key := range keys {
		if rest, follows := strings.CutPrefix(name, key); follows && beside.MatchString(rest) {
			if ok {
				panic(fmt.Sprintf("%q belongs to %q and to %q", name, owner, key))
			}
			owner, ok = key, true
		}
	}
	return owner, ok
}

func allNames(t testing.TB, db *DB) []string {
	t.Helper()
	names, err := db.clients.read.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// checkPurpose reports a sidecar or parked value that nothing needs.
func checkPurpose(t testing.TB, db *DB, k *crdt.Key, key, suffix string) {
	t.Helper()
	types := map[string]crdt.Type{
		":smeta": crdt.Set, ":zmeta": crdt.ZSet, ":hmeta": crdt.Hash, ":xmeta": crdt.Stream, ":~late": crdt.Stream,
		":~r": crdt.String, ":~s": crdt.Set, ":~z": crdt.ZSet, ":~h": crdt.Hash, ":~x": crdt.Stream,
	}
	if typ, ok := types[suffix]; ok {
		if k.Newest(typ).IsZero() {
			t.Errorf("%q%s: no operation on a %s is newer than the barrier", key, suffix, typ)
		}
		if strings.HasPrefix(suffix, ":~") && suffix != ":~late" && k.VisibleType() == typ {
			t.Errorf("%q%s: the visible type is parked", key, suffix)
		}
		return
	}
	if region, ok := strings.CutPrefix(suffix, ":seq:"); ok {
		if !slices.ContainsFunc(k.Increments(), func(i crdt.Increment) bool { return i.Origin == region }) {
			t.Errorf("%q%s: no increment of %s is newer than the barrier", key, suffix, region)
		}
	}
}

func checkMeta(t testing.TB, key string, meta map[string]string, k *crdt.Key) {
	t.Helper()
	b := k.Barrier()
	want := map[string]string{"phys": "", "logc": "", "reg": "", "op": string(b.Op), "exp": ""}
	if b.Exists() {
		want["phys"] = strconv.FormatInt(b.HLC.Physical, 10)
		want["logc"] = strconv.FormatUint(uint64(b.HLC.Logical), 10)
		want["reg"] = strconv.Itoa(int(b.HLC.Region))
		want["exp"] = expiryText(b.ExpireAtMS)
	}
	if visible := k.VisibleType(); visible != crdt.None {
		want["t"] = typeLetters[visible-1 : visible]
	}
	c := k.Counter()
	want["af"] = ""
	if c.Renewed.Count > 0 {
		want["af"] = "1"
	}
	for i, field := range []string{"mc", "ms", "mz", "mh", "mx"} {
		want[field] = ""
		if h := k.Newest(crdt.Types()[i]); !h.IsZero() {
			want[field] = string(stampBytes(h))
		}
	}
	for field, value := range want {
		if meta[field] != value {
			t.Errorf("%q meta %s = %q, want %q", key, field, meta[field], value)
		}
	}
}

// checkRings compares what rings and values remember with the model: every
// increment newer than fold is in the ring, singly or in a sum.
func checkRings(t testing.TB, db *DB, key string, k *crdt.Key) {
	t.Helper()
	for _, origin := range k.Counter().Origins {
		fields, err := db.clients.read.HGetAll(context.Background(), key+":seq:"+origin.Origin).Result()
		if err != nil {
			t.Fatal(err)
		}
		ring := fields["ring"]
		fold := parseStamp(fields["fold"])
		want, got, n := new(big.Int), new(big.Int), 0
		for _, inc := range k.Increments() {
			if inc.Origin == origin.Origin && (fold.IsZero() || inc.HLC.After(fold)) {
				want.Add(want, big.NewInt(inc.Delta))
			}
		}
		for rest := ring[min(1, len(ring)):]; rest != ""; n++ {
			size, head := int(rest[0]), 11
			if size >= 128 {
				size, head = size-128, 21
			}
			hi := parseStamp(rest[head-10 : head])
			sum, ok := new(big.Int).SetString(rest[head:head+size], 10)
			if !ok {
				t.Fatalf("%q ring of %s: sum %q", key, origin.Origin, rest[head:head+size])
			}
			if fold.IsZero() || hi.After(fold) {
				got.Add(got, sum)
			}
			rest = rest[head+size+1:]
		}
		if n > crdt.RingSize || ring == "" || n != int(ring[0]) {
			t.Errorf("%q ring of %s: %d records, counted %d", key, origin.Origin, n, ring[0])
		}
		// a sum that reaches below fold makes both sides differ; singles never do
		if got.Cmp(want) != 0 && !strings.ContainsFunc(ring, func(r rune) bool { return r >= 128 }) {
			t.Errorf("%q ring of %s sums to %s, want %s", key, origin.Origin, got, want)
		}
	}
}

// checkElements compares a container with its stamps, both ways.
func checkElements(t testing.TB, db *DB, key, typ string, meta map[string]string) {
	t.Helper()
	ctx := context.Background()
	place := key
	if meta["t"] != typ {
		place += ":~" + typ
	}
	marks, err := db.clients.read.HGetAll(ctx, key+":"+typ+"meta").Result()
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	switch kind := db.clients.read.Type(ctx, place).Val(); {
	case kind == "set" && typ == "s":
		members = db.clients.read.SMembers(ctx, place).Val()
	case kind == "zset" && typ == "z":
		members = db.clients.read.ZRange(ctx, place, 0, -1).Val()
	case kind == "hash" && typ == "h":
		members = db.clients.read.HKeys(ctx, place).Val()
	}
	there := map[string]bool{}
	for _, m := range members {
		there[m] = true
		if mark := marks[m]; len(mark) != 11 || mark[10] != 'A' {
			t.Errorf("%q element %q of %s has mark %q", key, m, typ, mark)
		}
	}
	for m, mark := range marks {
		if mark[10] == 'A' && !there[m] {
			t.Errorf("%q has a mark of %s for %q, which is not there", key, typ, m)
		}
	}
}

func keysOf(events []event.Event) map[string]*crdt.Key {
	keys := map[string]*crdt.Key{}
	for _, e := range events {
		k := keys[string(e.Key)]
		if k == nil {
			k = &crdt.Key{}
			keys[string(e.Key)] = k
		}
		k.Apply(e)
	}
	return keys
}
