package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// cleanupTime is how long what an unfinished add has written is tried to be removed.
const cleanupTime = 10 * time.Second

// add inserts the job for nobody to see, then the parts, and then shows it. What it
// cannot remove when it fails, the sweep removes later.
func (s *stored) add(ctx context.Context, e entry, ids []string) error {
	err := s.insertJob(ctx, e)
	if err == nil {
		err = s.insertParts(ctx, e, ids)
	}
	if err == nil {
		err = s.show(ctx, e.JobID)
	}
	if err != nil {
		s.withdraw(ctx, e.JobID)
	}
	return err
}

// withdraw removes what add has written, the job first: it must not be shown any more.
func (s *stored) withdraw(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if _, err := s.docs.DeleteAll(ctx, where(jobWith(id))); err == nil {
		s.docs.DeleteAll(ctx, where(crud.Document{"type": "part", "jobId": id})) // the sweep does if this fails
	}
}

func (s *stored) insertJob(ctx context.Context, e entry) error {
	doc, err := document(e)
	if err != nil {
		return err
	}
	doc["type"], doc["status"], doc["__STATE__"] = "job", creating, crud.Public
	_, err = s.docs.Insert(ctx, doc)
	if err == nil || upstream.Refused(err) {
		return err
	}
	return s.unless(err, func() (bool, error) {
		n, err := s.docs.Count(ctx, where(jobWith(e.JobID)))
		return n == 1, err
	})
}

// unless returns err, which came without an answer of the store, unless a look shows
// that the work was done all the same.
func (s *stored) unless(err error, done func() (bool, error)) error {
	if yes, lookErr := done(); lookErr == nil && yes {
		return nil
	}
	return err
}

// head is the status of the first part of each request, by which a sweep finds parts
// without a job.
const head = "head"

func (s *stored) insertParts(ctx context.Context, e entry, ids []string) error {
	var docs []crud.Document
	for some := range slices.Chunk(ids, partSize) {
		doc := crud.Document{
			"type": "part", "jobId": e.JobID, "part": len(docs), "queuedAt": e.QueuedAt,
			"ids": some, "outcomes": []Outcome{}, "__STATE__": crud.Public,
		}
		if len(docs)%partsAtOnce == 0 {
			doc["status"] = head
		}
		docs = append(docs, doc)
	}
	written := 0
	for some := range slices.Chunk(docs, partsAtOnce) {
		written += len(some)
		_, err := s.docs.InsertAll(ctx, some)
		if err != nil && !upstream.Refused(err) {
			err = s.unless(err, func() (bool, error) {
				n, err := s.docs.Count(ctx, where(crud.Document{"type": "part", "jobId": e.JobID}))
				return n == written, err
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errVanished is the error of an addition whose job was removed before it was whole.
var errVanished = errors.New("the job was removed while it was being added")

func (s *stored) show(ctx context.Context, id string) error {
	shown, err := s.change(ctx, id, guard{status: creating}, fields{"status": Pending})
	if err == nil && !shown {
		return &upstream.Error{Service: crud.Service, Route: s.docs.Route("PATCH", "/"), Err: errVanished}
	}
	if err == nil || upstream.Refused(err) {
		return err
	}
	return s.unless(err, func() (bool, error) {
		_, err := s.find(ctx, id)
		return err == nil, err
	})
}
