package fake

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"user-manager/providers"
	"user-manager/secret"
)

// The pages, below the service's prefix.
const (
	mountedAt    = "/fake/"
	outboxPage   = mountedAt + "outbox"
	passwordPage = mountedAt + "change-password"
)

const (
	maxForm     = 16 << 10 // bytes of a request
	minPassword = 8        // characters of a password that a person chooses
)

// Mount implements [providers.Frontend]: the outbox, and the page that the links in
// its mails lead to.
func (p *Provider) Mount() providers.Pages {
	mux := http.NewServeMux()
	handle := func(method, path string, h page) { // with and without a final slash
		mux.Handle(method+" "+path, p.answer(h))
		mux.Handle(method+" "+path+"/{$}", p.answer(h))
	}
	handle("GET", outboxPage, p.showOutbox)
	handle("GET", passwordPage, p.showForm)
	handle("POST", passwordPage, p.takeForm)
	return providers.Pages{Path: mountedAt, Handler: p.jsonErrors(mux), Linked: []string{passwordPage}}
}

// page answers a request, or returns why it cannot.
type page func(w http.ResponseWriter, r *http.Request) error

// answer makes an http.Handler of h: it alone writes errors.
func (p *Provider) answer(h page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := h(w, r); err != nil {
			p.refuse(w, r, err)
		}
	})
}

// A pageError is what is wrong with a request.
type pageError struct {
	status  int
	message string
}

func (e *pageError) Error() string { return e.message }

// statusOf returns what a client is told of err.
func statusOf(err error) (status int, message string) {
	if wrong, ok := errors.AsType[*pageError](err); ok {
		return wrong.status, wrong.message
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("The request is larger than %d bytes.", maxForm)
	}
	switch {
	case errors.Is(err, errNoSuchUser):
		return http.StatusNotFound, "There is no such ticket."
	case errors.Is(err, errTicketOver):
		return http.StatusGone, "The ticket is used, overtaken by a newer password, or expired. Ask for another mail."
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		return http.StatusBadRequest, no.message
	}
	return http.StatusInternalServerError, "Something went wrong."
}

// refuse answers with err, as a page to people and as JSON to programs.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, message := statusOf(err)
	if status == http.StatusInternalServerError {
		p.log.Error("page of the fake provider", "route", r.Pattern, "err", err)
	}
	if wantsHTML(r) {
		writePage(w, status, pageData{Message: message})
		return
	}
	writeError(w, status, message)
}

// jsonErrors lets mux answer, except for a request that it has no route for: the
// mux says which error that is, but in plain text.
func (p *Provider) jsonErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := bodiless{header: w.Header()}
		h.ServeHTTP(&refusal, r)
		writeError(w, refusal.status, cmp.Or(map[int]string{
			http.StatusNotFound:         "There is no such page.",
			http.StatusMethodNotAllowed: "The method " + r.Method + " is not allowed here.",
		}[refusal.status], http.StatusText(refusal.status)))
	})
}

// bodiless takes the status and the headers of an answer.
type bodiless struct {
	header http.Header
	status int
}

func (b *bodiless) Header() http.Header         { return b.header }
func (b *bodiless) WriteHeader(status int)      { b.status = status }
func (b *bodiless) Write(p []byte) (int, error) { return len(p), nil }

// showOutbox handles GET /fake/outbox.
func (p *Provider) showOutbox(w http.ResponseWriter, r *http.Request) error {
	type mailBody struct {
		To      string    `json:"to"`
		Subject string    `json:"subject"`
		Text    string    `json:"text"`
		Link    string    `json:"link"`
		SentAt  time.Time `json:"sentAt"`
	}
	mails, err := p.mails(r.Context(), strings.ToLower(r.URL.Query().Get("to")))
	if err != nil {
		return err
	}
	base := url.URL{Scheme: "http", Host: r.Host, Path: p.settings.prefix + passwordPage}
	if r.TLS != nil {
		base.Scheme = "https"
	}
	answer := make([]mailBody, 0, len(mails))
	for _, m := range mails {
		base.RawQuery = url.Values{"ticket": {m.ticket}}.Encode()
		answer = append(answer, mailBody{To: m.to, Subject: m.subject, Text: m.text, Link: base.String(), SentAt: m.sentAt})
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// showForm handles GET /fake/change-password.
func (p *Provider) showForm(w http.ResponseWriter, r *http.Request) error {
	ticket := r.URL.Query().Get("ticket")
	if _, err := p.ticketOwner(r.Context(), ticket); err != nil {
		return err
	}
	writePage(w, http.StatusOK, p.form(ticket, ""))
	return nil
}

func (p *Provider) form(ticket, message string) pageData {
	return pageData{Message: message, Ticket: ticket, Action: p.settings.prefix + passwordPage, MinPassword: minPassword}
}

// passwordForm is what is posted to the page.
type passwordForm struct {
	Ticket   string `json:"ticket"`
	Password string `json:"password"`
}

// takeForm handles POST /fake/change-password.
func (p *Provider) takeForm(w http.ResponseWriter, r *http.Request) error {
	in, err := readForm(w, r)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(in.Password) < minPassword {
		err = &pageError{http.StatusBadRequest, fmt.Sprintf("The password must have at least %d characters.", minPassword)}
	} else {
		err = p.setPassword(r.Context(), in.Ticket, secret.New(in.Password))
	}
	if err != nil {
		if status, message := statusOf(err); status == http.StatusBadRequest && wantsHTML(r) {
			writePage(w, status, p.form(in.Ticket, message)) // to choose another password
			return nil
		}
		return err
	}
	const done = "The password was changed."
	if wantsHTML(r) {
		writePage(w, http.StatusOK, pageData{Message: done})
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]string{"message": done})
	return nil
}

// readForm reads what a browser's form or a program posts.
func readForm(w http.ResponseWriter, r *http.Request) (passwordForm, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	var in passwordForm
	var err error
	switch media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media {
	case "application/json":
		err = decode(r.Body, &in)
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
		in = passwordForm{Ticket: r.PostForm.Get("ticket"), Password: r.PostForm.Get("password")}
	default:
		return in, &pageError{http.StatusUnsupportedMediaType, "The request must be a form or JSON."}
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); err != nil && !tooLarge {
		return in, &pageError{http.StatusBadRequest, "The request cannot be read: it must have a ticket and a password, both texts."}
	}
	return in, err
}

// decode reads the one JSON value that body is.
func decode(body io.Reader, into any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	switch err := d.Decode(new(any)); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("something follows the value")
	default:
		return err
	}
}
