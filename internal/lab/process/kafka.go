package process

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/lab/offspring"
	"github.com/geokv/geokv/internal/wal"
)

// log4j keeps what the processes print readable: warnings and worse, and what
// MirrorMaker says about its flows.
const log4j = `status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.mirror.name = org.apache.kafka.connect.mirror
logger.mirror.level = info
`

// startKafka starts a region's broker and makes its topics.
func (c *Cluster) startKafka(ctx context.Context, r *region) error {
	dir, err := c.cfg.Dir.Sub("process", r.Name, "kafka")
	if err != nil {
		return err
	}
	if err := writePart(filepath.Join(c.dirs.root, "log4j2.properties"), []byte(log4j)); err != nil {
		return err
	}
	file := filepath.Join(dir, "broker.properties")
	if err := writePart(file, c.brokerProperties(r, filepath.Join(dir, "data"))); err != nil {
		return err
	}
	if err := c.format(ctx, r, file, filepath.Join(dir, "data")); err != nil {
		return err
	}
	r.kafka, err = c.child("kafka-"+r.Name, offspring.Config{
		Command: func() *exec.Cmd { return c.java("kafka", r.Name, "256m", "-cp", c.cfg.Parts.Libs, "kafka.Kafka", file) },
	})
	if err != nil {
		return err
	}
	if err := c.awaitKafka(ctx, r); err != nil {
		return err
	}
	return c.makeTopics(ctx, r)
}

// format prepares an empty data directory, once. What Kafka's own tool writes
// is the same for every broker but for the ids, so one trial run is enough.
func (c *Cluster) format(ctx context.Context, r *region, file, data string) error {
	meta := filepath.Join(data, "meta.properties")
	if _, err := os.Stat(meta); err == nil {
		return nil
	}
	template := c.cfg.Parts.Archive("bootstrap")
	first, err := os.ReadFile(template)
	if err != nil {
		if err := c.formatByTool(ctx, r, file); err != nil || !c.training {
			return err
		}
		if first, err = os.ReadFile(filepath.Join(data, "bootstrap.checkpoint")); err != nil {
			return nil // without a template the tool runs every time
		}
		return writePart(template, first)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fail.Wrap(fail.Unavailable, err, "create %s", data)
	}
	if err := writePart(filepath.Join(data, "bootstrap.checkpoint"), first); err != nil {
		return err
	}
	return writePart(meta, fmt.Appendf(nil, "version=1\nnode.id=1\ncluster.id=%s\ndirectory.id=%s\n", clusterID(), clusterID()))
}

func (c *Cluster) formatByTool(ctx context.Context, r *region, file string) error {
	cmd := c.java("", "", "128m", "-cp", c.cfg.Parts.Libs, "kafka.tools.StorageTool", "format", "--cluster-id", clusterID(), "--config", file, "--ignore-formatted")
	offspring.Detach(cmd)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return fail.Wrap(fail.Unavailable, err, "format the log of %s", r.Name)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fail.Wrap(fail.Unavailable, err, "format the log of %s: %s", r.Name, offspring.LastLineOf(said.String()))
		}
		return nil
	case <-ctx.Done():
		_ = cmd.Process.Kill() // it is gone when Wait returns
		<-ended
		return context.Cause(ctx)
	}
}

// clusterID is a Kafka UUID: 16 random bytes that do not begin with a dash.
func clusterID() string {
	for {
		var b [16]byte
		rand.Read(b[:])
		if id := base64.RawURLEncoding.EncodeToString(b[:]); !strings.HasPrefix(id, "-") {
			return id
		}
	}
}

// brokerProperties is the file of one combined broker and controller. The
// controller is named here and not found through the stored voters, so that
// another port at the next start does no harm.
func (c *Cluster) brokerProperties(r *region, data string) []byte {
	controller := loopback(c.ports.Controller[r.Name])
	listeners := []string{"LOCAL://" + c.localAddr(r.Name), "CONTROLLER://" + controller}
	advertised := []string{"LOCAL://" + c.localAddr(r.Name)}
	protocols := []string{"LOCAL:PLAINTEXT", "CONTROLLER:PLAINTEXT"}
	for _, f := range c.cfg.Topology.Flows() {
		if f.From != r.Name {
			continue
		}
		name := listenerFor(f.To)
		listeners = append(listeners, name+"://"+loopback(c.ports.Mirror[f.String()]))
		advertised = append(advertised, name+"://"+loopback(c.ports.Link[f.String()]))
		protocols = append(protocols, name+":PLAINTEXT")
	}
	var b bytes.Buffer
	for _, line := range [][2]string{
		{"process.roles", "broker,controller"},
		{"node.id", "1"},
		{"controller.quorum.voters", "1@" + controller},
		{"controller.listener.names", "CONTROLLER"},
		{"inter.broker.listener.name", "LOCAL"},
		{"listeners", strings.Join(listeners, ",")},
		{"advertised.listeners", strings.Join(advertised, ",")},
		{"listener.security.protocol.map", strings.Join(protocols, ",")},
		{"log.dirs", escapeValue(data)},
		{"auto.create.topics.enable", "false"},
		{"default.replication.factor", "1"},
		{"min.insync.replicas", "1"},
		{"offsets.topic.replication.factor", "1"},
		{"offsets.topic.num.partitions", "1"},
		{"transaction.state.log.replication.factor", "1"},
		{"transaction.state.log.min.isr", "1"},
		{"transaction.state.log.num.partitions", "1"},
		{"share.coordinator.state.topic.replication.factor", "1"},
		{"share.coordinator.state.topic.min.isr", "1"},
		{"share.coordinator.state.topic.num.partitions", "1"},
		{"group.initial.rebalance.delay.ms", "0"},
		{"broker.heartbeat.interval.ms", "500"},
		{"broker.session.timeout.ms", "3000"},
		{"num.network.threads", "2"},
		{"num.io.threads", "4"},
		{"log.cleaner.dedupe.buffer.size", "4194304"},
	} {
		fmt.Fprintf(&b, "%s=%s\n", line[0], line[1])
	}
	return b.Bytes()
}

// listenerFor names the listener that the mirror into a region reads from.
func listenerFor(target string) string {
	return "MIRROR_" + strings.ToUpper(strings.ReplaceAll(target, "-", "_"))
}

// escapeValue writes a path into a property file, which eats backslashes.
func escapeValue(path string) string { return strings.ReplaceAll(path, `\`, `\\`) }

func (c *Cluster) localAddr(name string) string { return loopback(c.ports.Local[name]) }

// awaitKafka waits until the broker answers.
func (c *Cluster) awaitKafka(ctx context.Context, r *region) error {
	log, err := r.ownLog(c)
	if err != nil {
		return err
	}
	return c.await(ctx, r.kafka, "kafka-"+r.Name, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.localAddr(r.Name)) // the client waits longer after each failure
		if err != nil {
			return err
		}
		conn.Close()
		return log.Ping(ctx)
	})
}

func (r *region) ownLog(c *Cluster) (*wal.Log, error) {
	if r.log != nil {
		return r.log, nil
	}
	var err error
	r.log, err = wal.Open(wal.Config{
		Brokers: []string{c.localAddr(r.Name)}, ClientID: "geokv-lab", Logger: c.cfg.Logger.With("region", r.Name),
	})
	return r.log, err
}

func (c *Cluster) makeTopics(ctx context.Context, r *region) error {
	options := wal.TopicOptions{Replication: 1, Repair: true}
	if err := r.log.EnsureTopics(ctx, r.Topic(), c.cfg.Topology.Topics(), options); err != nil {
		return err
	}
	for _, name := range c.cfg.Topology.Names() {
		if err := r.log.EnsureSideTopic(ctx, canaryTopic(name), options); err != nil {
			return err
		}
	}
	return nil
}

// StopRegion implements lab.Cluster: the broker is killed, as by a power cut of
// its process.
func (c *Cluster) StopRegion(_ context.Context, name string) error {
	r, err := c.region(name)
	if err != nil {
		return err
	}
	r.setHeld(true)
	r.kafka.Hold()
	return nil
}

// StartRegion implements lab.Cluster and returns when the broker answers.
func (c *Cluster) StartRegion(ctx context.Context, name string) error {
	r, err := c.region(name)
	if err != nil {
		return err
	}
	if err := r.kafka.Release(ctx); err != nil {
		return err
	}
	if err := c.awaitKafka(ctx, r); err != nil {
		return err
	}
	r.setHeld(false)
	return nil
}

// RegionUp implements lab.Cluster.
func (c *Cluster) RegionUp(name string) bool {
	r, err := c.region(name)
	return err == nil && r.up()
}

func (r *region) up() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.held && r.kafka.Alive()
}

func (r *region) setHeld(held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = held
}

// Kafka is a region's broker process, to be killed on purpose.
func (c *Cluster) Kafka(name string) (*offspring.Process, error) {
	r, err := c.region(name)
	if err != nil {
		return nil, err
	}
	return r.kafka, nil
}

// Redis is a region's redis-server process, to be killed on purpose.
func (c *Cluster) Redis(name string) (*offspring.Process, error) {
	r, err := c.region(name)
	if err != nil {
		return nil, err
	}
	return r.redis.Process(), nil
}
