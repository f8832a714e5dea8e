package auth0test

import (
	"html/template"
	"net/http"
	"time"

	"user-manager/secret"
)

// page is what the links of mails lead to: a form, or a word about what became of it.
var page = template.Must(template.New("page").Parse(`<!doctype html><meta charset="utf-8"><title>Stand-in of an Auth0 tenant</title>
<p>{{.Message}}</p>
{{if .Ticket}}<form method="post"><input type="hidden" name="ticket" value="{{.Ticket}}">
<input type="password" name="password" minlength="8" required autofocus> <button>Set password</button></form>{{end}}
`))

type pageData struct{ Message, Ticket string }

func showPage(w http.ResponseWriter, status int, data pageData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address has the ticket
	w.WriteHeader(status)
	page.Execute(w, data) // a client that went away needs no answer
}

// addPages adds what the links of mails lead to. It is no part of the APIs: nothing of it is
// counted, limited or planned to fail.
func (t *Tenant) addPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /u/reset-password", func(w http.ResponseWriter, r *http.Request) {
		value := r.URL.Query().Get("ticket")
		if t.holder(value, changePasswordMail) == "" {
			showPage(w, http.StatusNotFound, pageData{Message: "This link does not work, or not any more."})
			return
		}
		showPage(w, http.StatusOK, pageData{"Choose a new password.", value})
	})
	mux.HandleFunc("POST /u/reset-password", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		status, message := t.resetPassword(r.PostFormValue("ticket"), secret.New(r.PostFormValue("password")))
		showPage(w, status, pageData{Message: message})
	})
	mux.HandleFunc("GET /u/email-verification", func(w http.ResponseWriter, r *http.Request) {
		status, message := t.verifyEmail(r.URL.Query().Get("ticket"))
		showPage(w, status, pageData{Message: message})
	})
}

// holder returns the id of the user that a ticket of the kind is for, or "".
func (t *Tenant) holder(value, kind string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.tickets[value]
	if !ok || known.kind != kind || !time.Now().Before(known.expires) || t.users.accounts[known.user] == nil {
		return ""
	}
	return known.user
}

// resetPassword uses a ticket for a new password.
func (t *Tenant) resetPassword(value string, password secret.Text) (status int, message string) {
	user := t.holder(value, changePasswordMail)
	if user == "" {
		return http.StatusNotFound, "This link does not work, or not any more."
	}
	if weak(password.Reveal()) {
		return http.StatusBadRequest, "The password is too weak."
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if a := t.users.accounts[user]; a != nil {
		a.password, a.hash = password, ""
		doc := a.changed()
		doc["last_password_reset"], doc["updated_at"] = stamp(now), stamp(now)
		if t.tickets[value].verify {
			doc["email_verified"] = true
		}
		t.users.put(a, doc, now)
	}
	delete(t.tickets, value)
	return http.StatusOK, "The password is set."
}

// verifyEmail uses a ticket that says whose an address is.
func (t *Tenant) verifyEmail(value string) (status int, message string) {
	user := t.holder(value, verificationMail)
	if user == "" {
		return http.StatusNotFound, "This link does not work, or not any more."
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if a := t.users.accounts[user]; a != nil {
		doc := a.changed()
		doc["email_verified"], doc["updated_at"] = true, stamp(now)
		t.users.put(a, doc, now)
	}
	delete(t.tickets, value)
	return http.StatusOK, "The email address is verified."
}
