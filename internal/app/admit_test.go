package app

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/addrtest"
	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/view/redistest"
)

// admitted asks the parts of one region whose Kafka and Redis are at addresses
// and whose registry is away, and returns what was logged.
func admitted(ctx context.Context, t *testing.T, kafka, redis string) (string, error) {
	t.Helper()
	topology, err := geo.NewTopology(geo.Region{Name: "us"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	err = Admit(ctx, Config{
		Cluster: config.Cluster{
			Topology: topology, Registry: config.Registry{URL: "http://" + addrtest.Refusing(t)},
			Regions: []config.RegionEndpoint{{
				Region: topology.Regions()[0], Brokers: []string{kafka}, RedisURL: config.URL("redis://" + redis),
			}},
		},
		Roles: Roles{Materialize: true}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	return log.String(), err
}

func TestAdmitWaitsForWhatIsAway(t *testing.T) {
	log, err := admitted(t.Context(), t, addrtest.Refusing(t), addrtest.Refusing(t))
	if err != nil {
		t.Errorf("refused: %v", err)
	}
	for _, hint := range []string{"kafka.brokers", "the server runs", "registry.url"} {
		if !strings.Contains(log, hint) {
			t.Errorf("no hint %q in\n%s", hint, log)
		}
	}
}

func TestAdmitRefusesARefusedLogin(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "geokv", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	_, err = admitted(t.Context(), t, broker.ListenAddrs()[0], addrtest.Refusing(t))
	if fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(err.Error(), "region us") || !strings.Contains(fail.HintOf(err), "kafka.sasl") {
		t.Errorf("got %v, hint %q", err, fail.HintOf(err))
	}
}

// A Kafka that takes connections and says nothing uses up no other part's time.
func TestAdmitAsksTheOthersBesideASilentKafka(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed := miniredis.RunT(t)
	closed.RequireAuth("secret")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = admitted(ctx, t, silent.Addr().String(), closed.Addr())
	if fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(fail.HintOf(err), "redis.password_file") {
		t.Errorf("got %v, hint %q", err, fail.HintOf(err))
	}
}

// A replica becomes a master when a failover ends; settings do not change by themselves.
func TestAdmitWaitsForAReplica(t *testing.T) {
	host, port, _ := net.SplitHostPort(addrtest.Refusing(t))
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	log, err := admitted(t.Context(), t, addrtest.Refusing(t), replica.Addr)
	if err != nil || !strings.Contains(log, "redis is a slave, a view needs a master") {
		t.Errorf("a replica: %v, logged\n%s", err, log)
	}
	evicting := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	_, err = admitted(t.Context(), t, addrtest.Refusing(t), evicting.Addr)
	if fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(fail.HintOf(err), "noeviction") {
		t.Errorf("a Redis that may evict: %v, hint %q", err, fail.HintOf(err))
	}
}
