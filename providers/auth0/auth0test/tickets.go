package auth0test

import (
	"net/http"
	"strings"
	"time"
)

// A ticket is a link of a mail.
type ticket struct {
	user    string // the account's id
	kind    string // of mail
	expires time.Time
	verify  bool // the user's address is verified by using it
}

// Kinds of mails.
const (
	changePasswordMail = "change-password"
	verificationMail   = "verification"
)

// ticketLife is how long a link works unless told otherwise.
const ticketLife = 432_000 * time.Second

// longestTicket is in seconds, and longer than anybody waits.
const longestTicket = 1 << 32

// newTicket returns a link for a user.
func (t *Tenant) newTicket(kind, user string, expires time.Time, verify bool) string {
	value := randomLetters(32)
	t.tickets[value] = ticket{user, kind, expires, verify}
	page := "reset-password"
	if kind == verificationMail {
		page = "email-verification"
	}
	return t.base + "/u/" + page + "?ticket=" + value + "#"
}

// sendVerification mails a user whose address is to be verified.
func (t *Tenant) sendVerification(doc map[string]any) {
	if to := textOrEmpty(doc["email"]); to != "" {
		link := t.newTicket(verificationMail, textOrEmpty(doc["user_id"]), time.Now().Add(ticketLife), true)
		t.mails = append(t.mails, Mail{verificationMail, to, link})
	}
}

var ticketProperties = map[string]property{
	"user_id":                {kind: "string", min: 1, about: "user_id for whom the ticket should be created"},
	"result_url":             {kind: "string", form: isURI, format: "url", about: "URL the user will be redirected to"},
	"client_id":              {kind: "string", min: 1, about: "ID of the client"},
	"organization_id":        {kind: "string", min: 1, about: "ID of the organization"},
	"ttl_sec":                {kind: "number", about: "Number of seconds for which the ticket is valid before expiration"},
	"includeEmailInRedirect": {kind: "boolean", about: "Whether to include the email address as part of the returnUrl"},
	"identity":               {kind: "object", about: "This must be provided to verify social, enterprise, passwordless email or secondary identities"},
}

func ticketSchema(names ...string) schema {
	s := schema{properties: map[string]property{}}
	for name, p := range ticketProperties {
		s.properties[name] = p
	}
	for _, name := range names {
		kind := "string"
		if strings.HasPrefix(name, "mark_") {
			kind = "boolean"
		}
		s.properties[name] = property{kind: kind, about: name}
	}
	return s
}

var (
	passwordTicketSchema     = ticketSchema("email", "connection_id", "mark_email_as_verified")
	verificationTicketSchema = ticketSchema()
)

// passwordTicket handles POST /api/v2/tickets/password-change.
func passwordTicket(c *call) (*reply, error) {
	return makeTicket(c, passwordTicketSchema, changePasswordMail)
}

// verificationTicket handles POST /api/v2/tickets/email-verification.
func verificationTicket(c *call) (*reply, error) {
	return makeTicket(c, verificationTicketSchema, verificationMail)
}

func makeTicket(c *call, s schema, kind string) (*reply, error) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := s.check(in); err != nil {
		return nil, err
	}
	a, err := c.ticketUser(in)
	if err != nil {
		return nil, err
	}
	life := ticketLife
	if seconds, ok := in["ttl_sec"].(interface{ Int64() (int64, error) }); ok {
		if n, err := seconds.Int64(); err == nil && n > 0 {
			life = time.Duration(min(n, longestTicket)) * time.Second
		}
	}
	link := c.tenant.newTicket(kind, a.id, c.now.Add(life), kind == verificationMail || in["mark_email_as_verified"] == true)
	return ok(http.StatusCreated, map[string]any{"ticket": link}), nil
}

// ticketUser returns the account that a ticket is for.
func (c *call) ticketUser(in map[string]any) (*account, error) {
	id, email := textOrEmpty(in["user_id"]), textOrEmpty(in["email"])
	a := c.tenant.users.accounts[id]
	if id == "" && email != "" {
		a = c.tenant.users.accounts[c.tenant.users.owners[identifier{"email", strings.ToLower(email)}]]
	}
	client, organization := textOrEmpty(in["client_id"]), in["organization_id"]
	_, known := c.tenant.clients[client]
	switch {
	case id == "" && email == "":
		return nil, invalid("Payload validation error: 'Missing required property: user_id'.")
	case id != "" && email != "" || email != "" && in["connection_id"] == nil:
		return nil, invalid("Payload validation error: 'Either user_id or email and connection_id must be given'.")
	case in["connection_id"] != nil && in["connection_id"] != ConnectionID:
		return nil, refuse(http.StatusBadRequest, "", "The connection with id "+textOrEmpty(in["connection_id"])+" does not exist.")
	case client != "" && !known:
		return nil, refuse(http.StatusBadRequest, "", "The client does not exist")
	case organization != nil:
		return nil, refuse(http.StatusBadRequest, "", "The organization does not exist")
	case a == nil:
		return nil, errUserNotFound
	case a.doc["email"] == nil:
		return nil, refuse(http.StatusBadRequest, "", "The user does not have an email address.")
	}
	return a, nil
}

// verificationSchema is of POST /api/v2/jobs/verification-email.
var verificationSchema = schema{required: []string{"user_id"}, properties: map[string]property{
	"user_id": ticketProperties["user_id"], "organization_id": ticketProperties["organization_id"], "identity": ticketProperties["identity"],
	"client_id": {kind: "string", format: "client-id", form: isClientID,
		about: "client_id of the client (application). If no value provided, the global Client ID will be used"},
}}

func isClientID(s string) bool { return s != "" && !strings.ContainsAny(s, "#<>: ") }

// startVerification handles POST /api/v2/jobs/verification-email.
func startVerification(c *call) (*reply, error) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := verificationSchema.check(in); err != nil {
		return nil, err
	}
	a := c.tenant.users.accounts[textOrEmpty(in["user_id"])]
	switch {
	case a == nil:
		return nil, errUserNotFound
	case a.doc["email"] == nil:
		return nil, refuse(http.StatusBadRequest, "", "User does not have an email address.")
	}
	j := &job{id: "job_" + randomLetters(16), kind: "verification_email", status: pending, began: c.now}
	answer := ok(http.StatusCreated, j.shown(c.tenant.cfg, c.now))
	j.status = failed // of a user who is verified
	if a.doc["email_verified"] != true {
		j.status = completed
		c.tenant.sendVerification(a.doc)
	}
	c.tenant.jobs[j.id] = j
	return answer, nil
}
