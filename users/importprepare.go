package users

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/csvimport"
	"user-manager/upstream"
)

// errNoGroup is said of a row of a new user that names no group.
const errNoGroup = "userGroup missing on csv record"

// maxBatchBytes bounds what the rows of a batch take, however many they are to be.
const maxBatchBytes = 1 << 20

// read cuts the rows into batches and prepares them.
func (im *importer) read(ctx context.Context, rows *csvimport.Reader, batches chan<- *importBatch) error {
	for {
		batch, news, err := im.nextBatch(rows)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		prepareErr := im.prepare(ctx, batch, news)
		if ctx.Err() != nil {
			return context.Cause(ctx) // and not the call that it ended
		}
		if prepareErr != nil {
			return prepareErr
		}
		select {
		case batches <- batch:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return nil
		}
	}
}

// nextBatch reads rows until a batch is full or the file is over, which is [io.EOF]. The
// rows of new users are returned apart: they are not in the batch yet.
func (im *importer) nextBatch(rows *csvimport.Reader) (batch *importBatch, news []csvimport.Row, err error) {
	batch = &importBatch{}
	for n, size := 0, 0; n < im.opts.BatchSize && size < maxBatchBytes; n++ {
		row, err := rows.Read()
		if wrong, ok := errors.AsType[*csvimport.RowError](err); ok {
			batch.invalid(wrong.Row, wrong.Message)
			batch.last = wrong.Row
			continue
		}
		if err != nil {
			return batch, news, err
		}
		batch.last = row.Number
		size += row.Size()
		switch {
		case row.Cell("_id") != "":
			batch.updates = append(batch.updates, row)
		case row.Cell("userGroup") == "":
			batch.invalid(row.Number, errNoGroup)
		default:
			news = append(news, row)
		}
	}
	return batch, news, nil
}

// prepare makes users of the rows of new ones, on all processors.
func (im *importer) prepare(ctx context.Context, batch *importBatch, news []csvimport.Row) error {
	names := make([]string, len(news))
	for i, row := range news {
		names[i] = row.Cell("userGroup")
	}
	if err := im.groups.load(ctx, names); err != nil {
		return err
	}
	made := make([]insertion, len(news))
	wrong := make([]string, len(news)) // of made[i]; both are written by the goroutine of i only
	var g errgroup.Group
	share := (len(news) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for start := 0; start < len(news); start += share {
		g.Go(func() error {
			return upstream.Protect(func() error {
				for i := start; i < min(start+share, len(news)); i++ {
					made[i], wrong[i] = im.newUser(ctx, news[i])
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, insertion := range made {
		if wrong[i] != "" {
			batch.invalid(news[i].Number, wrong[i])
			continue
		}
		batch.insertions = append(batch.insertions, insertion)
	}
	return nil
}

// newUser returns the user that a row is to become, or why it cannot.
func (im *importer) newUser(ctx context.Context, row csvimport.Row) (insertion, string) {
	group, err := im.groups.find(ctx, row.Cell("userGroup"))
	if err != nil {
		return insertion{}, rowProblem(err)
	}
	user, err := importedFields(row, group)
	if err == nil {
		_, err = im.checkNew(ctx, user, im.groups.find)
	}
	if err != nil {
		return insertion{}, rowProblem(err)
	}
	return insertion{row: row.Number, user: user}, ""
}

// importedFields returns the fields of a row, read as the group's schema says.
func importedFields(row csvimport.Row, g *group) (crud.Document, error) {
	fields, err := row.Document(g.cells, "_id")
	if err != nil {
		return nil, err
	}
	if err := refuseFields(fields, slices.Concat(storeFields, reservedFields)...); err != nil {
		return nil, err
	}
	if _, has := fields["password"]; has {
		return nil, refuse(ErrInvalid, "password: cannot be imported")
	}
	return fields, nil
}

// rowProblem is what is said of a row that err refuses.
func rowProblem(err error) string {
	if wrong, ok := errors.AsType[*csvimport.RowError](err); ok {
		return wrong.Message
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.problems != nil {
		return "invalid json schema, " + strings.Join(refusal.problems, "; ")
	}
	if _, ok := errors.AsType[*SchemaError](err); ok {
		return "userGroup: the crudSchema of the group does not compile"
	}
	return err.Error()
}
