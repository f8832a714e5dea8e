package users

import (
	"context"
	"errors"
	"iter"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// readAll returns all documents, and begins anew when an upstream breaks off: an import
// makes very many calls, and one that fails for a moment is no reason to end it.
func readAll(ctx context.Context, docs iter.Seq2[crud.Document, error]) (all []crud.Document, err error) {
	err = persist(ctx, func(context.Context) error { // docs have their context
		all = all[:0]
		return visit(docs, func(doc crud.Document) { all = append(all, doc) })
	})
	return all, err
}

// readEach is readAll for documents that need not be kept: do is called with each, with
// some of them again when an upstream breaks off.
func readEach(ctx context.Context, docs iter.Seq2[crud.Document, error], do func(crud.Document)) error {
	return persist(ctx, func(context.Context) error { return visit(docs, do) })
}

// visit calls do with each document, up to the first error.
func visit(docs iter.Seq2[crud.Document, error], do func(crud.Document)) error {
	for doc, err := range docs {
		if err != nil {
			return err
		}
		do(doc)
	}
	return nil
}

// persist makes a call that does no harm when it is made again until it is answered, a few
// times with growing pauses or such as the upstream asks for.
func persist(ctx context.Context, call func(context.Context) error) error {
	const tries, first, longest = 4, 100 * time.Millisecond, 30 * time.Second
	return whileBusy(ctx, func(ctx context.Context) error {
		for try := 0; ; try++ {
			err := call(ctx)
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok || failed.Refused() && !upstream.Unreached(err) || try+1 == tries {
				return err
			}
			if upstream.Wait(ctx, min(max(failed.RetryAfter, first<<(2*try)), longest)) != nil {
				return err
			}
		}
	})
}
