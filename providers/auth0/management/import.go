package management

import (
	"context"
	"log/slog"
	"time"

	"user-manager/providers"
)

const longestJob = 2 * time.Hour // a tenant fails one that takes longer

// An Importer imports accounts through a tenant's jobs; it has the methods of a
// [providers.Importer]. Its zero value is not usable: it needs a Directory and Jobs.
type Importer struct {
	Directory  Directory
	Jobs       Jobs
	Polling    Polling
	Connection string // as for [Update]
	Log        *slog.Logger
}

// ImportLimits implements [providers.Importer].
func (i *Importer) ImportLimits() providers.ImportLimits { panic("to come") }

// Import implements [providers.Importer].
func (i *Importer) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	panic("to come")
}
