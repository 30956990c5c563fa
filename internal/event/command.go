package event

import (
	"math"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

// usages is how each operation is written on a command line.
var usages = map[Op]string{
	OpSet:   "SET key value [EX seconds | PX milliseconds | EXAT unix-seconds | PXAT unix-milliseconds]",
	OpDel:   "DEL key",
	OpIncr:  "INCR key [delta] | INCRBY key delta | DECR key [delta] | DECRBY key delta",
	OpSAdd:  "SADD key member [member ...]",
	OpSRem:  "SREM key member [member ...]",
	OpZAdd:  "ZADD key score member [score member ...]",
	OpZRem:  "ZREM key member [member ...]",
	OpHSet:  "HSET key field value [field value ...]",
	OpHDel:  "HDEL key field [field ...]",
	OpXAdd:  "XADD key * field value [field value ...]",
	OpXDel:  "XDEL key id [id ...]",
	OpXTrim: "XTRIM key MINID id",
}

// Usage returns how op is written on a command line, "" for an unknown op.
func Usage(op Op) string { return usages[op] }

// absent says why geokv does not have a command that Redis users may try.
var absent = map[string]string{
	"EXPIRE":      "a life time is part of the value in geokv; write SET key value EX seconds",
	"PEXPIRE":     "a life time is part of the value in geokv; write SET key value PX milliseconds",
	"EXPIREAT":    "a life time is part of the value in geokv; write SET key value EXAT unix-seconds",
	"PEXPIREAT":   "a life time is part of the value in geokv; write SET key value PXAT unix-milliseconds",
	"PERSIST":     "a life time is part of the value in geokv; write SET key value without one",
	"SETEX":       "write SET key value EX seconds",
	"PSETEX":      "write SET key value PX milliseconds",
	"SETNX":       "regions cannot agree on who came first without asking each other; write SET",
	"GETSET":      "a write does not read in geokv; use get, then SET",
	"GETDEL":      "a write does not read in geokv; use get, then DEL",
	"MSET":        "an operation has one key; write one SET per key",
	"INCRBYFLOAT": "counters are exact integers, so that they come out alike in every region",
	"APPEND":      "a string has one last writer; write SET with the whole value",
	"SETRANGE":    "a string has one last writer; write SET with the whole value",
	"UNLINK":      "write DEL",
	"RENAME":      "an operation has one key; write the new one and DEL the old one",
	"SPOP":        "which member goes must be said, or regions would pick different ones; write SREM",
	"SMOVE":       "an operation has one key; write SREM and SADD",
	"ZINCRBY":     "scores have one last writer; write ZADD with the new score",
	"ZPOPMIN":     "which member goes must be said, or regions would pick different ones; write ZREM",
	"ZPOPMAX":     "which member goes must be said, or regions would pick different ones; write ZREM",
	"HINCRBY":     "hash fields have one last writer; count in a key of its own with INCR",
	"HSETNX":      "regions cannot agree on who came first without asking each other; write HSET",
	"HMSET":       "write HSET",
	"XSETID":      "geokv derives stream ids from its clock",
	"LPUSH":       "geokv has no lists; a stream (XADD) keeps order in every region",
	"RPUSH":       "geokv has no lists; a stream (XADD) keeps order in every region",
	"FLUSHALL":    "the log is the truth and keeps everything; DEL the keys",
	"FLUSHDB":     "the log is the truth and keeps everything; DEL the keys",
	"GET":         "that is a read; use geokv get",
}

// ParseCommand reads an operation written as in redis-cli, in words that are
// already split. Region and EventID are left empty. Every error is a
// *fail.Error of code Usage with the operation's usage as its hint.
func ParseCommand(words []string) (Operation, error) {
	if len(words) == 0 {
		return Operation{}, fail.New(fail.Usage, "read the command: it is empty").WithHint("operations: %s", opList())
	}
	name := strings.ToUpper(words[0])
	parse, op := commandOf(name)
	if parse == nil {
		return Operation{}, unknownCommand(words[0], name)
	}
	c := &command{name: name, op: op, rest: words[1:]}
	o := Operation{Key: []byte(c.next("key"))}
	o.Args = parse(c, &o)
	if c.err == nil && len(c.rest) > 0 {
		c.refuse("%q is one word too many%s", c.rest[0], c.oneKeyHint())
	}
	if c.err == nil {
		c.err = o.Validate()
	}
	if c.err != nil {
		return Operation{}, fail.Wrap(fail.Usage, c.err, "read %s", name).WithHint("usage: %s", usages[op])
	}
	return o, nil
}

type parser func(c *command, o *Operation) Args

func commandOf(name string) (parser, Op) {
	switch name {
	case "SET":
		return parseSet, OpSet
	case "DEL":
		return func(*command, *Operation) Args { return Del{} }, OpDel
	case "INCR", "INCRBY", "DECR", "DECRBY":
		return parseIncr, OpIncr
	case "SADD":
		return func(c *command, _ *Operation) Args { return SAdd{c.all("member")} }, OpSAdd
	case "SREM":
		return func(c *command, _ *Operation) Args { return SRem{c.all("member")} }, OpSRem
	case "ZADD":
		return parseZAdd, OpZAdd
	case "ZREM":
		return func(c *command, _ *Operation) Args { return ZRem{c.all("member")} }, OpZRem
	case "HSET":
		return func(c *command, _ *Operation) Args { return HSet{c.pairs()} }, OpHSet
	case "HDEL":
		return func(c *command, _ *Operation) Args { return HDel{c.all("field")} }, OpHDel
	case "XADD":
		return parseXAdd, OpXAdd
	case "XDEL":
		return parseXDel, OpXDel
	case "XTRIM":
		return parseXTrim, OpXTrim
	}
	return nil, ""
}

func unknownCommand(word, name string) error {
	if why, known := absent[name]; known {
		return fail.New(fail.Usage, "geokv does not offer %s: %s", name, why).WithHint("operations: %s", opList())
	}
	return fail.New(fail.Usage, "read the command: %q is not an operation", word).WithHint("operations: %s", opList())
}

// command is a cursor over the words; it keeps the first error.
type command struct {
	name string
	op   Op
	rest []string
	err  error
}

func (c *command) refuse(format string, args ...any) {
	if c.err == nil {
		c.err = Reject("bad argument", format, args...)
	}
}

func (c *command) oneKeyHint() string {
	if c.op == OpDel {
		return "; an operation has one key"
	}
	if c.op == OpSet {
		return "; quote a value that has blanks"
	}
	return ""
}

func (c *command) next(what string) string {
	if len(c.rest) == 0 {
		c.refuse("%s is missing", what)
		return ""
	}
	word := c.rest[0]
	c.rest = c.rest[1:]
	return word
}

// all takes every remaining word, at least one.
func (c *command) all(what string) [][]byte {
	out := [][]byte{[]byte(c.next(what))}
	for len(c.rest) > 0 {
		out = append(out, []byte(c.next(what)))
	}
	return out
}

func (c *command) pairs() []FieldValue {
	var out []FieldValue
	for ok := true; ok; ok = len(c.rest) > 0 && c.err == nil {
		field := c.next("field")
		out = append(out, FieldValue{[]byte(field), []byte(c.next("a value for field " + strconv.Quote(field)))})
	}
	return out
}

func (c *command) integer(what string) int64 {
	word := c.next(what)
	n, err := ParseDelta(word)
	if err != nil && c.err == nil {
		c.refuse("%s %q is not an integer from -2^63 to 2^63-1", what, word)
	}
	return n
}

// option refuses an option that Redis has and geokv has not.
func (c *command) option(reasons map[string]string) bool {
	if len(c.rest) == 0 {
		return false
	}
	name := strings.ToUpper(c.rest[0])
	why, known := reasons[name]
	if known {
		c.refuse("geokv does not offer %s %s: %s", c.name, name, why)
	}
	return known
}

const noCondition = "regions cannot agree on a condition without asking each other"

var setOptions = map[string]string{
	"NX": noCondition, "XX": noCondition, "IFEQ": noCondition, "IFNE": noCondition,
	"GET":     "a write does not read; use get before it",
	"KEEPTTL": "a life time is part of the value; give it again",
}

func parseSet(c *command, o *Operation) Args {
	set := Set{Value: []byte(c.next("value"))}
	for c.err == nil && len(c.rest) > 0 && !c.option(setOptions) {
		unit := strings.ToUpper(c.rest[0])
		scale := map[string]int64{"EX": 1000, "PX": 1, "EXAT": 1000, "PXAT": 1}[unit]
		if scale == 0 {
			break
		}
		c.rest = c.rest[1:]
		n := c.integer(unit)
		switch {
		case c.err != nil:
		case o.TTLMS != 0 || set.ExpireAtMS != 0:
			c.refuse("the life time is given twice")
		case n <= 0 || n > math.MaxInt64/scale:
			c.refuse("%s %d is out of range", unit, n)
		case strings.HasSuffix(unit, "AT"):
			set.ExpireAtMS = n * scale
		default:
			o.TTLMS = n * scale
		}
	}
	return set
}

func parseIncr(c *command, _ *Operation) Args {
	delta := int64(1)
	if len(c.rest) > 0 || strings.HasSuffix(c.name, "BY") {
		delta = c.integer("delta")
	}
	if strings.HasPrefix(c.name, "DECR") {
		if delta == math.MinInt64 {
			c.refuse("delta %d has no negative in 64 bits", delta)
		}
		delta = -delta
	}
	return Incr{delta}
}

var zaddOptions = map[string]string{
	"NX": noCondition, "XX": noCondition, "GT": noCondition, "LT": noCondition,
	"CH":   "what changed is known only when every region has it; see explain",
	"INCR": "scores have one last writer; write the new score",
}

func parseZAdd(c *command, _ *Operation) Args {
	if c.option(zaddOptions) {
		return nil
	}
	var members []ScoredMember
	for ok := true; ok; ok = len(c.rest) > 0 && c.err == nil {
		text := c.next("score")
		score, err := ParseScore(text)
		if err != nil {
			c.refuse("score %q is not a number, inf or -inf", text)
		}
		members = append(members, ScoredMember{[]byte(c.next("a member for score " + text)), score})
	}
	return ZAdd{members}
}

const notCapped = "how much it trims depends on each Redis' memory layout; write XTRIM key MINID id"

var xaddOptions = map[string]string{
	"NOMKSTREAM": noCondition, "MAXLEN": notCapped, "MINID": "write XTRIM key MINID id after it",
	"LIMIT": notCapped, "KEEPREF": noCondition, "DELREF": noCondition, "ACKED": noCondition,
}

func parseXAdd(c *command, _ *Operation) Args {
	if c.option(xaddOptions) {
		return nil
	}
	if id := c.next("*"); id != "*" {
		c.refuse("geokv does not offer XADD with the id %q: ids derive from its clock; write *, quoted in a shell", id)
	}
	return XAdd{c.pairs()}
}

func parseXDel(c *command, _ *Operation) Args {
	words := c.all("id")
	ids := make([]StreamID, len(words))
	for i, w := range words {
		var err error
		if ids[i], err = ParseStreamID(string(w)); err != nil && c.err == nil {
			c.err = Reject("bad stream id", "%v", err)
		}
	}
	return XDel{ids}
}

var xtrimOptions = map[string]string{"MAXLEN": notCapped}

func parseXTrim(c *command, _ *Operation) Args {
	if c.option(xtrimOptions) {
		return nil
	}
	if word := c.next("MINID"); !strings.EqualFold(word, "MINID") {
		c.refuse("%q: want MINID", word)
	}
	if len(c.rest) > 0 && c.rest[0] == "=" {
		c.rest = c.rest[1:]
	}
	if c.option(map[string]string{"~": notCapped}) {
		return nil
	}
	text := c.next("id")
	id, err := ParseStreamID(text)
	if err != nil && c.err == nil {
		c.err = Reject("bad stream id", "%v", err)
	}
	c.option(map[string]string{"LIMIT": notCapped})
	return XTrim{id}
}

// Command renders the operation as words that ParseCommand reads back. Region
// and EventID have no place in them. It returns nil without an operation.
func (o Operation) Command() []string {
	if o.Args == nil {
		return nil
	}
	words := []string{string(o.Op()), string(o.Key)}
	switch a := o.Args.(type) {
	case Set:
		words = append(words, string(a.Value))
		if o.TTLMS != 0 {
			words = append(words, "PX", strconv.FormatInt(o.TTLMS, 10))
		}
		if a.ExpireAtMS != 0 {
			words = append(words, "PXAT", strconv.FormatInt(a.ExpireAtMS, 10))
		}
	case Incr:
		words = append(words, strconv.FormatInt(a.Delta, 10))
	case SAdd:
		words = appendAll(words, a.Members)
	case SRem:
		words = appendAll(words, a.Members)
	case ZRem:
		words = appendAll(words, a.Members)
	case HDel:
		words = appendAll(words, a.Fields)
	case ZAdd:
		for _, m := range a.Members {
			words = append(words, FormatScore(m.Score), string(m.Member))
		}
	case HSet:
		words = appendPairs(words, a.Fields)
	case XAdd:
		words = appendPairs(append(words, "*"), a.Fields)
	case XDel:
		for _, id := range a.IDs {
			words = append(words, id.String())
		}
	case XTrim:
		words = append(words, "MINID", a.MinID.String())
	}
	return words
}

func appendAll(words []string, more [][]byte) []string {
	for _, b := range more {
		words = append(words, string(b))
	}
	return words
}

func appendPairs(words []string, fields []FieldValue) []string {
	for _, f := range fields {
		words = append(words, string(f.Field), string(f.Value))
	}
	return words
}
