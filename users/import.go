package users

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/csvimport"
	"user-manager/upstream"
)

// ImportOptions are the choices of an import.
type ImportOptions struct {
	// BatchSize is how many rows are written together, at least 1.
	BatchSize int
	// DryRun: everything is checked and nothing is written.
	DryRun bool
}

// An ImportReport says what became of the rows: each is in exactly one of its parts.
type ImportReport struct {
	Updated  []string // ids of users, in the order of their rows
	Inserted []string // likewise; empty in a dry run
	// Insertable is how many rows a dry run would have inserted.
	Insertable int
	Invalid    []InvalidRow
	// LastRow is the last row that is in the report.
	LastRow int
}

// An InvalidRow is a row that was left out. Row is what a spreadsheet shows: the header
// is 1. Error names the columns and never a value.
type InvalidRow struct {
	Row   int    `json:"row"`
	Error string `json:"error"`
}

// An ImportError is an import that broke off, and what it had done by then.
type ImportError struct {
	Report ImportReport
	Err    error
}

// Error says why it broke off and how far it had come.
func (e *ImportError) Error() string { return e.Err.Error() + e.Progress() }

// Progress says how far it had come, as the end of a sentence.
func (e *ImportError) Progress() string {
	r := e.Report
	return fmt.Sprintf("; before that %d users were inserted and %d updated, and %d rows were invalid, up to row %d",
		len(r.Inserted), len(r.Updated), len(r.Invalid), max(r.LastRow, 1))
}

// Unwrap returns why the import broke off.
func (e *ImportError) Unwrap() error { return e.Err }

// skipping begins what is said of every invalid row, as the reference has it.
const skipping = "Skipping record: "

// errNoGroup is said of a row of a new user that names no group.
const errNoGroup = "userGroup missing on csv record"

// maxBatchBytes bounds what the rows of a batch take, however many they are to be.
const maxBatchBytes = 1 << 20

// Import makes a user of each row without an "_id" and changes the users of the others.
// A row is checked against the schema of its group, as [Service.Create] and
// [Service.Patch] do, and one that is refused by a check, a unique field or an upstream
// is invalid, which concerns no other row. New users get no accounts; a change reaches
// the account that a user has. The error is an [*ImportError] when a store, a provider
// or the file breaks off midway, with the cause in its chain; the same file can be
// imported again then.
func (s *Service) Import(ctx context.Context, rows *csvimport.Reader, opts ImportOptions) (ImportReport, error) {
	im := &importer{
		Service: s, opts: opts, groups: newImportGroups(s.groups),
		uniques: slices.Clone(nameKeys), seen: map[nameDigest]bool{}, own: map[string]bool{},
	}
	if err := im.awaitStart(ctx); err != nil {
		return im.report, err
	}
	batches := make(chan *importBatch, 1)
	g, within := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		return upstream.Protect(func() error { return im.read(within, rows, batches) })
	})
	g.Go(func() error {
		return upstream.Protect(func() error { return im.write(within, batches) })
	})
	if err := g.Wait(); err != nil {
		return im.report, &ImportError{im.report, err}
	}
	return im.report, nil
}

// importer is one import under way: read prepares a batch while write is at work on the
// one before.
type importer struct {
	*Service
	opts   ImportOptions
	groups *importGroups
	// What only write and what it calls touch:
	report  ImportReport
	uniques []uniqueKey
	seen    map[nameDigest]bool // dry run: the names that rows take, and give up
	own     map[string]bool     // ids of users that the import has made
	start   time.Time           // what it makes was not there before
}

// awaitStart waits for the next millisecond of the clock: what this import makes in our
// store has a later time than what was there before.
func (im *importer) awaitStart(ctx context.Context) error {
	now := im.Now()
	im.start = now.Truncate(time.Millisecond).Add(time.Millisecond)
	select {
	case <-time.After(im.start.Sub(now)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// importBatch is some rows that follow each other, checked as far as that needs no user
// of the store, and what became of them so far.
type importBatch struct {
	last       int
	insertions []insertion
	updates    []csvimport.Row
	outcomes   []importOutcome
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

func (b *importBatch) inserted(row int, id string) {
	b.outcomes = append(b.outcomes, importOutcome{row: row, id: id})
}

func (b *importBatch) updated(row int, id string) {
	b.outcomes = append(b.outcomes, importOutcome{row: row, id: id, updated: true})
}

// read cuts the rows into batches and prepares them.
func (im *importer) read(ctx context.Context, rows *csvimport.Reader, batches chan<- *importBatch) error {
	for {
		batch, news, err := im.nextBatch(rows)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if prepareErr := im.prepare(ctx, batch, news); prepareErr != nil {
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
	return insertion{row.Number, user}, ""
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

// write writes batches and reports what became of their rows. A batch that has begun is
// finished, also when the caller goes away.
func (im *importer) write(ctx context.Context, batches <-chan *importBatch) error {
	for batch := range batches {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := im.writeBatch(context.WithoutCancel(ctx), batch)
		im.take(batch, err == nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// writeBatch writes the rows of a batch in rounds: no row is in a round with another that
// concerns the same user or name, and of two that do the earlier comes first. So what
// becomes of a file does not depend on how it is cut into batches. No other operation is
// at work on the users meanwhile.
func (im *importer) writeBatch(ctx context.Context, batch *importBatch) error {
	users, err := im.openUsers(ctx, batch.updates)
	if err != nil {
		return err
	}
	defer users.close()
	for rows := batch.rows(); len(rows) > 0; {
		now, later := im.apart(rows, users)
		if err := im.update(ctx, batch, now, users); err != nil {
			return err
		}
		if err := im.insert(ctx, batch, now, users); err != nil {
			return err
		}
		rows = later
	}
	return nil
}

// A pendingRow is a row that is not written yet: an insertion, or an update.
type pendingRow struct {
	number    int
	insertion *insertion     // nil: an update
	update    *csvimport.Row // nil: an insertion
}

// rows returns the rows that are to be written, in their order.
func (b *importBatch) rows() []pendingRow {
	rows := make([]pendingRow, 0, len(b.insertions)+len(b.updates))
	for i := range b.insertions {
		rows = append(rows, pendingRow{number: b.insertions[i].row, insertion: &b.insertions[i]})
	}
	for i := range b.updates {
		rows = append(rows, pendingRow{number: b.updates[i].Number, update: &b.updates[i]})
	}
	slices.SortFunc(rows, func(a, b pendingRow) int { return a.number - b.number })
	return rows
}

// apart returns the rows of the next round, and those that have to wait for an earlier
// one.
func (im *importer) apart(rows []pendingRow, users *openUsers) (now, later []pendingRow) {
	earlier := map[string]bool{}
	for _, r := range rows {
		concerned := im.concernedBy(r, users)
		if slices.ContainsFunc(concerned, func(name string) bool { return earlier[name] }) {
			later = append(later, r)
		} else {
			now = append(now, r)
		}
		for _, name := range concerned {
			earlier[name] = true
		}
	}
	return now, later
}

// concernedBy returns what stands for the user and the names that a row takes or may give
// up.
func (im *importer) concernedBy(r pendingRow, users *openUsers) []string {
	if r.insertion != nil {
		return im.namesOf(r.insertion.user)
	}
	id := strings.ToLower(r.update.Cell("_id"))
	before := users.before[id]
	after := maps.Clone(before)
	for _, key := range im.uniques {
		for _, field := range key {
			if cell := r.update.Cell(field); cell != "" && after != nil {
				after[field] = cell
			}
		}
	}
	return slices.Concat([]string{"_id " + id}, im.namesOf(before), im.namesOf(after))
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
			r.Invalid = append(r.Invalid, InvalidRow{outcome.row, outcome.problem})
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
