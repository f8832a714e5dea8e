package sdk

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/management"
	"golang.org/x/oauth2"

	"user-manager/crud"
	"user-manager/providers/auth0/auth0test"
)

// free is the Management API of a tenant of the free plan that is in this process, so
// that time can be that of a bubble. After the token not a call is used up.
func free(t *testing.T, more ...management.Option) (*auth0test.Tenant, *management.Management) {
	t.Helper()
	stand := auth0test.New(auth0test.Config{Limits: auth0test.Free()})
	base := crud.InProcess(stand)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: base})
	options := append([]management.Option{
		management.WithClient(&http.Client{Transport: base}),
		management.WithClientCredentials(ctx, auth0test.ManagementClientID, auth0test.ManagementClientSecret),
	}, more...)
	m, err := management.New("tenant.test", options...)
	if err != nil {
		t.Fatal(err)
	}
	return stand, m
}

// Their client tries again after a 429 as the headers say, so that calls one after
// another all come through, at the speed of the plan.
func TestCallsWaitForTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stand, m := free(t)
		started := time.Now()
		for range 20 {
			if _, err := m.User.List(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// Two a second, and two at once: their client waits in whole seconds, and longer than it must.
		if took := time.Since(started); took < 9*time.Second || took > 30*time.Second {
			t.Errorf("20 calls took %v", took)
		}
		if refusals := stand.Seen().Limited["management"]; refusals == 0 {
			t.Error("no call was refused")
		}
	})
}

func TestLimitIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m := free(t, management.WithNoRetries())
		for range 2 {
			if _, err := m.User.List(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_, err := m.User.List(t.Context())
		refused(t, err, http.StatusTooManyRequests, "Global limit has been reached")
		time.Sleep(time.Second)
		if _, err := m.User.List(t.Context()); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

// The profile has a limit of its own: ten at once of each user.
func TestLimitOfUserInfo(t *testing.T) {
	tn := newTenant(t, auth0test.Config{Limits: auth0test.Limits{UserInfo: auth0test.Free().UserInfo}})
	ada(t, tn.management(t))
	a := tn.authentication(t, authentication.WithNoRetries())
	set, err := login(t, a, "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := a.UserInfo(t.Context(), set.AccessToken); err != nil {
			t.Fatal(err)
		}
	}
	_, err = a.UserInfo(t.Context(), set.AccessToken)
	denied(t, err, http.StatusTooManyRequests, "too_many_requests", "")
}
