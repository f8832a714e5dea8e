package management

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// people is a tenant with ada, who is verified, and bob, who is blocked.
func people() *tenant {
	t := newTenant()
	t.add("k-a", map[string]any{"username": "ada", "email": "ada@example.com"})["email_verified"] = true
	t.add("k-b", map[string]any{"username": "bob", "email": "bob@example.com", "blocked": true})
	return t
}

func TestUpdate(t *testing.T) {
	type change = providers.Change
	const a, b = "k-a ada ada@example.com", "k-b bob bob@example.com blocked"
	tests := map[string]struct {
		id      string
		change  change
		patches []string
		want    []string
		err     error
	}{
		"nothing":                 {"k-a", change{}, nil, []string{a, b}, nil},
		"the same":                {"k-a", change{Username: new("ADA"), Email: new("Ada@Example.com"), Blocked: new(false)}, nil, []string{a, b}, nil},
		"a user name":             {"k-a", change{Username: new("countess")}, []string{`{"connection":"people","username":"countess"}`}, []string{"k-a countess ada@example.com", b}, nil},
		"an address":              {"k-a", change{Username: new("ada"), Email: new("new@example.com")}, []string{`{"connection":"people","email":"new@example.com"}`}, []string{"k-a ada new@example.com", b}, nil},
		"both":                    {"k-a", change{Username: new("x"), Email: new("x@example.com")}, []string{`{"connection":"people","username":"x"}`, `{"connection":"people","email":"x@example.com"}`}, []string{"k-a x x@example.com", b}, nil},
		"no user name":            {"k-a", change{Username: new("")}, []string{`{"connection":"people","username":null}`}, []string{"k-a  ada@example.com", b}, nil},
		"an address for a name":   {"k-a", change{Username: new(""), Email: new("x@example.com")}, []string{`{"connection":"people","email":"x@example.com"}`, `{"connection":"people","username":null}`}, []string{"k-a  x@example.com", b}, nil},
		"a name for an address":   {"k-a", change{Username: new("x"), Email: new("")}, []string{`{"connection":"people","username":"x"}`, `{"connection":"people","email":null}`}, []string{"k-a x ", b}, nil},
		"k-a block":               {"k-a", change{Blocked: new(true)}, []string{`{"blocked":true}`}, []string{a + " blocked", b}, nil},
		"a block again":           {"k-b", change{Blocked: new(true)}, []string{`{"blocked":true}`}, []string{a, b}, nil},
		"a block with both names": {"k-a", change{Username: new("x"), Email: new("x@example.com"), Blocked: new(true)}, []string{`{"blocked":true,"connection":"people","username":"x"}`, `{"connection":"people","email":"x@example.com"}`}, []string{"k-a x x@example.com blocked", b}, nil},
		"the end of one":          {"k-b", change{Username: new("x"), Email: new("x@example.com"), Blocked: new(false)}, []string{`{"connection":"people","username":"x"}`, `{"blocked":false,"connection":"people","email":"x@example.com"}`}, []string{a, "k-b x x@example.com"}, nil},
		"a block with no names":   {"k-a", change{Username: new("ada"), Blocked: new(true)}, []string{`{"blocked":true}`}, []string{a + " blocked", b}, nil},

		"a taken user name":                 {"k-b", change{Username: new("ada")}, []string{`{"connection":"people","username":"ada"}`}, []string{a, b}, providers.Taken{Property: "username"}},
		"a taken address":                   {"k-b", change{Email: new("ada@example.com"), Blocked: new(false)}, []string{`{"blocked":false,"connection":"people","email":"ada@example.com"}`}, []string{a, b}, providers.Taken{Property: "email"}},
		"a taken address and a name":        {"k-b", change{Username: new("x"), Email: new("ada@example.com"), Blocked: new(false)}, []string{`{"connection":"people","username":"x"}`, `{"blocked":false,"connection":"people","email":"ada@example.com"}`, `{"connection":"people","username":"bob"}`}, []string{a, b}, providers.ErrConflict},
		"a taken address, name and a block": {"k-a", change{Username: new("x"), Email: new("bob@example.com"), Blocked: new(true)}, []string{`{"blocked":true,"connection":"people","username":"x"}`, `{"connection":"people","email":"bob@example.com"}`, `{"blocked":false,"connection":"people","username":"ada"}`}, []string{a, b}, providers.ErrConflict},
		"a bad address":                     {"k-a", change{Email: new("here")}, []string{`{"connection":"people","email":"here"}`}, []string{a, b}, providers.ErrInvalid},
		"no name at all":                    {"k-a", change{Username: new(""), Email: new(""), Blocked: new(true)}, nil, []string{a, b}, providers.ErrInvalid},
		"nobody's block":                    {"k-c", change{Blocked: new(true)}, []string{`{"blocked":true}`}, []string{a, b}, providers.ErrNotFound},
		"nobody's name":                     {"k-c", change{Username: new("x")}, nil, []string{a, b}, providers.ErrNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := people()
			got, err := Update(t.Context(), d, "people", AccountID(test.id), test.change)
			if !errors.Is(err, test.err) || err != nil && !upstream.Refused(err) {
				t.Errorf("error: %s, want %v", describe(err), test.err)
			}
			if diff := cmp.Diff(test.patches, d.log); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, d.shown()); diff != "" {
				t.Errorf("accounts (-want +got):\n%s", diff)
			}
			if err == nil {
				now, readErr := d.Read(t.Context(), AccountID(test.id))
				if diff := cmp.Diff(now, got); diff != "" || readErr != nil {
					t.Errorf("account returned (-read +got), %v:\n%s", readErr, diff)
				}
			}
		})
	}
}

func TestUpdateRestoresWhatIsVerified(t *testing.T) {
	d := people()
	d.have("k-c", map[string]any{"username": "carol"})
	verified := refusingRemoval{d} // of the user name, which comes after the address
	_, err := Update(t.Context(), verified, "people", AccountID("k-a"), providers.Change{Username: new(""), Email: new("x@example.com")})
	if !errors.Is(err, providers.ErrMisconfigured) || !upstream.Refused(err) {
		t.Errorf("error: %s", describe(err))
	}
	got, err := d.Read(t.Context(), AccountID("k-a"))
	if err != nil || got.Email != "ada@example.com" || got.Username != "ada" || got.Properties["email_verified"] != true {
		t.Errorf("account %+v (%v), want the address back, and verified", got, err)
	}
}

// refusingRemoval is a tenant whose connection requires a user name.
type refusingRemoval struct{ *tenant }

func (d refusingRemoval) Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error) {
	if value, ok := body["username"]; ok && value == nil {
		return providers.Account{}, refusal(patchRoute, 400, "The connection requires a username.")
	}
	return d.tenant.Patch(ctx, id, body)
}

// TestUpdateWithFaults: whatever goes wrong, an error that is a refusal left everything as
// it was, and the change made again completes.
func TestUpdateWithFaults(t *testing.T) {
	changes := map[string]struct {
		id     string
		change providers.Change
		taken  bool
	}{
		"both names and a block": {"k-a", providers.Change{Username: new("x"), Email: new("x@example.com"), Blocked: new(true)}, false},
		"both names, unblocked":  {"k-b", providers.Change{Username: new("x"), Email: new("x@example.com"), Blocked: new(false)}, false},
		"a taken address":        {"k-a", providers.Change{Username: new("x"), Email: new("bob@example.com"), Blocked: new(true)}, true},
	}
	for name, c := range changes {
		for n := 1; n <= 4; n++ {
			for _, fault := range faults.All() {
				synctest.Test(t, func(t *testing.T) {
					d := people()
					before := d.shown()
					d.plan = faults.NewPlan()
					d.plan.Arm(n, fault)
					_, err := Update(t.Context(), d, "people", AccountID(c.id), c.change)
					if upstream.Refused(err) && cmp.Diff(before, d.shown()) != "" {
						t.Errorf("%s, call %d, %v: refused (%s), but there is %s", name, n, fault, describe(err), encode(d.shown()))
					}
					d.plan.Heal()
					d.plan.Deliver()
					_, err = Update(t.Context(), d, "people", AccountID(c.id), c.change)
					if (err != nil) != c.taken {
						t.Errorf("%s, call %d, %v: again: %s", name, n, fault, describe(err))
					}
				})
			}
		}
	}
}

func TestUpdateTakenBackWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := people()
		d.plan = faults.NewPlan()
		d.plan.Arm(4, faults.Timeout) // read, first, second, and the first again
		began := time.Now()
		_, err := Update(t.Context(), d, "people", AccountID("k-a"), providers.Change{Username: new("x"), Email: new("bob@example.com")})
		failed, ok := errors.AsType[*upstream.Error](err)
		if !ok || !failed.Partial || failed.Refused() || !errors.Is(err, providers.ErrConflict) {
			t.Errorf("error %s, want a conflict that is partial", describe(err))
		}
		if took := time.Since(began); took != callTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

func encode(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
