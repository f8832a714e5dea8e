package management

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/upstream"
)

// TestLongWordsAreMasked: a value that is longer than the words that are kept is masked as
// a whole.
func TestLongWordsAreMasked(t *testing.T) {
	name := strings.Repeat("a secret of ada ", 100)
	body := fmt.Sprintf(`{"statusCode":400,"message":"Payload validation error: 'no good: %s' on property username."}`, name)
	refusal := providers.RefusalOf(Refusal(patchRoute, 400, []byte(body)), name, "")
	if refusal == nil || strings.Contains(refusal.Message, "secret") {
		t.Errorf("refusal %+v, want one without the value", refusal)
	}
	for _, code := range []string{"PATTERN", "INVALID_FORMAT"} {
		synctest.Test(t, func(t *testing.T) {
			d := newTenant()
			i := d.importer()
			i.Jobs = reporting{d, &Summary{Failed: 1, Total: 1}, []RowError{failedRow(RowProblem{Code: code, Message: "No good: " + name}, "user_id", "k-1")}}
			got := importAll(t, i, account{Key: "k-1", Username: name, Email: "ada@example.com"})
			if diff := cmp.Diff(refused(code, "No good: ***"), got[0]); diff != "" {
				t.Errorf("%s: outcome (-want +got):\n%s", code, diff)
			}
		})
	}
}

// TestBrokenJobWithWordsOfAConnection: words about another connection than that of the
// settings do not say that nothing was done.
func TestBrokenJobWithWordsOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		d.seen = func(j *Job) {
			*j = Job{ID: j.ID, Status: "failed", Details: "The connection to the database was lost.", Summary: &Summary{}}
			d.add("k-1", map[string]any{"email": "x@example.com"})
		}
		d.took = 24 * time.Hour
		_, err := d.importer().Import(t.Context(), []account{{Key: "k-1", Email: "x@example.com"}, {Key: "k-2", Email: "y@example.com"}})
		if err == nil || upstream.Refused(err) {
			t.Errorf("error %s, want one that leaves outcomes open", describe(err))
		}
	})
}

// partlyStarted are jobs of which Start meets a limit when it has made accounts already.
type partlyStarted struct{ *tenant }

func (partlyStarted) Start(context.Context, []byte, bool, string) (string, error) {
	return "", upstream.Partly(refusal(importRoute, 429, "Too many requests."))
}

// TestThrottledAfterAPart: what was done before a limit was met is not forgotten when the
// context ends.
func TestThrottledAfterAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		i := d.importer()
		i.Jobs = partlyStarted{d}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := i.Import(ctx, many(3)); err == nil || upstream.Refused(err) {
			t.Errorf("error %s, want one that leaves outcomes open", describe(err))
		}
	})
}

// shy is a directory that never comes to the end of a long reading.
type shy struct{ *tenant }

func (s shy) ReadMany(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	if len(ids) > 1000 {
		return nil, Refusal("GET /api/v2/users/:id", 503, nil)
	}
	return s.tenant.ReadMany(ctx, ids)
}

// TestReadingGoesOn: many accounts are read part by part, so that a failure costs one part.
func TestReadingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 4000
		d := newTenant()
		importAll(t, d.importer(), many(n)...)
		i := d.importer()
		i.Directory = shy{d}
		for _, o := range importAll(t, i, many(n)...) {
			if !o.Inserted || o.Refusal != nil {
				t.Fatalf("outcome %+v", o)
			}
		}
	})
}

// TestFewEnoughToLookFor: the accounts of two files can be read one by one, at the rate of a
// free tenant, within the time that an Import has.
func TestFewEnoughToLookFor(t *testing.T) {
	accounts := make([]account, 20000)
	for i := range accounts {
		accounts[i] = account{Key: fmt.Sprintf("%024x", i), Email: "a@b.it"}
	}
	for chunk := range providers.ImportChunks(accounts, limits) {
		if took := time.Duration(len(chunk)*jobsAtOnce) * time.Second / 2; took > 90*time.Minute {
			t.Errorf("%d accounts in an Import: to read those of two takes %v", len(chunk), took)
		}
	}
}

// TestLooksWhenAsked: a job is not looked at before the tenant says.
func TestLooksWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		d.took = time.Hour
		i := d.importer()
		i.Jobs = busy{d}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, _ = i.Import(ctx, many(1))
		for n := range len(d.looks) - 1 {
			if pause := d.looks[n+1].Sub(d.looks[n]); pause < 10*time.Minute {
				t.Fatalf("a pause of %v between looks, want the 10 minutes that are asked for", pause)
			}
		}
	})
}

// busy are jobs that ask for ten minutes.
type busy struct{ *tenant }

func (b busy) Status(ctx context.Context, id string) (Job, error) {
	_, _ = b.tenant.Status(ctx, id)
	err := Refusal(jobRoute, 503, nil).(*upstream.Error)
	err.RetryAfter = 10 * time.Minute
	return Job{}, err
}
