package tui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/filter"
	"github.com/geokv/geokv/internal/geo"
)

// commandLine is the palette: every action by its name, with arguments where
// it takes some, and any operation as in redis-cli.
type commandLine struct {
	c     *common
	w, h  int
	input input
	at    int
	bad   error

	region string // where an operation is written that names none
}

// entry is one command of the palette.
type entry struct {
	name string
	args string // usage
	help string
	run  func(m *Model, args []string) (tea.Cmd, error)
}

func newCommandLine(c *common, region string) *commandLine {
	return &commandLine{c: c, input: newInput(c, 64<<10), region: region}
}

func (p *commandLine) scope() scope { return scopePalette }

// SetSize sets the size of the screen.
func (p *commandLine) SetSize(w, h int) { p.w, p.h = w, h }

// entries lists the commands.
func entries() []entry {
	act := func(a action) func(*Model, []string) (tea.Cmd, error) {
		return func(m *Model, _ []string) (tea.Cmd, error) { return m.doAnywhere(a), nil }
	}
	return []entry{
		{"write", "[REGION]", "the write form", runWrite},
		{"inspect", "KEY", "a key over all regions", runInspect},
		{"filter", "[TERMS]", "filter the event log", runFilter},
		{"find", "[TERMS]", "find in the event log", runFind},
		{"pause", "", "pause or resume the event log", act(actPause)},
		{"sim", "[RATE | stop]", "start, stop or change the simulator", runSim},
		{"cut", "REGION | FROM TO", "cut a region off, or one link", runCut},
		{"heal", "[REGION | FROM TO]", "heal a region's links, one link, or all", runHeal},
		{"delay", "FROM TO DURATION", "delay one link; 0 takes the delay away", runDelay},
		{"stop", "REGION", "stop a region's Kafka", runStop},
		{"start", "REGION", "start a region's Kafka", runStart},
		{"theme", "dark | light | contrast", "change the colours", runTheme},
		{"mouse", "", "mouse on or off", act(actMouse)},
		{"zoom", "", "give the pane the whole screen, or take it back", act(actZoom)},
		{"command", "", "show and copy the equivalent command line", act(actCopy)},
		{"help", "", "every key", act(actHelp)},
		{"suspend", "", "stop here until fg in the shell", func(m *Model, _ []string) (tea.Cmd, error) { return m.suspend(), nil }},
		{"quit", "", "leave", func(*Model, []string) (tea.Cmd, error) { return tea.Quit, nil }},
	}
}

// matching are the entries that begin with, then those that contain, the first word.
func (p *commandLine) matching() []entry {
	word, _, _ := strings.Cut(strings.TrimSpace(p.input.Value()), " ")
	var first, then []entry
	for _, e := range entries() {
		switch {
		case strings.HasPrefix(e.name, word):
			first = append(first, e)
		case strings.Contains(e.name, word) || strings.Contains(e.help, word):
			then = append(then, e)
		}
	}
	return append(first, then...)
}

func (p *commandLine) act(m *Model, a action) tea.Cmd {
	found := p.matching()
	switch a {
	case actBack:
		m.pop()
	case actUp:
		p.at = max(p.at-1, 0)
	case actDown:
		p.at = min(p.at+1, max(len(found)-1, 0))
	case actComplete:
		if p.at < len(found) {
			p.input.set(found[p.at].name + " ")
			p.at = 0
		}
	case actOpen:
		return p.run(m, found)
	}
	return nil
}

func (p *commandLine) typed(_ *Model, msg tea.KeyMsg) tea.Cmd {
	p.input.edit(msg)
	p.at, p.bad = 0, nil
	return nil
}

// run carries out the line: an entry, or an operation.
func (p *commandLine) run(m *Model, found []entry) tea.Cmd {
	words, err := event.SplitWords(p.input.Value())
	if err != nil {
		p.bad = err
		return nil
	}
	if isOperation(words) {
		return p.produce(m, words)
	}
	if p.at >= len(found) {
		_, p.bad = event.ParseCommand(words)
		return nil
	}
	var args []string
	if len(words) > 1 {
		args = words[1:]
	}
	depth := len(m.overlays)
	m.pop()
	cmd, err := found[p.at].run(m, args)
	if err != nil { // open again, with the reason
		p.bad = err
		m.overlays = m.overlays[:min(depth-1, len(m.overlays))]
		m.push(p)
		return nil
	}
	return cmd
}

// produce opens the form with the operation filled in and sends it, so that the
// receipt and the blocks are seen.
func (p *commandLine) produce(m *Model, words []string) tea.Cmd {
	words, region, err := p.target(words)
	if err != nil {
		p.bad = err
		return nil
	}
	op, err := event.ParseCommand(words)
	if err != nil {
		p.bad = err
		return nil
	}
	op.Region = region
	m.pop()
	m.openForm(op)
	return m.form.send()
}

func isOperation(words []string) bool {
	return len(words) > 0 && slices.Contains(event.Ops(), event.Op(strings.ToUpper(words[0])))
}

// target takes --region and its value from the end of an operation, as the command
// line would have them; else it is the region that is selected.
func (p *commandLine) target(words []string) (rest []string, region string, err error) {
	n := len(words)
	if n < 2 || words[n-2] != "--region" && words[n-2] != "-r" {
		return words, p.region, nil
	}
	region, err = p.c.known(words[n-1])
	return words[:n-2], region, err
}

// aim says where the operation that is being typed would be written.
func (p *commandLine) aim(w int) string {
	words, err := event.SplitWords(p.input.Value())
	if err != nil || !isOperation(words) {
		return spaces(w)
	}
	_, region, err := p.target(words)
	if err != nil {
		return spaces(w)
	}
	return p.c.line(w, false, span{"writes in ", p.c.dim}, span{region, p.c.origin(region)}, span{"; another: --region NAME", p.c.dim})
}

// View renders the box.
func (p *commandLine) View() []string {
	c := p.c
	w := min(p.w-4, 76)
	lines := []string{c.line(w-4, false, append([]span{{": ", c.accent}}, p.input.draw(w-8, true, "a command, or an operation such as incr sales:total 1")...)...)}
	if p.bad != nil {
		lines = append(lines, wrapped(c, w-4, "", clean(p.bad.Error()), c.bad)...)
	} else {
		lines = append(lines, p.aim(w-4))
	}
	found := p.matching()
	room := max(min(len(found), p.h-2-len(lines)-4), 0)
	top := max(p.at-room+1, 0)
	for i := top; i < min(top+room, len(found)); i++ {
		e := found[i]
		cursor := "  "
		if i == p.at {
			cursor = c.cursor + " "
		}
		lines = append(lines, c.line(w-4, i == p.at, span{cursor, c.accent}, span{fit(e.name, 9, ""), c.key},
			span{fit(e.args, 25, c.ellipsis), c.dim}, span{e.help, c.text}))
	}
	return c.box(frame{title: []span{{"commands", c.title}}, focused: true}, padded(lines), w, len(lines)+2)
}

func wrongArgs(name string) error {
	for _, e := range entries() {
		if e.name == name {
			return usageError("usage: " + name + " " + e.args)
		}
	}
	return usageError("usage: " + name)
}

type usageError string

func (e usageError) Error() string { return string(e) }

// known checks a region's name.
func (c *common) known(name string) (string, error) {
	if c.place(name) < 0 {
		return "", usageError("no region " + name + "; there are " + strings.Join(c.regions, ", "))
	}
	return name, nil
}

func (m *Model) flow(args []string) (geo.Flow, error) {
	from, err := m.c.known(args[0])
	if err != nil {
		return geo.Flow{}, err
	}
	to, err := m.c.known(args[1])
	if err == nil && from == to {
		err = usageError("a link joins two regions")
	}
	return geo.Flow{From: from, To: to}, err
}

func runWrite(m *Model, args []string) (tea.Cmd, error) {
	op := event.Operation{Region: m.regionAtCursor()}
	if len(args) > 0 {
		region, err := m.c.known(args[0])
		if err != nil {
			return nil, err
		}
		op.Region = region
	}
	return m.openForm(op), nil
}

func runInspect(m *Model, args []string) (tea.Cmd, error) {
	if len(args) > 1 {
		return nil, wrongArgs("inspect")
	}
	if len(args) == 0 {
		return m.inspect(nil), nil
	}
	return m.inspect([]byte(args[0])), nil
}

func runFilter(m *Model, args []string) (tea.Cmd, error) { return nil, terms(args, m.events.setFilter) }

func runFind(m *Model, args []string) (tea.Cmd, error) { return nil, terms(args, m.events.setFind) }

func terms(args []string, use func(filter.Filter)) error {
	f, err := filter.Parse(strings.Join(args, " "))
	if err == nil {
		use(f)
	}
	return err
}

func runSim(m *Model, args []string) (tea.Cmd, error) {
	switch {
	case len(args) == 0 || len(args) == 1 && args[0] == "stop" && m.simulator.state.Running:
		return m.toggleSim(), nil
	case len(args) == 1 && args[0] == "stop":
		return m.notify("the simulator does not run", false), nil
	case len(args) == 1:
		if rate, err := strconv.ParseFloat(args[0], 64); err == nil && rate > 0 {
			return m.setRate(rate), nil
		}
	}
	return nil, wrongArgs("sim")
}

func runCut(m *Model, args []string) (tea.Cmd, error) {
	switch len(args) {
	case 1:
		region, err := m.c.known(args[0])
		if err != nil {
			return nil, err
		}
		return m.askCut(region), nil
	case 2:
		f, err := m.flow(args)
		if err != nil {
			return nil, err
		}
		return m.askCutLink(f), nil
	}
	return nil, wrongArgs("cut")
}

func runHeal(m *Model, args []string) (tea.Cmd, error) {
	switch len(args) {
	case 0:
		return m.healAll(), nil
	case 1:
		region, err := m.c.known(args[0])
		if err != nil {
			return nil, err
		}
		return m.healRegion(region), nil
	case 2:
		f, err := m.flow(args)
		if err != nil {
			return nil, err
		}
		return m.healLink(f), nil
	}
	return nil, wrongArgs("heal")
}

func runDelay(m *Model, args []string) (tea.Cmd, error) {
	if len(args) != 3 {
		return nil, wrongArgs("delay")
	}
	f, err := m.flow(args)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(args[2])
	if args[2] == "0" {
		d, err = 0, nil
	}
	if err != nil || d < 0 {
		return nil, usageError("usage: delay FROM TO DURATION, such as 300ms")
	}
	return m.delayLink(f, d), nil
}

func runStop(m *Model, args []string) (tea.Cmd, error) {
	if len(args) != 1 {
		return nil, wrongArgs("stop")
	}
	region, err := m.c.known(args[0])
	if err != nil {
		return nil, err
	}
	return m.askStop(region), nil
}

func runStart(m *Model, args []string) (tea.Cmd, error) {
	if len(args) != 1 {
		return nil, wrongArgs("start")
	}
	region, err := m.c.known(args[0])
	if err != nil {
		return nil, err
	}
	return m.startRegion(region), nil
}

func runTheme(m *Model, args []string) (tea.Cmd, error) {
	if len(args) != 1 {
		return nil, wrongArgs("theme")
	}
	t, err := ParseTheme(args[0])
	if err != nil {
		return nil, err
	}
	m.c.setTheme(t)
	return nil, nil
}
