package auth0test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// headers checks what an answer says of a bucket; resetIn is counted from the bubble's now.
func (d *desk) headers(what string, got outcome, limit, remaining int, resetIn time.Duration) {
	d.t.Helper()
	reset, _ := strconv.ParseInt(got.header.Get("x-ratelimit-reset"), 10, 64)
	want := fmt.Sprint(limit, remaining, resetIn)
	if said := fmt.Sprint(got.header.Get("x-ratelimit-limit"), " ", got.header.Get("x-ratelimit-remaining"), " ", time.Until(time.Unix(reset, 0))); said != want {
		d.t.Errorf("%s: limit, remaining, reset: %s, want %s", what, said, want)
	}
}

func TestManagementBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{Limits: Free()})
		id := d.user("ada")
		time.Sleep(time.Minute + 300*time.Millisecond)
		d.headers("first", d.manage("GET", "/users/"+id, ""), 2, 1, 1700*time.Millisecond) // the window ends at 1.3 s
		d.headers("second", d.manage("GET", "/users/"+id, ""), 2, 0, 1700*time.Millisecond)
		refused := d.manage("GET", "/users/"+id, "")
		d.want("third", refused, 429, `"errorCode":"too_many_requests"`)
		d.headers("third", refused, 2, 0, 1700*time.Millisecond)
		time.Sleep(999 * time.Millisecond)
		d.want("before the window ends", d.manage("GET", "/users/"+id, ""), 429, "")
		time.Sleep(time.Millisecond)
		d.want("in the next window", d.manage("GET", "/users/"+id, ""), 200, "")
		missing := d.manage("GET", "/users/auth0%7Cnobody", "")
		d.want("a missing user", missing, 404, "")
		if missing.header.Get("x-ratelimit-limit") != "" {
			t.Error("a 404 of the Management API has headers of limits")
		}
		d.want("a 404 counts too", d.manage("GET", "/users/"+id, ""), 429, "")
		if n := d.tenant.Seen().Limited["management"]; n != 3 {
			t.Errorf("%d answers with 429 were counted, want 3", n)
		}
	})
}

func TestBucketFillsContinuously(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := Limits{Management: Limit{Size: 4, Refill: 2, Every: time.Second}, Continuous: true}
		d := open(t, Config{Limits: limits})
		for range 4 {
			d.want("at once", d.manage("GET", "/users", ""), 200, "")
		}
		d.want("one too many", d.manage("GET", "/users", ""), 429, "")
		time.Sleep(500 * time.Millisecond)
		d.want("half a second later", d.manage("GET", "/users", ""), 200, "")
		d.want("only one", d.manage("GET", "/users", ""), 429, "")
	})
}

func TestWindowsByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := Limits{Management: Limit{Size: 4, Refill: 2, Every: time.Second}, ByTheClock: true, ResetsWhenMore: true}
		d := open(t, Config{Limits: limits})
		time.Sleep(900 * time.Millisecond)
		for i := range 4 {
			d.headers("at once", d.manage("GET", "/users", ""), 4, 3-i, 100*time.Millisecond)
		}
		d.want("one too many", d.manage("GET", "/users", ""), 429, "")
		time.Sleep(100 * time.Millisecond)
		d.headers("in the next second", d.manage("GET", "/users", ""), 4, 1, time.Second)
	})
}

// TestRefusalsAreNotShared: what one tenant says of its limits is not in another's answers.
func TestRefusalsAreNotShared(t *testing.T) {
	limited, free := open(t, Config{Limits: Free()}), open(t, Config{})
	limited.want("wrong", limited.login("ada", "wrong"), 403, "")
	if got := free.login("ada", "wrong"); got.header.Get("x-ratelimit-limit") != "" {
		t.Errorf("headers: %v, want none of limits", got.header)
	}
}

func TestUserInfoBucketIsTheUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{Limits: Free()})
		d.user("ada")
		d.user("bob")
		ada, bob := d.login("ada", horse).body["access_token"].(string), d.login("bob", horse).body["access_token"].(string)
		for i := range 10 {
			d.headers("userinfo", d.userInfo(ada), 10, 9-i, time.Duration(1+i/5)*time.Minute)
		}
		d.want("the eleventh", d.userInfo(ada), 429, `"error":"too_many_requests"`)
		d.want("another user", d.userInfo(bob), 200, "")
		time.Sleep(time.Minute)
		for range 5 {
			d.want("a minute later", d.userInfo(ada), 200, "")
		}
		d.want("the sixth of that minute", d.userInfo(ada), 429, "")
	})
}

func (d *desk) mail(email string) outcome {
	d.t.Helper()
	return d.post("/dbconnections/change_password", map[string]any{"email": email, "connection": Connection, "client_id": ClientID})
}

func TestChangePasswordBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{Limits: Free()})
		d.user("ada")
		for range 10 {
			d.want("a mail", d.mail("ada@example.com"), 200, "We've just sent you an email")
		}
		d.want("the eleventh to one address", d.mail("ada@example.com"), 429, "too_many_requests")
		d.want("to nobody", d.mail("nobody@example.com"), 200, "We've just sent you an email")
		if n := len(d.tenant.Mails()); n != 10 {
			t.Errorf("%d mails, want 10", n)
		}
		for i := range 287 { // with the twelve, and the token, these are 300 of the API
			d.mail(fmt.Sprintf("user%d@example.com", i))
		}
		d.want("the tenant's limit goes first", d.mail("ada@example.com"), 429, "")
		seen := d.tenant.Seen()
		if seen.Limited["authentication"] != 1 || seen.Limited["change_password"] != 1 {
			t.Errorf("429s: %v, want one each of authentication and change_password", seen.Limited)
		}
		time.Sleep(time.Minute)
		d.headers("a minute later", d.mail("ada@example.com"), 10, 0, 10*time.Minute)
	})
}

func TestLoginShowsTheThrottleOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{Limits: Free()})
		d.user("ada")
		d.headers("a success", d.login("ada", horse), 100, 99, 864*time.Second)
		d.headers("gave its attempt back", d.login("ada", "wrong"), 100, 99, 864*time.Second)
		d.headers("a failure did not", d.login("ada", "wrong"), 100, 98, 2*864*time.Second)
	})
}

func TestLoginsToOneAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{Limits: Free()})
		d.user("ada")
		for range 20 {
			d.want("login", d.login("ada", horse), 200, "")
		}
		d.want("the 21st", d.login("ada", horse), 429, "too_many_requests")
		time.Sleep(time.Minute)
		d.want("a minute later", d.login("ada", horse), 200, "")
	})
}

func TestNoLimitsNoHeaders(t *testing.T) {
	d := open(t, Config{})
	d.user("ada")
	for what, got := range map[string]outcome{"login": d.login("ada", horse), "search": d.manage("GET", "/users", ""), "mail": d.mail("ada@example.com")} {
		if got.header.Get("x-ratelimit-limit") != "" || got.header.Get("Date") == "" {
			t.Errorf("%s: headers %v, want none of limits, and a date", what, got.header)
		}
	}
}
