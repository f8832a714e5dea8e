package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"user-manager/crud"
)

// lookEvery is the pause between two looks at a service that settles.
const lookEvery = 500 * time.Millisecond

// tellOpen is after how many looks it is told what is still open.
const tellOpen = 60

// settle waits until nothing is open any more: no operation, no job, no timer of the past. The
// error says what still is. A store inside the service is not looked into yet: that notes in
// it are closed takes as long as something may come late.
func (w *world) settle(ctx context.Context, out io.Writer) error {
	if w.db == nil {
		wait(ctx, min(lateness, w.o.duration))
	}
	began := time.Now()
	for n := 1; ; n++ {
		err := w.open(ctx)
		if n%tellOpen == 0 {
			fmt.Fprintf(out, "%4.0fs | %s: %v\n", time.Since(began).Seconds(), w.name, err)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(began) > w.o.settle:
			return fmt.Errorf("world %s, not settled in %v: %w", w.name, w.o.settle, err)
		}
		wait(ctx, lookEvery)
	}
}

// open returns what is still open; nil: nothing.
func (w *world) open(ctx context.Context) error {
	for _, r := range w.replicas {
		if err := r.settled(ctx); err != nil {
			return fmt.Errorf("copy %s: %w", r.name, err)
		}
	}
	if err := w.jobsOver(ctx); err != nil || w.db == nil {
		return err
	}
	store, err := clientOf(w.db)
	if err != nil {
		return err
	}
	return openIn(ctx, store, 0, w.o.hasty)
}

// settled asks a copy whether all is well and settled.
func (r *replica) settled(ctx context.Context) error {
	var status struct {
		UnsettledOperations int
		Message             string
	}
	code, err := getJSON(ctx, r.url()+"/-/check-up", &status)
	switch {
	case err != nil:
		return err
	case code != http.StatusOK:
		return fmt.Errorf("check-up = %d %s", code, status.Message)
	case status.UnsettledOperations != 0:
		return fmt.Errorf("%d operations are not settled", status.UnsettledOperations)
	}
	return nil
}

// getJSON decodes the answer to a request.
func getJSON(ctx context.Context, url string, v any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("client-key", apiKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, json.NewDecoder(res.Body).Decode(v)
}

// jobsOver asks for every job that was acknowledged and is not known to be over, and checks it
// then.
func (w *world) jobsOver(ctx context.Context) error {
	c := newClient(w, 998)
	defer c.http.CloseIdleConnections()
	for _, j := range w.jobs {
		if j.over {
			continue
		}
		if c.ask(ctx, j); !j.over {
			return fmt.Errorf("job %s is not over", j.id)
		}
	}
	return nil
}

// openIn returns what a store still has open; nil: nothing. Notes may be so young. A note that
// is settled, and stays in case that something comes late, counts unless hasty.
func openIn(ctx context.Context, store *crud.Client, young time.Duration, hasty bool) error {
	for note, err := range store.Collection("/journal").All(ctx, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return err
		}
		if hasty && text(note, "holder") == "" && text(note, "lock") == text(note, "operation") {
			continue
		}
		made, _ := time.Parse(time.RFC3339, text(note, "createdAt"))
		if kind := text(note, "kind"); kind != "process" && kind != "activate" && time.Since(made) > young {
			return fmt.Errorf("the journal has %v", note)
		}
	}
	// one whose making broke off was acknowledged to nobody, is never begun, and is swept within hours
	jobs := crud.Query{Filter: map[string]any{"type": "job", "status": "pending"}, States: crud.AllStates}
	if n, err := store.Collection("/jobs").Count(ctx, jobs); err != nil || n > 0 {
		return fmt.Errorf("%d jobs are not over (%v)", n, err)
	}
	past := crud.Query{Filter: map[string]any{"dueAt": map[string]any{"$lt": time.Now().UnixMilli() - 1000}}, States: crud.AllStates}
	if n, err := store.Collection("/timers").Count(ctx, past); err != nil || n > 0 {
		return fmt.Errorf("%d timers of the past have not been called (%v)", n, err)
	}
	for user, err := range store.Collection("/users").All(ctx, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return err
		}
		if isMark(text(user, "authUserId")) {
			return fmt.Errorf("a user has the mark %s", text(user, "authUserId"))
		}
	}
	return nil
}

// isMark reports whether an authUserId says that an account is being made.
func isMark(id string) bool {
	mark, _, _ := strings.Cut(strings.TrimPrefix(id, "un"), "|")
	return mark == "creating" || mark == "registering" || mark == "activating"
}
