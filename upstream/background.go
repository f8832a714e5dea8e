package upstream

import "context"

type backgroundKey struct{}

// InBackground marks the calls of a context as part of long work: where calls have to wait
// for a limit of the upstream, those that a client waits for go first.
func InBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// IsBackground reports whether ctx is marked by [InBackground].
func IsBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }
