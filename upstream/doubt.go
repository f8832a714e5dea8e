package upstream

import (
	"context"
	"sync/atomic"
)

// A Doubt tells whether a change that succeeded may be made once more, late: an earlier
// try of it had no clear outcome. It may be used by several goroutines.
type Doubt struct{ raised atomic.Bool }

// Raised reports whether there is one.
func (d *Doubt) Raised() bool { return d.raised.Load() }

type doubtKey struct{}

// WithDoubt returns a context whose calls raise the doubt that is returned with it.
func WithDoubt(ctx context.Context) (context.Context, *Doubt) {
	d := new(Doubt)
	return context.WithValue(ctx, doubtKey{}, d), d
}

func raiseDoubt(ctx context.Context) {
	if d, ok := ctx.Value(doubtKey{}).(*Doubt); ok {
		d.raised.Store(true)
	}
}
