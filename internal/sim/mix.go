package sim

// KindShare says how many of a hundred steps are of a kind.
type KindShare struct {
	Kind    Kind
	Percent int
}

// Mix is what the steps are made of, in the order of the documentation.
func Mix() []KindShare {
	mix := make([]KindShare, len(weights))
	for i, w := range weights {
		mix[i] = KindShare{w.kind, w.weight}
	}
	return mix
}
