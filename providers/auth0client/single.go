package auth0client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// A singleImport is an import whose accounts were made one by one, as a job that is over.
type singleImport struct {
	job    management.Job
	report []management.RowError
}

// ask returns what became of an import that was made one by one, and forgets it once all is
// told.
func (j *importJobs) ask(id string, report bool) (singleImport, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	done, ok := j.singly[id]
	if report || done.job.Summary != nil && done.job.Summary.Failed == 0 {
		delete(j.singly, id)
	}
	return done, ok
}

// makeSingly makes the accounts of a file in their order, for an Auth0 Client without import
// jobs, and returns the id of what then looks like one. An error that is no refusal of an
// account ends it.
func (j *importJobs) makeSingly(ctx context.Context, users []byte) (string, error) {
	var rows []map[string]any
	if err := json.Unmarshal(users, &rows); err != nil {
		return "", fmt.Errorf("read the accounts of an import: %w", err)
	}
	done := singleImport{job: management.Job{Status: "completed", Summary: &management.Summary{Total: len(rows)}}}
	for _, row := range rows {
		_, err := j.p.Create(ctx, newOf(row))
		problem, ok := problemOf(err)
		switch {
		case err == nil:
			done.job.Summary.Inserted++
		case ok:
			done.job.Summary.Failed++
			done.report = append(done.report, management.RowError{Row: textsOf(row), Errors: []management.RowProblem{problem}})
		case done.job.Summary.Inserted > 0:
			return "", upstream.Partly(err)
		default:
			return "", err
		}
	}
	done.job.ID = "single_" + rand.Text()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.singly == nil {
		j.singly = map[string]singleImport{}
	}
	j.singly[done.job.ID] = done
	return done.job.ID, nil
}

// newOf returns the account of a row, with a password that nobody learns.
func newOf(row map[string]any) providers.NewAccount {
	texts := textsOf(row)
	blocked, _ := row["blocked"].(bool)
	return providers.NewAccount{
		Key: texts["user_id"], Username: texts["username"], Email: texts["email"], Blocked: blocked, Password: management.UnknownPassword(),
	}
}

// textsOf returns those properties of a row that are texts.
func textsOf(row map[string]any) map[string]string {
	texts := map[string]string{}
	for name, value := range row {
		if text, ok := value.(string); ok {
			texts[name] = text
		}
	}
	return texts
}

// problemOf returns the refusal of an account as a job's report has it, if err is one.
func problemOf(err error) (management.RowProblem, bool) {
	failed, ok := errors.AsType[*upstream.Error](err)
	taken, isTaken := errors.AsType[providers.Taken](err)
	switch {
	case !ok:
		return management.RowProblem{}, false
	case isTaken:
		return management.RowProblem{Code: "CONFLICT_" + strings.ToUpper(taken.Property), Message: failed.Message}, true
	case errors.Is(err, providers.ErrConflict):
		return management.RowProblem{Code: "DUPLICATED_USER", Message: failed.Message}, true
	case errors.Is(err, providers.ErrInvalid):
		return management.RowProblem{Code: "FORMAT", Message: failed.Message}, true
	}
	return management.RowProblem{}, false
}
