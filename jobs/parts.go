package jobs

import (
	"context"
	"iter"
)

const (
	partSize    = 250 // ids of a part
	partsAtOnce = 20  // parts that are read or written at once
)

// A part is a piece of a job's ids, with their outcomes.
type part struct {
	Key      string    `json:"_id"` // of the keeper's own
	Number   int       `json:"part"`
	IDs      []string  `json:"ids"`
	Outcomes []Outcome `json:"outcomes"`
}

// partsOf returns how many parts so many ids take.
func partsOf(ids int) int { return (ids + partSize - 1) / partSize }

// first returns the outcome of each id that has one.
func (p part) first() map[string]Outcome {
	out := make(map[string]Outcome, len(p.Outcomes))
	for _, o := range p.Outcomes {
		if _, twice := out[o.ID]; !twice {
			out[o.ID] = o
		}
	}
	return out
}

// partsIn yields all parts of a job, a few read at a time. The first error ends it.
func partsIn(e entry, read func(from, n int) ([]part, error)) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		total := partsOf(e.Total)
		for from := 0; from < total; from += partsAtOnce {
			found, err := read(from, min(partsAtOnce, total-from))
			if err != nil {
				yield(part{}, err)
				return
			}
			for _, p := range found {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// Outcomes yields the outcomes of a job in the order of its ids, read in parts. The
// first error ends it; [ErrNotFound] when the job is gone.
func (q *Queue) Outcomes(ctx context.Context, j Job) iter.Seq2[Outcome, error] {
	read := func(from, n int) ([]part, error) { return q.keeper.parts(ctx, j.ID, from, n) }
	return func(yield func(Outcome, error) bool) {
		for p, err := range partsIn(entry{Total: j.Total}, read) {
			if err != nil {
				yield(Outcome{}, err)
				return
			}
			first := p.first()
			for _, id := range p.IDs {
				if o, done := first[id]; done && !yield(o, nil) {
					return
				}
			}
		}
	}
}
