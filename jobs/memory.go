package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// memory keeps jobs as long as the process lives.
type memory struct {
	mu   sync.Mutex
	jobs map[string]*memoryJob // by id; guarded by mu, all that is in it too
	made int                   // jobs so far; guarded by mu
}

type memoryJob struct {
	entry
	order int
	parts []part
}

func newMemory() *memory { return &memory{jobs: map[string]*memoryJob{}} }

func (m *memory) add(_ context.Context, e entry, ids []string) error {
	job := &memoryJob{entry: e}
	for some := range slices.Chunk(ids, partSize) {
		key := e.JobID + "/" + strconv.Itoa(len(job.parts))
		job.parts = append(job.parts, part{Key: key, Number: len(job.parts), IDs: some})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	job.order = m.made
	m.jobs[e.JobID] = job
	return nil
}

func (m *memory) find(_ context.Context, id string) (entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if job := m.jobs[id]; job != nil {
		return job.copied(), nil
	}
	return entry{}, ErrNotFound
}

// copied returns the entry for others to keep.
func (j *memoryJob) copied() entry {
	e := j.entry
	e.Counts = maps.Clone(e.Counts) // options never change
	return e
}

func (m *memory) pending(_ context.Context, leaseBefore int64) (int, error) {
	found := m.where(func(e entry) bool { return guard{status: Pending, leaseBefore: leaseBefore}.allows(e) })
	return len(found), nil
}

func (m *memory) ready(_ context.Context, kinds []string, at, leaseBefore int64, n int) ([]entry, error) {
	found := m.where(func(e entry) bool {
		return e.RetryAt <= at && slices.Contains(kinds, e.Kind) && guard{status: Pending, leaseBefore: leaseBefore}.allows(e)
	})
	return found[:min(n, len(found))], nil
}

func (m *memory) due(_ context.Context, at int64, n int) ([]entry, error) {
	found := m.where(func(e entry) bool { return e.Callback == callbackDue && e.CallbackAt <= at })
	return found[:min(n, len(found))], nil
}

// where returns the jobs that match, oldest first.
func (m *memory) where(match func(entry) bool) []entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*memoryJob
	for _, job := range m.jobs {
		if match(job.entry) {
			found = append(found, job)
		}
	}
	slices.SortFunc(found, func(a, b *memoryJob) int { return cmp.Compare(a.order, b.order) })
	entries := make([]entry, len(found))
	for i, job := range found {
		entries[i] = job.copied()
	}
	return entries
}

func (m *memory) change(_ context.Context, id string, g guard, set fields) (bool, error) {
	encoded, err := json.Marshal(set)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	job := m.jobs[id]
	if job == nil || !g.allows(job.entry) {
		return false, nil
	}
	if _, given := set["counts"]; given {
		job.Counts = nil // a map is added to otherwise
	}
	return true, json.Unmarshal(encoded, &job.entry)
}

func (m *memory) parts(_ context.Context, id string, from, n int) ([]part, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	job := m.jobs[id]
	if job == nil || from+n > len(job.parts) {
		return nil, ErrNotFound
	}
	found := slices.Clone(job.parts[from : from+n])
	for i := range found {
		found[i].Outcomes = slices.Clip(found[i].Outcomes) // it is only ever added to
	}
	return found, nil
}

func (m *memory) partsWith(_ context.Context, id string, ids []string) ([]part, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	job := m.jobs[id]
	if job == nil {
		return nil, ErrNotFound
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var found []part
	for _, p := range job.parts {
		if slices.ContainsFunc(p.IDs, func(id string) bool { return wanted[id] }) {
			p.Outcomes = slices.Clip(p.Outcomes)
			found = append(found, p)
		}
	}
	return found, nil
}

func (m *memory) record(_ context.Context, outcomes map[string][]Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, some := range outcomes {
		id, number, _ := strings.Cut(key, "/")
		n, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("jobs: key of a part: %w", err)
		}
		job := m.jobs[id]
		if job == nil {
			return ErrNotFound
		}
		job.parts[n].Outcomes = append(job.parts[n].Outcomes, some...)
	}
	return nil
}

func (m *memory) sweep(_ context.Context, finished, _ int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.jobs)
	maps.DeleteFunc(m.jobs, func(_ string, job *memoryJob) bool {
		return job.FinishedAt != 0 && job.FinishedAt <= finished
	})
	return before - len(m.jobs), nil
}

func (m *memory) sweepOrphans(context.Context, int64) error { return nil }
