package lane

// Bitmap is a set of numbers that takes millions of additions in any order: at
// most some 40 bytes a number, less than one where they are dense. A Set is
// smaller only where the numbers have few gaps.
type Bitmap map[int64]uint64

// Add puts n, which is not negative, in and reports whether it was not there.
func (b Bitmap) Add(n int64) bool {
	word, bit := n>>6, uint64(1)<<(n&63)
	before := b[word]
	b[word] = before | bit
	return before&bit == 0
}
