// Package offspring keeps child processes running for the stacks of a local
// cluster: it restarts those that end, writes their output to files, and ends
// those that a killed parent left behind.
package offspring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/geokv/geokv/internal/fail"
)

// Config describes a process that is to be kept running.
type Config struct {
	Name    string           // kafka-us
	Command func() *exec.Cmd // a new command for every start; its streams are set here
	LogFile string           // gets what the process prints, appended
	PIDFile string           // see EndOrphans
	Logger  *slog.Logger
}

// A process that keeps ending is started again after these waits.
const (
	firstWait = time.Second
	longWait  = 10 * time.Second
	settled   = 30 * time.Second // a life this long makes the waits short again
)

// maxLog is the size from which a log file is set aside at the next start.
const maxLog = 8 << 20

// Process is a process that is restarted when it ends on its own.
type Process struct {
	cfg  Config
	done chan struct{} // closed when nothing will be started any more

	mu      sync.Mutex
	cmd     *exec.Cmd     // the newest
	exited  chan struct{} // closed when cmd is gone
	began   time.Time     // of cmd
	wanted  bool
	closed  bool
	prompt  bool          // restart without waiting
	changed chan struct{} // closed and replaced when one of the three above changes
	ends    int           // how often it ended on its own
}

// Start starts the process. The error is a *fail.Error when it cannot be run at
// all; that it ends later is not an error but is logged and mended.
func Start(cfg Config) (*Process, error) {
	p := &Process{cfg: cfg, wanted: true, done: make(chan struct{}), changed: make(chan struct{})}
	if err := p.launch(); err != nil {
		return nil, err
	}
	go p.keep()
	return p, nil
}

func (p *Process) launch() error {
	logFile, err := openLog(p.cfg.LogFile)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "open the log of %s", p.cfg.Name).WithHint("is the disk full?")
	}
	defer logFile.Close() // the child has its own
	cmd := p.cfg.Command()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	Detach(cmd)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !p.wanted {
		return nil // it was stopped or held meanwhile
	}
	if err := cmd.Start(); err != nil {
		return fail.Wrap(fail.Unavailable, err, "start %s", p.cfg.Name)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // ProcessState tells how it ended
		close(exited)
	}()
	p.cmd, p.exited, p.began = cmd, exited, time.Now()
	close(p.changed)
	p.changed = make(chan struct{})
	if err := os.WriteFile(p.cfg.PIDFile, fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
		p.cfg.Logger.Warn("pid is not noted: if this process is killed, that one stays", "process", p.cfg.Name, "error", err)
	}
	return nil
}

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// keep starts the process again whenever it is gone and wanted.
func (p *Process) keep() {
	defer close(p.done)
	wait := firstWait
	for {
		<-p.Exited()
		if !p.awaitWanted() {
			return
		}
		if time.Since(p.Began()) > settled {
			wait = firstWait
		}
		if !p.promptly() {
			p.noteEnd(wait)
			if !p.pause(wait) {
				return
			}
			wait = min(2*wait, longWait)
		}
		if !p.isWanted() {
			continue
		}
		if err := p.launch(); err != nil {
			p.cfg.Logger.Error("start again", "process", p.cfg.Name, "error", err)
		}
	}
}

func (p *Process) noteEnd(wait time.Duration) {
	p.mu.Lock()
	p.ends++
	how := p.cmd.ProcessState.String()
	p.mu.Unlock()
	p.cfg.Logger.Error("a process ended and is started again", "process", p.cfg.Name, "how", how,
		"in", wait, "last", LastLine(p.cfg.LogFile), "log", p.cfg.LogFile)
}

// awaitWanted blocks while the process is meant to be away; false means for good.
func (p *Process) awaitWanted() bool {
	for {
		p.mu.Lock()
		wanted, closed, changed := p.wanted, p.closed, p.changed
		p.mu.Unlock()
		if closed || wanted {
			return !closed
		}
		<-changed
	}
}

// pause waits before a restart; a change of what is wanted ends it early.
func (p *Process) pause(d time.Duration) bool {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed
}

func (p *Process) promptly() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.prompt
	p.prompt = false
	return was
}

func (p *Process) isWanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted && !p.closed
}

// set changes what is wanted.
func (p *Process) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Hold kills the process (as kill -9 does) and keeps it away until Release.
func (p *Process) Hold() {
	p.set(func() { p.wanted = false })
	p.Kill()
}

// Release lets a held process come back and returns when it has been started,
// or with ctx's error.
func (p *Process) Release(ctx context.Context) error {
	p.mu.Lock()
	held, before := !p.wanted, p.exited
	p.mu.Unlock()
	if !held {
		return nil
	}
	p.set(func() { p.prompt, p.wanted = true, true })
	for {
		p.mu.Lock()
		now, closed, changed := p.exited, p.closed, p.changed
		p.mu.Unlock()
		if now != before || closed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Restart kills the process; it comes back at once.
func (p *Process) Restart() {
	p.set(func() { p.prompt = true })
	p.Kill()
}

// Kill kills the process (as kill -9 does) and returns when it is gone. It is
// restarted as after any end of its own.
func (p *Process) Kill() {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	_ = cmd.Process.Kill() // an error says that it is gone already
	<-exited
}

// Stop ends the process for good: it is asked to, and killed after grace. clean
// says that it ended by itself.
func (p *Process) Stop(grace time.Duration) (clean bool) {
	p.set(func() { p.closed = true })
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	_ = Terminate(cmd.Process) // an error says that it is gone already
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-exited:
		clean = true
	case <-timer.C:
		p.cfg.Logger.Warn("a process did not end when asked and is killed", "process", p.cfg.Name, "after", grace)
		p.Kill()
	}
	<-p.done
	_ = os.Remove(p.cfg.PIDFile) // worst case the next start looks at the pid
	return clean
}

// Alive reports whether the process runs at the moment.
func (p *Process) Alive() bool {
	select {
	case <-p.Exited():
		return false
	default:
		return true
	}
}

// Exited is closed when the process that runs now is gone.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// Began is when the newest process was started.
func (p *Process) Began() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.began
}

// PID is the id of the newest process.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Ends counts how often the process ended without being asked to.
func (p *Process) Ends() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends
}

// LastLine is the end of a log, for messages.
func LastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "it wrote no log"
	}
	return LastLineOf(string(text))
}

// LastLineOf is the end of what a command said, for messages.
func LastLineOf(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// orphanGrace is how long an orphan may take to end when asked.
const orphanGrace = 10 * time.Second

// EndOrphans ends the processes that the pid files of a directory name and
// whose command line contains marker: what a killed parent left behind. Another
// program that has the same pid by now is left alone. It returns the names of
// those it ended.
func EndOrphans(dir, marker string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil {
		return nil, fmt.Errorf("look for orphans: %w", err)
	}
	var ended []string
	var waiting sync.WaitGroup
	failures := make([]error, len(files))
	for i, name := range files {
		pid, ours := orphan(name, marker)
		if ours {
			ended = append(ended, strings.TrimSuffix(filepath.Base(name), ".pid"))
			waiting.Go(func() { failures[i] = endOrphan(pid, marker) })
		}
	}
	waiting.Wait()
	if err := errors.Join(failures...); err != nil {
		return ended, err
	}
	for _, name := range files {
		_ = os.Remove(name) // it is written again with the next process
	}
	return ended, nil
}

func orphan(pidFile, marker string) (pid int, ours bool) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return 0, false
	}
	if _, err := fmt.Sscan(string(text), &pid); err != nil || pid <= 1 {
		return 0, false
	}
	return pid, strings.Contains(CommandLine(pid), marker)
}

func endOrphan(pid int, marker string) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil // gone
	}
	defer process.Release()
	_ = Terminate(process) // what counts is that it goes away
	for deadline := time.Now().Add(orphanGrace); strings.Contains(CommandLine(pid), marker); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline.Add(orphanGrace)) {
			return fail.New(fail.Unavailable, "end process %d that an earlier run left behind", pid).WithHint("end it by hand: kill -9 %d", pid)
		}
		if time.Now().After(deadline) {
			_ = process.Kill()
		}
	}
	return nil
}
