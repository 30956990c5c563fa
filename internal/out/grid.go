package out

import (
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Grid is a table: columns and rows of cells. Every cell is made safe when it
// is printed.
type Grid struct {
	Columns []Column
	Rows    [][]Cell
	Empty   string // what to say on a terminal when there are no rows
	// Continued leaves the header out: these rows go on a table that is printed
	// piece by piece. Its columns need a Min to stay aligned.
	Continued bool
}

// Column describes one column.
type Column struct {
	Name  string
	Right bool // numbers
	Cut   bool // may be shortened to fit the terminal
	Min   int  // narrowest width on a terminal; 0: as its cells need
}

// Cell is one field of a row.
type Cell struct {
	Text string
	Role Role
}

// Text makes plain cells.
func Text(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, t := range texts {
		cells[i] = Cell{Text: t}
	}
	return cells
}

// Columns makes left-aligned columns; a name that starts with ">" is
// right-aligned, one that ends with "~" may be cut.
func Columns(names ...string) []Column {
	columns := make([]Column, len(names))
	for i, n := range names {
		name, right := strings.CutPrefix(n, ">")
		name, cut := strings.CutSuffix(name, "~")
		columns[i] = Column{Name: name, Right: right, Cut: cut}
	}
	return columns
}

// Add appends a row.
func (g *Grid) Add(cells ...Cell) { g.Rows = append(g.Rows, cells) }

const gap = "  "

// Grid prints a table. On a terminal columns are padded and cut to its width;
// elsewhere cells are separated by one tab, unpadded and whole, for cut and awk.
func (p *Printer) Grid(g Grid) error {
	if len(g.Rows) == 0 && p.TTY && g.Empty != "" {
		_, err := fmt.Fprintln(p.Out, g.Empty)
		return err
	}
	rows := safeRows(g)
	printed := rows
	if g.Continued {
		printed = rows[1:]
	}
	var b strings.Builder
	if p.TTY {
		p.aligned(&b, g.Columns, p.widths(g.Columns, rows), printed)
	} else {
		p.tabbed(&b, printed)
	}
	_, err := fmt.Fprint(p.Out, b.String())
	return err
}

// safeRows is the header and the rows, fit for a terminal and of equal length.
func safeRows(g Grid) [][]Cell {
	header := make([]Cell, len(g.Columns))
	for i, c := range g.Columns {
		header[i] = Cell{strings.ToUpper(c.Name), Dim}
	}
	rows := [][]Cell{header}
	for _, row := range g.Rows {
		safe := make([]Cell, len(g.Columns))
		for i := range min(len(row), len(safe)) {
			safe[i] = Cell{Safe(row[i].Text), row[i].Role}
		}
		rows = append(rows, safe)
	}
	return rows
}

func (p *Printer) tabbed(b *strings.Builder, rows [][]Cell) {
	for _, row := range rows {
		for i, c := range row {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(p.Style(c.Role, c.Text))
		}
		b.WriteByte('\n')
	}
}

func (p *Printer) aligned(b *strings.Builder, columns []Column, widths []int, rows [][]Cell) {
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			text := runewidth.Truncate(c.Text, widths[i], "…")
			pad := strings.Repeat(" ", max(widths[i]-runewidth.StringWidth(text), 0))
			if i > 0 {
				line.WriteString(gap)
			}
			switch {
			case columns[i].Right:
				line.WriteString(pad + p.Style(c.Role, text))
			default:
				line.WriteString(p.Style(c.Role, text) + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// widths gives every column its longest cell, then takes what does not fit from
// the columns that may be cut, the widest first.
func (p *Printer) widths(columns []Column, rows [][]Cell) []int {
	const least = 8
	widths, total := make([]int, len(columns)), len(gap)*(len(columns)-1)
	for i, c := range columns {
		widths[i] = c.Min
		for _, row := range rows {
			widths[i] = max(widths[i], runewidth.StringWidth(row[i].Text))
		}
		total += widths[i]
	}
	for p.Width > 0 && total > p.Width {
		widest := -1
		for i, c := range columns {
			if c.Cut && widths[i] > least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}
