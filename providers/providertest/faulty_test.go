package providertest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/providers/providertest"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// agreeable is a provider to which everything is fine. It counts what it did.
type agreeable struct{ worked int }

func (a *agreeable) Login(context.Context, string, secret.Text) (providers.Session, error) {
	a.worked++
	return providers.Session{AccessToken: secret.New("token")}, nil
}

func (a *agreeable) Refresh(context.Context, secret.Text, secret.Text) (providers.Session, error) {
	a.worked++
	return providers.Session{AccessToken: secret.New("token")}, nil
}

func (a *agreeable) UserInfo(context.Context, providers.Ticket) (map[string]any, error) {
	a.worked++
	return map[string]any{"sub": "1"}, nil
}

func (a *agreeable) Create(context.Context, providers.NewAccount) (providers.Account, error) {
	a.worked++
	return providers.Account{ID: "1"}, nil
}

func (a *agreeable) Find(context.Context, providers.NewAccount) (providers.Account, error) {
	a.worked++
	return providers.Account{ID: "1"}, nil
}

func (a *agreeable) Account(context.Context, string) (providers.Account, error) {
	a.worked++
	return providers.Account{ID: "1"}, nil
}

func (a *agreeable) Update(context.Context, string, providers.Change) (providers.Account, error) {
	a.worked++
	return providers.Account{ID: "1"}, nil
}

func (a *agreeable) Delete(context.Context, string) error {
	a.worked++
	return nil
}

func (a *agreeable) ChangePassword(context.Context, string) error {
	a.worked++
	return nil
}

func (a *agreeable) ImportLimits() providers.ImportLimits { return providers.ImportLimits{AtOnce: 7} }

func (a *agreeable) Import(_ context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	a.worked++
	return make([]providers.ImportOutcome, len(accounts)), nil
}

// calls are all calls of a provider, by the names that a plan has for them.
func calls(p providers.Provider) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Auth Login":    func(ctx context.Context) error { _, err := p.Login(ctx, "ada", secret.New("pw")); return err },
		"Auth Refresh":  func(ctx context.Context) error { _, err := p.Refresh(ctx, secret.Text{}, secret.Text{}); return err },
		"Auth UserInfo": func(ctx context.Context) error { _, err := p.UserInfo(ctx, providers.Ticket{}); return err },
		"Auth Create":   func(ctx context.Context) error { _, err := p.Create(ctx, providers.NewAccount{}); return err },
		"Auth Find":     func(ctx context.Context) error { _, err := p.Find(ctx, providers.NewAccount{}); return err },
		"Auth Account":  func(ctx context.Context) error { _, err := p.Account(ctx, "1"); return err },
		"Auth Update":   func(ctx context.Context) error { _, err := p.Update(ctx, "1", providers.Change{}); return err },
		"Auth Delete":   func(ctx context.Context) error { return p.Delete(ctx, "1") },
		"Auth ChangePassword": func(ctx context.Context) error {
			return p.ChangePassword(ctx, "1")
		},
		"Auth Import": func(ctx context.Context) error {
			_, err := p.(providers.Importer).Import(ctx, []providers.ImportAccount{{}})
			return err
		},
	}
}

func TestFaultyLetsEveryCallThrough(t *testing.T) {
	inner, plan := &agreeable{}, faults.NewPlan()
	var want []string
	for name, call := range calls(providertest.NewFaultyImporter(inner, plan)) {
		want = append(want, name)
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(want, plan.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if inner.worked != len(want) {
		t.Errorf("the inner provider did %d calls, want %d", inner.worked, len(want))
	}
}

func TestFaultyFailsEveryCall(t *testing.T) {
	tests := map[faults.Fault]struct {
		cause error // nil: none is looked for
		works bool
		takes time.Duration
	}{
		faults.Refuse500:   {nil, false, 0},
		faults.Refuse503:   {nil, false, 0},
		faults.Refuse429:   {nil, false, 0},
		faults.Unreachable: {faults.ErrUnreachable, false, 0},
		faults.Timeout:     {context.DeadlineExceeded, false, time.Minute},
		faults.DropAnswer:  {faults.ErrDropped, true, 0},
	}
	for fault, test := range tests {
		for name := range calls(nil) {
			t.Run(name+", "+fault.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					inner, plan := &agreeable{}, faults.NewPlan()
					call := calls(providertest.NewFaultyImporter(inner, plan))[name]
					plan.Arm(1, fault)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()

					start := time.Now()
					err := call(ctx)

					failure, ok := errors.AsType[*upstream.Error](err)
					if !ok || failure.Service != providers.Service || failure.Status != fault.Status() {
						t.Errorf("error: %v, want one of %s with status %d", err, providers.Service, fault.Status())
					}
					if test.cause != nil && !errors.Is(err, test.cause) {
						t.Errorf("error is caused by %v, want %v", errors.Unwrap(err), test.cause)
					}
					if worked := inner.worked == 1; worked != test.works {
						t.Errorf("the work was done: %v, want %v", worked, test.works)
					}
					if took := time.Since(start); took != test.takes {
						t.Errorf("took %v, want %v", took, test.takes)
					}
				})
			})
		}
	}
}

func TestFaultyLeadsToTheInnerProvider(t *testing.T) {
	inner := &agreeable{}
	if got := providertest.NewFaulty(inner, faults.NewPlan()).Unwrap(); got != inner {
		t.Errorf("Unwrap: %v, want the provider that does the work", got)
	}
}

func TestFaultyIsImporterWhenAskedTo(t *testing.T) {
	importer, none := &agreeable{}, struct{ providers.Provider }{&agreeable{}}
	tests := map[string]struct {
		provider providers.Provider
		want     bool
	}{
		"asked to":                            {providertest.NewFaultyImporter(importer, faults.NewPlan()), true},
		"asked to, of one that is none":       {providertest.NewFaultyImporter(none, faults.NewPlan()), false},
		"not asked to":                        {providertest.NewFaulty(importer, faults.NewPlan()), false},
		"asked to, of one that hides another": {providertest.NewFaultyImporter(providertest.NewFaulty(importer, faults.NewPlan()), faults.NewPlan()), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := test.provider.(providers.Importer)
			if ok != test.want {
				t.Fatalf("is an importer: %v, want %v", ok, test.want)
			}
			if ok && got.ImportLimits().AtOnce != 7 {
				t.Errorf("limits %+v, want those of the inner provider", got.ImportLimits())
			}
		})
	}
}

func TestFaultySaysNoTimeToWait(t *testing.T) {
	plan := faults.NewPlan()
	plan.Arm(1, faults.Refuse429)
	_, err := providertest.NewFaulty(&agreeable{}, plan).Account(t.Context(), "1")
	if upstream.Status(err) != 429 || upstream.RetryAfter(err) != 0 {
		t.Errorf("status %d, wait %v; want 429 and none", upstream.Status(err), upstream.RetryAfter(err))
	}
}

func TestFaultyAnswersLate(t *testing.T) {
	tests := map[string]struct {
		delay, takes time.Duration
		cause        error
	}{
		"in time":  {time.Second, time.Second, nil},
		"too late": {time.Hour, time.Minute, context.DeadlineExceeded},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner, plan := &agreeable{}, faults.NewPlan()
				plan.ArmDelay(1, test.delay)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				_, err := providertest.NewFaulty(inner, plan).Create(ctx, providers.NewAccount{})
				if took := time.Since(start); !errors.Is(err, test.cause) || took != test.takes || inner.worked != 1 {
					t.Errorf("Create: %v after %v, did its work %d times; want %v after %v, once", err, took, inner.worked, test.cause, test.takes)
				}
			})
		})
	}
}
