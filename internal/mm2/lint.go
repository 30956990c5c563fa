package mm2

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/geokv/geokv/internal/geo"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // events are lost, looped or not carried
	Warning Severity = "warning" // slow, fragile, or not what its author thinks
)

// Finding is one trap in a property file.
type Finding struct {
	Line     int      `json:"line"` // 0: something is missing from the file
	Key      string   `json:"key"`
	Severity Severity `json:"severity"`
	Problem  string   `json:"problem"` // what it does to events
	Fix      string   `json:"fix"`     // the line or action that helps
}

// String renders the finding on one line.
func (f Finding) String() string {
	where := "missing"
	if f.Line > 0 {
		where = fmt.Sprintf("line %d", f.Line)
	}
	return fmt.Sprintf("%s: %s: %s: %s; %s", where, f.Severity, f.Key, f.Problem, f.Fix)
}

// LintOptions say what the file is for.
type LintOptions struct {
	// Topology is the cluster the file should mirror; the zero value takes the
	// regions from the file itself.
	Topology geo.Topology
	// Version is MirrorMaker's, such as 4.3.1; "" skips the check of it.
	Version string
	// Production asks for internal topics that survive a broker.
	Production bool
}

// Lint reads a property file and returns its traps by line, those about missing
// lines first. The error is r's.
func Lint(r io.Reader, opts LintOptions) ([]Finding, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read MirrorMaker's file: %w", err)
	}
	l := newLinter(parse(data), opts)
	for _, rule := range []func(){
		l.syntax, l.clusterList, l.unknownClusters, l.ignoredKeys, l.failClosed, l.flows,
		l.required, l.forbidden, l.replicationFactors, l.offsetSyncs, l.secrets, l.version,
	} {
		rule()
	}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return l.findings, nil
}

// scope is the level a key stands at.
type scope uint8

const (
	topLevel scope = iota
	clusterScope
	flowScope
)

// placed is a property with its level resolved.
type placed struct {
	property
	scope   scope
	cluster string   // of clusterScope
	flow    geo.Flow // of flowScope
	name    string   // the key without its prefix
}

type linter struct {
	opts     LintOptions
	all      []placed
	last     map[string]placed // the entry that counts, by full key
	clusters []string
	findings []Finding
}

func newLinter(properties []property, opts LintOptions) *linter {
	l := &linter{opts: opts, last: map[string]placed{}}
	for _, p := range properties {
		if p.key == "clusters" {
			l.clusters = list(p.value)
		}
	}
	for _, p := range properties {
		entry := l.place(p)
		l.all = append(l.all, entry)
		l.last[p.key] = entry
	}
	return l
}

// place finds the level of a key: source->target.name, cluster.name or name.
func (l *linter) place(p property) placed {
	if from, rest, ok := strings.Cut(p.key, "->"); ok {
		to, name, _ := strings.Cut(rest, ".")
		return placed{property: p, scope: flowScope, flow: geo.Flow{From: from, To: to}, name: name}
	}
	if cluster, name, ok := strings.Cut(p.key, "."); ok && slices.Contains(l.clusters, cluster) {
		return placed{property: p, scope: clusterScope, cluster: cluster, name: name}
	}
	return placed{property: p, scope: topLevel, name: p.key}
}

// list splits a property of type list.
func list(value string) []string {
	var out []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (l *linter) add(p placed, severity Severity, problem, fix string) {
	l.findings = append(l.findings, Finding{p.line, p.key, severity, problem, fix})
}

func (l *linter) missing(key string, severity Severity, problem, value string) {
	l.findings = append(l.findings, Finding{0, key, severity, problem, "add " + key + " = " + value})
}

// effective returns what a connector of the flow sees of a connector key: the
// flow's own line, else the top level's.
func (l *linter) effective(flow geo.Flow, name string) (placed, bool) {
	if p, ok := l.last[flow.String()+"."+name]; ok {
		return p, true
	}
	p, ok := l.last[name]
	return p, ok
}

// pairs returns the flows that should exist.
func (l *linter) pairs() []geo.Flow {
	if l.opts.Topology.Len() > 0 {
		return l.opts.Topology.Flows()
	}
	var flows []geo.Flow
	for _, from := range l.clusters {
		for _, to := range l.clusters {
			if from != to {
				flows = append(flows, geo.Flow{From: from, To: to})
			}
		}
	}
	return flows
}

// syntax finds what the file format itself does to values.
func (l *linter) syntax() {
	first := map[string]placed{}
	for _, p := range l.all {
		if p.bad != "" {
			l.add(p, Error, p.bad+": MirrorMaker does not start", "write the character itself or four hexadecimal digits")
		}
		if before, ok := first[p.key]; ok {
			l.add(p, Error, fmt.Sprintf("stands twice; this line wins over line %d", before.line), "delete one of the two")
		}
		first[p.key] = p
		switch {
		case strings.TrimRight(p.value, blanks) != p.value:
			l.add(p, trailingSeverity(p), "blanks at the end belong to the value", "delete the blanks at the end of the line")
		case strings.Contains(p.value, " #") || strings.Contains(p.value, " !"):
			l.add(p, Warning, "a property file has no comments after a value: it is part of the value", "move the comment to a line of its own")
		}
	}
}

// trailingSeverity: MirrorMaker compares enabled with "true" to the letter.
func trailingSeverity(p placed) Severity {
	if p.scope == flowScope && p.name == "enabled" {
		return Error
	}
	return Warning
}
