package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/out"
)

const keysPerPage = 5000

type keysOptions struct {
	region string
	limit  int
}

func newKeys(s *session) *cobra.Command {
	var o keysOptions
	cmd := &cobra.Command{
		Use:   "keys [PATTERN]",
		Short: "List keys of one region, or of all side by side",
		Long: `List the keys that users wrote, in byte order. PATTERN is a glob as in Redis. With
--region all a column per region shows which of them hold the key.`,
		Example: `  geokv keys
  geokv keys 'inventory:*' --region all
  geokv keys -o json | jq -r '.keys[]'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.keys(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	cmd.Flags().StringVarP(&o.region, "region", "r", "", "region to read, or all (default: the first)")
	cmd.Flags().IntVar(&o.limit, "limit", 10_000, "list at most so many keys")
	s.completeRegions(cmd, "region", allRegions)
	return group("data", cmd)
}

// keysAnswer is the JSON of keys: which regions hold each key.
type keysAnswer struct {
	Regions []string            `json:"regions"`
	Keys    []event.Bytes       `json:"keys"`
	Missing []keyAbsence        `json:"missing,omitempty"` // with --region all: keys that some region lacks
	Cut     bool                `json:"cut,omitempty"`     // there are more keys than --limit
	held    map[string][]string // key -> regions that hold it
}

type keyAbsence struct {
	Key     event.Bytes `json:"key"`
	Regions []string    `json:"regions"` // without the key
}

func (s *session) keys(ctx context.Context, o keysOptions, pattern string) error {
	if err := s.formats(out.Table, out.JSON); err != nil {
		return err
	}
	if o.limit < 1 {
		return fail.New(fail.Usage, "--limit %d, want 1 or more", o.limit)
	}
	b, err := s.connect(ctx, need{})
	if err != nil {
		return err
	}
	defer s.disconnect(b)
	answer := keysAnswer{Regions: chosen(o.region, b.Regions()), Keys: []event.Bytes{}, held: map[string][]string{}}
	for _, region := range answer.Regions {
		if err := answer.list(ctx, b, region, pattern, o.limit); err != nil {
			return err
		}
	}
	answer.finish(o.limit)
	if answer.Cut {
		s.printer.Note("only %d keys shown; --limit shows more", o.limit)
	}
	return s.printer.Result(answer, func() out.Grid { return keysGrid(answer) })
}

// list takes a region's keys. Of one region limit of them are enough; of several
// all are needed to tell which lack a key.
func (a *keysAnswer) list(ctx context.Context, b backend, region, pattern string, limit int) error {
	for cursor := ""; ; {
		page, err := b.Keys(ctx, api.KeysQuery{Region: region, Match: pattern, Cursor: cursor, Limit: keysPerPage})
		if err != nil {
			return err
		}
		for _, k := range page.Keys {
			if holders := a.held[string(k)]; !slices.Contains(holders, region) { // a key may come twice
				a.held[string(k)] = append(holders, region)
			}
		}
		if cursor = page.Cursor; cursor == "" || len(a.Regions) == 1 && len(a.held) > limit {
			return nil
		}
	}
}

func (a *keysAnswer) finish(limit int) {
	for key := range a.held {
		a.Keys = append(a.Keys, event.Bytes(key))
	}
	slices.SortFunc(a.Keys, func(x, y event.Bytes) int { return strings.Compare(string(x), string(y)) })
	if a.Cut = len(a.Keys) > limit; a.Cut {
		a.Keys = a.Keys[:limit]
	}
	for _, key := range a.Keys {
		if lacking := a.lacking(key); len(lacking) > 0 {
			a.Missing = append(a.Missing, keyAbsence{key, lacking})
		}
	}
}

func (a *keysAnswer) lacking(key event.Bytes) []string {
	var lacking []string
	for _, region := range a.Regions {
		if !slices.Contains(a.held[string(key)], region) {
			lacking = append(lacking, region)
		}
	}
	return lacking
}

func keysGrid(a keysAnswer) out.Grid {
	g := out.Grid{Columns: out.Columns("KEY"), Empty: "no keys"}
	if len(a.Regions) > 1 {
		g.Columns = out.Columns("KEY~", "REGIONS")
	}
	for _, key := range a.Keys {
		row := out.Text(out.Literal(key))
		if len(a.Regions) > 1 {
			held := a.held[string(key)]
			cell := out.Cell{Text: strings.Join(held, ","), Role: out.Good}
			if len(held) < len(a.Regions) {
				cell = out.Cell{Text: cell.Text + " (" + strconv.Itoa(len(held)) + " of " + strconv.Itoa(len(a.Regions)) + ")", Role: out.Warn}
			}
			row = append(row, cell)
		}
		g.Add(row...)
	}
	return g
}
