package view

import (
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/hlc"
)

// Names of geokv's own keys (semantics 6); the names beside a user key are
// built in lua/key.lua.
const (
	holdKey       = "geokv:hold"
	rebuildingKey = "geokv:rebuilding"
	metaSuffix    = ":meta"
	laneField     = "l:"
)

func posKey(topic string, partition int32) string {
	return "geokv:pos:" + topic + ":" + strconv.Itoa(int(partition))
}

func dirtyKey(partition int32) string { return "geokv:dirty:" + strconv.Itoa(int(partition)) }
func slotKey(slot uint16) string      { return "geokv:slot:" + strconv.Itoa(int(slot)) }
func eidKey(id string) string         { return "geokv:eid:" + id }

// stampBytes packs a stamp as sidecars hold it: physical in 6 bytes, logical in
// 3, region in 1, big-endian.
func stampBytes(t hlc.Timestamp) []byte { return appendStamp(make([]byte, 0, 11), t) }

func appendStamp(b []byte, t hlc.Timestamp) []byte {
	p, l := uint64(t.Physical), t.Logical
	return append(b, byte(p>>40), byte(p>>32), byte(p>>24), byte(p>>16), byte(p>>8), byte(p),
		byte(l>>16), byte(l>>8), byte(l), t.Region)
}

// parseStamp reads a packed stamp; zero for anything else.
func parseStamp(s string) hlc.Timestamp {
	if len(s) < 10 {
		return hlc.Timestamp{}
	}
	var p int64
	for i := range 6 {
		p = p<<8 | int64(s[i])
	}
	return hlc.Timestamp{Physical: p, Logical: uint32(s[6])<<16 | uint32(s[7])<<8 | uint32(s[8]), Region: s[9]}
}

// userKey returns the user key whose meta hash this is.
func userKey(name string) (string, bool) {
	key, ok := strings.CutSuffix(name, metaSuffix)
	return key, ok && key != "" && !event.ReservedKey([]byte(key))
}
