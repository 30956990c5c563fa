package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/geokv/geokv/internal/event"
)

// The keys that the shop writes: those the demo views show.
const (
	SalesKey       = "sales:total"
	CartKey        = "cart:active"
	LeaderboardKey = "leaderboard:spenders"
	OrdersKey      = "orders:feed"
	VIPKey         = "vip:customers"
	LastSeenKey    = "inventory:lastSeen"
)

// InventoryKey returns the key of a SKU's stock.
func InventoryKey(sku string) string { return "inventory:" + sku }

// Product is something the shop sells.
type Product struct {
	SKU   string
	Price int // whole units of money
}

// Catalog lists the products.
func Catalog() []Product {
	return []Product{
		{"laptop", 1299}, {"phone", 799}, {"tablet", 499}, {"headphones", 199},
		{"watch", 249}, {"keyboard", 89}, {"monitor", 349},
	}
}

// Kind is what happens in one step.
type Kind string

// The kinds and how many of a hundred steps are of each.
const (
	Purchase      Kind = "purchase"
	CartAdd       Kind = "cart add"
	CartDrop      Kind = "cart drop"
	VIPJoin       Kind = "vip join"
	Restock       Kind = "restock"
	InventoryRace Kind = "inventory race"
)

var weights = []struct {
	kind   Kind
	weight int
}{{Purchase, 50}, {CartAdd, 20}, {CartDrop, 10}, {VIPJoin, 10}, {Restock, 5}, {InventoryRace, 5}}

// Step is what one user does: operations in order, or at once in several
// regions when it is a race.
type Step struct {
	Kind Kind
	Ops  []event.Operation // each with its region
}

// parts returns the operations by who makes them one after the other: racers
// are sent at the same time, each in a region of its own.
func (s Step) parts() [][]event.Operation {
	if s.Kind == InventoryRace {
		return slices.Collect(slices.Chunk(s.Ops, 1))
	}
	return [][]event.Operation{s.Ops}
}

// Generator makes the steps of a seed. The sequence depends on the seed, the
// regions alone, never on time or on what became of a write.
type Generator struct {
	random  *rand.Rand
	regions []string
	cart    []string // who has a cart, in the order of joining
	seen    int
}

// NewGenerator makes a generator for the regions, in their given order, all as
// busy as each other.
func NewGenerator(seed uint64, regions []string) *Generator {
	return &Generator{random: rand.New(rand.NewPCG(seed, 0x67656f6b76)), regions: slices.Clone(regions)}
}

// Next returns the next step.
func (g *Generator) Next() Step {
	kind := g.kind()
	if kind == CartDrop && len(g.cart) == 0 {
		kind = CartAdd
	}
	region := g.region()
	switch kind {
	case Purchase:
		return g.purchase(region)
	case CartAdd:
		user := g.user(region)
		if !slices.Contains(g.cart, user) {
			g.cart = append(g.cart, user)
		}
		return one(CartAdd, region, CartKey, event.SAdd{Members: [][]byte{[]byte(user)}})
	case CartDrop:
		i := g.random.IntN(len(g.cart))
		user := g.cart[i]
		g.cart = slices.Delete(g.cart, i, i+1)
		return one(CartDrop, g.homeOf(user), CartKey, event.SRem{Members: [][]byte{[]byte(user)}})
	case VIPJoin:
		return one(VIPJoin, region, VIPKey, event.SAdd{Members: [][]byte{[]byte(g.user(region))}})
	case Restock:
		return one(Restock, region, InventoryKey(g.product().SKU), event.Set{Value: strconv.AppendInt(nil, int64(50+10*g.random.IntN(16)), 10)})
	default:
		return g.race()
	}
}

func (g *Generator) kind() Kind {
	n := g.random.IntN(100)
	for _, w := range weights {
		if n < w.weight {
			return w.kind
		}
		n -= w.weight
	}
	return Purchase // not reached: the weights add up to 100
}

func (g *Generator) region() string { return g.regions[g.random.IntN(len(g.regions))] }

func (g *Generator) product() Product {
	catalog := Catalog()
	return catalog[g.random.IntN(len(catalog))]
}

func (g *Generator) purchase(region string) Step {
	user, p := g.user(region), g.product()
	at := func(key string, args event.Args) event.Operation {
		return event.Operation{Region: region, Key: []byte(key), Args: args}
	}
	return Step{Purchase, []event.Operation{
		at(SalesKey, event.Incr{Delta: 1}),
		at(InventoryKey(p.SKU), event.Incr{Delta: -1}),
		at(LeaderboardKey, event.ZAdd{Members: []event.ScoredMember{{Member: []byte(user), Score: float64(p.Price)}}}),
		at(OrdersKey, event.XAdd{Fields: []event.FieldValue{
			{Field: []byte("sku"), Value: []byte(p.SKU)},
			{Field: []byte("price"), Value: strconv.AppendInt(nil, int64(p.Price), 10)},
			{Field: []byte("buyer"), Value: []byte(user)},
		}}),
	}}
}

// race writes one key from at least two regions at once, so that they meet
// before any mirror has carried one to the other.
func (g *Generator) race() Step {
	g.seen++
	sku := g.product().SKU
	order := g.random.Perm(len(g.regions))
	if len(order) > 2 {
		order = order[:2+g.random.IntN(len(order)-1)]
	}
	s := Step{Kind: InventoryRace}
	for _, i := range order {
		value := fmt.Sprintf("%s seen in %s #%d", sku, g.regions[i], g.seen)
		s.Ops = append(s.Ops, event.Operation{Region: g.regions[i], Key: []byte(LastSeenKey), Args: event.Set{Value: []byte(value)}})
	}
	return s
}

func one(kind Kind, region, key string, args event.Args) Step {
	return Step{kind, []event.Operation{{Region: region, Key: []byte(key), Args: args}}}
}

var names = []string{
	"ada", "ben", "cleo", "dan", "eva", "finn", "gia", "hugo", "ines", "jon", "kim", "lea",
	"max", "nora", "omar", "pia", "quin", "rosa", "sam", "tess", "udo", "vera", "wes", "yara",
}

// user picks somebody who lives in the region: users never move.
func (g *Generator) user(region string) string {
	return names[g.random.IntN(len(names))] + "." + region
}

func (g *Generator) homeOf(user string) string {
	for _, r := range g.regions {
		if len(user) > len(r) && user[len(user)-len(r)-1:] == "."+r {
			return r
		}
	}
	return g.regions[0]
}
