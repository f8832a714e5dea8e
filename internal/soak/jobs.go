package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"time"
)

// A job is one that was acknowledged.
type job struct {
	id, path string
	total    int // different ids in it
	people   []*person
	over     bool
}

// activate starts an activation of some users, and follows it to its end.
func (c *client) activate(ctx context.Context) {
	people := c.several(4 + c.rng.IntN(12))
	if len(people) == 0 {
		return
	}
	body := []any{}
	for _, id := range idsOf(people) {
		body = append(body, map[string]any{"filter": map[string]any{"userId": id}})
	}
	path := "/jobs/bulk-activation"
	a := c.call(ctx, "start activation", "POST", path, body)
	for _, p := range people {
		p.note(a)
		if !a.refused() {
			p.account.doubt(true) // whoever has one keeps it
			p.password = p.password && p.account.held
		}
	}
	j := c.started(a, path, len(people))
	if j == nil {
		return
	}
	j.people = people
	for _, p := range people {
		p.busy = true
	}
	c.follow(ctx, j, 90*time.Second)
	for _, p := range people {
		p.busy = false
	}
}

// mail starts a job of mails to accounts that were seen, and follows it.
func (c *client) mail(ctx context.Context) {
	ids := map[string]bool{}
	for _, p := range c.several(20) {
		if p.authID != "" {
			ids[p.authID] = true
		}
	}
	if len(ids) == 0 {
		return
	}
	var all []string
	for id := range ids {
		all = append(all, id)
	}
	path := "/jobs/change-password/bulk"
	a := c.call(ctx, "start mails", "POST", path, map[string]any{"authUsersIds": all})
	if j := c.started(a, path, len(all)); j != nil {
		c.follow(ctx, j, 20*time.Second)
	}
}

// started keeps a job that was acknowledged.
func (c *client) started(a answer, path string, total int) *job {
	var told struct{ JobID string }
	if !a.done() || !c.into(a, &told) {
		return nil
	}
	j := &job{id: told.JobID, path: path, total: total}
	c.mu.Lock()
	c.world.jobs = append(c.world.jobs, j)
	c.mu.Unlock()
	c.book.add(&c.book.jobs, 1)
	return j
}

// follow waits for a job, by its events or by asking, and goes on with other things after a
// time.
func (c *client) follow(ctx context.Context, j *job, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil && !j.over {
		if c.rng.IntN(2) == 0 {
			c.events(ctx, j)
		}
		c.ask(ctx, j)
		wait(ctx, 300*time.Millisecond)
	}
}

// events reads a job's events until they end.
func (c *client) events(ctx context.Context, j *job) {
	req, err := http.NewRequestWithContext(ctx, "GET", c.pick(c.rng).url()+j.path+"/"+j.id+"/events", nil)
	if err != nil {
		return
	}
	req.Header.Set("client-key", apiKey)
	began := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	c.book.request("events", res.StatusCode, time.Since(began))
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() { // what breaks off is asked for again
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "event: ") && !strings.HasPrefix(line, "data: ") && !strings.HasPrefix(line, ":") && res.StatusCode == 200 {
			c.book.wrong("an event is %q", line)
		}
	}
}

// A shownJob is a job as it is told.
type shownJob struct {
	Status   string
	Summary  *struct{ Failed, Updated, Inserted, Completed, Total int }
	Failures []struct {
		UserID, AuthUserID string
		Errors             []struct{ Code string }
	}
	Completed []struct{ AuthUserID string }
}

// ask asks for a job, and when it is over its people follow.
func (c *client) ask(ctx context.Context, j *job) {
	a := c.call(ctx, "ask for job", "GET", j.path+"/"+j.id, nil)
	var shown shownJob
	switch {
	case a.status == 404:
		c.book.wrong("a job is gone: %v", a)
		j.over = true
	case a.done() && c.into(a, &shown) && shown.Status != "pending":
		j.over = true
		c.check(j, shown, a)
	}
}

// check compares a finished job with its request.
func (w *world) check(j *job, shown shownJob, a answer) {
	s := shown.Summary
	switch {
	case shown.Status != "completed" || s == nil:
		w.book.wrong("a job ended as %q: %v", shown.Status, a)
		return
	case s.Total != j.total || s.Failed+s.Updated+s.Inserted+s.Completed != j.total || len(shown.Failures) != s.Failed || len(shown.Completed) != s.Completed:
		w.book.wrong("the sums of a job are not its %d users: %v", j.total, a)
		return
	}
	failed := map[string]bool{}
	for _, f := range shown.Failures {
		failed[f.UserID] = true
	}
	for _, p := range j.people {
		if !failed[p.id] && !p.state.may("DELETED") && p.busy {
			p.account.set(true, a.began.Add(time.Hour)) // nothing else was at work on it
		}
	}
}
