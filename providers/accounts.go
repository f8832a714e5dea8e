package providers

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"user-manager/upstream"
)

// BatchReader is a [Provider] that reads many accounts in few calls.
type BatchReader interface {
	// Accounts returns the accounts with the given ids by their id. Unknown ids are
	// left out.
	Accounts(ctx context.Context, ids []string) (map[string]Account, error)
}

// Accounts returns the accounts with the given ids by their id, unknown ones left
// out. A provider that is no [BatchReader] is asked for each, atOnce at a time.
func Accounts(ctx context.Context, p Provider, ids []string, atOnce int) (map[string]Account, error) {
	if batch, ok := p.(BatchReader); ok {
		return batch.Accounts(ctx, ids)
	}
	return ReadEach(ctx, ids, atOnce, p.Account)
}

// ReadEach returns the accounts with the given ids by their id, as read returns them one at
// a time, a few side by side. Those for which read returns [ErrNotFound] are left out; any
// other error ends it.
func ReadEach(ctx context.Context, ids []string, atOnce int, read func(ctx context.Context, id string) (Account, error)) (map[string]Account, error) {
	var mu sync.Mutex
	found := map[string]Account{} // guarded by mu
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(atOnce, upstream.FanOut))
	for _, id := range ids {
		g.Go(func() error {
			return upstream.Protect(func() error {
				account, err := read(ctx, id)
				if errors.Is(err, ErrNotFound) {
					return nil
				}
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				found[id] = account
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}
