package management

import (
	"context"

	"user-manager/providers"
)

// A Directory is how accounts of a tenant are reached. Its methods may be called at once
// from several goroutines. Errors are as those of a [providers.Directory]: answers of the
// tenant as [Refusal] makes them.
type Directory interface {
	// Read returns an account as it is, or [providers.ErrNotFound].
	Read(ctx context.Context, id string) (providers.Account, error)
	// ReadMany returns accounts by id. An id that is not among them does not exist: what an
	// index may not know yet has been looked for. An account that somebody else changed a
	// moment ago may be as it was before.
	ReadMany(ctx context.Context, ids []string) (map[string]providers.Account, error)
	// Create makes an account whose id is [AccountID] of its key.
	Create(ctx context.Context, a providers.NewAccount) (providers.Account, error)
	// Patch makes one PATCH of an account, with body as it is, and returns the account
	// afterwards.
	Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error)
}
