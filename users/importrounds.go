package users

import (
	"context"
	"slices"
	"strings"

	"user-manager/crud/document"
	"user-manager/csvimport"
)

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
		if rows, err = im.writeRounds(ctx, batch, rows, users); err != nil {
			return err
		}
	}
	return nil
}

// writeRounds writes rows round by round. When the store tells of a unique index that was
// not known, rows that share a value of it are in one round: those that are not written
// yet are returned, to be put into other rounds.
func (im *importer) writeRounds(ctx context.Context, batch *importBatch, rows []pendingRow, users *openUsers) (left []pendingRow, err error) {
	known := len(im.uniques)
	rounds := im.rounds(batch, rows, users)
	for i, round := range rounds {
		if err := im.update(ctx, batch, round, users); err != nil {
			return nil, err
		}
		if left, err = im.insert(ctx, batch, round); err != nil {
			return nil, err
		}
		if len(im.uniques) > known {
			left = slices.Concat(left, slices.Concat(rounds[i+1:]...))
			slices.SortFunc(left, byNumber)
			return left, im.refresh(ctx, users, updatedIDs(left))
		}
	}
	return nil, nil
}

// A pendingRow is a row that is not written yet: an insertion, or an update.
type pendingRow struct {
	number    int
	insertion *insertion     // nil: an update
	update    *csvimport.Row // nil: an insertion
}

func byNumber(a, b pendingRow) int { return a.number - b.number }

// rows returns the rows that are to be written, in their order.
func (b *importBatch) rows() []pendingRow {
	rows := make([]pendingRow, 0, len(b.insertions)+len(b.updates))
	for i := range b.insertions {
		rows = append(rows, pendingRow{number: b.insertions[i].row, insertion: &b.insertions[i]})
	}
	for i := range b.updates {
		rows = append(rows, pendingRow{number: b.updates[i].Number, update: &b.updates[i]})
	}
	slices.SortFunc(rows, byNumber)
	return rows
}

// updatedIDs returns the ids of the users that rows change.
func updatedIDs(rows []pendingRow) []string {
	var ids []string
	for _, r := range rows {
		if r.update != nil {
			ids = append(ids, strings.ToLower(r.update.Cell("_id")))
		}
	}
	return ids
}

// rounds puts rows, which are in the order of the file, into rounds: a row is in the one
// behind the last with an earlier row that concerns the same user or name.
func (im *importer) rounds(batch *importBatch, rows []pendingRow, users *openUsers) [][]pendingRow {
	concerned := make([][]string, len(rows))
	moving := nameSets{}
	for i, r := range rows {
		concerned[i] = im.concernedBy(r, users)
		if r.update != nil {
			moving.join(concerned[i])
		}
	}
	batch.names = batchNames{held: map[string]bool{}, moving: moving}
	var rounds [][]pendingRow
	behind := map[string]int{} // the round behind the last that concerns a set of names
	for i, r := range rows {
		n := 0
		for _, name := range concerned[i] {
			n = max(n, behind[moving.of(name)])
		}
		for _, name := range concerned[i] {
			behind[moving.of(name)] = n + 1
		}
		if n == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[n] = append(rounds[n], r)
	}
	return rounds
}

// concernedBy returns what stands for the user and the names that a row takes, or may
// give up if no earlier row changes the user.
func (im *importer) concernedBy(r pendingRow, users *openUsers) []string {
	if r.insertion != nil {
		return im.namesOf(r.insertion.user)
	}
	id := strings.ToLower(r.update.Cell("_id"))
	before := users.before[id]
	concerned := append([]string{"_id " + id}, im.namesOf(before)...)
	if before == nil {
		return concerned
	}
	for _, key := range im.uniques {
		name := key.of(func(field string) (any, bool) {
			if cell := r.update.Cell(field); cell != "" {
				return cell, true
			}
			return document.Get(before, field)
		})
		if name != "" {
			concerned = append(concerned, name)
		}
	}
	return concerned
}

// nameSets are sets of names that updates concern: each name leads to another of its set,
// and one to itself, which stands for the set. Which of its names a user has when its next
// row comes depends on what becomes of the rows before, so all that its rows concern is one
// set.
type nameSets map[string]string

// of returns what stands for the set of name; a name that is in none stands for itself.
func (s nameSets) of(name string) string {
	for {
		next, ok := s[name]
		if !ok || next == name {
			return name
		}
		s[name] = s[next] // the way becomes shorter with each use
		name = next
	}
}

// join makes one set of the names and those that are in a set with one of them.
func (s nameSets) join(names []string) {
	all := s.of(names[0])
	for _, name := range names {
		s[s.of(name)] = all
	}
}

// batchNames are names that rows of a batch concern.
type batchNames struct {
	held   map[string]bool // found to be those of other users
	moving nameSets        // that updates may take and give up
}

// hold notes that another user has the name. One that an update of the batch concerns may
// come free meanwhile.
func (n batchNames) hold(name string) {
	if _, moves := n.moving[name]; name != "" && !moves {
		n.held[name] = true
	}
}
