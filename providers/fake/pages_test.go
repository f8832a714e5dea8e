package fake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/secret"
)

// A sentMail is what the outbox tells of a mail.
type sentMail struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Link    string    `json:"link"`
	SentAt  time.Time `json:"sentAt"`
}

// outbox reads the outbox page; query is such as "?to=x".
func outbox(t *testing.T, p *Provider, query string) []sentMail {
	t.Helper()
	w := request(t, p, httptest.NewRequest("GET", "http://localhost:3000/fake/outbox"+query, nil))
	var sent []sentMail
	if err := json.Unmarshal(w.Body.Bytes(), &sent); err != nil || w.Code != 200 {
		t.Fatalf("outbox: %d %s (%v)", w.Code, w.Body, err)
	}
	return sent
}

// mailedTicket lets p mail the owner of id and returns the ticket in the link.
func mailedTicket(t *testing.T, p *Provider, id string) string {
	t.Helper()
	if err := p.ChangePassword(t.Context(), id); err != nil {
		t.Fatalf("ChangePassword: %v", err)
	}
	link, err := url.Parse(outbox(t, p, "")[0].Link)
	if err != nil {
		t.Fatal(err)
	}
	return link.Query().Get("ticket")
}

// post posts a new password as a program does.
func post(t *testing.T, p *Provider, ticket, password string) *httptest.ResponseRecorder {
	t.Helper()
	body, err := json.Marshal(map[string]string{"ticket": ticket, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/fake/change-password", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	return request(t, p, r)
}

// setPasswordByMail sets the password of an account by way of a mail.
func setPasswordByMail(t *testing.T, p *Provider, id, password string) {
	t.Helper()
	if w := post(t, p, mailedTicket(t, p, id), password); w.Code != 200 {
		t.Fatalf("change password: %d %s", w.Code, w.Body)
	}
}

func TestOutbox(t *testing.T) {
	p, c := open(t, env{"SERVICE_PREFIX": "/ums/"})
	adas, bobs := mustCreate(t, p, ada()).ID, mustCreate(t, p, bob()).ID
	if diff := cmp.Diff([]sentMail{}, outbox(t, p, "")); diff != "" {
		t.Errorf("empty outbox (-want +got):\n%s", diff)
	}
	start := p.now()
	for _, id := range []string{adas, bobs, adas} {
		if err := p.ChangePassword(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		c.advance(time.Minute)
	}
	var got []string
	for i, m := range outbox(t, p, "") {
		got = append(got, m.To)
		if !strings.HasPrefix(m.Link, "http://localhost:3000/ums/fake/change-password?ticket=") || m.Subject == "" || m.Text == "" {
			t.Errorf("mail %d: link %q, subject %q, text %q", i, m.Link, m.Subject, m.Text)
		}
		if ahead := m.SentAt.Sub(start) - time.Duration(2-i)*time.Minute; ahead < -time.Second || ahead > 10*time.Second {
			t.Errorf("mail %d was sent at %v", i, m.SentAt)
		}
	}
	if diff := cmp.Diff([]string{"ada@example.com", "bob@example.com", "ada@example.com"}, got); diff != "" {
		t.Errorf("mails, newest first (-want +got):\n%s", diff)
	}
	for query, want := range map[string]int{"?to=ada@example.com": 2, "?to=BOB%40example.com": 1, "?to=nobody@example.com": 0} {
		if got := len(outbox(t, p, query)); got != want {
			t.Errorf("outbox%s: %d mails, want %d", query, got, want)
		}
	}
}

func TestOutboxKeepsTheNewest(t *testing.T) {
	tests := map[string]struct {
		limit        string // FAKE_OUTBOX_LIMIT
		before, sent int    // mails that were there already, and that are sent
		shown        int
		oldest       string // whom the oldest mail that is shown went to
		stored       int
	}{
		"as many as are kept":                   {"3", 2, 1, 3, "0", 3},
		"one more":                              {"3", 3, 1, 3, "1", 3},
		"the newest only":                       {"1", 3, 2, 1, "ada@example.com", 1},
		"more than a list gives":                {"3", 2*trimAtOnce + 5, 1, 3, "403", 3},
		"the limit as it is unset":              {"", 1001, 1, 1000, "2", 1000},
		"a few too many are not shown":          {"20", 20, 3, 20, "3", 22}, // two may gather
		"more than a few too many are not kept": {"20", 20, 4, 20, "4", 20},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, _ := open(t, env{"FAKE_OUTBOX_LIMIT": test.limit})
			id := mustCreate(t, p, ada()).ID
			fillOutbox(t, p, 0, test.before)
			for range test.sent {
				if err := p.ChangePassword(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			shown := outbox(t, p, "")
			if len(shown) != test.shown || shown[0].To != "ada@example.com" || shown[len(shown)-1].To != test.oldest {
				t.Errorf("%d mails, from %q to %q; want %d, from ada's to %q", len(shown), shown[0].To, shown[len(shown)-1].To, test.shown, test.oldest)
			}
			if n, err := p.outbox.Count(t.Context(), crud.Query{}); err != nil || n != test.stored {
				t.Errorf("%d mails are stored (%v), want %d", n, err, test.stored)
			}
		})
	}
}

// fillOutbox puts n mails into p's outbox, to the numbers from first on.
func fillOutbox(t testing.TB, p *Provider, first, n int) {
	t.Helper()
	docs := make([]crud.Document, n)
	for i := range docs {
		to := fmt.Sprint(first + i)
		docs[i] = crud.Document{toField: to, ticketField: to, sentAtField: first + i}
	}
	if _, err := p.outbox.InsertAll(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

func TestForm(t *testing.T) {
	p, _ := open(t, env{"SERVICE_PREFIX": "/ums"})
	ticket := mailedTicket(t, p, mustCreate(t, p, ada()).ID)
	w := request(t, p, httptest.NewRequest("GET", "/fake/change-password?ticket="+ticket, nil))
	page := w.Body.String()
	for _, want := range []string{`action="/ums/fake/change-password"`, `method="post"`, `name="ticket" value="` + ticket + `"`, `name="password" type="password"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, foreign := range []string{"http://", "https://", "//", "<script", "src="} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %s in it", foreign)
		}
	}
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-store",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestFormIsEscaped(t *testing.T) {
	p, _ := open(t, nil)
	form := url.Values{"ticket": {`"><script>alert(1)</script>`}, "password": {"short"}}
	r := httptest.NewRequest("POST", "/fake/change-password", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	if w := request(t, p, r); w.Code != 400 || strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("answer: %d %s", w.Code, w.Body)
	}
}

func TestSetPasswordByForm(t *testing.T) {
	p, _ := open(t, nil)
	ticket := mailedTicket(t, p, mustCreate(t, p, ada()).ID)
	send := func(password string) *httptest.ResponseRecorder {
		form := url.Values{"ticket": {ticket}, "password": {password}}
		r := httptest.NewRequest("POST", "/fake/change-password", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		return request(t, p, r)
	}
	if w := send("short"); w.Code != 400 || !strings.Contains(w.Body.String(), "at least 8 characters") || !strings.Contains(w.Body.String(), "<form") {
		t.Errorf("a short password: %d %s, want the form again and why", w.Code, w.Body)
	}
	if w := send("another password"); w.Code != 200 || !strings.Contains(w.Body.String(), "The password was changed.") {
		t.Errorf("a good password: %d %s", w.Code, w.Body)
	}
	if w := send("a third password"); w.Code != 410 || strings.Contains(w.Body.String(), "<form") {
		t.Errorf("the ticket again: %d %s", w.Code, w.Body)
	}
	if _, err := p.Login(t.Context(), "ada", secret.New("another password")); err != nil {
		t.Errorf("Login with the new password: %v", err)
	}
	_, err := p.Login(t.Context(), "ada", secret.New(password))
	wantRefusal(t, err, 401, "Wrong email or password.")
}

// answerError is the body of every error.
type answerError struct {
	StatusCode int    `json:"statusCode"`
	Error      string `json:"error"`
	Message    string `json:"message"`
}

func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, message string) {
	t.Helper()
	var got answerError
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	want := answerError{status, http.StatusText(status), message}
	if diff := cmp.Diff(want, got); diff != "" || w.Code != status {
		t.Errorf("status %d, body (-want +got):\n%s", w.Code, diff)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

const ticketOver = "The ticket is used, overtaken by a newer password, or expired. Ask for another mail."

func TestTicketsThatWorkNoMore(t *testing.T) {
	tests := map[string]struct {
		spoil   func(t *testing.T, p *Provider, c *clock, id string, ticket *string)
		status  int
		message string
	}{
		"unknown": {func(_ *testing.T, _ *Provider, _ *clock, _ string, ticket *string) { *ticket = "unknown" },
			404, "There is no such ticket."},
		"empty": {func(_ *testing.T, _ *Provider, _ *clock, _ string, ticket *string) { *ticket = "" },
			404, "There is no such ticket."},
		"expired": {func(_ *testing.T, _ *Provider, c *clock, _ string, _ *string) { c.advance(24*time.Hour + time.Second) },
			410, ticketOver},
		"used": {func(t *testing.T, p *Provider, _ *clock, _ string, ticket *string) {
			post(t, p, *ticket, "another password")
		},
			410, ticketOver},
		"overtaken by another mail's": {func(t *testing.T, p *Provider, _ *clock, id string, _ *string) {
			setPasswordByMail(t, p, id, "another password")
		},
			410, ticketOver},
		"mailed to a former address": {func(t *testing.T, p *Provider, _ *clock, id string, _ *string) {
			if _, err := p.Update(t.Context(), id, providers.Change{Email: new("countess@example.com")}); err != nil {
				t.Fatal(err)
			}
		}, 410, ticketOver},
		"of a deleted account": {func(t *testing.T, p *Provider, _ *clock, id string, _ *string) {
			if err := p.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}, 410, ticketOver},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, c := open(t, nil)
			id := mustCreate(t, p, ada()).ID
			ticket := mailedTicket(t, p, id)
			test.spoil(t, p, c, id, &ticket)
			wantError(t, post(t, p, ticket, "a third password"), test.status, test.message)
			wantError(t, request(t, p, httptest.NewRequest("GET", "/fake/change-password?ticket="+ticket, nil)), test.status, test.message)
			if _, err := p.Login(t.Context(), "ada", secret.New("a third password")); err == nil {
				t.Error("the password was set all the same")
			}
		})
	}
}

func TestTicketOfABlockedAccount(t *testing.T) {
	p, _ := open(t, nil)
	id := mustCreate(t, p, ada()).ID
	ticket := mailedTicket(t, p, id)
	if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
		t.Fatal(err)
	}
	if w := post(t, p, ticket, "another password"); w.Code != 200 {
		t.Errorf("answer: %d %s", w.Code, w.Body)
	}
	_, err := p.Login(t.Context(), "ada", secret.New("another password"))
	wantRefusal(t, err, 401, "user is blocked")
}

func TestPagesRefuse(t *testing.T) {
	const unreadable = "The request cannot be read: it must have a ticket and a password, both texts."
	tests := map[string]struct {
		method, path, contentType, body string
		status                          int
		message                         string
	}{
		"a short password":      {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET","password":"1234567"}`, 400, "The password must have at least 8 characters."},
		"a long password":       {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET","password":"` + strings.Repeat("x", 73) + `"}`, 400, "The password must not be longer than 72 bytes."},
		"a password of spaces":  {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET","password":"\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"}`, 400, "The password must not contain a zero byte."},
		"no password":           {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET"}`, 400, "The password must have at least 8 characters."},
		"another type":          {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET","password":12345678}`, 400, unreadable},
		"an unknown field":      {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET","password":"12345678","admin":true}`, 400, unreadable},
		"broken JSON":           {"POST", "/fake/change-password", "application/json", `{`, 400, unreadable},
		"nothing":               {"POST", "/fake/change-password", "application/json", ``, 400, unreadable},
		"JSON and more":         {"POST", "/fake/change-password", "application/json", `{"ticket":"TICKET","password":"12345678"} {}`, 400, unreadable},
		"a broken form":         {"POST", "/fake/change-password", "application/x-www-form-urlencoded", `ticket=%zz`, 400, unreadable},
		"another media type":    {"POST", "/fake/change-password", "text/plain", `ticket=TICKET`, 415, "The request must be a form or JSON."},
		"too large JSON":        {"POST", "/fake/change-password", "application/json", `{"ticket":"` + strings.Repeat("x", 20000) + `"}`, 413, "The request is larger than 16384 bytes."},
		"too large a form":      {"POST", "/fake/change-password", "application/x-www-form-urlencoded", `ticket=` + strings.Repeat("x", 20000), 413, "The request is larger than 16384 bytes."},
		"spaces without end":    {"POST", "/fake/change-password", "application/json", `{}` + strings.Repeat(" ", 20000), 413, "The request is larger than 16384 bytes."},
		"an unknown page":       {"GET", "/fake/nothing", "", "", 404, "There is no such page."},
		"the pages' own path":   {"GET", "/fake/", "", "", 404, "There is no such page."},
		"another method":        {"DELETE", "/fake/outbox", "", "", 405, "The method DELETE is not allowed here."},
		"another page's method": {"POST", "/fake/outbox/", "", "", 405, "The method POST is not allowed here."},
	}
	p, _ := open(t, nil)
	ticket := mailedTicket(t, p, mustCreate(t, p, ada()).ID)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(strings.ReplaceAll(test.body, "TICKET", ticket)))
			r.Header.Set("Content-Type", test.contentType)
			w := request(t, p, r)
			wantError(t, w, test.status, test.message)
			if allow := w.Header().Get("Allow"); (allow != "") != (test.status == 405) {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
	mustLogin(t, p, "ada") // with the old password
}
