package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"user-manager/crud"
	"user-manager/upstream"
)

// stored keeps jobs in a collection: a document for the job, and one for every part,
// for a document may not grow with its job. The package's comment lists the fields.
type stored struct{ docs crud.Collection }

// jobWith selects the job with the given id, shown or not, and none of its parts: by the
// status, for which there is an index.
func jobWith(id string) crud.Document {
	return crud.Document{"type": "job", "jobId": id, "status": crud.Document{"$in": []Status{creating, Pending, Completed, Failed}}}
}

// shown are the statuses of jobs that readers see.
var shown = crud.Document{"$in": []Status{Pending, Completed, Failed}}

func (s *stored) find(ctx context.Context, id string) (entry, error) {
	found, err := s.entries(ctx, crud.Document{"type": "job", "jobId": id, "status": shown}, 1)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return entry{}, err
	}
	return found[0], nil
}

func (s *stored) pending(ctx context.Context, leaseBefore int64) (int, error) {
	return s.docs.Count(ctx, where(guard{status: Pending, leaseBefore: leaseBefore}.filter()))
}

func (s *stored) ready(ctx context.Context, kinds []string, at, leaseBefore int64, n int) ([]entry, error) {
	filter := guard{status: Pending, leaseBefore: leaseBefore}.filter()
	filter["kind"], filter["retryAt"] = crud.Document{"$in": kinds}, crud.Document{"$lte": at}
	return s.entries(ctx, filter, n)
}

func (s *stored) due(ctx context.Context, at int64, n int) ([]entry, error) {
	return s.entries(ctx, crud.Document{"type": "job", "callback": callbackDue, "callbackAt": crud.Document{"$lte": at}}, n)
}

// entries returns the first n jobs that match, oldest first: ids grow with time.
func (s *stored) entries(ctx context.Context, filter crud.Document, n int) ([]entry, error) {
	q := where(filter)
	q.Sort, q.Limit = "_id", min(n, maxList)
	return list[entry](ctx, s.docs, q)
}

// maxList is the most documents that the store lists at once.
const maxList = 200

// list returns the documents that q selects as Ts.
func list[T any](ctx context.Context, docs crud.Collection, q crud.Query) ([]T, error) {
	page, err := docs.ListJSON(ctx, q)
	if err != nil {
		return nil, err
	}
	var found []T
	if err := json.Unmarshal(page, &found); err != nil {
		return nil, &upstream.Error{Service: crud.Service, Route: docs.Route("GET", "/"), Err: fmt.Errorf("decode answer: %w", err)}
	}
	return found, nil
}

func (s *stored) change(ctx context.Context, id string, g guard, set fields) (bool, error) {
	filter := g.filter()
	filter["jobId"] = id
	n, err := s.docs.PatchAll(ctx, where(filter), crud.Document{"$set": set})
	return n > 0, err
}

// filter selects the jobs that g allows.
func (g guard) filter() crud.Document {
	f := crud.Document{"type": "job"}
	if g.status != "" {
		f["status"] = g.status
	}
	if g.startedAt != nil {
		f["startedAt"] = *g.startedAt
	}
	if g.owner != "" {
		f["leaseOwner"] = g.owner
	}
	if g.leaseBefore != 0 {
		f["leaseUntil"] = crud.Document{"$lt": g.leaseBefore}
	}
	if g.callbackAt != 0 {
		f["callback"], f["callbackAt"] = callbackDue, g.callbackAt
	}
	return f
}

func (s *stored) parts(ctx context.Context, id string, from, n int) ([]part, error) {
	q := where(crud.Document{"type": "part", "jobId": id, "part": crud.Document{"$gte": from, "$lt": from + n}})
	q.Limit, q.Fields = n, partFields
	found, err := list[part](ctx, s.docs, q)
	if err != nil {
		return nil, err
	}
	if len(found) != n {
		return nil, ErrNotFound
	}
	slices.SortFunc(found, func(a, b part) int { return cmp.Compare(a.Number, b.Number) })
	return found, nil
}

var partFields = []string{"part", "ids", "outcomes"}

// partsWith asks for a few ids at a time: a query is part of a URL.
func (s *stored) partsWith(ctx context.Context, id string, ids []string) ([]part, error) {
	var found []part
	seen := map[string]bool{}
	q := crud.Query{Filter: crud.Document{"type": "part", "jobId": id}, States: crud.AllStates, Fields: partFields}
	for doc, err := range s.docs.AllIn(ctx, "ids", ids, q) {
		if err != nil {
			return nil, err
		}
		p, err := partOf(doc)
		if err != nil {
			return nil, &upstream.Error{Service: crud.Service, Route: s.docs.Route("GET", "/"), Err: err}
		}
		if !seen[p.Key] {
			seen[p.Key] = true
			found = append(found, p)
		}
	}
	return found, nil
}

func partOf(doc crud.Document) (part, error) {
	var p part
	encoded, err := json.Marshal(doc)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(encoded, &p)
}

// record adds outcomes as members of a set: to do it again changes nothing, so it may
// be tried again whatever became of it.
func (s *stored) record(ctx context.Context, outcomes map[string][]Outcome) error {
	patches := make([]crud.BulkPatch, 0, len(outcomes))
	for key, some := range outcomes {
		added := crud.Document{"outcomes": crud.Document{"$each": some}}
		patches = append(patches, crud.BulkPatch{ID: key, Update: crud.Document{"$addToSet": added}})
	}
	for some := range slices.Chunk(patches, crud.BulkLimit) {
		n, err := s.docs.PatchBulk(ctx, some)
		if err != nil {
			return err
		}
		if n != len(some) {
			return ErrNotFound
		}
	}
	return nil
}

// where selects documents in whatever state.
func where(filter crud.Document) crud.Query {
	return crud.Query{Filter: filter, States: crud.AllStates}
}

// document returns e as the store has it.
func document(e entry) (crud.Document, error) {
	var doc crud.Document
	encoded, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return doc, json.Unmarshal(encoded, &doc)
}
