package upstream

import (
	"context"
	"time"
)

// Wait returns nil after d, or, as soon as ctx is done, why it is: [context.Cause]. Of a
// context that is done it returns that at once, and it does not wait when d is not positive.
func Wait(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil || d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
