package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"time"

	"user-manager/internal/histogram"
)

const (
	countEvery = 100 * time.Millisecond // that users are counted: little beside the rest
	// What an import, an activation and the scheduling of the timers have time for before the
	// first user expires.
	leadForAll = 15 * time.Second
	leadForOne = 3 * time.Millisecond
	// patience is how long the last user may take to be blocked, beyond all reason.
	patience = 10 * time.Minute
)

// An expiryRun is users with accounts that have expired.
type expiryRun struct {
	users     int
	apart     time.Duration       // between two of them
	scheduled time.Duration       // from the end of the import until all had a timer
	blocked   time.Duration       // from when the first was due until all were blocked
	late      histogram.Histogram // of each, from its date until the user was blocked
	peak      int64
}

// runExpiring writes how late users are blocked that expire, one after the other and all
// at once.
func runExpiring(ctx context.Context, o options, lab *lab, stdout, stderr io.Writer) error {
	b, err := newBench(ctx, o, lab, nil)
	if err != nil {
		return err
	}
	var runs []*expiryRun
	for _, apart := range []time.Duration{10 * time.Millisecond, 0} {
		fmt.Fprintf(stderr, "%d users that expire %s apart\n", o.users, apart)
		r := &expiryRun{users: o.users, apart: apart}
		if err := b.expire(ctx, r); err != nil {
			return err
		}
		runs = append(runs, r)
	}
	writeExpiring(stdout, runs)
	return nil
}

// expire measures a run, with a process of its own.
func (b *bench) expire(ctx context.Context, r *expiryRun) error {
	folder, err := os.MkdirTemp(b.lab.folder, "data-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	p := b.program()
	plain := p.command
	p.command = func(ctx context.Context, path, port, dir string) *exec.Cmd {
		cmd := plain(ctx, path, port, dir)
		cmd.Env = append(cmd.Env, "IMPORT_SCHEDULES_EXPIRATION=true")
		return cmd
	}
	t, err := b.lab.start(ctx, p, folder)
	if err != nil {
		return err
	}
	defer t.process.stop()
	f := file{rows: r.users, expires: time.Now().Add(leadForAll + time.Duration(r.users)*leadForOne).Truncate(time.Millisecond), apart: r.apart}
	ids, _, err := importFile(ctx, t, f)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := awaitCount(ctx, t, `{"expirationId":{"$exists":true}}`, r.users); err != nil {
		return err
	}
	r.scheduled = time.Since(begin)
	if made, _, err := activate(ctx, t, ids, b.every); err != nil || made != r.users {
		return fmt.Errorf("%d of %d users were activated: %w", made, r.users, err)
	}
	if time.Now().After(f.expires) {
		return fmt.Errorf("the first users expired before all had accounts: this machine is too slow for %d", r.users)
	}
	if err := awaitCount(ctx, t, `{"blocked":true}`, r.users); err != nil {
		return err
	}
	r.blocked = time.Since(f.expires)
	r.peak = t.process.peak()
	return r.readLateness(ctx, t)
}

// awaitCount returns when so many users match a query.
func awaitCount(ctx context.Context, t *target, query string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	path := "/users/count?" + url.Values{"_q": {query}}.Encode()
	for {
		var found int
		if err := call(ctx, t, "GET", path, "", nil, &found); err != nil || found == n {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d users match %s: %w", found, n, query, ctx.Err())
		case <-t.process.ended:
			return fmt.Errorf("%s: the process has ended", t.name)
		case <-ticker.C:
		}
	}
}

// readLateness reads of each user when it was to be blocked, and when it was, which is its
// last change. One that was blocked early is an error.
func (r *expiryRun) readLateness(ctx context.Context, t *target) error {
	for last := "000000000000000000000000"; ; {
		query := url.Values{"_q": {`{"_id":{"$gt":"` + last + `"}}`}, "_s": {"_id"}, "_p": {"expirationDate,updatedAt"}, "_l": {fmt.Sprint(idsPage)}}
		var users []struct {
			ID             string `json:"_id"`
			ExpirationDate time.Time
			UpdatedAt      time.Time
		}
		if err := call(ctx, t, "GET", "/users/?"+query.Encode(), "", nil, &users); err != nil {
			return err
		}
		for _, u := range users {
			late := u.UpdatedAt.Sub(u.ExpirationDate)
			if late < 0 {
				return fmt.Errorf("user %s was blocked %s early", u.ID, -late)
			}
			r.late.Record(late)
			last = u.ID
		}
		if len(users) < idsPage {
			return nil
		}
	}
}

func writeExpiring(w io.Writer, runs []*expiryRun) {
	fmt.Fprint(w, "\n### Users with accounts that expire, each run by a fresh process\n\n")
	rows := [][]string{{"users", "expire", "timers scheduled, users/s", "late p50", "p99", "max", "blocked, users/s", "peak memory"}}
	for _, r := range runs {
		expire := "all at once"
		if r.apart > 0 {
			expire = thousands(float64(time.Second/r.apart)) + " a second"
		}
		rows = append(rows, []string{
			thousands(float64(r.users)), expire, thousands(perSecond(r.users, r.scheduled)),
			milliseconds(r.late.Percentile(50)), milliseconds(r.late.Percentile(99)), milliseconds(r.late.Max),
			thousands(perSecond(r.users, r.blocked)), mebibytes(r.peak),
		})
	}
	writeTable(w, rows)
}
