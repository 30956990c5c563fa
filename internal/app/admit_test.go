package app

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/geokv/geokv/internal/config"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// nowhere is an address where nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// admitted asks the parts of one region whose Kafka is at an address and whose
// other parts are away, and returns what was logged.
func admitted(t *testing.T, kafka string) (string, error) {
	t.Helper()
	topology, err := geo.NewTopology(geo.Region{Name: "us"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	err = Admit(t.Context(), Config{
		Cluster: config.Cluster{
			Topology: topology, Registry: config.Registry{URL: "http://" + nowhere(t)},
			Regions: []config.RegionEndpoint{{
				Region: topology.Regions()[0], Brokers: []string{kafka}, RedisURL: config.URL("redis://" + nowhere(t)),
			}},
		},
		Roles: Roles{Materialize: true}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	return log.String(), err
}

func TestAdmitWaitsForWhatIsAway(t *testing.T) {
	log, err := admitted(t, nowhere(t))
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
	_, err = admitted(t, broker.ListenAddrs()[0])
	if fail.CodeOf(err) != fail.NotAllowed || !strings.Contains(err.Error(), "region us") || !strings.Contains(fail.HintOf(err), "kafka.sasl") {
		t.Errorf("got %v, hint %q", err, fail.HintOf(err))
	}
}
