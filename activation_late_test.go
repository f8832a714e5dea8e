package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// altered is a provider of which some calls do something else than its own.
type altered struct {
	providers.Provider
	create  func(context.Context, providers.NewAccount) (providers.Account, error)
	account func(context.Context, string) (providers.Account, error)
	update  func(context.Context, string, providers.Change) (providers.Account, error)
	imports func(context.Context, []providers.ImportAccount) ([]providers.ImportOutcome, error)
	limits  providers.ImportLimits
}

func (a *altered) Create(ctx context.Context, account providers.NewAccount) (providers.Account, error) {
	return a.create(ctx, account)
}

func (a *altered) Account(ctx context.Context, id string) (providers.Account, error) {
	return a.account(ctx, id)
}

func (a *altered) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	return a.update(ctx, id, c)
}

// alteredImporter is an altered provider that takes accounts in bulk.
type alteredImporter struct{ *altered }

func (a alteredImporter) ImportLimits() providers.ImportLimits { return a.limits }

func (a alteredImporter) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	return a.imports(ctx, accounts)
}

// newAltered makes a harness whose provider is altered, seen in bulk or one by one.
func newAltered(t *testing.T, sight string, alter func(*altered)) *harness {
	t.Helper()
	return newHarnessWith(t, nil, func(p providers.Provider, _ *faults.Plan) providers.Provider {
		a := &altered{Provider: p, create: p.Create, account: p.Account, update: p.Update, imports: p.(providers.Importer).Import}
		a.limits = providers.ImportLimits{Accounts: 500, AtOnce: 2}
		alter(a)
		if sight == "in bulk" {
			return alteredImporter{a}
		}
		return a
	})
}

// making is what the nth call that is to make accounts does; work does its work.
type making func(ctx context.Context, n int64, work func(context.Context) error) error

// makes has f in the place of the calls that make accounts, be it one or many.
func (a *altered) makes(f making) {
	var calls atomic.Int64
	counted := func(ctx context.Context, work func(context.Context) error) error { return f(ctx, calls.Add(1), work) }
	a.create, a.imports = around(a.create, counted), around(a.imports, counted)
}

// around returns call as f carries it out.
func around[A, R any](call func(context.Context, A) (R, error), f func(ctx context.Context, work func(context.Context) error) error) func(context.Context, A) (R, error) {
	return func(ctx context.Context, argument A) (R, error) {
		var result, none R
		err := f(ctx, func(ctx context.Context) (err error) {
			result, err = call(ctx, argument)
			return err
		})
		if err != nil {
			return none, err // work may still write result
		}
		return result, nil
	}
}

// answered is the error of a provider's answer.
func answered(status int) *upstream.Error {
	return &upstream.Error{Service: providers.Service, Route: "POST /users", Status: status}
}

// unanswered does work and says that it could not.
func unanswered(ctx context.Context, work func(context.Context) error) error {
	_ = work(ctx) // nobody hears of it
	return answered(http.StatusServiceUnavailable)
}

// busyFor is the answer of a provider that wants to be left alone for a while.
func busyFor(d time.Duration) *upstream.Error {
	err := answered(http.StatusTooManyRequests)
	err.RetryAfter = d
	return err
}

// addDormant adds n users without an account.
func (h *harness) addDormant(n int) {
	h.t.Helper()
	for i := range n {
		h.mustAll(fmt.Sprintf(`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"user%d@example.com"}`, i))
	}
}

// addActive adds n users with an account.
func (h *harness) addActive(n int) {
	h.t.Helper()
	for i := range n {
		h.mustAll(fmt.Sprintf(`%s {"userGroup":"customers","email":"active%d@example.com"}`, noMail, i))
	}
}

// activate asks for the activation of <id1> to <idn>, and waits for its end.
func (h *harness) activate(n int) {
	h.t.Helper()
	h.must("POST", activations, activationOf(n))
	h.runToEnd()
}

// runToEnd lets the service run until no job is open.
func (h *harness) runToEnd() {
	h.t.Helper()
	h.runJobs(func() {
		for end := time.Now().Add(5 * time.Hour); !h.awaitJobs(0); <-time.After(time.Minute) {
			if time.Now().After(end) {
				h.t.Error("a job is still open after five hours")
				return
			}
		}
	})
}

// checkJob compares what is told of a completed activation.
func (h *harness) checkJob(job, want string) {
	h.t.Helper()
	if got := h.must("GET", activations+"/"+job, "").body; !sameJSON(got, over(job, want)) {
		h.t.Errorf("job = %s, want %s", got, over(job, want))
	}
}

// checkGivenUp reports users of the activation <job1> that did not fail with the code.
func (h *harness) checkGivenUp(users int, code string) {
	h.t.Helper()
	outcomes := h.end(bulkJob{kind: activationKind})
	for id, outcome := range outcomes {
		if !strings.HasPrefix(outcome, "failed "+code+": ") {
			h.t.Errorf("%s: %s, want a failure with %s", id, outcome, code)
		}
	}
	if len(outcomes) != users {
		h.t.Errorf("%d outcomes of %d users", len(outcomes), users)
	}
}

// checkWithoutAccounts settles everything and reports accounts, and users with an
// authUserId.
func (h *harness) checkWithoutAccounts() {
	h.t.Helper()
	h.settle()
	h.checkPairing()
	h.checkAccounts(map[string]string{})
	for _, user := range h.all("/users") {
		if id, has := user["authUserId"]; has {
			h.t.Errorf("%v has the authUserId %v", user["email"], id)
		}
	}
}

// TestAccountsOfUsersGivenUp has the provider make accounts and not say so, or long after,
// until their users are given up. The users fail, one of them is blocked then, and no
// account stays.
func TestAccountsOfUsersGivenUp(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	thenRefused := func(status int) func(*sync.WaitGroup) making {
		return func(*sync.WaitGroup) making {
			return func(ctx context.Context, n int64, work func(context.Context) error) error {
				if n > 1 {
					return answered(status)
				}
				return unanswered(ctx, work)
			}
		}
	}
	madeAfter := func(d time.Duration) func(*sync.WaitGroup) making {
		return func(late *sync.WaitGroup) making {
			return func(ctx context.Context, _ int64, work func(context.Context) error) error {
				late.Go(func() {
					<-time.After(d)
					_ = work(context.WithoutCancel(ctx)) // nobody hears of it
				})
				return answered(503)
			}
		}
	}
	for what, c := range map[string]struct {
		sight  string
		users  int
		making func(late *sync.WaitGroup) making
		code   string
	}{
		"made, then refused with 403":          {"one by one", 1, thenRefused(403), "PROVIDER_REFUSED"},
		"made, then refused with 401":          {"one by one", 1, thenRefused(401), "PROVIDER_REFUSED"},
		"imported, then refused with 403":      {"in bulk", 10, thenRefused(403), "PROVIDER_REFUSED"},
		"imported, then refused with 401":      {"in bulk", 10, thenRefused(401), "PROVIDER_REFUSED"},
		"made 20 seconds after each call":      {"one by one", 5, madeAfter(20 * time.Second), "UPSTREAM_UNAVAILABLE"},
		"imported 20 seconds after each call":  {"in bulk", 5, madeAfter(20 * time.Second), "UPSTREAM_UNAVAILABLE"},
		"imported 20 minutes after each call":  {"in bulk", 5, madeAfter(20 * time.Minute), "UPSTREAM_UNAVAILABLE"},
		"imported 100 minutes after each call": {"in bulk", 5, madeAfter(100 * time.Minute), "UPSTREAM_UNAVAILABLE"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var late sync.WaitGroup
				h := newAltered(t, c.sight, func(a *altered) { a.makes(c.making(&late)) })
				h.addDormant(c.users)
				h.activate(c.users)
				h.checkGivenUp(c.users, c.code)
				h.must("PATCH", "/users/<id1>", `{"blocked":true}`)
				h.runJobs(late.Wait)
				h.checkWithoutAccounts()
			})
		})
	}
}

// TestUsersNotTriedAgain makes accounts without an answer until the service stops. After
// its next start the provider is so slow to fail that some users are given up without a
// call for them: their accounts go all the same.
func TestUsersNotTriedAgain(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	for sight := range sights {
		t.Run(sight, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const users = 100
				var away atomic.Bool
				var calls atomic.Int64
				h := newAltered(t, sight, func(a *altered) {
					a.limits.Accounts = 1
					a.makes(func(ctx context.Context, _ int64, work func(context.Context) error) error {
						if away.Load() {
							calls.Add(1)
							<-time.After(5 * time.Minute)
							return answered(503)
						}
						return unanswered(ctx, work)
					})
				})
				h.addDormant(users)
				h.must("POST", activations, activationOf(users))
				h.pass(5 * time.Minute)
				made := len(h.all("/fake/accounts"))
				away.Store(true)
				h.runToEnd()
				if calls.Load() >= int64(made) {
					t.Errorf("%d accounts were made and %d calls followed: the test shows little", made, calls.Load())
				}
				h.checkGivenUp(users, "UPSTREAM_UNAVAILABLE")
				h.checkWithoutAccounts()
			})
		})
	}
}

// TestRefreshesOverABlip: a provider that does not show or change accounts for 20 seconds
// delays the users that have one, and fails none.
func TestRefreshesOverABlip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 100
		var away atomic.Bool
		h := newAltered(t, "in bulk", func(a *altered) {
			account, update := a.account, a.update
			a.account = func(ctx context.Context, id string) (providers.Account, error) {
				if away.Load() {
					return providers.Account{}, answered(503)
				}
				return account(ctx, id)
			}
			a.update = func(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
				if away.Load() {
					return providers.Account{}, answered(503)
				}
				return update(ctx, id, c)
			}
		})
		h.addActive(users)
		h.must("POST", activations, activationOf(users))
		away.Store(true)
		h.runJobs(func() {
			<-time.After(20 * time.Second)
			away.Store(false)
			h.awaitJobs(time.Hour)
		})
		h.checkJob("<job1>", summary(0, users, 0))
		h.settle()
		h.checkPairing()
	})
}

// TestNoValuesInFailures has a provider say addresses in its refusals: failures have
// neither the user's own nor another's.
func TestNoValuesInFailures(t *testing.T) {
	t.Parallel()
	refuses := func(context.Context, int64, func(context.Context) error) error {
		return providers.Refuse("POST /users", providers.ErrInvalid, "user1@example.com is on the deny list")
	}
	for what, c := range map[string]struct {
		sight, prepare string
		alter          func(*altered)
		want           string
	}{
		"of a refresh": {"one by one", noMail, func(a *altered) {
			a.update = func(context.Context, string, providers.Change) (providers.Account, error) {
				return providers.Account{}, refuses(nil, 0, nil)
			}
		}, failedFor("<id1>", "INVALID_FORMAT", "*** is on the deny list")},
		"of an account": {"one by one", "POST /users/?postponeAuthUserCreation=true", func(a *altered) { a.makes(refuses) },
			failedFor("<id1>", "INVALID_FORMAT", "*** is on the deny list")},
		"of a whole import": {"in bulk", "POST /users/?postponeAuthUserCreation=true", func(a *altered) { a.makes(refuses) },
			failedFor("<id1>", "PROVIDER_REFUSED", "Auth POST /users responded with a 400 status code")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newAltered(t, c.sight, c.alter)
				h.mustAll(c.prepare + ` {"userGroup":"customers","email":"user1@example.com"}`)
				h.activate(1)
				h.checkJob("<job1>", summary(1, 0, 0)+`,"failures":[`+c.want+`]`)
			})
		})
	}
	t.Run("of others in an import", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := newAltered(t, "in bulk", func(a *altered) { a.makes(refuses) })
			h.addDormant(3)
			h.activate(3)
			h.checkGivenUp(3, "PROVIDER_REFUSED")
			if body := h.must("GET", activations+"/<job1>", "").body; strings.Contains(body, "user1@") {
				t.Errorf("job = %s, with an address", body)
			}
			h.checkWithoutAccounts()
		})
	})
}

// TestMarksOfNobody leaves a user with the mark of an activation that is not there any
// more, perhaps with the account that was made. It is settled while the service runs, and
// an activation need not wait for that.
func TestMarksOfNobody(t *testing.T) {
	t.Parallel()
	const key = "aaaaaaaaaaaaaaaaaaaaaaaa"
	for what, mark := range map[string]string{"going on": "activating|dead|" + key, "being undone": "unactivating|dead|" + key} {
		for _, made := range []bool{false, true} {
			for _, waits := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, account made %v, settled before the activation %v", what, made, waits), func(t *testing.T) {
					t.Parallel()
					if !waits {
						inProcessOnly(t, "the mark may be one that another process is at work on")
					}
					synctest.Test(t, func(t *testing.T) {
						h := newHarness(t, nil)
						h.addDormant(1)
						h.pass(time.Second) // the start looks for marks, and finds none yet
						h.mustAll(`PATCH /crud/users/<id1> {"$set":{"authUserId":"` + mark + `"}}`)
						if made {
							if _, err := h.provider.Create(t.Context(), providers.NewAccount{Key: key, Email: "user0@example.com", Password: secret.New("correct horse")}); err != nil {
								t.Fatal(err)
							}
						}
						if waits {
							h.pass(forgotten())
							h.checkWithoutAccounts()
						}
						h.activate(1)
						h.checkJob("<job1>", summary(0, 0, 1))
						h.settle()
						h.checkPairing()
						h.checkAccounts(map[string]string{"user0@example.com": ""})
					})
				})
			}
		}
	}
}

// TestMarkBeingUndoneBesideAnOpenJob: a mark that is being taken off is, whatever becomes of
// its job; one that the job has put on stays.
func TestMarkBeingUndoneBesideAnOpenJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.addDormant(3)
		h.running(func() { <-time.After(time.Second) }) // the start looks for marks, and finds none yet
		h.must("POST", activations, `[{"filter":{"userId":"<id1>"}}]`)
		h.mustAll(`PATCH /crud/users/<id2> {"$set":{"authUserId":"activating|<job1>|aaaaaaaaaaaaaaaaaaaaaaaa"}}`,
			`PATCH /crud/users/<id3> {"$set":{"authUserId":"unactivating|<job1>|bbbbbbbbbbbbbbbbbbbbbbbb"}}`)
		h.running(func() { <-time.After(forgotten()) })
		for id, marked := range map[string]bool{"<id2>": true, "<id3>": false} {
			if got := h.must("GET", "/users/?_q="+url.QueryEscape(h.seen.fill(`{"_id":"`+id+`"}`))+"&_p=authUserId", "").body; strings.Contains(got, "activating|") != marked {
				t.Errorf("%s: %s, marked should be %v", id, got, marked)
			}
		}
	})
}

// TestFailedActivationKeepsNoMarks: an activation that fails as a whole leaves its users as
// they were, and the next one completes.
func TestFailedActivationKeepsNoMarks(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		h := newAltered(t, "in bulk", func(a *altered) {
			a.limits = providers.ImportLimits{Bytes: 100, AtOnce: 2, Size: func(providers.ImportAccount) int {
				if broken.Load() {
					panic("a driver that is broken")
				}
				return 1
			}}
		})
		h.addDormant(2)
		h.activate(2)
		got, want := h.must("GET", activations+"/<job1>", "").body, strings.Replace(pendingJob("<job1>"), "pending", "failed", 1)
		if !sameJSON(got, want) {
			t.Errorf("job = %s, want %s", got, want)
		}
		h.checkWithoutAccounts()
		broken.Store(false)
		h.activate(2)
		h.checkJob("<job2>", summary(0, 0, 2))
		h.settle()
		h.checkPairing()
	})
}

// TestNoteOfTheSameActivation finds at its start the note of a user that the activation
// gave up, and no outcome: the activation tries the user again, and the note does not
// take away what that makes.
func TestNoteOfTheSameActivation(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	synctest.Test(t, func(t *testing.T) {
		h := newAltered(t, "in bulk", func(a *altered) {
			a.makes(func(ctx context.Context, _ int64, work func(context.Context) error) error {
				<-time.After(2 * time.Minute)
				return work(ctx)
			})
		})
		h.addDormant(1)
		h.must("POST", activations, activationOf(1))
		job, id := h.seen.fill("<job1>"), h.seen.fill("<id1>")
		sum := sha256.Sum256([]byte(job + " " + id))
		note := crud.Document{"operation": "aaaaaaaaaaaaaaaaaaaaaaaa", "kind": "activate", "userId": id, "key": hex.EncodeToString(sum[:12]), "job": job}
		if _, err := h.client.Collection("/journal").Insert(t.Context(), note); err != nil {
			t.Fatal(err)
		}
		if err := h.api.users.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.runToEnd()
		h.checkJob("<job1>", summary(0, 0, 1))
		h.settle()
		h.checkPairing()
		h.checkAccounts(map[string]string{"user0@example.com": ""})
	})
}

// TestProviderThatHangs: what earlier refreshes left at a provider that hangs holds up
// neither the service's stop nor a request longer than two calls may take, however many
// users there are.
func TestProviderThatHangs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	for _, after := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second} {
		t.Run(fmt.Sprintf("for %v", after), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { besideHanging(t, after) })
		})
	}
}

func besideHanging(t *testing.T, after time.Duration) {
	const users, longest = 100, 20 * time.Second
	var hangs atomic.Bool
	h := newAltered(t, "one by one", func(a *altered) {
		account, update := a.account, a.update
		a.account = func(ctx context.Context, id string) (providers.Account, error) {
			if hangs.Load() {
				<-ctx.Done()
			}
			return account(ctx, id)
		}
		a.update = func(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
			if hangs.Load() {
				<-ctx.Done()
			}
			return update(ctx, id, c)
		}
	})
	h.addActive(users)
	hangs.Store(true)
	h.activate(users)
	if n := len(h.all("/journal")); n != users {
		t.Errorf("%d of %d refreshes left a note: the test shows little", n, users)
	}
	h.checkGivenUp(users, "UPSTREAM_UNAVAILABLE")
	h.must("POST", activations, activationOf(users))
	var stopped time.Time
	h.runJobs(func() {
		<-time.After(after)
		began := time.Now()
		h.call("PATCH", "/users/<id50>", `{"name":"Ann"}`)
		if d := time.Since(began); d > longest {
			t.Errorf("a request took %v", d)
		}
		stopped = time.Now()
	})
	if d := time.Since(stopped); d > longest {
		t.Errorf("the stop took %v", d)
	}
	hangs.Store(false)
	h.runToEnd()
	h.checkJob("<job2>", summary(0, users, 0))
	h.settle()
	h.checkPairing()
}

// TestUsersThatExpireMeanwhile: an account that is made, or was made without an answer,
// is blocked when its user's date has come by the time that the activation ends.
func TestUsersThatExpireMeanwhile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	for sight := range sights {
		for _, made := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, made before %v", sight, made), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newAltered(t, sight, func(a *altered) {
						a.makes(func(ctx context.Context, n int64, work func(context.Context) error) error {
							switch {
							case made && n == 1:
								return unanswered(ctx, work)
							case n < 10:
								return busyFor(10 * time.Minute)
							}
							return work(ctx)
						})
					})
					date := time.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
					h.mustAll(`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"ann@example.com","expirationDate":"` + date + `"}`)
					h.activate(1)
					h.checkJob("<job1>", summary(0, 0, 1))
					h.checkAccounts(map[string]string{"ann@example.com": "blocked"})
					h.settle()
					h.checkPairing()
				})
			})
		}
	}
}

// TestFailuresAroundALongWait: the time that a provider wants to be left alone does not
// count as an outage, also when calls failed before; and what fails after it is tried
// again.
func TestFailuresAroundALongWait(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hours on the clock of the bubble")
	}
	for sight := range sights {
		t.Run(sight, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const users, longWait = 50, 31 * time.Minute
				var updates atomic.Int64
				h := newAltered(t, sight, func(a *altered) {
					a.limits.Accounts = 1
					a.makes(func(ctx context.Context, n int64, work func(context.Context) error) error {
						switch {
						case n == 1: // of the user that is active
							return work(ctx)
						case n <= 9 || n == users: // as many as are under way at once, and one later
							return answered(503)
						case n == 10:
							return busyFor(longWait)
						}
						return work(ctx)
					})
					update := a.update
					a.update = func(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
						if updates.Add(1) == 1 {
							return providers.Account{}, busyFor(longWait)
						}
						return update(ctx, id, c)
					}
				})
				h.addActive(1)
				h.addDormant(users)
				h.activate(users + 1)
				h.checkJob("<job1>", summary(0, 1, users))
				h.settle()
				h.checkPairing()
			})
		})
	}
}

// TestUsersThatGetNoAccount holds conversations about users that are hidden from who asks,
// whose group is broken, or whose address another account has.
func TestUsersThatGetNoAccount(t *testing.T) {
	t.Parallel()
	for what, c := range deniedConversations() {
		for sight := range sights {
			t.Run(what+", "+sight, func(t *testing.T) {
				t.Parallel()
				c.run(t, sight)
			})
		}
	}
}

func deniedConversations() map[string]jobConversation {
	const ann, bob = `"email":"ann@example.com"`, `"email":"bob@example.com"`
	shownTo := func(email string, step exchange) exchange {
		step.header = `acl_rows: [{"email":"` + email + `"}]`
		return step
	}
	noneExists := exchange{request: "POST " + activations, body: usersBody("<id1>", "<id2>"), status: 404, want: bad(404, "filter.userId: none of the users exists")}
	both := shownTo("ann@example.com", startsJob(activations, "<job1>", "<id1>", "<id2>"))
	bobMissing := `,"failures":[` + failedFor("<id2>", "USER_NOT_FOUND", "There is no user with this id") + `]`
	group := func(more string) exchange {
		return setUp("POST /crud/ums-config/", `{"userGroup":"odd","label":"Odd",`+more+`"crudSchema":{}}`)
	}
	annOfIt := setUp("POST /users/?postponeAuthUserCreation=true", `{"userGroup":"odd",`+ann+`}`)
	breaks := setUp("PATCH /crud/ums-config/<id1>", `{"$set":{"crudSchema":{"type":"strin"}}}`)
	unusable := shows("<job1>", summary(1, 0, 0)+`,"failures":[`+failedFor("<id2>", "USER_GROUP_UNUSABLE", "The crudSchema of the user's group does not compile")+`]`)
	linked := func(n int) exchange { // and no account has no user
		return exchange{request: "GET /users/count?_q=%7B%22authUserId%22%3A%7B%22%24exists%22%3Atrue%7D%7D", status: 200, want: fmt.Sprint(n)}
	}
	return map[string]jobConversation{
		"all hidden":                      conversationOf(dormant(ann), dormant(bob), shownTo("nobody@example.com", noneExists), linked(0)),
		"all with accounts hidden":        conversationOf(active(ann), active(bob), shownTo("nobody@example.com", noneExists)),
		"one hidden":                      conversationOf(dormant(ann), dormant(bob), both, passes, shows("<job1>", summary(1, 0, 1)+bobMissing), linked(1)),
		"one with an account hidden":      conversationOf(active(ann), active(bob), both, passes, shows("<job1>", summary(1, 1, 0)+bobMissing), linked(2)),
		"a broken group":                  conversationOf(group(""), annOfIt, breaks, activates("<id2>"), unusable, linked(0)),
		"a broken group without accounts": conversationOf(group(`"authUserCreationDisabled":true,`), annOfIt, breaks, activates("<id2>"), unusable, linked(0)),
		"a refresh to a taken address": conversationOf(active(ann), active(bob), inTheStore("<id2>", `"email":"bobby@example.com"`), inTheStore("<id1>", bob), activates("<id1>"),
			fails("NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: bob@example.com`), linked(2)),
	}
}
