package users

import (
	"fmt"
	"testing"

	"user-manager/providers"
)

// cutAll cuts n users, as they come page by page, and returns the sizes of the chunks.
func cutAll(a *activation, n int) (sizes []int) {
	var ready chunk
	for left := n; left > 0; {
		page := min(activationPage, left)
		left -= page
		var whole []chunk
		whole, ready = a.cutUp(append(ready, make(chunk, page)...), left)
		for _, c := range whole {
			sizes = append(sizes, len(c))
		}
	}
	if len(ready) > 0 {
		sizes = append(sizes, len(ready))
	}
	return sizes
}

// TestChunksEndTogether: however many users there are, two imports at once of equal speed
// are busy nearly all the time, and files are few.
func TestChunksEndTogether(t *testing.T) {
	for _, n := range []int{1, 199, 200, 201, 1000, 9_000, 10_000, 100_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			a := &activation{imports: make(chan struct{}, 2), limits: providers.ImportLimits{AtOnce: 2, Bytes: 500_000,
				Size: func(providers.ImportAccount) int { return 130 }}}
			var done [2]int // users of each of the two
			sum, sizes := 0, cutAll(a, n)
			for _, size := range sizes {
				next := 0
				if done[1] < done[0] {
					next = 1
				}
				done[next] += size
				sum += size
				if size*130 > 500_000 {
					t.Errorf("a chunk has %d users, more than the provider takes", size)
				}
			}
			if sum != n {
				t.Errorf("%d of %d users are in chunks", sum, n)
			}
			if last := max(done[0], done[1]); last > n/2+activationPage {
				t.Errorf("one import has %d of %d users, want half of them: %v", last, n, sizes)
			}
			if most := n*130/500_000 + 20; len(sizes) > most {
				t.Errorf("%d chunks, want %d at most: %v", len(sizes), most, sizes)
			}
		})
	}
}

// TestChunksOfAProviderWithALimit: its limit of accounts is kept too.
func TestChunksOfAProviderWithALimit(t *testing.T) {
	a := &activation{imports: make(chan struct{}, 1), limits: providers.ImportLimits{Accounts: 1, AtOnce: 1}}
	sizes := cutAll(a, 450)
	if len(sizes) != 450 {
		t.Errorf("%d chunks of 450 users, want one each", len(sizes))
	}
}
