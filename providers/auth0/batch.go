package auth0

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"user-manager/providers"
	"user-manager/upstream"
)

// batches are reads of single accounts by a job's calls, made together: while one batch is
// read the next gathers. The zero value is ready for use, by several goroutines.
type batches struct {
	reads flights[map[string]providers.Account]

	mu      sync.Mutex
	open    *batch   // guarded by mu; the one that gathers, or nil
	opened  int      // guarded by mu
	reading chan int // guarded by mu, made when first needed; holds a value while one is read
}

type batch struct {
	key string
	ids []string // guarded by the mutex of the batches
}

// join adds an id to the batch that gathers.
func (b *batches) join(id string) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reading == nil {
		b.reading = make(chan int, 1)
	}
	if b.open == nil {
		b.opened++
		b.open = &batch{key: strconv.Itoa(b.opened)}
	}
	b.open.ids = append(b.open.ids, id)
	return b.open
}

// close ends the gathering and returns the ids.
func (b *batches) close(one *batch) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == one {
		b.open = nil
	}
	return one.ids
}

// read returns an account, for a job together with those that others of its calls want.
// What somebody else has changed a moment ago it may return as it was before.
func (p *Provider) read(ctx context.Context, id string) (providers.Account, error) {
	if !upstream.IsBackground(ctx) || ctx.Err() != nil {
		return directory{Provider: p}.Read(ctx, id)
	}
	one := p.batches.join(id)
	found, err := p.batches.reads.do(ctx, one.key, func(ctx context.Context) (map[string]providers.Account, error) {
		return p.readBatch(ctx, one)
	})
	if _, ok := errors.AsType[*upstream.Error](err); err != nil && !ok {
		return providers.Account{}, &upstream.Error{Service: providers.Service, Route: readRoute, Err: err, NotDone: true}
	}
	if err != nil {
		return providers.Account{}, err
	}
	account, ok := found[id]
	if !ok {
		return providers.Account{}, errNoAccount(readRoute)
	}
	return account, nil
}

// readBatch waits until the batch before is read, and reads this one.
func (p *Provider) readBatch(ctx context.Context, one *batch) (map[string]providers.Account, error) {
	defer p.batches.close(one)
	select {
	case p.batches.reading <- 1:
		defer func() { <-p.batches.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.Accounts(ctx, p.batches.close(one))
}
