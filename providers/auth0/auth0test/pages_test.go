package auth0test

import (
	"strings"
	"testing"
)

// path returns where a link leads within the tenant.
func path(link string) string {
	return strings.TrimSuffix(strings.TrimPrefix(link, "https://tenant.test"), "#")
}

func TestLinksOfMails(t *testing.T) {
	d := open(t, Config{})
	id := d.user("ada")
	d.mail("Ada@example.com")
	mails := d.tenant.Outbox()
	if len(mails) != 2 || mails[0].Kind != "verification" || mails[1].Kind != "change-password" {
		t.Fatalf("mails: %v, want a verification and a change of the password", mails)
	}
	d.want("verify", d.send("GET", path(mails[0].Link), "", ""), 200, "verified")
	d.want("verified", d.manage("GET", "/users/"+id, ""), 200, `"email_verified":true`)
	reset := path(mails[1].Link)
	d.want("form", d.send("GET", reset, "", ""), 200, "<form")
	_, ticket, _ := strings.Cut(reset, "ticket=")
	set := func(password string) outcome {
		return d.send("POST", "/u/reset-password", "application/x-www-form-urlencoded", "ticket="+ticket+"&password="+password)
	}
	d.want("a weak one", set("x"), 400, "weak")
	d.want("a good one", set("Another-Horse-8"), 200, "set")
	d.want("again", set("Another-Horse-9"), 404, "")
	d.want("login", d.login("ada", "Another-Horse-8"), 200, "")
}

// TestLongTicket: a life that is too long for a duration is a long one.
func TestLongTicket(t *testing.T) {
	d := open(t, Config{})
	id := strings.ReplaceAll(d.user("ada"), "%7C", "|")
	got := d.manage("POST", "/tickets/password-change", `{"user_id":"`+id+`","ttl_sec":9223372036854775807}`)
	d.want("ticket", got, 201, "")
	d.want("form", d.send("GET", path(d.text(got, "ticket")), "", ""), 200, "<form")
}

func TestTickets(t *testing.T) {
	d := open(t, Config{})
	id := strings.ReplaceAll(d.user("ada"), "%7C", "|")
	nameless := d.manage("POST", "/users", `{"connection":"`+Connection+`","username":"bob","password":"`+horse+`"}`).body["user_id"].(string)
	for body, want := range map[string]struct {
		status int
		part   string
	}{
		`{"user_id":"` + id + `"}`: {201, `{"ticket":"https://tenant.test/u/reset-password?ticket=`},
		`{"email":"ADA@example.com","connection_id":"` + ConnectionID + `"}`: {201, "ticket"},
		`{"email":"ada@example.com"}`:                                        {400, ""},
		`{}`:                                                                 {400, "user_id"},
		`{"user_id":"auth0|x"}`:                                              {404, "User not found."},
		`{"user_id":"` + nameless + `"}`:                                     {400, "The user does not have an email address."},
		`{"user_id":"` + id + `","new_password":"x"}`:                        {400, "Additional properties not allowed: new_password"},
		`{"user_id":"` + id + `","client_id":"x"}`:                           {400, "The client does not exist"},
		`{"user_id":"` + id + `","ttl_sec":60,"result_url":"https://example.com"}`: {201, "ticket"},
	} {
		d.want(body, d.manage("POST", "/tickets/password-change", body), want.status, want.part)
	}
	d.want("verification", d.manage("POST", "/tickets/email-verification", `{"user_id":"`+id+`"}`), 201, "/u/email-verification?ticket=")
	if n := len(d.tenant.Mails()); n != 0 {
		t.Errorf("%d mails, want none for tickets", n)
	}
}
