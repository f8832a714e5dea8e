package users

import (
	"slices"

	"user-manager/csvimport"
)

// skipping begins what is said of every invalid row, as the reference has it.
const skipping = "Skipping record: "

// maxProblemKinds bounds how many problems are looked up to keep each once.
const maxProblemKinds = 1000

// importBatch is some rows that follow each other, checked as far as that needs no user
// of the store, and what became of them so far.
type importBatch struct {
	last       int
	insertions []insertion
	updates    []csvimport.Row
	outcomes   []importOutcome
	names      batchNames
}

// importOutcome is what became of a row: an id, or a problem.
type importOutcome struct {
	row     int
	id      string
	updated bool
	problem string
}

func (b *importBatch) invalid(row int, problem string) {
	b.outcomes = append(b.outcomes, importOutcome{row: row, problem: skipping + problem})
}

// withdraw takes back what became of some rows.
func (b *importBatch) withdraw(rows []int) {
	b.outcomes = slices.DeleteFunc(b.outcomes, func(o importOutcome) bool { return slices.Contains(rows, o.row) })
}

func (b *importBatch) inserted(row int, id string) {
	b.outcomes = append(b.outcomes, importOutcome{row: row, id: id})
}

func (b *importBatch) updated(row int, id string) {
	b.outcomes = append(b.outcomes, importOutcome{row: row, id: id, updated: true})
}

// take adds the outcomes of a batch to the report, in the order of the rows. A batch
// that is not whole ends at the last row that has an outcome.
func (im *importer) take(batch *importBatch, whole bool) {
	slices.SortFunc(batch.outcomes, func(a, b importOutcome) int { return a.row - b.row })
	r := &im.report
	for _, outcome := range batch.outcomes {
		r.LastRow = max(r.LastRow, outcome.row)
		switch {
		case outcome.problem != "":
			r.Invalid = append(r.Invalid, InvalidRow{outcome.row, im.kept(outcome.problem)})
		case outcome.updated:
			r.Updated = append(r.Updated, outcome.id)
		case im.opts.DryRun:
			r.Insertable++
		default:
			r.Inserted = append(r.Inserted, outcome.id)
		}
	}
	if whole {
		r.LastRow = max(r.LastRow, batch.last)
	}
}

// kept returns the problem as it is kept already: many rows have the same.
func (im *importer) kept(problem string) string {
	if known, ok := im.problems[problem]; ok {
		return known
	}
	if len(im.problems) < maxProblemKinds {
		im.problems[problem] = problem
	}
	return problem
}
