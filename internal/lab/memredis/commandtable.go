package memredis

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// commandEntry is one command as COMMAND describes it.
type commandEntry struct {
	name              string
	arity             int
	flags             []string
	first, last, step int // positions of keys
}

// commandTable is what COMMAND answers: the commands that this server knows, in
// the order of miniredis' own table, which has others too.
func (s *Server) commandTable() ([]commandEntry, error) {
	var raw bytes.Buffer
	peer := server.NewPeer(bufio.NewWriter(&raw))
	s.dispatch.Dispatch(peer, []string{"COMMAND"})
	peer.Flush()
	r := bufio.NewReaderSize(&raw, maxInline)
	n, err := readNumber(r, '*')
	if err != nil {
		return nil, err
	}
	var table []commandEntry
	for range n {
		entry, err := readCommandEntry(r)
		if err != nil {
			return nil, err
		}
		if s.dispatch.IsRegisteredCommand(entry.name) {
			table = append(table, entry)
		}
	}
	return table, nil
}

func readCommandEntry(r *bufio.Reader) (e commandEntry, err error) {
	if n, err := readNumber(r, '*'); err != nil || n != 6 {
		return e, errProtocol
	}
	if e.name, err = readBulk(r); err != nil {
		return e, err
	}
	if e.arity, err = readNumber(r, ':'); err != nil {
		return e, err
	}
	flags, err := readNumber(r, '*')
	for range flags {
		line, err := readLine(r)
		if err != nil {
			return e, err
		}
		e.flags = append(e.flags, strings.TrimPrefix(line, "+"))
	}
	for _, field := range []*int{&e.first, &e.last, &e.step} {
		if err == nil {
			*field, err = readNumber(r, ':')
		}
	}
	return e, err
}

// readNumber reads a line of a type and a number.
func readNumber(r *bufio.Reader, kind byte) (int, error) {
	line, err := readLine(r)
	if err != nil {
		return 0, err
	}
	if line == "" || line[0] != kind {
		return 0, errProtocol
	}
	return strconv.Atoi(line[1:])
}

// command answers COMMAND and its subcommands. miniredis answers the whole
// table to each of them, at which redis-cli aborts. DOCS is refused as a server
// before 7.0 refuses it: redis-cli then helps with the texts it carries itself.
func (c *session) command(args []string) {
	table, err := c.s.commandTable()
	if err != nil {
		c.refuse("ERR no table of commands: " + err.Error())
		return
	}
	switch sub := subcommand(args); {
	case sub == "":
		c.writeEntries(table)
	case sub == "COUNT" && len(args) == 2:
		c.peer.WriteInt(len(table))
	case sub == "LIST" && len(args) == 2:
		c.peer.WriteLen(len(table))
		for _, e := range table {
			c.peer.WriteBulk(e.name)
		}
	case sub == "INFO" && len(args) == 2:
		c.writeEntries(table)
	case sub == "INFO":
		c.writeNamed(table, args[2:])
	default:
		c.refuse(fmt.Sprintf("ERR Unknown subcommand or wrong number of arguments for '%s'", args[1]))
	}
}

func subcommand(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return strings.ToUpper(args[1])
}

func (c *session) writeEntries(table []commandEntry) {
	c.peer.WriteLen(len(table))
	for _, e := range table {
		c.writeEntry(e)
	}
}

func (c *session) writeNamed(table []commandEntry, names []string) {
	byName := map[string]commandEntry{}
	for _, e := range table {
		byName[e.name] = e
	}
	c.peer.WriteLen(len(names))
	for _, name := range names {
		if e, ok := byName[strings.ToLower(name)]; ok {
			c.writeEntry(e)
		} else {
			c.peer.WriteNull()
		}
	}
}

func (c *session) writeEntry(e commandEntry) {
	c.peer.WriteLen(6)
	c.peer.WriteBulk(e.name)
	c.peer.WriteInt(e.arity)
	c.peer.WriteLen(len(e.flags))
	for _, flag := range e.flags {
		c.peer.WriteInline(flag)
	}
	c.peer.WriteInt(e.first)
	c.peer.WriteInt(e.last)
	c.peer.WriteInt(e.step)
}
