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

// WithoutDoubt returns a context whose calls raise no doubt, for changes that do no harm
// however late they are made once more.
func WithoutDoubt(ctx context.Context) context.Context {
	return context.WithValue(ctx, doubtKey{}, (*Doubt)(nil))
}

// RaiseDoubt raises the doubt of ctx, if it has one: what seemed not to be done may yet be.
func RaiseDoubt(ctx context.Context) {
	if d, _ := ctx.Value(doubtKey{}).(*Doubt); d != nil {
		d.raised.Store(true)
	}
}
