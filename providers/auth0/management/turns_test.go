package management

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream"
)

// starts counts how often jobs are begun.
type starts struct {
	*tenant
	mu sync.Mutex
	n  int // guarded by mu
}

func (s *starts) Start(ctx context.Context, users []byte, upsert bool, externalID string) (string, error) {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
	return s.tenant.Start(ctx, users, upsert, externalID)
}

// TestJobsTakeTurns: of more Imports than there may be jobs none is sent that the tenant
// would refuse, and one that gives up while it waits has done nothing.
func TestJobsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		d.took = time.Minute
		jobs := &starts{tenant: d}
		i := d.importer()
		i.Jobs = jobs
		var group sync.WaitGroup
		for part := range slices.Chunk(many(100), 20) {
			group.Go(func() { importAll(t, i, part...) })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := i.Import(ctx, []account{{Key: "ffffffffffffffffffffffff", Email: "late@example.com"}})
		if !upstream.Unreached(err) {
			t.Errorf("an Import that had no turn: %v, want one that did nothing", describe(err))
		}
		group.Wait()
		if d.most != jobsAtOnce || jobs.n != 5 || len(d.users) != 100 {
			t.Errorf("%d jobs at once of %d that were sent, %d accounts; want 2 of 5, 100", d.most, jobs.n, len(d.users))
		}
	})
}

// TestLooksByEarlierJobs: the end of a job that is as fast as the one before is noticed as
// soon, and one that is slower or faster has no more looks for it.
func TestLooksByEarlierJobs(t *testing.T) {
	for name, test := range map[string]struct {
		second time.Duration
		late   time.Duration
	}{
		"as fast": {20 * time.Minute, 2 * time.Second},
		"slower":  {25 * time.Minute, 40 * time.Second},
		"faster":  {10 * time.Minute, 16 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTenant()
				i := d.importer()
				i.pace.saw(10, 20*time.Minute+time.Second)
				d.took = test.second
				began := time.Now()
				importAll(t, i, many(10)...)
				late := time.Since(began) - d.took
				if late > test.late || len(d.looks) > 180 {
					t.Errorf("noticed %v late with %d looks, want %v at most", late, len(d.looks), test.late)
				}
			})
		})
	}
}
