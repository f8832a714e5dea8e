package management

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// TestLooks: a job is looked at soon, its end is noticed soon, and it is not looked at more
// often than that needs.
func TestLooks(t *testing.T) {
	polling := func(text string) Polling {
		p, err := ParsePolling(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	usual := Polling{}
	tests := map[string]struct {
		took    time.Duration
		polling Polling
		late    time.Duration // most time between its end and the look
		looks   int           // most
	}{
		"at once":               {0, usual, time.Second, 1},
		"soon":                  {time.Second, usual, 0, 1},
		"half a minute":         {30 * time.Second, usual, 2 * time.Second, 17},
		"five minutes":          {5 * time.Minute, usual, 7500 * time.Millisecond, 95},
		"two hours, less a bit": {2*time.Hour - time.Minute, usual, 2 * time.Minute, 230},
		"every ten seconds":     {30 * time.Minute, polling("10 seconds"), 10 * time.Second, 250},
		"every second":          {time.Minute, polling("1s"), time.Second, 61},
		"cron":                  {40 * time.Minute, polling("*/30 * * * * *"), 30 * time.Second, 220},
		"a slow schedule":       {40 * time.Minute, polling("@daily"), time.Minute, 180},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTenant()
				d.took = test.took
				i := d.importer()
				i.Polling = test.polling
				began := time.Now()
				importAll(t, i, many(3)...)
				if late := time.Since(began) - test.took; late < 0 || late > test.late {
					t.Errorf("the end is noticed %v late, want %v at most", late, test.late)
				}
				if len(d.looks) > test.looks || d.looks[0].Sub(began) > time.Second {
					t.Errorf("%d looks, the first after %v; want %d at most, the first after a second", len(d.looks), d.looks[0].Sub(began), test.looks)
				}
				for n := range len(d.looks) - 1 {
					if pause := d.looks[n+1].Sub(d.looks[n]); pause > test.polling.Pause(d.looks[n]) {
						t.Errorf("a pause of %v, want %v at most", pause, test.polling.Pause(d.looks[n]))
					}
				}
			})
		})
	}
}

// TestLooksByTimeLeft: what the tenant thinks that a job takes yet brings the look nearer to
// its end, and does not make many of them when it is wrong.
func TestLooksByTimeLeft(t *testing.T) {
	left := func(d *tenant, ofThat time.Duration) func(*Job) {
		return func(j *Job) { j.Left = ofThat }
	}
	tests := map[string]struct {
		seen  func(d *tenant, due time.Time) func(*Job)
		late  time.Duration
		looks int
	}{
		"right": {func(d *tenant, due time.Time) func(*Job) {
			return func(j *Job) { j.Left = max(time.Until(due), 0) }
		}, 10 * time.Second, 160},
		"always little": {func(d *tenant, due time.Time) func(*Job) { return left(d, time.Millisecond) }, 30 * time.Second, 300},
		"always much":   {func(d *tenant, due time.Time) func(*Job) { return left(d, time.Hour) }, 30 * time.Second, 160},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTenant()
				d.took = 20 * time.Minute
				began := time.Now()
				d.seen = test.seen(d, began.Add(d.took))
				importAll(t, d.importer(), many(1)...)
				if late := time.Since(began) - d.took; late > test.late || len(d.looks) > test.looks {
					t.Errorf("noticed %v late with %d looks, want %v and %d at most", late, len(d.looks), test.late, test.looks)
				}
			})
		})
	}
}

// TestLooksThatFail: they are no end.
func TestLooksThatFail(t *testing.T) {
	for _, fault := range faults.All() {
		synctest.Test(t, func(t *testing.T) {
			d := newTenant()
			d.took = time.Minute
			d.plan = faults.NewPlan()
			for n := 2; n < 7; n++ { // the first call is the job's start
				d.plan.Arm(n, fault)
			}
			for n, got := range importAll(t, d.importer(), many(3)...) {
				if diff := cmp.Diff(stands(many(3)[n].Key), got); diff != "" {
					t.Errorf("%v: outcome (-want +got):\n%s", fault, diff)
				}
			}
		})
	}
}

// TestThrottledStart: two jobs of somebody else are active, so ours waits.
func TestThrottledStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		d.took = 10 * time.Minute
		for range 2 {
			if _, err := d.Start(t.Context(), []byte("[]"), false, ""); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		importAll(t, d.importer(), many(3)...)
		if took := time.Since(began); took < 20*time.Minute || took > 21*time.Minute {
			t.Errorf("it took %v, want the 20 minutes of two jobs and 5 %% more at most", took)
		}
		if d.most != 2 {
			t.Errorf("%d jobs at once", d.most)
		}
	})
}

func TestThrottledForAsLongAsThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		d.plan = faults.NewPlan()
		d.plan.ArmFrom(1, faults.Refuse429)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := d.importer().Import(ctx, many(3))
		if !errors.Is(err, context.DeadlineExceeded) || !upstream.Unreached(err) {
			t.Errorf("error %s, want that nothing was sent", describe(err))
		}
		if calls := len(d.plan.Calls()); calls > 200 {
			t.Errorf("%d tries in an hour", calls)
		}
	})
}

// TestBrokenJobs: a job that is not completed leaves outcomes open, unless all accounts
// stand; and an Import of the same then completes.
func TestBrokenJobs(t *testing.T) {
	ended := func(status string) func(*Job) {
		return func(j *Job) { j.Status, j.Summary = status, nil }
	}
	tests := map[string]struct {
		took time.Duration // 0: the job has done its rows
		seen func(*Job)
		open bool
	}{
		"failed, all there":          {0, ended("failed"), false},
		"expired, all there":         {0, ended("expired"), false},
		"gone, all there":            {0, ended(gone), false},
		"never over, all there":      {0, ended("pending"), false},
		"another word, all there":    {0, ended("waiting"), false},
		"failed, nothing there":      {24 * time.Hour, ended("failed"), true},
		"gone, nothing there":        {24 * time.Hour, ended(gone), true},
		"never over, nothing there":  {24 * time.Hour, ended("pending"), true},
		"failed with words":          {24 * time.Hour, func(j *Job) { j.Status, j.Details = "failed", "The job took too long." }, true},
		"failed, the client's fault": {24 * time.Hour, func(j *Job) { j.Status, j.Details = "failed", "Connection must be enabled." }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTenant()
				d.took, d.seen = test.took, test.seen
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
				defer cancel()
				_, err := d.importer().Import(ctx, many(500))
				if (err != nil) != test.open || upstream.Refused(err) {
					t.Fatalf("error %s, want one that leaves outcomes open: %v", describe(err), test.open)
				}
				d.took, d.seen = 0, nil
				for _, got := range importAll(t, d.importer(), many(500)...) {
					if !got.Inserted {
						t.Fatalf("the same again: outcome %+v", got)
					}
				}
			})
		})
	}
}

// TestImportEndsWithItsContext: soon, and with all outcomes open.
func TestImportEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant()
		d.took = 24 * time.Hour
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		_, err := d.importer().Import(ctx, many(3))
		failed, ok := errors.AsType[*upstream.Error](err)
		if !ok || failed.Service != providers.Service || failed.Route == "" || failed.Refused() || upstream.Unreached(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %s", describe(err))
		}
		if took := time.Since(began); took != 30*time.Minute {
			t.Errorf("it took %v", took)
		}
		if _, err := d.importer().Import(ctx, many(3)); !upstream.Unreached(err) {
			t.Errorf("with a context that is done: error %s", describe(err))
		}
	})
}

// TestRefusedFiles: what a tenant says against a whole file is the refusal of the Import if
// nothing was done before, else of each row.
func TestRefusedFiles(t *testing.T) {
	const words = "Auth POST /api/v2/jobs/users-imports responded with a 400 status code"
	single := account{Key: "k-1", Username: "x"}
	atStart := func(d *tenant) *Importer { i := d.importer(); i.Jobs = refusingJobs{d}; return i }
	atEnd := func(d *tenant) *Importer {
		d.took = 24 * time.Hour
		d.seen = func(j *Job) {
			*j = Job{ID: j.ID, Status: "failed", Details: "Connection must be enabled.", Summary: &Summary{Total: 1}}
		}
		return d.importer()
	}
	for name, open := range map[string]func(*tenant) *Importer{"at its start": atStart, "at its end": atEnd} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := open(newTenant()).Import(t.Context(), many(1))
				if !errors.Is(err, providers.ErrMisconfigured) || !upstream.Refused(err) {
					t.Errorf("error %s, want a refusal of the settings", describe(err))
				}
				want := []outcome{stands("k-1"), refused("PROVIDER_REFUSED", words)}
				if diff := cmp.Diff(want, importAll(t, open(newTenant()), single, many(1)[0])); diff != "" {
					t.Errorf("outcomes beside an account made singly (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// refusingJobs are of a tenant whose connection is not there.
type refusingJobs struct{ *tenant }

func (refusingJobs) Start(context.Context, []byte, bool, string) (string, error) {
	return "", refusal(importRoute, 400, "The connection does not exist.")
}

// TestImportWithFaults: whatever goes wrong at whichever call, an Import of the same
// completes, with one account for each key; and who is to be blocked is never left able to
// log in by an Import that says that all is done.
func TestImportWithFaults(t *testing.T) {
	given := []account{
		{Key: "k-1", Username: "x", Email: "x@example.com", Blocked: true}, {Key: "k-2", Username: "y", Email: "y@example.com"},
		{Key: "k-3", Username: "z", Blocked: true}, {Key: "k-4", Username: "ada", Email: "other@example.com"}, {Key: "k-5", Username: "x"},
		{ID: AccountID("k-a"), Username: "ada", Email: "new@example.com", Blocked: true}, {ID: AccountID("k-b"), Username: "robert", Email: "robert@example.com"},
		{Key: "k-c", Username: "carol", Email: "new.carol@example.com", Blocked: true}, // who is there by an earlier Import, and can log in
	}
	clean, calls := importedClean(t, given)
	for n := 1; n <= calls+4; n++ {
		for _, fault := range faults.All() {
			if testing.Short() && rand.IntN(4) > 0 {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				d := withCarol()
				before := d.shown()
				d.plan = faults.NewPlan()
				d.plan.Arm(n, fault)
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
				defer cancel()
				_, err := d.importer().Import(ctx, given)
				if upstream.Refused(err) && cmp.Diff(before, d.shown()) != "" {
					t.Errorf("call %d, %v: refused (%s), but something was done", n, fault, describe(err))
				}
				if err == nil && cmp.Diff(clean, d.shown()) != "" {
					t.Errorf("call %d, %v: no error, but (-want +got):\n%s", n, fault, cmp.Diff(clean, d.shown()))
				}
				d.plan.Heal()
				if n%2 == 0 {
					d.plan.Deliver()
				}
				again := importAll(t, d.importer(), given...)
				d.plan.Deliver() // what comes late finds all done
				if diff := cmp.Diff(clean, d.shown()); diff != "" {
					t.Errorf("call %d, %v: accounts after the same again (-want +got):\n%s", n, fault, diff)
				}
				if got := standing(again); !slices.Equal(got, []bool{true, true, true, false, false, true, true, true}) {
					t.Errorf("call %d, %v: standing %v", n, fault, got)
				}
			})
		}
	}
}

func withCarol() *tenant {
	d := people()
	d.took = time.Minute
	d.have("k-c", map[string]any{"username": "carol", "email": "carol@example.com"})
	return d
}

// importedClean returns what is there when nothing goes wrong, and how many calls it takes.
func importedClean(t *testing.T, given []account) (shown []string, calls int) {
	synctest.Test(t, func(t *testing.T) {
		d := withCarol()
		d.plan = faults.NewPlan()
		importAll(t, d.importer(), given...)
		shown, calls = d.shown(), len(d.plan.Calls())
	})
	return shown, calls
}

func standing(outcomes []outcome) []bool {
	stand := make([]bool, len(outcomes))
	for i, o := range outcomes {
		stand[i] = o.Refusal == nil
	}
	return stand
}
