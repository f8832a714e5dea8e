package management

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// reporting are jobs that do nothing, and say what a test wants.
type reporting struct {
	*tenant
	sum    *Summary
	report []RowError
}

func (r reporting) Start(ctx context.Context, users []byte, upsert bool, externalID string) (string, error) {
	return "job_0000000000000001", nil
}

func (r reporting) Status(ctx context.Context, id string) (Job, error) {
	return Job{ID: id, Status: "completed", Summary: r.sum}, nil
}

func (r reporting) Errors(ctx context.Context, id string) ([]RowError, error) { return r.report, nil }

// failedRow is an item of a report, of a row with properties given as name and value.
func failedRow(p RowProblem, nameAndValue ...string) RowError {
	row := map[string]string{}
	for n := 0; n < len(nameAndValue); n += 2 {
		row[nameAndValue[n]] = nameAndValue[n+1]
	}
	return RowError{Row: row, Errors: []RowProblem{p}}
}

// TestReports: three rows are given, of which the last two have one address; the account of
// the first stands at the tenant where a case says so.
func TestReports(t *testing.T) {
	given := []account{
		{Key: "k-1", Username: "xenia", Email: "xenia@example.com"},
		{Key: "k-2", Username: "yuri", Email: "yuri@example.com"},
		{Key: "k-3", Username: "zoe", Email: "Yuri@example.com"},
	}
	bad := RowProblem{Code: "PATTERN", Message: "No good: Xenia@Example.com, k-1, yuri, yuri@example.com", Path: "x"}
	duplicate := RowProblem{Code: "DUPLICATED_USER", Message: "The user already exist and upsert parameter is false"}
	one := refused("PATTERN", "No good: ***, ***, yuri, yuri@example.com")
	two := refused("PATTERN", "No good: Xenia@Example.com, k-1, ***, ***")
	unsaid := refused("PROVIDER_REFUSED", "The import made no account and did not say why.")
	first := func(p RowProblem) RowError { return failedRow(p, "user_id", "k-1", "email", "xenia@example.com") }
	problem := func(p RowProblem, want outcome) ([]RowError, []outcome) {
		return []RowError{first(p)}, []outcome{want, stands("k-2"), stands("k-3")}
	}
	type test struct {
		there  bool // the first
		sum    *Summary
		report []RowError
		want   []outcome
	}
	ok := &Summary{Failed: 1, Inserted: 2, Total: 3}
	tests := map[string]test{
		"all well":               {false, &Summary{Inserted: 3, Total: 3}, nil, []outcome{stands("k-1"), stands("k-2"), stands("k-3")}},
		"told by the key":        {false, ok, []RowError{first(bad)}, []outcome{one, stands("k-2"), stands("k-3")}},
		"told by the id":         {false, ok, []RowError{failedRow(bad, "user_id", "auth0|k-1")}, []outcome{one, stands("k-2"), stands("k-3")}},
		"told by the address":    {false, ok, []RowError{failedRow(bad, "email", "xenia@example.com", "username", "Xenia")}, []outcome{one, stands("k-2"), stands("k-3")}},
		"told by both names":     {false, ok, []RowError{failedRow(bad, "email", "yuri@example.com", "username", "yuri")}, []outcome{stands("k-1"), two, stands("k-3")}},
		"of twice the address":   {false, ok, []RowError{failedRow(duplicate, "email", "yuri@example.com", "username", "zoe")}, []outcome{stands("k-1"), stands("k-2"), refused("NON_UNIQUE_PROPERTY_VALUE", notUnique)}},
		"ours":                   {true, ok, []RowError{first(duplicate)}, []outcome{stands("k-1"), stands("k-2"), stands("k-3")}},
		"a row of somebody else": {true, ok, []RowError{failedRow(bad, "user_id", "k-9")}, []outcome{stands("k-1"), unsaid, unsaid}},
		"a report without rows":  {true, ok, []RowError{failedRow(bad)}, []outcome{stands("k-1"), unsaid, unsaid}},
		"a report too short":     {true, &Summary{Failed: 2, Inserted: 1, Total: 3}, []RowError{first(duplicate)}, []outcome{stands("k-1"), unsaid, unsaid}},
		"a report too long":      {true, &Summary{Inserted: 2, Total: 3}, []RowError{first(bad)}, []outcome{stands("k-1"), unsaid, unsaid}},
		"too few rows":           {true, &Summary{Inserted: 2, Total: 2}, nil, []outcome{stands("k-1"), unsaid, unsaid}},
		"rows that were updated": {true, &Summary{Inserted: 2, Updated: 1, Total: 3}, nil, []outcome{stands("k-1"), unsaid, unsaid}},
		"no summary":             {true, nil, nil, []outcome{stands("k-1"), unsaid, unsaid}},
		"one row twice":          {true, ok, []RowError{first(bad), first(bad)}, []outcome{one, stands("k-2"), stands("k-3")}},
	}
	for name, p := range map[string]struct {
		problem RowProblem
		want    outcome
	}{
		"an address that is taken":         {RowProblem{Code: "CONFLICT_EMAIL", Message: "x"}, refused("NON_UNIQUE_PROPERTY_VALUE", mailTaken+"xenia@example.com")},
		"a user name that is taken":        {RowProblem{Code: "CONFLICT_USERNAME", Message: "x"}, refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"xenia")},
		"a path that is taken":             {RowProblem{Code: "CONFLICT", Path: "identities[0].profileData.email"}, refused("NON_UNIQUE_PROPERTY_VALUE", mailTaken+"xenia@example.com")},
		"a short path that is taken":       {RowProblem{Code: "DUPLICATED_USER", Path: "username"}, refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"xenia")},
		"an address in the file, by words": {RowProblem{Code: "SOMETHING", Message: "A user with this email was already provided."}, refused("NON_UNIQUE_PROPERTY_VALUE", mailTaken+"xenia@example.com")},
		"a conflict over something":        {duplicate, refused("NON_UNIQUE_PROPERTY_VALUE", notUnique)},
		"a bad address":                    {RowProblem{Code: "INVALID_FORMAT", Message: "No format email: xenia@example.com"}, refused("INVALID_FORMAT", "No format email: ***")},
		"a bad address, by another code":   {RowProblem{Code: "FORMAT"}, refused("INVALID_FORMAT", "The account is not valid.")},
		"another code without words":       {RowProblem{Code: "MAX_LENGTH"}, refused("MAX_LENGTH", "The account was refused.")},
		"words without a code":             {RowProblem{Message: "No xenia."}, refused("PROVIDER_REFUSED", "No ***.")},
	} {
		report, want := problem(p.problem, p.want)
		tests[name] = test{false, ok, report, want}
	}
	several := RowError{Row: map[string]string{"user_id": "k-1"}, Errors: []RowProblem{bad, duplicate}}
	tests["a conflict behind another problem"] = test{false, ok, []RowError{several}, []outcome{refused("NON_UNIQUE_PROPERTY_VALUE", notUnique), stands("k-2"), stands("k-3")}}
	tests["no problem at all"] = test{false, ok, []RowError{{Row: map[string]string{"user_id": "k-1"}}}, []outcome{unsaid, stands("k-2"), stands("k-3")}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTenant()
				if test.there {
					d.have("k-1", map[string]any{"username": "xenia", "email": "xenia@example.com"})
				}
				i := d.importer()
				i.Jobs = reporting{d, test.sum, test.report}
				if diff := cmp.Diff(test.want, importAll(t, i, given...)); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestReportThatIsNone: where there is no report to be had, accounts are looked for.
func TestReportThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := people()
		d.told = func([]RowError) []RowError { return nil } // the job instead
		got := importAll(t, d.importer(), account{Key: "k-a", Username: "ada", Email: "ada@example.com"}, account{Key: "k-1", Email: "bob@example.com"}, account{Key: "k-2", Email: "x@example.com"})
		want := []outcome{stands("k-a"), refused("PROVIDER_REFUSED", "The import made no account and did not say why."), stands("k-2")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}
