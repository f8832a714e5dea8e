package auth0test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"regexp"
	"time"
)

// How long jobs may take, and how long they are remembered after they began.
const (
	jobLimit = 2 * time.Hour
	jobKept  = 24 * time.Hour
)

// States of jobs.
const (
	pending    = "pending"
	processing = "processing"
	completed  = "completed"
	failed     = "failed"
)

// A job is an import of users, or a mail to be sent.
type job struct {
	id, kind, status string
	details          string // why it failed as a whole
	began            time.Time
	externalID       string
	upsert           bool
	rows             []map[string]any
	done             int             // rows so far
	provided         map[string]bool // what earlier rows of the file had
	inserted         int
	updated          int
	failures         []rowFailure
}

// newImport returns the job of a form. A file that is no array of objects fails it.
func newImport(form importForm, now time.Time) *job {
	j := &job{
		id: "job_" + randomLetters(16), kind: "users_import", status: pending, began: now,
		externalID: form.fields["external_id"], upsert: form.fields["upsert"] == "true", provided: map[string]bool{},
	}
	decoder := json.NewDecoder(bytes.NewReader(form.users))
	decoder.UseNumber()
	if err := decoder.Decode(&j.rows); err != nil || j.rows == nil || decoder.More() {
		j.details = "Failed to parse users file JSON when importing users. Make sure it is valid JSON."
	}
	return j
}

// activeImports are those that are under way.
func (t *Tenant) activeImports() []*job {
	var active []*job
	for _, j := range t.jobs {
		if j.kind == "users_import" && j.status == pending {
			active = append(active, j)
		}
	}
	return active
}

// longestJob is longer than any job may take.
const longestJob = 2 * jobLimit

// due returns when the next row of an active import is done, or the import without rows.
func (j *job) due(rate float64) time.Time {
	if rate <= 0 {
		return j.began
	}
	seconds := float64(min(j.done+1, len(j.rows))) / rate
	return j.began.Add(time.Duration(min(seconds, longestJob.Seconds()) * float64(time.Second)))
}

// advance does what the import jobs have done by now, in the order of time, and forgets old
// jobs.
func (t *Tenant) advance(now time.Time) {
	for {
		var next *job
		for _, j := range t.activeImports() {
			if next == nil || t.due(j).Before(t.due(next)) || t.due(j).Equal(t.due(next)) && j.id < next.id {
				next = j
			}
		}
		if next == nil || t.due(next).After(now) {
			break
		}
		t.step(next)
	}
	maps.DeleteFunc(t.jobs, func(_ string, j *job) bool { return now.Sub(j.began) >= jobKept })
}

// due is when something happens to an active import: its next row, or that its time is over.
func (t *Tenant) due(j *job) time.Time {
	row, over := j.due(t.cfg.ImportRate), j.began.Add(jobLimit)
	if row.After(over) {
		return over
	}
	return row
}

// step does what is next of an active import.
func (t *Tenant) step(j *job) {
	at := t.due(j)
	switch {
	case j.details != "":
		j.status = failed
		j.forget()
		return
	case j.due(t.cfg.ImportRate).After(at):
		j.status, j.details = failed, "The job took longer than two hours."
		j.forget()
		return
	}
	if j.done < len(j.rows) {
		t.land(j, j.rows[j.done], at)
		j.done++
	}
	if j.done == len(j.rows) {
		j.status = completed
		j.forget()
	}
}

// forget lets go of what a job has no use for when it is over, but for how many rows it had.
func (j *job) forget() {
	clear(j.rows)
	j.provided = nil
}

// shown is the job as the API shows it.
func (j *job) shown(cfg Config, now time.Time) map[string]any {
	body := map[string]any{"id": j.id, "type": j.kind, "status": j.status, "created_at": stamp(j.began)}
	if j.kind != "users_import" {
		return body
	}
	body["connection"], body["connection_id"] = Connection, ConnectionID
	if j.externalID != "" {
		body["external_id"] = j.externalID
	}
	switch {
	case j.status == completed:
		body["summary"] = map[string]any{"failed": len(j.failures), "updated": j.updated, "inserted": j.inserted, "total": len(j.rows)}
	case j.details != "" && j.status == failed:
		body["status_details"] = j.details
	case cfg.JobDetails && j.done > 0:
		body["status"] = processing
		body["percentage_done"] = j.done * 100 / len(j.rows)
		body["time_left_seconds"] = int(math.Ceil(float64(len(j.rows)-j.done) / cfg.ImportRate))
	}
	return body
}

var jobForm = regexp.MustCompile(`^job_[A-Za-z0-9]{16}$`)

// pathJob returns the job that the path names.
func (c *call) pathJob(unknown string) (*job, error) {
	id := c.PathValue("id")
	if !jobForm.MatchString(id) {
		return nil, refuse(http.StatusBadRequest, "invalid_uri",
			"Path validation error: 'String does not match pattern ^job_[A-Za-z0-9]{16}$: "+id+"' on property id (ID of the job).")
	}
	j := c.tenant.jobs[id]
	if j == nil {
		return nil, refuse(http.StatusNotFound, "inexistent_job", unknown)
	}
	return j, nil
}

// readJob handles GET /api/v2/jobs/{id}.
func readJob(c *call) (*reply, error) {
	j, err := c.pathJob("Job not found.")
	if err != nil {
		return nil, err
	}
	return ok(http.StatusOK, j.shown(c.tenant.cfg, c.now)), nil
}

// jobErrors handles GET /api/v2/jobs/{id}/errors.
func jobErrors(c *call) (*reply, error) {
	j, err := c.pathJob("The job does not exist")
	switch {
	case err != nil:
		return nil, err
	case j.status == failed && j.details != "":
		return &reply{status: http.StatusOK, kind: plainJSON, body: j.shown(c.tenant.cfg, c.now)}, nil
	case len(j.failures) == 0:
		return ok(http.StatusNoContent, nil), nil
	}
	return &reply{status: http.StatusOK, kind: plainJSON, body: j.failures}, nil
}
