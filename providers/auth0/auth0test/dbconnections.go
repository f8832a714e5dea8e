package auth0test

import (
	"net/http"
	"strings"

	"user-manager/secret"
)

// sentence is an older kind of error of the Authentication API.
func sentence(status int, text string) *reply {
	return &reply{status: status, kind: managementJSON, body: map[string]any{"error": text}}
}

// changePassword handles POST /dbconnections/change_password.
func changePassword(c *call) (*reply, error) {
	p, err := c.parameters()
	if err != nil {
		return nil, err
	}
	email := strings.ToLower(p.text("email"))
	if id := p.text("client_id"); id != "" {
		if _, ok := c.tenant.clients[id]; !ok {
			return nil, sentence(http.StatusBadRequest, "unknown client: "+id)
		}
	}
	switch {
	case email == "":
		return nil, sentence(http.StatusBadRequest, "email is required")
	case p.text("connection") == "":
		return nil, sentence(http.StatusBadRequest, "connection is required")
	case p.text("connection") != Connection:
		return nil, sentence(http.StatusBadRequest, "connection not found")
	}
	if err := c.charge("change_password", c.address(false)+" "+email, c.tenant.cfg.Limits.ChangePassword); err != nil {
		return nil, err
	}
	if id, ok := c.tenant.users.owners[identifier{"email", email}]; ok {
		link := c.tenant.newTicket(changePasswordMail, id, c.now.Add(ticketLife), false)
		c.tenant.mails = append(c.tenant.mails, Mail{changePasswordMail, email, link})
	}
	return &reply{status: http.StatusOK, kind: "text/html; charset=utf-8", body: "We've just sent you an email to reset your password."}, nil
}

// Errors of sign-up, in a shape of their own.
var (
	errSignUp = &reply{status: http.StatusBadRequest, kind: managementJSON, body: map[string]any{
		"name": "BadRequestError", "code": "invalid_signup", "description": "Invalid sign up", "statusCode": 400,
	}}
	errWeak = &reply{status: http.StatusBadRequest, kind: managementJSON, body: map[string]any{
		"name": "PasswordStrengthError", "message": "Password is too weak", "code": "invalid_password", "statusCode": 400,
		"policy": "* At least 8 characters in length", "description": map[string]any{"verified": false, "rules": []any{map[string]any{
			"message": "At least %d characters in length", "format": []any{8}, "code": "lengthAtLeast", "verified": false,
		}}},
	}}
)

// signUpProperties are what a sign-up may say of the user.
var signUpProperties = []string{"email", "username", "phone_number", "given_name", "family_name", "name", "nickname", "picture", "user_metadata"}

// signUp handles POST /dbconnections/signup.
func signUp(c *call) (*reply, error) {
	p, err := c.parameters()
	if err != nil {
		return nil, err
	}
	if err := c.charge("signup", c.address(false), c.tenant.cfg.Limits.SignUp); err != nil {
		return nil, err
	}
	in := map[string]any{}
	for _, name := range signUpProperties {
		if value, ok := p[name]; ok && value != "" {
			in[name] = value
		}
	}
	if err := c.checkSignUp(p, in); err != nil {
		return nil, err
	}
	a := &account{id: prefix + randomHex(12), password: secret.New(p.text("password"))}
	doc := newDocument(a.id, in, c.now)
	if c.tenant.users.taken(doc, a.id) != "" {
		return nil, errSignUp
	}
	c.tenant.users.put(a, doc, c.now)
	c.tenant.verifyNew(in, doc)
	return ok(http.StatusOK, signedUp(a.id, doc)), nil
}

func (c *call) checkSignUp(p parameters, in map[string]any) error {
	if _, ok := c.tenant.clients[p.text("client_id")]; !ok {
		return errSignUp
	}
	switch password := p.text("password"); {
	case p.text("connection") == "" || password == "" || !hasIdentifier(in):
		return errSignUp
	case p.text("connection") != Connection:
		return sentence(http.StatusBadRequest, "connection not found")
	case c.tenant.cfg.RequiresUsername && in["username"] == nil:
		return sentence(http.StatusBadRequest, "missing username for "+Connection+" connection with requires_username enabled")
	case weak(password):
		return errWeak
	}
	if createSchema.check(withConnection(in)) != nil || checkMetadata(in) != nil {
		return errSignUp
	}
	return nil
}

// withConnection returns a copy that names the connection, if it names none.
func withConnection(in map[string]any) map[string]any {
	all := map[string]any{"connection": Connection}
	for name, value := range in {
		all[name] = value
	}
	return all
}

// signedUp is the answer to a sign-up: the identifiers that were sent.
func signedUp(id string, doc map[string]any) map[string]any {
	answer := map[string]any{"_id": strings.TrimPrefix(id, prefix)}
	for property, verified := range map[string]string{"email": "email_verified", "username": "", "phone_number": "phone_verified"} {
		if doc[property] == nil {
			continue
		}
		answer[property] = doc[property]
		if verified != "" {
			answer[verified] = false
		}
	}
	return answer
}
