package users

import (
	"context"
	"errors"
	"iter"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// readAll returns all documents, and begins anew when an upstream breaks off: an import
// makes very many calls, and one that fails for a moment is no reason to end it.
func readAll(ctx context.Context, docs iter.Seq2[crud.Document, error]) (all []crud.Document, err error) {
	err = persist(ctx, func(context.Context) error { // docs have their context
		all = all[:0]
		for doc, err := range docs {
			if err != nil {
				return err
			}
			all = append(all, doc)
		}
		return nil
	})
	return all, err
}

// persist makes a call that does no harm when it is made again until it is answered, a few
// times with growing pauses or such as the upstream asks for.
func persist(ctx context.Context, call func(context.Context) error) error {
	const tries, first, longest = 4, 100 * time.Millisecond, 30 * time.Second
	return whileBusy(ctx, func(ctx context.Context) error {
		for try := 0; ; try++ {
			err := call(ctx)
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok || failed.Refused() || try+1 == tries {
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(min(max(failed.RetryAfter, first<<(2*try)), longest)):
			}
		}
	})
}
