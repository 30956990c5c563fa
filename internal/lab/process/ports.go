package process

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// ports are all ports of a cluster. They are kept in the data directory, so
// that a cluster has the same addresses at every start unless another program
// took one of them.
type ports struct {
	Registry   int            `json:"registry"`
	Local      map[string]int `json:"local"`      // Kafka for the region's own clients
	Controller map[string]int `json:"controller"` // Kafka's own
	Redis      map[string]int `json:"redis"`
	Mirror     map[string]int `json:"mirror"` // by flow: the source's listener for the target
	Link       map[string]int `json:"link"`   // by flow: the proxy before it
}

const portsFile = "ports.json"

// choosePorts keeps those of the last start that are free and fills in others.
// All of them are held until each is chosen, so none is given twice.
func choosePorts(dir string, t geo.Topology) (ports, error) {
	var p ports
	path := filepath.Join(dir, portsFile)
	if text, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(text, &p) // a damaged file is as good as none
	}
	var held holder
	defer held.close()
	p.Registry = held.take(p.Registry)
	for _, m := range []*map[string]int{&p.Local, &p.Controller, &p.Redis} {
		*m = held.takeAll(*m, t.Names())
	}
	var flows []string
	for _, f := range t.Flows() {
		flows = append(flows, f.String())
	}
	p.Mirror, p.Link = held.takeAll(p.Mirror, flows), held.takeAll(p.Link, flows)
	if held.err != nil {
		return p, fail.Wrap(fail.Unavailable, held.err, "choose ports on the loopback").WithHint("end programs that hold many ports")
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return p, err
	}
	return p, writePart(path, append(text, '\n'))
}

// holder keeps chosen ports bound until all are chosen.
type holder struct {
	listeners []net.Listener
	err       error
}

func (h *holder) takeAll(last map[string]int, names []string) map[string]int {
	chosen := map[string]int{}
	for _, name := range names {
		chosen[name] = h.take(last[name])
	}
	return chosen
}

// take binds the wanted port when it can, else one below the ranges from which
// systems give ports to outgoing connections.
func (h *holder) take(wanted int) int {
	var failure error
	for try := range 100 {
		port := wanted
		if try > 0 || wanted == 0 {
			port = 20000 + rand.IntN(12000)
		}
		l, err := net.Listen("tcp", loopback(port))
		if err == nil {
			h.listeners = append(h.listeners, l)
			return port
		}
		failure = err
	}
	h.err = failure
	return 0
}

func (h *holder) close() {
	for _, l := range h.listeners {
		l.Close()
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
