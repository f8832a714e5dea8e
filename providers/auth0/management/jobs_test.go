package management

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream"
)

func TestJobOf(t *testing.T) {
	tests := map[string]struct {
		body string
		want Job
		err  bool
	}{
		"pending": {`{"type":"users_import","status":"pending","connection_id":"con_ftSSLHb0O7rcUGmF","created_at":"2023-01-25T17:48:16.543Z","id":"job_6nNLiwFZksN0YmRR"}`,
			Job{ID: "job_6nNLiwFZksN0YmRR", Status: "pending"}, false},
		"with time left": {`{"id":"job_1","status":"processing","percentage_done":3,"time_left_seconds":12.5}`, Job{ID: "job_1", Status: "processing", Left: 12500 * time.Millisecond}, false},
		"completed": {`{"status":"completed","summary":{"failed":0,"updated":0,"inserted":1,"total":1},"id":"job_1"}`,
			Job{ID: "job_1", Status: "completed", Summary: &Summary{Inserted: 1, Total: 1}}, false},
		"failed":               {`{"id":"job_1","status":"failed","status_details":"Too slow."}`, Job{ID: "job_1", Status: "failed", Details: "Too slow."}, false},
		"other forms":          {`{"id":"job_1","status":"failed","status_details":{"a":1},"time_left_seconds":"soon"}`, Job{ID: "job_1", Status: "failed"}, false},
		"no sensible time":     {`{"id":"job_1","status":"pending","time_left_seconds":1e300}`, Job{ID: "job_1", Status: "pending"}, false},
		"a time that is over":  {`{"id":"job_1","status":"pending","time_left_seconds":-3}`, Job{ID: "job_1", Status: "pending"}, false},
		"no id":                {`{"status":"pending"}`, Job{}, true},
		"nothing":              {``, Job{}, true},
		"an array":             {`[]`, Job{}, true},
		"a page of a gateway":  {`<html>`, Job{}, true},
		"a summary of no kind": {`{"id":"job_1","summary":7}`, Job{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := JobOf([]byte(test.body))
			if (err != nil) != test.err || errors.Is(err, upstream.ErrAnswer) != test.err {
				t.Errorf("error: %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("job (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRowErrorsOf(t *testing.T) {
	tests := map[string]struct {
		body string
		want []RowError
		err  bool
	}{
		"recorded": {`[{"user":{"email":"chuck630@example.com","email_verified":true},"errors":[{"code":"DUPLICATED_USER","message":"The user already exist and upsert parameter is false"}]}]`,
			[]RowError{{Row: map[string]string{"email": "chuck630@example.com"}, Errors: []RowProblem{{Code: "DUPLICATED_USER", Message: "The user already exist and upsert parameter is false"}}}}, false},
		"with a path":    {`[{"user":{},"errors":[{"code":"FORMAT","message":"m","path":"identities[0].profileData.email"}]}]`, []RowError{{Row: map[string]string{}, Errors: []RowProblem{{"FORMAT", "m", "identities[0].profileData.email"}}}}, false},
		"without a user": {`[{"errors":null}]`, []RowError{{Row: map[string]string{}}}, false},
		"none":           {`[]`, []RowError{}, false},
		"no content":     {" ", nil, false},
		"the job":        {`{"id":"job_1","status":"failed","status_details":"x"}`, nil, true},
		"something else": {`oops`, nil, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := RowErrorsOf([]byte(test.body))
			if (err != nil) != test.err || errors.Is(err, upstream.ErrAnswer) != test.err {
				t.Errorf("error: %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}
