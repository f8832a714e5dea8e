package management

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"user-manager/upstream"
)

// Jobs are the import jobs of a tenant. The methods may be called at once from several
// goroutines. Errors are answers of the tenant as [Refusal] makes them, or
// [upstream.Unanswered].
type Jobs interface {
	// Start hands a file in and returns the job's id. users is a JSON array of at most
	// [FileLimit] bytes, upsert and externalID the parts of the request by those names (see
	// [Form]). Status 429 is returned at once: two jobs are active, or a limit is reached.
	// A file must not be sent twice for one Start, unless the first was surely not taken.
	Start(ctx context.Context, users []byte, upsert bool, externalID string) (id string, err error)
	// Status returns the job as it is, see [JobOf]. A job that is unknown, or gone, is an
	// error of status 404.
	Status(ctx context.Context, id string) (Job, error)
	// Errors returns the report of a job that is over, see [RowErrorsOf].
	Errors(ctx context.Context, id string) ([]RowError, error)
}

// A Job is what a tenant tells of an import job.
type Job struct {
	ID     string
	Status string // "pending", "processing", "completed", "failed", "expired"
	// Summary is nil while the job goes on.
	Summary *Summary
	// Left is how long the job will take yet; 0: it is not said.
	Left time.Duration
	// Details are the tenant's words for how the job ended; "" for none.
	Details string
}

// A Summary counts the rows of a job that is over.
type Summary struct {
	Failed   int `json:"failed"`
	Updated  int `json:"updated"`
	Inserted int `json:"inserted"`
	Total    int `json:"total"`
}

// JobOf returns the job of an answer's body; both the answer of a job's start and of its
// state are one. A body that is none is [upstream.ErrAnswer].
func JobOf(body []byte) (Job, error) {
	var doc struct {
		ID      string          `json:"id"`
		Status  string          `json:"status"`
		Summary *Summary        `json:"summary"`
		Left    json.RawMessage `json:"time_left_seconds"` // of a form that is not documented
		Details any             `json:"status_details"`    // likewise
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.ID == "" {
		return Job{}, fmt.Errorf("%w: it is no job", upstream.ErrAnswer)
	}
	return Job{ID: doc.ID, Status: doc.Status, Summary: doc.Summary, Left: secondsOf(doc.Left), Details: Clip(textOf(doc.Details))}, nil
}

// secondsOf returns a number of seconds, 0 for anything else.
func secondsOf(raw json.RawMessage) time.Duration {
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || seconds < 0 || seconds > longestJob.Seconds() {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// A RowError is what the report of a job says of a row that failed.
type RowError struct {
	// Row is the row as it was sent, by the names of its properties; what is not text
	// there is left out.
	Row    map[string]string
	Errors []RowProblem
}

// A RowProblem is one thing that is wrong with a row.
type RowProblem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Path    string `json:"path"` // of the property, such as "identities[0].profileData.email"; "" for none
}

// RowErrorsOf returns the report in an answer's body: an array with an item for each row
// that failed, or nothing when none did. Anything else, such as the object that a tenant
// answers with for a job that failed as a whole, is [upstream.ErrAnswer].
func RowErrorsOf(body []byte) ([]RowError, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	var items []struct {
		User   map[string]any `json:"user"`
		Errors []RowProblem   `json:"errors"`
	}
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, fmt.Errorf("%w: it is no report of errors", upstream.ErrAnswer)
	}
	report := make([]RowError, len(items))
	for i, item := range items {
		report[i] = RowError{Row: map[string]string{}, Errors: item.Errors}
		for name, value := range item.User {
			if text, ok := value.(string); ok {
				report[i].Row[name] = text
			}
		}
	}
	return report, nil
}
