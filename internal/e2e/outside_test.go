package e2e

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/polltest"
)

// TestOutsideClients gives one cluster to clients that know nothing of geokv.
func TestOutsideClients(t *testing.T) {
	ctx := bounded(t)
	c := newHome(t).up()
	writeOneOfEach(ctx, c)
	t.Run("an ordinary Redis client reads the values in every region", func(t *testing.T) { redisReads(ctx, t, c) })
	t.Run("an ordinary Redis client may not write", func(t *testing.T) { redisWritesAreRefused(ctx, t, c) })
	t.Run("redis-cli works, one shot and typed into", func(t *testing.T) { redisCLI(t, c) })
	t.Run("ordinary Kafka and registry clients read and decode the records", func(t *testing.T) { kafkaAndRegistry(ctx, t, c) })
	t.Run("an independent producer is applied everywhere", func(t *testing.T) { independentProducer(ctx, t, c) })
	c.t = t
	c.viewsEqualFold(ctx)
}

// writeOneOfEach writes a value of every type in eu and waits for all regions.
func writeOneOfEach(ctx context.Context, c *cluster) {
	c.t.Helper()
	for key, args := range map[string]event.Args{
		"text":  event.Set{Value: []byte("héllo\xff")},
		"count": event.Incr{Delta: 42},
		"set":   event.SAdd{Members: [][]byte{[]byte("b"), []byte("a")}},
		"board": event.ZAdd{Members: []event.ScoredMember{{Member: []byte("ann"), Score: 10.5}, {Member: []byte("bob"), Score: -1}}},
		"hash":  event.HSet{Fields: []event.FieldValue{{Field: []byte("f"), Value: []byte("1")}}},
		"feed":  event.XAdd{Fields: []event.FieldValue{{Field: []byte("sku"), Value: []byte("laptop")}}},
	} {
		receipt := c.produce(ctx, event.Operation{Region: "eu", Key: []byte(key), Args: args})
		if _, err := c.api.Await(ctx, receipt, nil, patience); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) redis(t *testing.T, region string) *redis.Client {
	r := redis.NewClient(&redis.Options{Addr: c.region(region).Redis, MaxRetries: -1})
	t.Cleanup(func() { r.Close() })
	return r
}

func redisReads(ctx context.Context, t *testing.T, c *cluster) {
	for _, region := range c.regions() {
		r := c.redis(t, region)
		if got, err := r.Get(ctx, "text").Result(); err != nil || got != "héllo\xff" {
			t.Errorf("%s: GET text: %q, %v", region, got, err)
		}
		if got, err := r.Get(ctx, "count").Int(); err != nil || got != 42 {
			t.Errorf("%s: GET count: %d, %v", region, got, err)
		}
		if got, err := r.SMembers(ctx, "set").Result(); err != nil || len(got) != 2 {
			t.Errorf("%s: SMEMBERS set: %v, %v", region, got, err)
		}
		if got, err := r.ZRangeWithScores(ctx, "board", 0, -1).Result(); err != nil || len(got) != 2 || got[1].Score != 10.5 {
			t.Errorf("%s: ZRANGE board: %v, %v", region, got, err)
		}
		if got, err := r.HGetAll(ctx, "hash").Result(); err != nil || got["f"] != "1" {
			t.Errorf("%s: HGETALL hash: %v, %v", region, got, err)
		}
		if got, err := r.XRange(ctx, "feed", "-", "+").Result(); err != nil || len(got) != 1 || got[0].Values["sku"] != "laptop" {
			t.Errorf("%s: XRANGE feed: %v, %v", region, got, err)
		}
	}
}

func redisWritesAreRefused(ctx context.Context, t *testing.T, c *cluster) {
	r := c.redis(t, "us")
	for _, write := range [][]any{{"SET", "text", "forged"}, {"DEL", "text"}, {"INCR", "count"}, {"FLUSHALL"}, {"EVAL", "return 1", 0}, {"SWAPDB", 0, 1}} {
		if err := r.Do(ctx, write...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("%v: got %v, want NOPERM", write, err)
		}
	}
	if err := r.Do(ctx, "AUTH", "geokv", "guess").Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGPASS") {
		t.Errorf("AUTH with a guess: got %v, want WRONGPASS", err)
	}
}

func redisCLI(t *testing.T, c *cluster) {
	path, err := exec.LookPath("redis-cli")
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip("no redis-cli here")
		}
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(c.region("ap").Redis, ":")
	for name, run := range map[string]struct {
		args  []string
		input string
		want  []string
	}{
		"one shot": {args: []string{"get", "count"}, want: []string{"42"}},
		"typed":    {input: "zrange board 0 -1 withscores\nset count 1\nxlen feed\n", want: []string{"10.5", "NOPERM", "1"}},
	} {
		cmd := exec.CommandContext(bounded(t), path, append([]string{"-p", port}, run.args...)...)
		cmd.Stdin = strings.NewReader(run.input)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
		for _, want := range run.want {
			if !strings.Contains(string(output), want) {
				t.Errorf("%s: no %q in\n%s", name, want, output)
			}
		}
	}
}

// generic is an Avro record as a client sees it that has only the schema.
type generic = map[string]any

// decodeGenerically resolves the schema id of the frame at the registry and
// decodes with what it finds there.
func decodeGenerically(ctx context.Context, t *testing.T, registry *sr.Client, value []byte) generic {
	t.Helper()
	id, body, err := new(sr.ConfluentHeader).DecodeID(value)
	if err != nil {
		t.Fatalf("frame of %x: %v", value, err)
	}
	text, err := registry.SchemaByID(ctx, id)
	if err != nil {
		t.Fatalf("schema %d: %v", id, err)
	}
	schema, err := avro.Parse(text.Schema)
	if err != nil {
		t.Fatal(err)
	}
	var record generic
	if err := avro.Unmarshal(schema, body, &record); err != nil {
		t.Fatal(err)
	}
	return record
}

func (c *cluster) registryClient(t *testing.T) *sr.Client {
	t.Helper()
	registry, err := sr.NewClient(sr.URLs(c.ready.Registry))
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func kafkaAndRegistry(ctx context.Context, t *testing.T, c *cluster) {
	registry := c.registryClient(t)
	for _, region := range c.regions() {
		ops := map[string]string{}
		for _, r := range c.records(ctx, region) {
			record := decodeGenerically(ctx, t, registry, r.Value)
			if string(r.Key) != string(record["key"].([]byte)) {
				t.Errorf("%s: record key %q holds an event for %q", region, r.Key, record["key"])
			}
			if stamp := record["hlc"].(generic); r.Timestamp.UnixMilli() != stamp["physical_ms"].(int64) {
				t.Errorf("%s: record timestamp %d, event's %v", region, r.Timestamp.UnixMilli(), stamp)
			}
			if record["origin_region"].(string)+".events" != r.Topic {
				t.Errorf("%s: an event of %v in %s", region, record["origin_region"], r.Topic)
			}
			ops[string(r.Key)] = record["op"].(string)
		}
		for key, op := range map[string]string{"text": "SET", "count": "INCR", "set": "SADD", "board": "ZADD", "hash": "HSET", "feed": "XADD"} {
			if ops[key] != op {
				t.Errorf("%s: the log says %q of %s, want %s", region, ops[key], key, op)
			}
		}
	}
}

// independentProducer appends to eu's log as a program in another language
// would: schema from the registry, generic Avro, Kafka's own partitioner, a slot
// above those that bridges lease.
func independentProducer(ctx context.Context, t *testing.T, c *cluster) {
	f := newForger(ctx, t, c, "eu")
	for i, delta := range []int64{5, 7} {
		now := time.Now()
		f.append(ctx, "independent", now, generic{
			"v": 1, "min_ver": 1, "event_id": "independent-" + string(rune('a'+i)), "origin_region": "eu", "region_idx": 1,
			"hlc":  generic{"physical_ms": now.UnixMilli(), "logical": 700, "region": "eu"},
			"slot": 700, "incarnation": f.incarnation, "seq": int64(i + 1), "key": []byte("independent"), "op": "INCR",
			"payload": generic{"io.geokv.IncrPayload": generic{"delta": delta}},
		})
	}
	for _, region := range c.regions() {
		r := c.redis(t, region)
		polltest.Until(t, "the independent producer's writes in "+region, func() bool {
			got, _ := r.Get(ctx, "independent").Int()
			return got == 12
		})
	}
}

// forger appends records to a region's own topic without a bridge.
type forger struct {
	t           *testing.T
	topic       string
	kafka       *kgo.Client
	schema      avro.Schema
	header      sr.ConfluentHeader
	id          int
	incarnation int64
}

func newForger(ctx context.Context, t *testing.T, c *cluster, region string) *forger {
	t.Helper()
	f := &forger{t: t, topic: region + ".events", incarnation: time.Now().UnixMicro()}
	registered, err := c.registryClient(t).SchemaByVersion(ctx, f.topic+"-value", -1)
	if err != nil {
		t.Fatal(err)
	}
	f.id = registered.ID
	if f.schema, err = avro.Parse(registered.Schema.Schema); err != nil {
		t.Fatal(err)
	}
	f.kafka, err = kgo.NewClient(kgo.SeedBrokers(c.region(region).Kafka...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.kafka.Close)
	return f
}

// frame encodes a generic record behind the Confluent frame.
func (f *forger) frame(record generic) []byte {
	f.t.Helper()
	body, err := avro.Marshal(f.schema, record)
	if err != nil {
		f.t.Fatal(err)
	}
	framed, err := f.header.AppendEncode(nil, f.id, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return append(framed, body...)
}

func (f *forger) append(ctx context.Context, key string, at time.Time, record generic) {
	f.t.Helper()
	f.appendRaw(ctx, &kgo.Record{Key: []byte(key), Value: f.frame(record), Timestamp: at})
}

func (f *forger) appendRaw(ctx context.Context, r *kgo.Record) {
	f.t.Helper()
	r.Topic = f.topic
	if err := f.kafka.ProduceSync(ctx, r).FirstErr(); err != nil {
		f.t.Fatal(err)
	}
}
