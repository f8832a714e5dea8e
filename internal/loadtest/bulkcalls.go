package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"
)

// idsPage is how many users are asked for at once.
const idsPage = 200

// importFile imports a CSV file and returns the ids of the users that it made: one for
// each row, or there is an error.
func importFile(ctx context.Context, t *target, f file) ([]string, time.Duration, error) {
	body, kind, err := f.form()
	if err != nil {
		return nil, 0, err
	}
	var answer struct {
		Inserted []string
		Invalid  []struct {
			Row   int
			Error string
		}
	}
	begin := time.Now()
	if err := call(ctx, t, "PATCH", "/users/import", kind, body, &answer); err != nil {
		return nil, 0, err
	}
	took := time.Since(begin)
	if len(answer.Invalid) > 0 {
		return nil, 0, fmt.Errorf("import: %d rows are invalid, the first is row %d: %s", len(answer.Invalid), answer.Invalid[0].Row, answer.Invalid[0].Error)
	}
	distinct := map[string]bool{}
	for _, id := range answer.Inserted {
		distinct[id] = true
	}
	if len(answer.Inserted) != f.rows || len(distinct) != f.rows {
		return nil, 0, fmt.Errorf("import: %d ids, %d of them distinct, of %d rows", len(answer.Inserted), len(distinct), f.rows)
	}
	return answer.Inserted, took, nil
}

// form returns the file as a multipart body, and the body's type. The options come first:
// then the service reads the file while it arrives.
func (f file) form() (body []byte, kind string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, option := range [][2]string{{"delimiter", f.delimiter()}, {"encoding", "utf8"}, {"escape", `"`}} {
		if err := w.WriteField(option[0], option[1]); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreateFormFile("file", "users.csv")
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(f.csv()); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

// A bulkJob is a job as its end is told.
type bulkJob struct {
	ID      string `json:"jobId"`
	Status  string
	Summary struct{ Inserted, Completed, Failed, Total int }
}

// runJob starts a job, asks for it every so often until it is over, and returns how long
// that took.
func runJob(ctx context.Context, t *target, path string, body any, every time.Duration) (bulkJob, time.Duration, error) {
	var job bulkJob
	text, err := json.Marshal(body)
	if err != nil {
		return job, 0, err
	}
	begin := time.Now()
	if err := call(ctx, t, "POST", path, "application/json", text, &job); err != nil {
		return job, 0, err
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for job.Status == "pending" {
		select {
		case <-ctx.Done():
			return job, 0, ctx.Err()
		case <-t.process.ended:
			return job, 0, fmt.Errorf("%s: the process has ended", t.name)
		case <-ticker.C:
		}
		if err := call(ctx, t, "GET", path+"/"+job.ID, "", nil, &job); err != nil {
			return job, 0, err
		}
	}
	took := time.Since(begin)
	if job.Status != "completed" {
		return job, 0, fmt.Errorf("%s: the job is %s", path, job.Status)
	}
	return job, took, nil
}

// activate gives accounts to the users with the given ids.
func activate(ctx context.Context, t *target, ids []string, every time.Duration) (made int, took time.Duration, err error) {
	type filter struct {
		UserID string `json:"userId"`
	}
	type entry struct {
		Filter filter `json:"filter"`
	}
	entries := make([]entry, len(ids))
	for i, id := range ids {
		entries[i].Filter.UserID = id
	}
	job, took, err := runJob(ctx, t, "/jobs/bulk-activation", entries, every)
	return job.Summary.Inserted, took, err
}

// mailAll has a mail sent to the owner of each of the accounts.
func mailAll(ctx context.Context, t *target, accounts []string, every time.Duration) (sent int, took time.Duration, err error) {
	job, took, err := runJob(ctx, t, "/jobs/change-password/bulk", map[string][]string{"authUsersIds": accounts}, every)
	return job.Summary.Completed, took, err
}

// accountsOf returns the ids of the accounts of all users, page by page.
func accountsOf(ctx context.Context, t *target) ([]string, error) {
	var accounts []string
	for last := "000000000000000000000000"; ; {
		query := url.Values{
			"_q": {`{"_id":{"$gt":"` + last + `"}}`}, "_s": {"_id"}, "_p": {"authUserId"}, "_l": {fmt.Sprint(idsPage)},
		}
		var users []struct {
			ID         string `json:"_id"`
			AuthUserID string
		}
		if err := call(ctx, t, "GET", "/users/?"+query.Encode(), "", nil, &users); err != nil {
			return nil, err
		}
		for _, u := range users {
			if u.AuthUserID != "" {
				accounts = append(accounts, u.AuthUserID)
			}
			last = u.ID
		}
		if len(users) < idsPage {
			return accounts, nil
		}
	}
}

// call makes a request that must succeed, and reads the answer. These are few, so that
// net/http's client is good enough.
func call(ctx context.Context, t *target, method, path, kind string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+t.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode > 299 {
		return fmt.Errorf("%s %s: status %d: %.200q", method, path, res.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
