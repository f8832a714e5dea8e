package users

import (
	"context"
	"time"

	"user-manager/providers"
)

// bounded makes the calls of a provider that operations on users need, each of which
// ends after a while.
type bounded struct {
	next    providers.Provider
	timeout time.Duration
	fanOut  int
}

func within[T any](ctx context.Context, b bounded, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return call(ctx)
}

func (b bounded) do(ctx context.Context, call func(context.Context) error) error {
	_, err := within(ctx, b, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

func (b bounded) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return within(ctx, b, func(ctx context.Context) (providers.Account, error) { return b.next.Create(ctx, a) })
}

func (b bounded) Find(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return within(ctx, b, func(ctx context.Context) (providers.Account, error) { return b.next.Find(ctx, a) })
}

func (b bounded) Account(ctx context.Context, id string) (providers.Account, error) {
	return within(ctx, b, func(ctx context.Context) (providers.Account, error) { return b.next.Account(ctx, id) })
}

// Accounts reads many accounts; a provider that is no [providers.BatchReader] has the time
// for each.
func (b bounded) Accounts(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	if batch, ok := b.next.(providers.BatchReader); ok {
		return within(ctx, b, func(ctx context.Context) (map[string]providers.Account, error) { return batch.Accounts(ctx, ids) })
	}
	return providers.Accounts(ctx, singly{b.next, b}, ids, b.fanOut)
}

// singly is a provider whose accounts are read one at a time, each within bounds.
type singly struct {
	providers.Provider
	bounded bounded
}

func (s singly) Account(ctx context.Context, id string) (providers.Account, error) {
	return s.bounded.Account(ctx, id)
}

func (b bounded) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	return within(ctx, b, func(ctx context.Context) (providers.Account, error) { return b.next.Update(ctx, id, c) })
}

func (b bounded) UserInfo(ctx context.Context, t providers.Ticket) (map[string]any, error) {
	return within(ctx, b, func(ctx context.Context) (map[string]any, error) { return b.next.UserInfo(ctx, t) })
}

func (b bounded) Delete(ctx context.Context, id string) error {
	return b.do(ctx, func(ctx context.Context) error { return b.next.Delete(ctx, id) })
}

func (b bounded) ChangePassword(ctx context.Context, id string) error {
	return b.do(ctx, func(ctx context.Context) error { return b.next.ChangePassword(ctx, id) })
}
